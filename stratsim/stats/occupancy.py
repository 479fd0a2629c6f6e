"""How much of a span is covered by intervals: utilisation and concurrency.

Intervals are half-open, [start, end): one that ends where another starts does not overlap it. Intervals without a
start or an end (NaN) and those of zero length count for nothing.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["assign_lanes", "busy_s", "clip", "merged", "peak_concurrency", "total_s"]


def clip(start_s: Floats, end_s: Floats, from_s: float, to_s: float) -> tuple[Floats, Floats]:
    """Return the parts of the intervals that lie within [from_s, to_s], without the empty ones.

    Args:
        start_s: Starts, shape (n,), seconds.
        end_s: Ends, shape (n,), seconds.
        from_s: Start of the window.
        to_s: End of the window.
    """
    start, end = np.maximum(start_s, from_s), np.minimum(end_s, to_s)
    inside = end > start  # false for NaN as well
    return start[inside], end[inside]


def busy_s(start_s: Floats, end_s: Floats) -> float:
    """Return the length of the union of the intervals, seconds.

    Sorted by start, an interval adds what reaches beyond the latest end so far; O(n log n), without a Python loop.
    """
    kept = end_s > start_s
    order = np.flatnonzero(kept)[np.argsort(start_s[kept], kind="stable")]
    if not len(order):
        return 0.0
    start, end = start_s[order], end_s[order]
    reached = np.maximum.accumulate(end)
    np.maximum(start[1:], reached[:-1], out=start[1:])
    new = np.subtract(end, start, out=end)
    return float(np.maximum(new, 0.0, out=new).sum())


def merged(start_s: Floats, end_s: Floats) -> tuple[Floats, Floats]:
    """Return the union of the intervals as disjoint ones that do not touch, in order: their starts and ends.

    Args:
        start_s: Starts, shape (n,), seconds.
        end_s: Ends, shape (n,), not before the starts.
    """
    order = np.argsort(start_s, kind="stable")
    start, reached = start_s[order], np.maximum.accumulate(end_s[order])
    new = np.append(True, start[1:] > reached[:-1])[: len(start)]
    last = np.append(new[1:], True)[: len(start)]
    return start[new], reached[last]


def total_s(start_s: Floats, end_s: Floats) -> float:
    """Return the summed length of the intervals, seconds: divided by the span, the mean number at once."""
    return float(np.subtract(end_s, start_s).sum(where=end_s > start_s))


def peak_concurrency(start_s: Floats, end_s: Floats) -> int:
    """Return the largest number of intervals that hold at one instant."""
    start, end = clip(start_s, end_s, -np.inf, np.inf)
    if not len(start):
        return 0
    start, end = np.sort(start), np.sort(end)
    begun = np.arange(1, len(start) + 1)
    return int((begun - np.searchsorted(end, start, side="right")).max())


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
