"""Deadline accounting.

A violation is a request that arrived and was not answered in time, for whatever reason: late, dropped or never
finished. Systems of the field count drops in the same way (source: Clockwork's goodput, AlpaServe's goodput, the
gpulet scripts, Proteus; quoted in docs/reference/metrics.md).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from stratsim.errors import SpecError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["measuring_window", "ratio", "violation", "violation_completed", "violation_gap", "violation_ratio"]


def ratio(part: float, whole: float) -> float | None:
    """Return part / whole; None if `whole` is 0."""
    return part / whole if whole else None


def violation(met: int, arrived: int) -> float | None:
    """Return 1 - met / arrived: drops count. None if nothing arrived."""
    return ratio(arrived - met, arrived)


def violation_completed(met: int, late: int) -> float | None:
    """Return late / (met + late): what is left of the violations if drops are not counted. None if none completed.

    Reported with `violation` so that a policy that looks good by dropping is seen to do so.
    """
    return ratio(late, met + late)


def violation_gap(high: float, low: float) -> float:
    """Return low - high, as shares: positive where low priority fares worse."""
    return low - high


def violation_ratio(high: float, low: float) -> float | None:
    """Return low / high; None where no deadline of the high class is violated."""
    return ratio(low, high)


def measuring_window(
    arrival_s: NDArray[np.float64], deadline_s: NDArray[np.float64], warmup_s: float
) -> tuple[float, float]:
    """Return [first arrival + warm-up, last arrival - largest SLO]: requests that arrived inside it are measured.

    The end is cut by the largest finite SLO so that every measured request meets the load that the trace intends
    during all the time it has.

    Args:
        arrival_s: Arrivals, shape (n,), seconds.
        deadline_s: Absolute deadlines, shape (n,), seconds; `inf` for none.
        warmup_s: Length of the warm-up, seconds, not negative.

    Raises:
        SpecError: the warm-up is not a length of time, or it leaves nothing to measure.
    """
    if not (math.isfinite(warmup_s) and warmup_s >= 0):
        raise SpecError(f"warmup must be >= 0 seconds and finite, got {warmup_s}")
    if not len(arrival_s):
        raise SpecError("warmup: there is no request to measure")
    slo = deadline_s - arrival_s
    longest = float(slo[np.isfinite(slo)].max(initial=0.0))
    first, last = float(arrival_s.min()), float(arrival_s.max())
    window = first + warmup_s, last - longest
    if window[0] > window[1]:
        raise SpecError(
            f"warmup {warmup_s:g} s leaves nothing to measure: requests arrive during {last - first:g} s "
            f"and the largest SLO is {longest:g} s"
        )
    return window
