"""What the device model says of the executions of a run, with the company that each had in the run itself.

Nothing is simulated: the intervals of all executions are the run's own, so no error of one reaches another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from stratsim.device.execution import execution_model
from stratsim.device.execution.fluid import FluidModel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from stratsim.engine import BatchTable, Result
    from stratsim.fidelity.record import Recorded
    from stratsim.model.profile import Profile

    Floats = NDArray[np.float64]

__all__ = ["Progress", "device_of", "expected_executions", "progress", "solo_times"]


class _Change(NamedTuple):
    """A batch starts, goes on to its next phase, or ends (`load` None); at one time ends come first."""

    at_s: float
    starts: bool
    row: int
    load: Any


def device_of(run: Recorded, profile: Profile) -> FluidModel[Any] | None:
    """Return the execution model of a run; None if it gives no rates, as one that places thread blocks."""
    cluster = run.spec.cluster()
    name = cluster.device_model or profile.default_device_model
    hardware = profile.for_hardware(set(run.result.models))
    model = execution_model(name, hardware, cluster.max_concurrency)
    return model if isinstance(model, FluidModel) else None


def solo_times(result: Result, profile: Profile) -> Floats:
    """Return what each batch would take alone by the profile, seconds, shape (m,)."""
    known, batches = profile.for_scheduler(), result.batches
    kinds = zip(batches.model.tolist(), batches.size.tolist(), strict=True)
    return np.array([known.latency_s(result.models[model], size) for model, size in kinds])


def expected_executions(run: Recorded, profile: Profile) -> Floats:
    """Return how long each execution takes by the device model, seconds, shape (m,); NaN where that is not known.

    The solo time over the mean rate during the run's own execution, beside those that executed then: exact if the
    execution takes as long as it did, and to first order in the error otherwise. What starts of others cost is added.
    """
    model = device_of(run, profile)
    if model is None:
        return np.full(len(run.result.batches), np.nan)
    found = progress(run.result, model)
    return (solo_times(run.result, profile) + model.start_cost_s * found.starts) / found.rate


class Progress(NamedTuple):
    """How executions went on by a device model; shapes (m,).

    A batch is taken to be in the phase in which it would be if it progressed evenly.
    """

    rate: Floats
    """Mean over the execution; NaN where it did not execute."""
    alone_s: Floats
    """For how long it had no company."""
    starts: Floats
    """Starts of others meanwhile, each counted as the rate right after it: so much solo work is not done for as long as
    one of them costs."""


def progress(result: Result, model: FluidModel[Any]) -> Progress:
    """Return how the executions of a run go on by a device model, beside those that executed in the run."""
    batches = result.batches
    time_s = batches.execution_end_s - batches.execution_start_s
    done_s, alone_s, starts = (np.zeros(len(batches)) for _ in range(3))
    for gpu in np.unique(batches.gpu):
        for step in _steps(_changes(result, model, int(gpu)), model):
            done_s[step.row] += step.work_s
            alone_s[step.row] += step.alone_s
            starts[step.row] += step.after_start
    with np.errstate(divide="ignore", invalid="ignore"):
        return Progress(np.where(time_s > 0, done_s / time_s, np.nan), alone_s, starts)


class _Step(NamedTuple):
    """What a batch did since the last change, and its rate now if another has just started."""

    row: int
    work_s: float
    alone_s: float
    after_start: float


def _changes(result: Result, model: FluidModel[Any], gpu: int) -> list[_Change]:
    batches: BatchTable = result.batches
    found = []
    for row in np.flatnonzero((batches.gpu == gpu) & ~np.isnan(batches.execution_end_s)).tolist():
        start_s, end_s = float(batches.execution_start_s[row]), float(batches.execution_end_s[row])
        before = 0.0
        for phase in model.work(result.models[batches.model[row]], int(batches.size[row])):
            found.append(_Change(start_s + before * (end_s - start_s), True, row, phase.load))
            before += phase.share
        found.append(_Change(end_s, False, row, None))
    return sorted(found, key=lambda change: change[:2])


def _steps(changes: list[_Change], model: FluidModel[Any]) -> Iterator[_Step]:
    active: dict[int, Any] = {}
    known: dict[tuple[Any, ...], tuple[float, ...]] = {}

    def rates() -> zip[tuple[int, float]]:
        loads = tuple(active.values())
        found = known.get(loads) or known.setdefault(loads, tuple(model.sound_rates(loads)))
        return zip(active, found, strict=True)

    before_s = -np.inf
    for change in changes:
        elapsed_s = change.at_s - before_s
        if active and elapsed_s > 0:
            alone_s = elapsed_s if len(active) == 1 else 0.0
            yield from (_Step(row, elapsed_s * rate, alone_s, 0.0) for row, rate in rates())
        before_s = change.at_s
        if not change.starts:
            del active[change.row]
            continue
        new = change.row not in active
        active[change.row] = change.load
        if new and len(active) > 1:
            yield from (_Step(row, 0.0, 0.0, rate) for row, rate in rates() if row != change.row)
