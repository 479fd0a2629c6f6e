"""What of a run its timeline holds: all of it, a window that was asked for, or what is worth a look."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stratsim.engine.rows import blocks
from stratsim.errors import SpecError
from stratsim.model.request import Priority, Status
from stratsim.stats.windows import around, busiest_s

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from stratsim.engine.result import Result

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

__all__ = ["MOST", "Span", "Window", "batches_in", "choose_spans"]

BUSIEST = 2_000
"""Batches dispatched around the busiest moment, at most."""
AROUND = 100
"""Batches dispatched around the end of each of the worst requests, at most."""
WORST = 5
"""Requests of each class and way to fail."""
MOST = 100_000
"""Batches, and arrivals, of a window that was asked for, at most: Perfetto opens some million events."""
_BUSY_S = 0.2
"""Length of the window that is looked for as the busiest."""
_FAILED = (Status.LATE, Status.DROPPED, Status.UNFINISHED)


class Window(NamedTuple):
    """A window that was asked for, simulated seconds; None: from the start, or to the end."""

    from_s: float | None = None
    to_s: float | None = None

    def checked(self) -> Window:
        """Return the window.

        Raises:
            SpecError: an end that is not finite, or not after the start.
        """
        for at in self:
            if at is not None and not np.isfinite(at):
                raise SpecError(f"--timeline-from and --timeline-to must be finite, got {at}")
        if self.from_s is not None and self.to_s is not None and not self.from_s < self.to_s:
            got = f"{self.from_s:g} and {self.to_s:g}"
            raise SpecError(
                f"the timeline's window must start (--timeline-from) before it ends (--timeline-to), got {got}"
            )
        return self


class Span(NamedTuple):
    """A stretch of time in which the timeline lacks nothing, both ends included, simulated seconds."""

    from_s: float
    to_s: float
    why: str
    """What is to be seen there."""


def choose_spans(result: Result, window: Window | None, cap: int) -> tuple[list[Span], str | None]:
    """Return what a timeline holds of a run, disjoint and in order, and a note unless that is all.

    Args:
        result: The run.
        window: What was asked for; None: the whole run if it has few batches, else the busiest window and the
            surroundings of the worst requests.
        cap: How many batches are few.
    """
    count = len(result.batches)
    if window is not None:
        return _asked(result, window)
    if count <= cap:
        return [Span(result.start_s, result.end_s, "the whole run")], None
    found = list(_notable(result))
    merged: list[Span] = []
    for span in sorted(found):
        if merged and span.from_s <= merged[-1].to_s:
            last = merged[-1]
            merged[-1] = Span(last.from_s, max(last.to_s, span.to_s), f"{last.why}; {span.why}")
        else:
            merged.append(span)
    kept = int(batches_in(result, merged).size)
    note = f"{result.policy}: {kept} of {count} batches, around the busiest moment and the worst requests"
    return merged, f"{note} (--timeline-from and --timeline-to choose a window)"


def _asked(result: Result, window: Window) -> tuple[list[Span], str | None]:
    from_s = result.start_s if window.from_s is None else window.from_s
    to_s = result.end_s if window.to_s is None else window.to_s
    if not from_s < to_s:
        return [], f"{result.policy}: nothing from {from_s:g} s on: the run ends at {result.end_s:g} s"
    last_s = min(_nth_after(times, from_s) for times in (result.batches.dispatch_s, result.requests.arrival_s))
    text = f"{result.policy}: the window from {from_s:g} to {to_s:g} s"
    if last_s < to_s:
        text += f", of which only what is before {last_s:g} s: more than {MOST} batches or requests are too many"
        to_s = last_s
    return [Span(from_s, to_s, "the window that was asked for")], text


def _nth_after(times_s: Floats, from_s: float) -> float:
    """Return the time after `MOST` others since a moment; infinite where there are not so many."""
    at = int(np.searchsorted(times_s, from_s)) + MOST
    return float(times_s[at]) if at < len(times_s) else np.inf


def _notable(result: Result) -> Iterator[Span]:
    dispatch_s, batches = result.batches.dispatch_s, result.batches
    busy_s = busiest_s(batches.execution_start_s, batches.execution_end_s, _BUSY_S)
    yield Span(*around(dispatch_s, busy_s + _BUSY_S / 2, BUSIEST), "busiest")
    for row, end_s, why in _worst(result):
        yield Span(*around(dispatch_s, end_s, AROUND), f"request {row}: {why}")


def _worst(result: Result) -> Iterator[tuple[int, float, str]]:
    """Yield row, end and outcome of the requests that fared worst: of each class and way to fail, if any failed."""
    requests = result.requests
    failed = any((requests.status[rows] != Status.MET).any() for rows in blocks(len(requests)))
    for status in _FAILED if failed else (Status.MET,):
        for priority in Priority:
            for row, score in _top(result, status, priority):
                finish_s, dropped_s = float(requests.finish_s[row]), float(requests.dropped_s[row])
                known = [at for at in (finish_s, dropped_s) if not np.isnan(at)]
                yield row, known[0] if known else result.end_s, _outcome(priority, status, score)


def _outcome(priority: Priority, status: Status, score: float) -> str:
    ms = f"{1e3 * abs(score):.3g} ms"
    said = {
        Status.LATE: f"{ms} late",
        Status.DROPPED: f"dropped after {ms}",
        Status.UNFINISHED: "unfinished",
        Status.MET: f"{ms} to spare" if score > -_NO_DEADLINE_S / 2 else f"{1e3 * (score + _NO_DEADLINE_S):.3g} ms",
    }
    return f"{priority.label}, {said[status]}"


_NO_DEADLINE_S = 1e9
"""Taken off the score of a request without a deadline, so that it ranks after those with one."""


def _top(result: Result, status: Status, priority: Priority) -> list[tuple[int, float]]:
    """Return row and score, in seconds, of the worst of a class and status; the first of equals. Reads in pieces."""
    requests = result.requests
    best_row, best = np.empty(0, dtype=np.int64), np.empty(0)
    for block in blocks(len(requests)):
        own = (requests.status[block] == status) & (requests.priority[block] == priority)
        row = block.start + np.flatnonzero(own)
        if len(row):
            best_row = np.concatenate([best_row, row])
            best = np.concatenate([best, _score(result, row, status)])
            kept = np.lexsort((best_row, -best))[:WORST]
            best_row, best = best_row[kept], best[kept]
    return list(zip(best_row.tolist(), best.tolist(), strict=True))


def _score(result: Result, row: Integers, status: Status) -> Floats:
    """Return how bad: how late, how long in vain; without a deadline, how long."""
    requests = result.requests
    if status is Status.UNFINISHED:
        return -requests.arrival_s[row]
    if status is Status.DROPPED:
        return np.asarray(requests.dropped_s[row] - requests.arrival_s[row], dtype=np.float64)
    finish_s, deadline_s = requests.finish_s[row], requests.deadline_s[row]
    without = finish_s - requests.arrival_s[row] - _NO_DEADLINE_S
    return np.where(np.isfinite(deadline_s), finish_s - deadline_s, without)


def batches_in(result: Result, spans: Sequence[Span]) -> Integers:
    """Return the rows of the batches that are in flight within one of the spans."""
    dispatch_s, end_s = result.batches.dispatch_s, result.batches.copy_out_end_s
    found = np.zeros(len(dispatch_s), dtype=bool)
    for block in blocks(len(dispatch_s)):
        for span in spans:
            found[block] |= (dispatch_s[block] <= span.to_s) & ~(end_s[block] < span.from_s)
    return np.flatnonzero(found)
