"""What the host adds to the device's own times, measured from live runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stratsim.fidelity.one_step import freed_slots
from stratsim.stats.intervals import median_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from stratsim.engine import Result

__all__ = ["Overhead", "measure_overheads", "overhead"]

_LEAST = 20
"""Batches from which on a median counts as measured."""


class Overhead(NamedTuple):
    """One overhead of the host.

    `value_s` is the median, `low_s` and `high_s` its 95 % interval by order statistics; None: too few batches show it.
    """

    name: str
    value_s: float | None
    low_s: float | None
    high_s: float | None
    n: int
    source: str
    """From which columns, over which batches."""


def measure_overheads(results: Sequence[Result]) -> list[Overhead]:
    """Return the overheads of `truth.host`, each from named columns of the batch tables, all runs together.

    Slots go to batches in the order of dispatch. A batch found a slot if fewer batches than there are slots were ahead
    of it when it was dispatched, else it waited, for the execution_end_s that freed one.

    - `dispatch_s`: copy_in_start_s - dispatch_s, of batches that found a slot, when all others had copied in.
    - `launch_s`: execution_start_s - copy_in_end_s, of batches that found a slot.
    - `notice_s`: execution_start_s - the execution_end_s that freed the slot - `launch_s`, of batches that waited; less
      the copy of the inputs where that came only then.
    - `collect_s`: copy_out_start_s - execution_end_s, of batches whose execution ended when no outputs were copied.
    """
    runs = [_times(result) for result in results]
    dispatched, launched, waited = ([time_s for times_s in runs for time_s in times_s[part]] for part in range(3))
    launch = overhead("launch_s", launched, "execution_start_s - copy_in_end_s, of batches that found a slot")
    launched_s = launch.value_s or 0.0
    return [
        overhead(
            "dispatch_s", dispatched, "copy_in_start_s - dispatch_s, of batches that found a slot and nothing to copy"
        ),
        launch,
        overhead(
            "notice_s",
            [time_s - launched_s for time_s in waited],
            "execution_start_s - execution_end_s of the batch that freed the slot - launch_s, of batches that waited",
        ),
        overhead(
            "collect_s",
            [time_s for result in results for time_s in _collected(result)],
            "copy_out_start_s - execution_end_s, of batches that found no copy of outputs",
        ),
    ]


def _collected(result: Result) -> list[float]:
    """Return what `collect_s` is the median of."""
    batches = result.batches
    times: list[float] = []
    for gpu in range(result.gpus):
        rows = np.flatnonzero((batches.gpu == gpu) & ~np.isnan(batches.copy_out_end_s))
        rows = rows[np.argsort(batches.execution_end_s[rows], kind="stable")]
        end_s, start_s = batches.execution_end_s[rows], batches.copy_out_start_s[rows]
        copied_s = np.maximum.accumulate(batches.copy_out_end_s[rows])
        idle = np.append(True, copied_s[:-1] <= end_s[1:])[: len(rows)]
        times += (start_s - end_s)[idle].tolist()
    return times


def _times(result: Result) -> tuple[list[float], list[float], list[float]]:
    """Return what `dispatch_s`, `launch_s` and, with the latter, `notice_s` are the medians of."""
    batches, freed = result.batches, freed_slots(result)
    dispatched: list[float] = []
    launched: list[float] = []
    waited: list[float] = []
    copied_s = -np.inf
    for row in np.argsort(batches.dispatch_s, kind="stable").tolist():
        at_s, copy_s, there_s, start_s, end_s = (float(getattr(batches, name)[row]) for name in _COLUMNS)
        if np.isnan(end_s):
            continue
        freed_s = float(freed[row])
        if freed_s <= at_s:
            launched.append(start_s - there_s)
            if copied_s <= at_s:
                dispatched.append(copy_s - at_s)
        elif there_s <= freed_s or copy_s >= freed_s:  # else the copy, not the slot, was what it waited for
            waited.append(start_s - freed_s - (there_s - copy_s if copy_s >= freed_s else 0.0))
        copied_s = max(copied_s, there_s)
    return dispatched, launched, waited


_COLUMNS = ("dispatch_s", "copy_in_start_s", "copy_in_end_s", "execution_start_s", "execution_end_s")


def overhead(name: str, times_s: Sequence[float] | NDArray[np.float64], source: str) -> Overhead:
    """Return the median of an overhead and its interval; `Overhead.value_s` None with fewer than 20 times."""
    n = len(times_s)
    if n < _LEAST:
        return Overhead(name, None, None, None, n, source)
    found = median_interval(times_s)
    return Overhead(name, found.median, found.low, found.high, n, source)
