"""How long executions take where they are served, measured from a live run and written into a copy of the profile.

A profiler runs a model again and again, in a loop of its own. A server runs it after another one, whose data are in
the caches, and while the host does other work. The difference belongs to the device in service, and is measured there.
"""

from __future__ import annotations

from dataclasses import replace
from math import sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stratsim.errors import SpecError
from stratsim.model.parts import Provenance
from stratsim.model.provenance import origin, replaced
from stratsim.stats.intervals import mean_interval, median_interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from stratsim.engine import BatchTable, Result
    from stratsim.fidelity.record import Recorded
    from stratsim.model.profile import Profile

__all__ = ["Drift", "Served", "measure_drift", "measure_served", "served_alone", "with_served"]

_LEAST = 20
"""Executions from which on a mean counts as measured."""


class Served(NamedTuple):
    """Executions alone of a model at one batch size.

    The mean with Student's 95 % interval, as the simulator's noise has mean 1; and the median with one by order
    statistics, which few long executions do not move: where the two differ, the device has a tail. None: too few
    executions.
    """

    model: str
    size: int
    profile_s: float
    """What the profile says, between its batch sizes too."""
    n: int
    mean_s: float | None = None
    low_s: float | None = None
    high_s: float | None = None
    median_s: float | None = None
    median_low_s: float | None = None
    median_high_s: float | None = None
    cv: float | None = None
    """Coefficient of variation."""
    drift: float | None = None
    """Mean of the second half of them over that of the first, less 1."""


class Drift(NamedTuple):
    """How steady a device was: the second half of all executions that were alone against the first half.

    Each execution counts as a multiple of the mean of its model and batch size. `change` is the ratio of the means of
    the halves, less 1, with a 95 % interval (Student's) that takes executions for independent: on a device whose speed
    wanders it is too narrow.
    """

    change: float
    low: float
    high: float
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


def measure_served(results: Sequence[Result], profile: Profile) -> list[Served]:
    """Return a row for every batch size of the models that were served: the profile's, and others served often enough.

    Args:
        results: Live runs, in the order in which they were made.
        profile: What they are set against.
    """
    known = profile.for_scheduler()
    times_s = _times(results)
    enough = {key for key, times in times_s.items() if len(times) >= _LEAST}
    names = dict.fromkeys(model for result in results for model in result.models)
    kinds = enough.union((name, size) for name in names for size in profile.observable.models[name].latency_s)
    return [
        _row(name, size, known.latency_s(name, size), np.array(times_s.get((name, size), ())))
        for name in names
        for size in sorted(size for model, size in kinds if model == name)
    ]


def _times(results: Sequence[Result]) -> dict[tuple[str, int], list[float]]:
    """Return how long executions alone took, seconds, by model and batch size, in order."""
    found: dict[tuple[str, int], list[float]] = {}
    for result in results:
        for key, time_s in _in_order(result):
            found.setdefault(key, []).append(time_s)
    return found


def _in_order(result: Result) -> list[tuple[tuple[str, int], float]]:
    """Return model and batch size of each execution alone, and how long it took, by when it began."""
    batches = result.batches
    rows = np.flatnonzero(served_alone(batches))
    rows = rows[np.argsort(batches.execution_start_s[rows], kind="stable")]
    time_s = (batches.execution_end_s - batches.execution_start_s)[rows].tolist()
    keys = [(result.models[batches.model[row]], int(batches.size[row])) for row in rows]
    return list(zip(keys, time_s, strict=True))


def _row(model: str, size: int, profile_s: float, times_s: NDArray[np.float64]) -> Served:
    n = len(times_s)
    if n < _LEAST:
        return Served(model, size, profile_s, n)
    mean, median = mean_interval(times_s), median_interval(times_s)
    first, second = times_s[: n // 2].mean(), times_s[n // 2 :].mean()
    cv = float(times_s.std(ddof=1)) / mean.mean
    return Served(model, size, profile_s, n, *mean[:3], *median, cv, float(second / first) - 1.0)


def measure_drift(result: Result) -> Drift | None:
    """Return how steady the device was during a run; None: too few executions alone."""
    executions = _in_order(result)
    means = {key: float(np.mean(times)) for key, times in _times([result]).items() if len(times) >= _LEAST}
    relative = np.array([time_s / means[key] for key, time_s in executions if key in means])
    if not len(relative):
        return None
    from scipy.special import stdtrit

    first, second = np.array_split(relative, 2)
    ratio = float(second.mean() / first.mean())
    spread = sqrt(sum(half.var(ddof=1) / len(half) / half.mean() ** 2 for half in (first, second)))
    reach = ratio * spread * float(stdtrit(len(relative) - 2, 0.975))
    return Drift(ratio - 1.0, ratio - 1.0 - reach, ratio - 1.0 + reach, len(relative))


def with_served(profile: Profile, run: Recorded) -> tuple[Profile, list[Served]]:
    """Return a copy of the profile with the latencies and the run-to-run variation of a live run, and its figures.

    A batch size with too few executions is scaled as the others of its model are (by the mean of their ratios to the
    profile): what makes service slower is the place, and a table of two harnesses would have steps between its sizes.
    Such an entry is an estimate, and labelled as one. A size that the profile lacks, served often enough, is added: it
    would be interpolated else. A model of which nothing was measured stays as it is.

    Args:
        profile: The device.
        run: A live run that is not to be judged with it.

    Raises:
        SpecError: nothing could be measured.
    """
    found = measure_served([run.result], profile)
    measured = [row for row in found if row.mean_s is not None]
    if not measured:
        raise SpecError(f"{run.directory}: too few batches that executed alone to measure latencies")
    source = run.source
    models, provenance = dict(profile.observable.models), dict(profile.provenance)
    for name in dict.fromkeys(row.model for row in measured):
        own = [row for row in found if row.model == name]
        models[name] = replace(models[name], latency_s=_latencies(own))
        path = f"observable.models.{name}.latency_s"
        note = "; ".join(_described(row) for row in own)
        provenance = replaced(provenance, path, Provenance("measured", source, note=note))
        for row in own:
            if row.mean_s is None:
                provenance[f"{path}.{row.size}"] = _scaled(profile, row, source)
    provenance["truth.noise_cv"] = Provenance("measured", source, note=_variation_note(measure_drift(run.result)))
    return replace(
        profile,
        observable=replace(profile.observable, models=models),
        truth=replace(profile.truth, noise_cv=_pooled_cv(measured)),
        provenance=provenance,
    ), found


def _latencies(rows: Sequence[Served]) -> dict[int, float]:
    scale = float(np.mean([row.mean_s / row.profile_s for row in rows if row.mean_s is not None]))
    return {row.size: row.mean_s if row.mean_s is not None else scale * row.profile_s for row in rows}


def _scaled(profile: Profile, row: Served, source: str) -> Provenance:
    """Return the origin of a latency that is the profile's, scaled: both runs have a part in it."""
    before = origin(profile, ("observable", "models", row.model, "latency_s", str(row.size)))
    scaled = f"scaled as other batch sizes in {source}"
    note = f"{row.n} executions alone, {_LEAST} are needed"
    return Provenance("synthetic", f"{before.source}, {scaled}" if before else scaled, note=note)


def _pooled_cv(rows: Iterable[Served]) -> float:
    squares, degrees = 0.0, 0
    for row in rows:
        squares += (row.n - 1) * (row.cv or 0.0) ** 2
        degrees += row.n - 1
    return sqrt(squares / degrees)


def _variation_note(drift: Drift | None) -> str:
    note = "executions alone, pooled over all models and batch sizes"
    if drift is None:
        return note
    return f"{note}; drift {drift.change:+.1%} [{drift.low:+.1%}, {drift.high:+.1%}], second half over first"


def _described(row: Served) -> str:
    if row.mean_s is None:
        return f"batch {row.size}: {row.n} executions, scaled as the others"
    return (
        f"batch {row.size}: mean {row.mean_s:.6g} s [{row.low_s:.6g}, {row.high_s:.6g}], median {row.median_s:.6g} s, "
        f"{row.n} executions, {row.mean_s / row.profile_s - 1.0:+.1%} of the profiler's, drift {row.drift:+.1%}"
    )
