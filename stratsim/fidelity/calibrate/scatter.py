"""By how much executions vary about what the device model says, co-located and alone: what it leaves unexplained."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stratsim.fidelity.progress import expected_executions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from stratsim.fidelity.record import Recorded
    from stratsim.model.profile import Profile

__all__ = ["Scatter", "measure_scatter"]

_LEAST = 20
"""Executions from which on a variation counts as measured."""


class Scatter(NamedTuple):
    """How executions scatter about what is expected of them, beside those that they met.

    Args:
        cv: Coefficient of variation of live over expected, and of the solo times with which the simulator scatters as
            much: the mean rate of an execution does not depend on its own noise.
        mean: Mean of live over expected.
        n: Executions.
        by_model: `cv` of each model that has at least 20.
    """

    cv: float
    mean: float
    n: int
    by_model: dict[str, float]


def measure_scatter(runs: Sequence[Recorded], profile: Profile) -> Scatter | None:
    """Return how live executions scatter about what is expected of them; None: there are too few.

    A policy that keeps a margin for errors of its estimates goes by this scatter. Executions alone show only the part
    of it that co-location does not cause.

    Args:
        runs: Live runs.
        profile: The device, with what corrects its contention.
    """
    found: dict[str, list[NDArray[np.float64]]] = {}
    for run in runs:
        batches = run.result.batches
        ratios = (batches.execution_end_s - batches.execution_start_s) / expected_executions(run, profile)
        for code, name in enumerate(run.result.models):
            found.setdefault(name, []).append(ratios[run.counts & (batches.model == code) & np.isfinite(ratios)])
    joined = {name: np.concatenate(parts) for name, parts in found.items()}
    live = np.concatenate([*joined.values(), np.empty(0)])
    if len(live) < _LEAST:
        return None
    by_model = {name: _cv(ratios) for name, ratios in joined.items() if len(ratios) >= _LEAST}
    return Scatter(_cv(live), float(live.mean()), len(live), by_model)


def _cv(ratios: NDArray[np.float64]) -> float:
    return float(ratios.std(ddof=1) / ratios.mean())
