"""How much of a span is covered by intervals: utilisation and concurrency.

Intervals are half-open, [start, end): one that ends where another starts does not overlap it. Intervals without a
start or an end (NaN) and those of zero length count for nothing.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["assign_lanes", "busy_s", "clip", "hold_at_most", "merged", "peak_concurrency", "total_s"]

_BLOCK = 262_144
"""Intervals per step: intermediate arrays stay small."""


def clip(start_s: Floats, end_s: Floats, from_s: float, to_s: float) -> tuple[Floats, Floats]:
    """Return the parts of the intervals that lie within [from_s, to_s], without the empty ones.

    Args:
        start_s: Starts, shape (n,), seconds.
        end_s: Ends, shape (n,), seconds.
        from_s: Start of the window.
        to_s: End of the window.
    """
    cut = not (len(start_s) and start_s.min() >= from_s and end_s.max() <= to_s)  # true where one is NaN as well
    if cut:
        start_s, end_s = np.maximum(start_s, from_s), np.minimum(end_s, to_s)
    inside = end_s > start_s  # false for NaN as well
    return (start_s, end_s) if inside.all() else (start_s[inside], end_s[inside])


def busy_s(start_s: Floats, end_s: Floats) -> float:
    """Return the length of the union of the intervals, seconds.

    Sorted by start, an interval adds what reaches beyond the latest end so far; O(n log n), without a Python loop.
    """
    kept = end_s > start_s
    if not kept.all():
        start_s, end_s = start_s[kept], end_s[kept]
    if not len(start_s):
        return 0.0
    new, filled = np.empty(len(start_s)), 0
    for start, end, latest in _by_start(start_s, end_s):
        block = new[filled : filled + len(start)]
        np.subtract(end, np.maximum(start, latest[:-1]), out=block)
        filled += len(start)
    return float(np.maximum(new, 0.0, out=new).sum())


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


def _by_start(start_s: Floats, end_s: Floats) -> Iterator[tuple[Floats, Floats, Floats]]:
    """Yield the intervals sorted by start, stably, some at a time, with the latest end before each and after the last.

    Shapes (k,), (k,) and (k + 1,).
    """
    order = None
    if not (start_s[1:] >= start_s[:-1]).all():
        order = np.argsort(start_s, kind="stable").astype(np.int32)
    latest_s = -np.inf
    for first in range(0, len(start_s), _BLOCK):
        rows = slice(first, first + _BLOCK) if order is None else order[first : first + _BLOCK]
        start, end = start_s[rows], end_s[rows]
        latest = np.maximum.accumulate(np.append(latest_s, end))
        latest_s = latest[-1]
        yield start, end, latest


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
    start = start if _ascends(start) else np.sort(start)
    end = end if _ascends(end) else np.sort(end)
    return bool((end[: max(len(end) - most, 0)] <= start[most:]).all())


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
