"""How much of a span is covered by intervals: utilisation and concurrency.

Intervals are half-open, [start, end): one that ends where another starts does not overlap it. Intervals without a
start or an end (NaN) and those of zero length count for nothing.
"""

from __future__ import annotations

from heapq import heappop, heappush
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["assign_lanes", "busy_s", "clip", "hold_at_most", "merged", "peak_concurrency", "total_s"]

_BLOCK = 262_144
"""Intervals per step: intermediate arrays stay small."""
_WINDOW = 1_000_000
"""About as many are sorted at once, where they only have to be told apart from those of other times."""


def clip(start_s: Floats, end_s: Floats, from_s: float, to_s: float) -> tuple[Floats, Floats]:
    """Return the parts of the intervals that lie within [from_s, to_s], without the empty ones.

    Args:
        start_s: Starts, shape (n,), seconds.
        end_s: Ends, shape (n,), seconds.
        from_s: Start of the window.
        to_s: End of the window.
    """
    if not start_s.min(initial=np.inf) >= from_s:  # where one is NaN as well
        start_s = np.maximum(start_s, from_s)
    if not end_s.max(initial=-np.inf) <= to_s:
        end_s = np.minimum(end_s, to_s)
    inside = end_s > start_s  # false for NaN as well
    return (start_s, end_s) if inside.all() else (start_s[inside], end_s[inside])


def busy_s(start_s: Floats, end_s: Floats, from_s: float = -np.inf, to_s: float = np.inf) -> float:
    """Return the length of the union of the intervals within [from_s, to_s], seconds.

    Sorted by start, an interval adds what reaches beyond the latest end so far; O(n log n), without a Python loop.

    Args:
        start_s: Starts, shape (n,), seconds.
        end_s: Ends, shape (n,), seconds.
        from_s: Start of the window.
        to_s: End of the window.
    """
    return sum(
        float(np.maximum(end - np.maximum(start, latest[:-1]), 0.0).sum())
        for start, end, latest in _by_start(start_s, end_s, from_s, to_s)
    )


def merged(start_s: Floats, end_s: Floats) -> tuple[Floats, Floats]:
    """Return the union of the intervals as disjoint ones that do not touch, in order: their starts and ends.

    Args:
        start_s: Starts, shape (n,), seconds.
        end_s: Ends, shape (n,), not before the starts.
    """
    if not len(start_s):
        return np.empty(0), np.empty(0)
    starts, ends = [], []
    for start, _, latest in _by_start(start_s, end_s):
        new = start > latest[:-1]
        starts.append(start[new])
        ends.append(latest[:-1][new])  # of the union before
    ends.append(latest[-1:])
    return np.concatenate(starts), np.concatenate(ends)[1:]


def _by_start(
    start_s: Floats, end_s: Floats, from_s: float = -np.inf, to_s: float = np.inf
) -> Iterator[tuple[Floats, Floats, Floats]]:
    """Yield the intervals, as `clip` does, sorted by start, stably, with the latest end before each and after the last.

    Some at a time, so that a long run's are never all copied; shapes (k,), (k,) and (k + 1,).
    """
    latest_s = -np.inf
    for rows in _in_order(start_s, from_s):
        start, end = clip(start_s[rows], end_s[rows], from_s, to_s)
        latest = np.maximum.accumulate(np.append(latest_s, end))
        latest_s = latest[-1]
        yield start, end, latest


def _in_order(times_s: Floats, from_s: float) -> Iterator[slice | NDArray[np.intp]]:
    """Yield where times are in ascending order, stably, some at a time; those before `from_s` count as then.

    Only those of a window are sorted at once. NaN are left out, if anything is to be sorted.
    """
    if _ascends(times_s):
        yield from (slice(first, first + _BLOCK) for first in range(0, len(times_s), _BLOCK))
        return
    first_s, last_s = max(np.fmin.reduce(times_s), from_s), np.fmax.reduce(times_s)
    edges = np.linspace(first_s, last_s, 2 + len(times_s) // _WINDOW)[1:-1] if first_s < last_s else ()
    for first, last in pairwise([-np.inf, *edges, np.inf]):
        rows = _rows_within(times_s, first, last)
        order = rows[np.argsort(np.maximum(times_s[rows], from_s), kind="stable")]
        yield from (order[place : place + _BLOCK] for place in range(0, len(order), _BLOCK))


def _rows_within(times_s: Floats, first: float, last: float) -> NDArray[np.intp]:
    """Return where times lie in [first, last), in ascending order."""
    found = []
    for place in range(0, len(times_s), _BLOCK):
        block = times_s[place : place + _BLOCK]
        found.append(place + np.flatnonzero((block >= first) & (block < last)))
    return np.concatenate(found)


def total_s(start_s: Floats, end_s: Floats) -> float:
    """Return the summed length of the intervals, seconds: divided by the span, the mean number at once."""
    return float(np.subtract(end_s, start_s).sum(where=end_s > start_s))


def peak_concurrency(start_s: Floats, end_s: Floats) -> int:
    """Return the largest number of intervals that hold at one instant."""
    start, end = clip(start_s, end_s, -np.inf, np.inf)
    start, end = np.sort(start), np.sort(end)
    peak = 0
    for first in range(0, len(start), _BLOCK):
        block = start[first : first + _BLOCK]
        begun = np.arange(first + 1, first + 1 + len(block))
        peak = max(peak, int((begun - np.searchsorted(end, block, side="right")).max()))
    return peak


def hold_at_most(start_s: Floats, end_s: Floats, most: int) -> bool:
    """Return whether no more than `most` >= 1 intervals hold at any instant, as `peak_concurrency` counts them.

    That is: whether each but the first `most`, in the order of the starts, starts when as many have ended as came
    before it, less `most` - 1.
    """
    start, end = clip(start_s, end_s, -np.inf, np.inf)
    if _ascends(start) and _ascends(end):
        return _follow(start, end, most)
    edges = np.linspace(start.min(), end.max(), 2 + len(start) // _WINDOW)
    for first, last in pairwise(edges):  # what holds at an instant is within the window that has it
        within = (start <= last) & (end >= first)
        if not _follow(np.sort(start[within]), np.sort(end[within]), most):
            return False
    return True


def _follow(start: Floats, end: Floats, most: int) -> bool:
    """Whether starts and ends, each in order, are those of intervals of which `most` hold at once."""
    last = max(len(end) - most, 0)
    return all(
        (end[first : min(first + _BLOCK, last)] <= start[most + first : most + min(first + _BLOCK, last)]).all()
        for first in range(0, last, _BLOCK)
    )


def _ascends(times_s: Floats) -> bool:
    """Whether times are in order: then none of them need be sorted, and no copy of a long run's is made."""
    return bool((times_s[1:] >= times_s[:-1]).all())


def assign_lanes(start_s: Floats, end_s: Floats) -> list[int]:
    """Return a lane for each interval so that no two in a lane overlap: the lowest one free at its start.

    Greedy colouring in the order of the starts, which uses as few lanes as intervals hold at once.

    Args:
        start_s: Starts, shape (n,), seconds.
        end_s: Ends, shape (n,), not before the starts.
    """
    lanes = [0] * len(start_s)
    free: list[int] = []
    busy: list[tuple[float, int]] = []
    for row in np.lexsort((end_s, start_s)).tolist():
        while busy and busy[0][0] <= start_s[row]:
            heappush(free, heappop(busy)[1])
        lane = heappop(free) if free else len(busy)
        heappush(busy, (float(end_s[row]), lane))
        lanes[row] = lane
    return lanes
