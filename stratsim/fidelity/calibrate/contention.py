"""What corrects the contention of a profile where models are served: a factor per model and size, and a cost of starts.

Most of what a contention model gets wrong is not chance: a model at a batch size is off by the same share on every card
and at every load. So it is learned from calibration runs, one number per model and size, drawn towards the mean of its
model and of the device by how much evidence there is. Nothing is replayed: each execution is set against the device
model's own figure for it, beside those that executed then (`stratsim.fidelity.progress`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import exp, hypot, sqrt
from typing import TYPE_CHECKING

import numpy as np

from stratsim.fidelity.calibrate.latency import served_alone
from stratsim.fidelity.progress import device_of, progress, solo_times
from stratsim.model.kernel_queue import AsServed
from stratsim.stats.shrinkage import Shrunk, shrink

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from stratsim.fidelity.record import Recorded
    from stratsim.model.profile import Profile

    Floats = NDArray[np.float64]

__all__ = ["Contention", "learn_contention", "with_contention"]

_LEAST = 20
"""Executions beside others from which on anything is learned."""
_BETWEEN_RUNS = 0.006
"""Standard deviation of a factor's logarithm between cards: two grids on two H200s (docs/results/fidelity.md)."""
_MOST_ALONE = 0.5
"""Share of its solo time that an execution may have been alone."""
_SURE = 2.0
"""Standard deviations from 0 from which on a start has a cost."""


@dataclass(frozen=True, slots=True)
class Contention:
    """What was learned of the contention.

    Args:
        served: The factors and the cost of a start, as a profile has them.
        n: Executions beside others.
        error: Median of |predicted / live - 1|, before and after.
        shrunk: The estimates behind the factors.
    """

    served: AsServed
    n: int
    error: tuple[float, float]
    shrunk: Shrunk


@dataclass(frozen=True, slots=True)
class _Executions:
    """Executions beside others: shapes (n,); times in seconds. What is known of each by the device model as it is."""

    keys: list[tuple[str, int]]
    took_s: Floats
    solo_s: Floats
    alone_s: Floats
    beside_s: Floats
    """Work that it should have done beside others."""
    starts: Floats
    """As `Progress.starts`."""

    def expected_s(self, factors: Floats, start_s: float) -> Floats:
        """Return how long they should have taken."""
        work_s = self.solo_s + start_s * self.starts / factors
        expected_s: Floats = work_s * self.took_s / (self.alone_s + self.beside_s / factors)
        return expected_s


def learn_contention(runs: Sequence[Recorded], profile: Profile) -> Contention | None:
    """Return what corrects the contention of `kernel-queue`; None: too few executions, or another device model.

    Beside others an execution should do the solo work that it does not do alone, S. By the model as it is it would have
    done W in the time that it had them, and for each start that they made lost r c, r being its rate then; with R the
    sum of r, and f the factor of its model and size, W = f S + c R. So the cost c is the least-squares slope of W / S
    on R / S within models and sizes, 0 unless it is two standard deviations above; and ln f is the mean of
    ln((W - c R) / S) by model and size, drawn towards the model's and the device's (`shrink`). Executions that did more
    than half of their work alone say little of it, and are left out.

    Args:
        runs: Live runs that are not to be judged with it.
        profile: The device; what it says of contention as served already is set aside.
    """
    plain = _plain(profile)
    if plain is None:
        return None
    found = _executions(runs, plain)
    if len(found.keys) < _LEAST:
        return None
    start_s, start_spread_s = _start_cost(found)
    ratios = (found.beside_s - start_s * found.starts) / (found.solo_s - found.alone_s)
    groups: dict[tuple[str, int], list[float]] = {}
    for key, ratio in zip(found.keys, ratios.tolist(), strict=True):
        groups.setdefault(key, []).append(float(np.log(max(ratio, _LEAST_RATIO))))
    shrunk = shrink(groups)
    between = _BETWEEN_RUNS
    factors: dict[str, dict[int, float]] = {}
    spread: dict[str, dict[int, float]] = {}
    for name, entry in plain.observable.models.items():
        sizes = sorted({*entry.latency_s, *(size for model, size in groups if model == name)})
        estimates = {size: shrunk.of(name, size) for size in sizes}
        factors[name] = {size: exp(estimate.mean) for size, estimate in estimates.items()}
        spread[name] = {size: hypot(estimate.sd, between) for size, estimate in estimates.items()}
    served = AsServed(factors, spread, start_s, start_spread_s)
    own = np.array([factors[model][size] for model, size in found.keys])
    before, after = (
        float(np.median(np.abs(expected_s / found.took_s - 1.0)))
        for expected_s in (found.expected_s(np.ones(len(own)), 0.0), found.expected_s(own, start_s))
    )
    return Contention(served, len(found.keys), (before, after), shrunk)


_LEAST_RATIO = 0.01


def with_contention(profile: Profile, served: AsServed) -> Profile:
    """Return a copy of the profile with what was learned."""
    queue = profile.truth.kernel_queue
    assert queue is not None  # noqa: S101 (nothing is learned without)
    return replace(profile, truth=replace(profile.truth, kernel_queue=replace(queue, served=served)))


def _plain(profile: Profile) -> Profile | None:
    queue = profile.truth.kernel_queue
    if queue is None or profile.default_device_model != "kernel-queue":
        return None
    return replace(profile, truth=replace(profile.truth, kernel_queue=replace(queue, served=None)))


def _executions(runs: Sequence[Recorded], profile: Profile) -> _Executions:
    keys: list[tuple[str, int]] = []
    columns: list[list[Floats]] = [[] for _ in range(5)]
    for run in runs:
        batches = run.result.batches
        took_s = batches.execution_end_s - batches.execution_start_s
        model = device_of(run, profile)
        if model is None:
            continue
        found, solo_s = progress(run.result, model), solo_times(run.result, profile)
        beside_s = found.rate * took_s - found.alone_s
        shared = run.counts & ~served_alone(batches) & (beside_s > 0) & (found.alone_s < _MOST_ALONE * solo_s)
        rows = np.flatnonzero(shared)
        keys += [(run.result.models[batches.model[row]], int(batches.size[row])) for row in rows.tolist()]
        for column, values in zip(columns, (took_s, solo_s, found.alone_s, beside_s, found.starts), strict=True):
            column.append(values[rows])
    return _Executions(keys, *(np.concatenate(column) if column else np.empty(0) for column in columns))


def _start_cost(found: _Executions) -> tuple[float, float]:
    """Return the cost of a start and its standard deviation, seconds; 0 unless it is clearly more."""
    kinds = {key: number for number, key in enumerate(dict.fromkeys(found.keys))}
    kind = np.array([kinds[key] for key in found.keys])
    per = np.bincount(kind)

    def centred(values: Floats) -> Floats:
        less: Floats = values - (np.bincount(kind, weights=values) / per)[kind]
        return less

    shared_s = found.solo_s - found.alone_s
    x, y = centred(found.starts / shared_s), centred(found.beside_s / shared_s)
    square = float((x * x).sum())
    degrees = len(kind) - len(kinds) - 1
    if not square or degrees < 1:
        return 0.0, 0.0
    cost_s = float((x * y).sum()) / square
    left = y - cost_s * x
    deviation_s = sqrt(float((left * left).sum()) / degrees / square)
    return (cost_s, deviation_s) if cost_s > _SURE * deviation_s else (0.0, 0.0)
