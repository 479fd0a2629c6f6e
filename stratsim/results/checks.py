"""Checks that every run must pass, whatever the policy: numbered, vectorised, made after each run.

    I1  conservation    every request has exactly one status, and the columns that belong to it
    I2  stage order     dispatch <= copy-in <= execution <= copy-out, and a stage that did not happen ends the batch
    I3  causality       nothing is dispatched, dropped or answered before it arrived, nothing executes faster than alone
    I4  capacity        no GPU executes more than C batches at once
    I5  membership      a batch holds as many requests as it says, all of its model, answered when its outputs are back
    I6  clock           arrivals and dispatches are in order, and everything lies between start and end of the run
    I7  deadlines       met means answered by the deadline, late means after it
    I8  engines         no GPU has more copies under way than it has engines for
    I9  memory          no GPU holds more weights than it has room for, no batch executes without those of its model
    I10 pauses          suspend <= stopped <= restart, and a batch's pauses follow each other between start and end

Executing is what lies between start and end without pauses; a pause's batch has the work that it lost to do again.

Times are compared with the tolerance of `stratsim.model.tolerance`.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from stratsim.engine.rows import add_members, blocks, by_code
from stratsim.model.request import Status
from stratsim.model.tolerance import TIME_RTOL, latest_finish_s, resolution_s
from stratsim.results.schema import STAGES
from stratsim.stats.occupancy import hold_at_most, peak_concurrency

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from stratsim.engine.result import BatchTable, RequestTable, Result

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]

__all__ = ["STAGES", "invariants"]


def invariants(result: Result, max_concurrency: int | None = None, *, measured: bool = False) -> list[str]:
    """Return the invariants that the run violates, one line each; an empty list is a sound run.

    Args:
        result: The run.
        max_concurrency: C, the number of batches that a GPU may execute at once; None leaves I4 out.
        measured: The run was not simulated: `solo_s` is what the profile says, not what a batch would have taken alone,
            and a real device may be faster. This leaves those parts of I3 out that compare with it.
    """
    requests, batches = result.requests, result.batches
    if strangers := list(_strange_pauses(result)):
        return strangers  # all that looks at pauses would stumble over them
    return [
        *_conservation(requests, len(batches)),
        *_stage_order(batches),
        *_causality(result, measured),
        *_capacity(result, max_concurrency),
        *_membership(requests, batches),
        *_clock(result),
        *_deadlines(requests),
        *_engines(result),
        *_memory(result),
        *_pauses(result),
    ]


def _report(number: int, text: str, wrong: Mask, row: str) -> Iterator[str]:
    """Yield one line if anything is wrong: how many rows, and the first of them."""
    if wrong.any():
        yield f"I{number}: {text} ({row} {int(wrong.argmax())}; {int(wrong.sum())} of {len(wrong)} in all)"


def _scan(number: int, text: str, count: int, row: str, wrong: Callable[[slice], Mask]) -> Iterator[str]:
    """Do what `_report` does, some rows at a time: the memory of a check stays small compared with that of the run."""
    first, found = 0, 0
    for rows in blocks(count):
        here = wrong(rows)
        if here.any():
            first = first if found else rows.start + int(here.argmax())
            found += int(here.sum())
    if found:
        yield f"I{number}: {text} ({row} {first}; {found} of {count} in all)"


def _before(earlier_s: Floats, later_s: Floats) -> Mask:
    """Whether `later_s` lies before `earlier_s` by more than rounding; false where either did not happen."""
    return np.asarray(later_s < earlier_s - TIME_RTOL * np.abs(earlier_s))


def _conservation(requests: RequestTable, batches: int) -> Iterator[str]:
    status, batch = requests.status, requests.batch
    known = [int(s) for s in Status]

    def scan(text: str, wrong: Callable[[slice], Mask]) -> Iterator[str]:
        yield from _scan(1, text, len(requests), "request", wrong)

    def completed(rows: slice) -> Mask:
        return np.asarray((status[rows] == Status.MET) | (status[rows] == Status.LATE))

    def dropped(rows: slice) -> Mask:
        return np.asarray(status[rows] == Status.DROPPED)

    yield from scan("request without a known status", lambda rows: ~np.isin(status[rows], known))
    yield from scan(
        "answered is not the same as met or late", lambda rows: completed(rows) == np.isnan(requests.finish_s[rows])
    )
    yield from scan(
        "dropped without a time, or a time without a drop",
        lambda rows: dropped(rows) == np.isnan(requests.dropped_s[rows]),
    )
    yield from scan(
        "dropped without a reason, or a reason without a drop",
        lambda rows: dropped(rows) != (requests.reason[rows] >= 0),
    )
    yield from scan("dropped after it was dispatched", lambda rows: dropped(rows) & (batch[rows] >= 0))
    yield from scan("answered without a batch", lambda rows: completed(rows) & (batch[rows] < 0))
    yield from scan("in a batch that does not exist", lambda rows: batch[rows] >= batches)


def _stage_order(batches: BatchTable) -> Iterator[str]:
    for earlier, later in pairwise(STAGES):
        first, second = getattr(batches, earlier), getattr(batches, later)
        for text, wrong in (
            (f"{later} before {earlier}", _before),
            (f"{later} without {earlier}", lambda one, other: np.isnan(one) & ~np.isnan(other)),
        ):
            yield from _scan(2, text, len(batches), "batch", _of_both(wrong, first, second))


def _of_both(wrong: Callable[[Floats, Floats], Mask], first: Floats, second: Floats) -> Callable[[slice], Mask]:
    return lambda rows: wrong(first[rows], second[rows])


def _causality(result: Result, measured: bool) -> Iterator[str]:
    requests, batches, pauses = result.requests, result.batches, result.pauses
    alone_s: Floats = np.broadcast_to(0.0, len(batches)) if measured else batches.solo_s
    stopped_s: Floats = np.broadcast_to(0.0, len(batches))
    if pauses is not None:
        stopped_s = pauses.by_batch(pauses.lost_s + pauses.paused_s, len(batches))

    def of_batch(times_s: Floats, rows: slice) -> Floats:
        """Return a time of each request's batch; NaN where it has none."""
        batch = requests.batch[rows]
        there = (batch >= 0) & (batch < len(batches))
        found = np.full(len(batch), np.nan)
        found[there] = times_s[batch[there]]
        return found

    def faster(rows: slice) -> Mask:
        least_s = batches.execution_start_s[rows] + (alone_s[rows] + stopped_s[rows])
        return _before(least_s, batches.execution_end_s[rows])

    def early(rows: slice) -> Mask:
        return _before(requests.arrival_s[rows], of_batch(batches.dispatch_s, rows))

    def answered_early(rows: slice) -> Mask:
        return _before(requests.arrival_s[rows] + of_batch(alone_s, rows), requests.finish_s[rows])

    count = len(requests)
    yield from _scan(
        3,
        "dropped before it arrived",
        count,
        "request",
        lambda rows: _before(requests.arrival_s[rows], requests.dropped_s[rows]),
    )
    yield from _scan(3, "executed faster than alone", len(batches), "batch", faster)
    yield from _scan(3, "dispatched before it arrived", count, "request", early)
    yield from _scan(3, "answered before arrival + solo time of its batch", count, "request", answered_early)


def _capacity(result: Result, max_concurrency: int | None) -> Iterator[str]:
    batches = result.batches
    outside = (batches.gpu < 0) | (batches.gpu >= result.gpus)
    yield from _report(4, f"on a GPU outside 0 to {result.gpus - 1}", outside, "batch")
    if max_concurrency is None:
        return
    for gpu, held in enumerate(result.stretches_by_gpu(slots=True)):
        if not hold_at_most(*held, max_concurrency):
            peak = peak_concurrency(*held)
            yield f"I4: GPU {gpu} executed {peak} batches at once, at most {max_concurrency} may"


def _membership(requests: RequestTable, batches: BatchTable) -> Iterator[str]:
    members = np.zeros(len(batches), dtype=np.int32)

    def there(rows: slice) -> tuple[NDArray[np.int32], Mask]:
        """Return each request's batch, and whether it exists."""
        batch = requests.batch[rows]
        return batch, (batch >= 0) & (batch < len(batches))

    def model(rows: slice) -> Mask:
        batch, wrong = there(rows)
        add_members(members, batch[wrong])
        wrong[wrong] = requests.model[rows][wrong] != batches.model[batch[wrong]]
        return wrong

    def finish(rows: slice) -> Mask:
        batch, wrong = there(rows)
        finish_s, back_s = requests.finish_s[rows][wrong], batches.copy_out_end_s[batch[wrong]]
        wrong[wrong] = (finish_s != back_s) & ~(np.isnan(finish_s) & np.isnan(back_s))
        return wrong

    count = len(requests)
    other_model = list(_scan(5, "in a batch of another model", count, "request", model))
    yield from _report(5, "size differs from the number of members", members != batches.size, "batch")
    yield from other_model
    yield from _scan(5, "not answered at the end of its batch's copy-out", count, "request", finish)


def _clock(result: Result) -> Iterator[str]:
    requests, batches = result.requests, result.batches
    for name, times in (("arrival_s", requests.arrival_s), ("dispatch_s", batches.dispatch_s)):
        row = "request" if name == "arrival_s" else "batch"
        # Of one instant, clients' requests come before the trace's, whichever is earlier by its last digit.
        runs_back = np.zeros(len(times), dtype=bool)
        for rows in blocks(max(len(times) - 1, 0)):
            at_s = times[1:][rows]
            instant_s = resolution_s(at_s, result.start_s) if name == "arrival_s" else 0.0
            np.less(at_s + instant_s, times[:-1][rows], out=runs_back[1:][rows])
        yield from _report(6, f"{name} runs back", runs_back, row)
    ends = [requests.arrival_s, requests.dropped_s, requests.finish_s, batches.copy_out_end_s]
    starts = [requests.arrival_s, batches.dispatch_s]
    if any((times < result.start_s).any() for times in starts) or any((times > result.end_s).any() for times in ends):
        yield f"I6: something happens outside the run, {result.start_s!r} to {result.end_s!r} s"


def _deadlines(requests: RequestTable) -> Iterator[str]:
    def in_time(rows: slice) -> Mask:
        return np.asarray(requests.finish_s[rows] <= latest_finish_s(requests.deadline_s[rows]))

    def too_late(rows: slice) -> Mask:
        return np.asarray(requests.finish_s[rows] > latest_finish_s(requests.deadline_s[rows]))

    def wrong(status: Status, times: Callable[[slice], Mask]) -> Callable[[slice], Mask]:
        return lambda rows: (requests.status[rows] == status) & times(rows)

    count = len(requests)
    yield from _scan(7, "met, but answered after the deadline", count, "request", wrong(Status.MET, too_late))
    yield from _scan(7, "late, but answered by the deadline", count, "request", wrong(Status.LATE, in_time))


def _engines(result: Result) -> Iterator[str]:
    if result.copy_engines is None:
        return
    batches = result.batches
    h2d, d2h = (batches.copy_in_start_s, batches.copy_in_end_s), (batches.copy_out_start_s, batches.copy_out_end_s)
    copies = [(batches.gpu, h2d, "in"), (batches.gpu, d2h, "out")]
    if result.loads is not None:
        loads = (result.loads.start_s, result.loads.end_s)
        copies[0] = (*_joined((batches.gpu, h2d), (batches.gpu[result.loads.batch], loads)), "in")
    if not result.copy_engines:
        copies = [(*_joined(copies[0][:2], copies[1][:2]), "in or out")]
    most = max(result.copy_engines, 1)
    by_gpu = [by_code(where, result.gpus) for where, _, _ in copies]
    for gpu, places in enumerate(zip(*by_gpu, strict=True)):
        for rows, (_, (start_s, end_s), way) in zip(places, copies, strict=True):
            if not hold_at_most(start_s[rows], end_s[rows], most):
                peak = peak_concurrency(start_s[rows], end_s[rows])
                yield f"I8: GPU {gpu} had {peak} copies {way} under way, at most {most} may"


_Copies = tuple["NDArray[np.int32]", tuple["Floats", "Floats"]]
"""Copies: on which GPU, and from when to when."""


def _joined(one: _Copies, other: _Copies) -> _Copies:
    (gpu, (start_s, end_s)), (more, (starts_s, ends_s)) = one, other
    times = np.concatenate([start_s, starts_s]), np.concatenate([end_s, ends_s])
    return np.concatenate([gpu, more]), times


def _memory(result: Result) -> Iterator[str]:
    loads, batches = result.loads, result.batches
    if loads is None:
        return
    evicted_s = np.where(np.isnan(loads.evicted_s), np.inf, loads.evicted_s)
    yield from _report(9, "evicted before it was there", _before(loads.end_s, evicted_s), "load")
    absent = np.ones(len(batches), dtype=bool)
    gpu, model = batches.gpu[loads.batch], batches.model[loads.batch]
    for place in range(result.gpus):
        here = gpu == place
        held = _most_held(loads.start_s[here], evicted_s[here], loads.weights_bytes[here])
        if held > loads.capacity_bytes:
            yield f"I9: GPU {place} held {held} bytes of weights, has room for {loads.capacity_bytes:.0f}"
        for code in np.unique(model[here]):
            rows = np.flatnonzero((batches.gpu == place) & (batches.model == code))
            chosen = here & (model == code)
            absent[rows] = ~_covered(batches, rows, loads.end_s[chosen], evicted_s[chosen])
    yield from _report(9, "executed without the weights of its model", absent, "batch")


def _most_held(start_s: Floats, evicted_s: Floats, size_bytes: NDArray[np.int64]) -> int:
    """Return the largest sum of sizes that hold at one instant; what goes makes room for what comes then."""
    times = np.concatenate([evicted_s, start_s])  # the sort is stable: first those that go
    change = np.concatenate([-size_bytes, size_bytes])
    return int(np.cumsum(change[np.argsort(times, kind="stable")]).max(initial=0))


def _covered(batches: BatchTable, rows: NDArray[np.intp], there_s: Floats, evicted_s: Floats) -> Mask:
    """Whether each of some batches executes between the arrival of its model's weights and their eviction."""
    order = np.argsort(there_s)
    load = np.searchsorted(there_s[order], batches.execution_start_s[rows], side="right") - 1
    return np.asarray((load >= 0) & (evicted_s[order][load] >= batches.execution_end_s[rows]))


def _strange_pauses(result: Result) -> Iterator[str]:
    if result.pauses is not None:
        batch = result.pauses.batch
        wrong = (batch < 0) | (batch >= len(result.batches))
        yield from _report(10, "of a batch that does not exist", wrong, "pause")


def _pauses(result: Result) -> Iterator[str]:
    pauses, batches = result.pauses, result.batches
    if pauses is None:
        return
    for earlier, later in (("suspend_s", "freed_s"), ("suspend_s", "stopped_s"), ("stopped_s", "restart_s")):
        early = _before(getattr(pauses, earlier), getattr(pauses, later))
        yield from _report(10, f"{later} before {earlier}", early, "pause")
    start_s, end_s = batches.execution_start_s[pauses.batch], batches.execution_end_s[pauses.batch]
    yield from _report(10, "before the batch started", _before(start_s, pauses.suspend_s), "pause")
    yield from _report(10, "after the batch ended", _before(pauses.restart_s, end_s), "pause")
    over = ~np.isnan(pauses.stopped_s) & np.isnan(pauses.restart_s)
    yield from _report(10, "never resumed", over, "pause")
    for name in ("paused_s", "lost_s"):
        yield from _report(10, f"{name} below 0", getattr(pauses, name) < 0, "pause")
    order = np.lexsort((pauses.suspend_s, pauses.batch))
    batch, came_back_s = pauses.batch[order], pauses.restart_s[order]
    overlap = (batch[1:] == batch[:-1]) & ~(came_back_s[:-1] <= pauses.suspend_s[order][1:])
    yield from _report(10, "begins before the batch's pause before it has ended", overlap, "pause")
