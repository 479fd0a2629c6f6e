"""What happened window by window of a run: where in a trace a policy fails.

A window is half-open, [from, to), but for the last one, which ends with the run and may be shorter. A request counts in
the window in which it arrived, whatever became of it later; a batch in the one in which it began to execute. What lasts
(waiting, executing) counts by how much of it lies in the window. Source: our choice; docs/reference/metrics.md has
each figure.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from stratsim.errors import SpecError
from stratsim.stats.occupancy import merged

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]

__all__ = ["MOST_WINDOWS", "WINDOW_COLUMNS", "Life", "edges", "over_time", "within_s"]

MOST_WINDOWS = 100_000
"""Windows of one run: more than anybody looks at. Our choice."""

WINDOW_COLUMNS = (
    *("from_s", "to_s", "high_arrived", "low_arrived", "high_violated", "low_violated", "high_dropped", "low_dropped"),
    *("queue", "utilization", "batches", "batch_size"),
)
"""Columns of a table of windows, besides the policy."""
_SLIVER = 1e-9
"""Share of a window that is rounding, and no window of its own."""


class Life(NamedTuple):
    """What a run was, in columns; times in seconds, NaN: did not happen.

    Args:
        arrival_s: Of each request, shape (n,).
        left_s: When it was started or given up; NaN: it waited until the end.
        high: Whether it is of the high class; else of the low one.
        violated: Whether it was late, dropped or never finished.
        dropped: Whether it was dropped.
        begun_s: When each batch began to execute, shape (m,).
        size: Its requests.
        executing: By GPU, starts and ends of all stretches of execution.
        start_s: Start of the run.
        end_s: Its end.
    """

    arrival_s: Floats
    left_s: Floats
    high: Mask
    violated: Mask
    dropped: Mask
    begun_s: Floats
    size: NDArray[np.integer[Any]]
    executing: Sequence[tuple[Floats, Floats]]
    start_s: float
    end_s: float


def edges(start_s: float, end_s: float, width_s: float) -> Floats:
    """Return where the windows of a run begin, and where the last one ends, shape (k + 1,).

    Raises:
        SpecError: a width that is not positive and finite, or so small that there are too many windows.
    """
    if not 0 < width_s < math.inf:
        raise SpecError(f"windows must be > 0 s and finite, got {width_s}")
    span_s = float(end_s - start_s)
    if span_s / width_s > MOST_WINDOWS:
        raise SpecError(
            f"windows of {width_s:g} s are too short for a run of {span_s:.6g} s: at most {MOST_WINDOWS} can be shown; "
            f"give {span_s / MOST_WINDOWS:.2g} s or more"
        )
    count = max(1, math.ceil(span_s / width_s - _SLIVER))
    found: Floats = start_s + width_s * np.arange(count + 1, dtype=np.float64)
    found[-1] = end_s
    return found


def over_time(life: Life, width_s: float) -> dict[str, Floats | NDArray[np.int64]]:
    """Return the columns `WINDOW_COLUMNS`, shape (k,): counts are whole numbers, NaN is a figure that does not exist.

    Args:
        life: The run.
        width_s: Length of a window, seconds.

    Raises:
        SpecError: as `edges`.
    """
    at_s = edges(life.start_s, life.end_s, width_s)
    count, long_s = len(at_s) - 1, np.diff(at_s)
    request, batch = (_window(times, at_s) for times in (life.arrival_s, life.begun_s))
    # Times are taken from the start of the run: a trace may carry the time of day.
    left_s = np.where(np.isnan(life.left_s), life.end_s, life.left_s)
    waited_s = within_s(life.arrival_s, left_s, at_s)
    busy_s = [within_s(*merged(start, end), at_s) for start, end in map(_whole, life.executing)]
    batches = _count(batch[batch >= 0], count)
    with np.errstate(invalid="ignore", divide="ignore"):
        found: dict[str, Any] = {"from_s": at_s[:-1], "to_s": at_s[1:]}
        for name, chosen in (("arrived", None), ("violated", life.violated), ("dropped", life.dropped)):
            for label, of_class in (("high", life.high), ("low", ~life.high)):
                rows = of_class if chosen is None else of_class & chosen
                found[f"{label}_{name}"] = _count(request[rows], count)
        sizes = np.bincount(batch[batch >= 0], weights=life.size[batch >= 0], minlength=count)
        found |= {"queue": waited_s / long_s, "utilization": sum(busy_s) / long_s / max(len(busy_s), 1)}
        found |= {"batches": batches, "batch_size": sizes / batches}
    return {name: found[name] for name in WINDOW_COLUMNS}


def within_s(start_s: Floats, end_s: Floats, at_s: Floats) -> Floats:
    """Return how much of some intervals lies within each window, summed over them, seconds, shape (k,).

    Args:
        start_s: Starts, shape (n,).
        end_s: Ends, shape (n,), not before the starts.
        at_s: Edges of the windows, ascending, shape (k + 1,).
    """
    first = at_s[0]
    return np.diff(_since(start_s - first, at_s - first) - _since(end_s - first, at_s - first))


def _since(times: Floats, at_s: Floats) -> Floats:
    """Return the time from all moments before each of `at_s` to it, summed."""
    ordered = np.sort(times)
    before = np.searchsorted(ordered, at_s)
    summed = np.concatenate([[0.0], np.cumsum(ordered)])
    return np.asarray(before * at_s - summed[before])


def _whole(stretches: tuple[Floats, Floats]) -> tuple[Floats, Floats]:
    """Leave out intervals that lack an end, or have no length."""
    start, end = stretches
    kept = end > start
    return start[kept], end[kept]


def _window(times: Floats, at_s: Floats) -> NDArray[np.int64]:
    """Return the window that each time is in; -1 for NaN. The end of the run belongs to the last one."""
    found = np.minimum(np.searchsorted(at_s, times, side="right") - 1, len(at_s) - 2)
    return np.where(np.isnan(times), -1, found)


def _count(windows: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    return np.bincount(windows, minlength=count).astype(np.int64)
