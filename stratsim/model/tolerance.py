"""The one tolerance with which times are compared.

A policy that plans a finish exactly at a deadline must not be late because 0.004 + 0.002 + 0.003 exceeds 0.009 in
binary floating point. The tolerance is relative to the time itself, so that doubling all times doubles all results;
after a simulated day it is 86 ns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["TIME_RTOL", "latest_finish_s"]

TIME_RTOL = 1e-12
"""Times that differ by less than this share of them are the same time (our choice; rounding errors are about 1e-15)."""


Time = TypeVar("Time", float, "NDArray[np.float64]")


def latest_finish_s(deadline_s: Time) -> Time:
    """Return the latest finish that still meets an absolute deadline (not negative; `inf` for none)."""
    return deadline_s * (1.0 + TIME_RTOL)
