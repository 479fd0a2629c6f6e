"""Runs a plan: cell by cell, each kept on disk as soon as it is measured."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stratsim.errors import ProfileError
from stratsim_profiler.environment import verdict
from stratsim_profiler.measure.bench import Rejected
from stratsim_profiler.measure.colocation import colocation
from stratsim_profiler.measure.offsets import offsets
from stratsim_profiler.measure.solo import kernels, model, solo
from stratsim_profiler.measure.transfers import transfers
from stratsim_profiler.samples import Discarded, Done, Note

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from stratsim_profiler.environment import Verdict
    from stratsim_profiler.measure.bench import Bench
    from stratsim_profiler.plan import Cell, Plan
    from stratsim_profiler.progress import Progress
    from stratsim_profiler.samples import Record
    from stratsim_profiler.store import SampleFile

__all__ = ["Outcome", "measure_cell", "run_plan", "warm_up"]

_MEASUREMENTS: dict[str, Callable[[Bench, Cell], list[Record]]] = {
    "model": model,
    "transfer": transfers,
    "solo": solo,
    "kernels": kernels,
    "colocation": colocation,
    "offset": offsets,
}
_STABLE = 0.01
"""Relative change of the clock below which it is stable."""

_WARM_STEP_S = 0.5
_WARM_BLIND_S = 5.0
_QUIET_S = 0.5
"""Time over which other processes must have been quiet."""

_MOST_FAILURES = 5
"""Cells in a row that may fail before the device is taken for broken."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run went.

    Args:
        measured: Cells whose samples are in the file.
        discarded: Attempts that were thrown away.
        given_up: Cells without samples, because every attempt was thrown away.
        late: Cells that there was no time for.
        spent_s: Time that it took.
    """

    measured: int
    discarded: int
    given_up: tuple[str, ...]
    late: tuple[str, ...]
    spent_s: float


def run_plan(bench: Bench, plan: Plan, file: SampleFile, progress: Progress) -> Outcome:
    """Measure what the file does not hold yet; stop when the budget is spent.

    Time that the file's cells took before counts towards the budget. Cells that were given up then are tried again, and
    solo cells that are given up now, without which co-locations are of no use, once more at the end, if there is time.

    Raises:
        ProfileError: several cells in a row failed with an error of the device.
    """
    begin = time.perf_counter()
    finished = file.samples.measured
    earlier = sum(done.spent_s for done in file.samples.of(Done) if done.cell in finished)
    todo = [cell for cell in plan.cells if cell.id not in finished]
    late: list[str] = []
    pace = _Pace()
    failures = 0
    for index, cell in enumerate(_with_missing(todo, file)):
        spent = earlier + time.perf_counter() - begin
        again = index >= len(todo)
        if plan.budget_s is not None and (again or cell.rank > 0) and spent + pace.of([cell]) > plan.budget_s:
            late += [] if again else [cell.id]
            continue
        progress.show(len(plan.cells) - len(todo) + min(index, len(todo)), pace.of(todo[index:]), cell.id)
        start = time.perf_counter()
        if cell.rank > 0:
            wait_for_quiet(bench)
        records = measure_cell(bench, cell)
        took = time.perf_counter() - start
        pace.learn(cell, took)
        file.commit(records, Done(cell.id, round(took, 3)))
        failures = failures + 1 if _failed(records) else 0
        if failures == _MOST_FAILURES:
            raise ProfileError(f"{failures} cells in a row failed; the last, {cell.id}: {_failed(records)}")
    return _outcome(file, late, time.perf_counter() - begin)


def _with_missing(todo: Sequence[Cell], file: SampleFile) -> Iterator[Cell]:
    """Yield the cells, then those of solo runs that are without samples by then: asked for when it comes to them."""
    yield from todo
    held = file.samples.measured | {record.cell for record in file.samples.of(Discarded) if record.reason == "memory"}
    yield from [cell for cell in todo if cell.kind == "solo" and cell.id not in held]


def measure_cell(bench: Bench, cell: Cell) -> list[Record]:
    """Return the records of a cell, those of attempts that were thrown away included.

    A doubtful cell (the device's speed drifted, other processes were busy) is measured again, and kept with a note on
    the last attempt, or at once where the cell before had the same trouble. Co-locations measured while other processes
    were busy are kept only where that is allowed. A wrong measurement is never kept.
    """
    kept: list[Record] = []
    attempts = bench.settings.attempts
    for attempt in range(1, attempts + 1):
        bench.soft = []
        start = time.perf_counter()
        try:
            records = _MEASUREMENTS[cell.kind](bench, cell)
        except Rejected as problem:
            kept.append(_discarded(cell, problem.why, attempt))
            if problem.why.reason == "memory":
                break
            continue
        except RuntimeError as problem:  # torch's errors: of the device, or of a model on it
            kept.append(Discarded(cell.id, "error", " ".join(str(problem).split())[:300], attempt))
            break
        if bench.soft and attempt < attempts and bench.soft[0].reason not in bench.lasting:
            kept.append(_discarded(cell, bench.soft[0], attempt))
            continue
        bench.lasting = frozenset(wrong.reason for wrong in bench.soft)
        busy = next((wrong for wrong in bench.soft if wrong.reason == "foreign-load"), None)
        if busy is not None and cell.rank > 0 and not bench.settings.allow_shared:
            return [*kept, _discarded(cell, busy, attempt)]
        notes = [Note(cell.id, f"kept in spite of {wrong.reason}: {wrong.detail}") for wrong in bench.soft]
        telemetry = bench.monitor.telemetry(start, time.perf_counter())
        return [*kept, *records, *notes, *([telemetry] if telemetry else [])]
    return kept


def wait_for_quiet(bench: Bench) -> None:
    """Wait while other processes are busy on the device's cores, as long as the settings' patience lasts."""
    until = time.perf_counter() + (0.0 if bench.settings.allow_shared else bench.settings.patience_s)
    while time.perf_counter() < until:
        now = time.perf_counter()
        wrong = verdict(bench.monitor.between(now - _QUIET_S, now))
        if wrong is None or wrong.reason != "foreign-load":
            return
        time.sleep(_QUIET_S / 2)


def warm_up(bench: Bench, cell: Cell) -> float:
    """Keep the device busy until its clock is stable, or for as long as the settings allow; return the time spent.

    Where the clock cannot be read, some seconds must do.
    """
    lane = bench.lanes.take(cell.works(bench.dtype, bench.mode)[:1])[0]
    begin = time.perf_counter()
    before: float | None = None
    while time.perf_counter() - begin < bench.settings.warm_s:
        start = time.perf_counter()
        bench.device.backlog([lane], _WARM_STEP_S)
        seen = bench.monitor.between(start, time.perf_counter())
        clocks = [reading.sm_mhz for reading in seen if reading.sm_mhz is not None]
        now = sum(clocks) / len(clocks) if clocks else None
        if now is None and time.perf_counter() - begin > _WARM_BLIND_S:
            break
        if before is not None and now is not None and abs(now - before) <= _STABLE * before:
            break
        before = now
    return time.perf_counter() - begin


class _Pace:
    """How long cells take, compared with their estimates."""

    def __init__(self) -> None:
        # As if some time had been spent exactly as estimated: the first cell alone says little.
        self._spent_s = self._estimated_s = 20.0

    def learn(self, cell: Cell, spent_s: float) -> None:
        """Note how long a cell took."""
        self._spent_s += spent_s
        self._estimated_s += cell.estimate_s

    def of(self, cells: Sequence[Cell]) -> float:
        """Return how long cells will take."""
        return sum(cell.estimate_s for cell in cells) * self._spent_s / self._estimated_s


def _discarded(cell: Cell, why: Verdict, attempt: int) -> Discarded:
    return Discarded(cell.id, why.reason, why.detail, attempt)


def _failed(records: Sequence[Record]) -> str | None:
    """Return the error that a cell failed with, if it did."""
    last = records[-1] if records else None
    return last.detail if isinstance(last, Discarded) and last.reason == "error" else None


def _outcome(file: SampleFile, late: Sequence[str], spent_s: float) -> Outcome:
    held = file.samples.measured
    return Outcome(
        measured=len(held),
        discarded=len(file.samples.of(Discarded)),
        given_up=tuple(sorted(file.samples.done - held)),
        late=tuple(late),
        spent_s=spent_s,
    )
