"""By how much executions vary about what the device model says, co-located and alone: what it leaves unexplained."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stratsim.fidelity.forced import forced_replay
from stratsim.fidelity.levels.stages import durations

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from stratsim.engine import Result
    from stratsim.fidelity.record import Recorded
    from stratsim.model.profile import Profile

__all__ = ["Scatter", "measure_scatter"]

_LEAST = 20
"""Executions from which on a variation counts as measured."""
_STEPS = 3
"""The scatter that noise makes is nearly proportional to it: two steps are enough, the third is for small ones."""


class Scatter(NamedTuple):
    """How executions scatter about those of a forced replay without noise.

    Args:
        noise_cv: Coefficient of variation of solo times with which the simulator scatters as much.
        cv: Coefficient of variation of live over simulated.
        mean: Their mean.
        n: Executions.
    """

    noise_cv: float
    cv: float
    mean: float
    n: int


def measure_scatter(runs: Sequence[Recorded], profile: Profile) -> Scatter | None:
    """Return how live executions scatter about those of a forced replay; None: there are too few.

    A policy that keeps a margin for errors of its estimates goes by this scatter. Executions alone show only the part
    of it that co-location does not cause. Noise scatters executions by more than itself, as it changes which batches
    are co-located, so we search for the noise with which the simulator scatters as the device does (our choice).

    Args:
        runs: Live runs.
        profile: The device.
    """
    expected = [forced_replay(run, profile) for run in runs]
    live = _ratios([run.result for run in runs], expected)
    if len(live) < _LEAST:
        return None
    cv = noise_cv = _cv(live)
    for _ in range(_STEPS if cv > 0 else 0):
        noisy = [forced_replay(run, profile, noise_cv=noise_cv) for run in runs]
        noise_cv *= cv / _cv(_ratios(noisy, expected))
    return Scatter(noise_cv, cv, float(live.mean()), len(live))


def _ratios(results: Sequence[Result], expected: Sequence[Result]) -> NDArray[np.float64]:
    """Return how long each execution took, of what was expected; of all runs, as far as they executed in both."""
    ratios = []
    for pair in zip(results, expected, strict=True):
        found, simulated = (durations(result, "execution") for result in pair)
        both = np.isfinite(found) & (simulated > 0)
        ratios.append(found[both] / simulated[both])
    return np.concatenate(ratios) if ratios else np.empty(0)


def _cv(ratios: NDArray[np.float64]) -> float:
    return float(ratios.std(ddof=1) / ratios.mean())
