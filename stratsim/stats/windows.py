"""Which stretches of a run are worth a look: the busiest window, the surroundings of a moment, their union."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Span = tuple[float, float]

__all__ = ["around", "busiest_s", "merged_spans"]


def busiest_s(start_s: Floats, end_s: Floats, length_s: float) -> float:
    """Return the start of the window in which the most execution time begins; the first one of equals.

    Windows begin where an execution does. (Our choice.)

    Args:
        start_s: Starts of the executions, shape (n,), n >= 1, seconds.
        end_s: Their ends; NaN counts as no time.
        length_s: Length of the window, seconds.
    """
    order = None if (start_s[1:] >= start_s[:-1]).all() else np.argsort(start_s, kind="stable")
    start = start_s if order is None else start_s[order]
    lasted = (end_s if order is None else end_s[order]) - start
    work = np.concatenate(([0.0], np.cumsum(np.nan_to_num(lasted))))
    last = np.searchsorted(start, start + length_s)
    return float(start[np.argmax(work[last] - work[:-1])])


def around(times_s: Floats, at_s: float, count: int) -> Span:
    """Return the span of the `count` times next to a moment, half before and half after, and the moment itself.

    Args:
        times_s: Ascending, shape (n,), n >= 1.
        at_s: The moment.
        count: How many; all if there are not so many.
    """
    middle = int(np.searchsorted(times_s, at_s))
    first = max(0, min(middle - count // 2, len(times_s) - count))
    last = min(len(times_s), first + count) - 1
    return min(float(times_s[first]), at_s), max(float(times_s[last]), at_s)


def merged_spans(spans: Iterable[Span]) -> list[Span]:
    """Return the union of spans as disjoint ones, in order."""
    found: list[Span] = []
    for from_s, to_s in sorted(spans):
        if found and from_s <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], to_s)
        else:
            found.append((from_s, to_s))
    return found
