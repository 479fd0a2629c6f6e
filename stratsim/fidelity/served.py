"""How long executions take where they are served, measured from a live run and written into a copy of the profile.

A profiler runs a model again and again, in a loop of its own. A server comes to it after another one, whose data are in
the caches, and beside whatever else the host does. The difference is the device's as it is used, and measured as such.
"""

from __future__ import annotations

from dataclasses import replace
from math import sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stratsim.errors import SpecError
from stratsim.model.parts import Provenance
from stratsim.stats.intervals import mean_interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from stratsim.engine import BatchTable, Result
    from stratsim.fidelity.record import Recorded
    from stratsim.model.profile import Profile

__all__ = ["Served", "measure_served", "served_alone", "with_served"]

_LEAST = 20
"""Executions from which on a mean counts as measured."""


class Served(NamedTuple):
    """Executions of a model at one batch size, those that nobody was beside.

    The mean, as a profile's latencies are means, with Student's 95 % interval; None: too few executions.
    """

    model: str
    size: int
    profile_s: float
    """What the profile says."""
    mean_s: float | None
    low_s: float | None
    high_s: float | None
    cv: float | None
    """Coefficient of variation."""
    drift: float | None
    """Mean of the second half of them over that of the first, less 1: how steady the device was."""
    n: int


def served_alone(batches: BatchTable) -> NDArray[np.bool_]:
    """Return which batches have executed without another one on their GPU, shape (n,)."""
    alone = np.zeros(len(batches.execution_end_s), dtype=bool)
    for gpu in np.unique(batches.gpu):
        rows = np.flatnonzero((batches.gpu == gpu) & ~np.isnan(batches.execution_end_s))
        rows = rows[np.argsort(batches.execution_start_s[rows], kind="stable")]
        start_s, end_s = batches.execution_start_s[rows], batches.execution_end_s[rows]
        before_s = np.append(-np.inf, np.maximum.accumulate(end_s)[:-1])
        after_s = np.append(start_s[1:], np.inf)
        alone[rows] = (before_s <= start_s) & (end_s <= after_s)
    return alone


def measure_served(result: Result, profile: Profile) -> list[Served]:
    """Return a row for every batch size that the profile has of the models that were served."""
    batches = result.batches
    time_s = batches.execution_end_s - batches.execution_start_s
    alone = served_alone(batches)
    rows = []
    for code in np.unique(batches.model).tolist():
        name = result.models[code]
        for size, profile_s in sorted(profile.observable.models[name].latency_s.items()):
            chosen = alone & (batches.model == code) & (batches.size == size)
            rows.append(_row(name, size, profile_s, time_s[chosen]))
    return rows


def _row(model: str, size: int, profile_s: float, times_s: NDArray[np.float64]) -> Served:
    n = len(times_s)
    if n < _LEAST:
        return Served(model, size, profile_s, None, None, None, None, None, n)
    found = mean_interval(times_s)
    first, second = times_s[: n // 2].mean(), times_s[n // 2 :].mean()
    cv = float(times_s.std(ddof=1)) / found.mean
    return Served(model, size, profile_s, found.mean, found.low, found.high, cv, float(second / first) - 1.0, n)


def with_served(profile: Profile, run: Recorded) -> tuple[Profile, list[Served]]:
    """Return a copy of the profile with the latencies and the run-to-run variation of a live run, and its figures.

    A batch size with too few executions is scaled as the others of its model are (by the mean of their ratios to the
    profile): what makes service slower is the place, and a table of two harnesses would have steps between its sizes.
    A model of which nothing was measured stays as it is. The provenance says which is which.

    Args:
        profile: The device.
        run: A live run that is not to be judged with it.

    Raises:
        SpecError: nothing could be measured.
    """
    found = measure_served(run.result, profile)
    measured = [row for row in found if row.mean_s is not None]
    if not measured:
        raise SpecError(f"{run.directory}: too few batches that executed alone to measure latencies")
    source = f"live run {run.directory.name} of {run.policy!r}, batches sha256 {run.digest}"
    models, provenance = dict(profile.observable.models), dict(profile.provenance)
    for name in dict.fromkeys(row.model for row in measured):
        own = [row for row in found if row.model == name]
        models[name] = replace(models[name], latency_s=_latencies(own))
        note = "; ".join(_described(row) for row in own)
        provenance[f"observable.models.{name}.latency_s"] = Provenance("measured", source, note=note)
    provenance["truth.noise_cv"] = Provenance("measured", source, note="executions alone, all models and batch sizes")
    return replace(
        profile,
        observable=replace(profile.observable, models=models),
        truth=replace(profile.truth, noise_cv=_pooled_cv(measured)),
        provenance=provenance,
    ), found


def _latencies(rows: Sequence[Served]) -> dict[int, float]:
    scale = float(np.mean([row.mean_s / row.profile_s for row in rows if row.mean_s is not None]))
    return {row.size: row.mean_s if row.mean_s is not None else scale * row.profile_s for row in rows}


def _pooled_cv(rows: Iterable[Served]) -> float:
    squares, degrees = 0.0, 0
    for row in rows:
        squares += (row.n - 1) * (row.cv or 0.0) ** 2
        degrees += row.n - 1
    return sqrt(squares / degrees)


def _described(row: Served) -> str:
    if row.mean_s is None or row.low_s is None or row.high_s is None or row.drift is None:
        return f"batch {row.size}: {row.n} executions, scaled as the others"
    return (
        f"batch {row.size}: mean {row.mean_s:.6g} s [{row.low_s:.6g}, {row.high_s:.6g}], {row.n} executions, "
        f"{row.mean_s / row.profile_s - 1.0:+.1%} of the profiler's, drift {row.drift:+.1%}"
    )
