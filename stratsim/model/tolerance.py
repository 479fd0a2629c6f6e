"""The tolerance with which times are compared.

A policy that plans a finish exactly at a deadline must not be late because 0.004 + 0.002 + 0.003 exceeds 0.009 in
binary floating point. The tolerance is relative to the time itself, so that doubling all times doubles all results;
after a simulated day it is 86 ns.

Events are compared in the same way, but with times counted from the start of the run: a trace may carry the time of
day, and a second of 1970 is not 1.7 ms. What the clock itself cannot resolve at that time of day comes on top.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["CLOCK_RTOL", "RANK_DIGITS", "TIME_RTOL", "latest_finish_s", "resolution_s"]

TIME_RTOL = 1e-12
"""Times that differ by less than this share of them are the same time (our choice; rounding errors are about 1e-15)."""

CLOCK_RTOL = 2e-15
"""What a time may be off by rounding, as a share of it: nine times the resolution of binary floating point."""

RANK_DIGITS = 9
"""Decimals of a second to which policies compare what ranks requests and GPUs (our choice): rounding ranks nobody."""

Time = TypeVar("Time", float, "NDArray[np.float64]")


def latest_finish_s(deadline_s: Time) -> Time:
    """Return the latest finish that still meets an absolute deadline (not negative; `inf` for none)."""
    return deadline_s * (1.0 + TIME_RTOL)


def resolution_s(at_s: Time, start_s: float) -> Time:
    """Return how much later than `at_s` an event may be and still belong to the same instant.

    0.1 + 0.2 is later than 0.3 by an ulp: a batch that ends then, and a request that arrives, are one instant.

    Args:
        at_s: The first event of the instant.
        start_s: When the run started.
    """
    return TIME_RTOL * (at_s - start_s) + CLOCK_RTOL * at_s
