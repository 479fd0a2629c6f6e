"""Quantiles over replications, with intervals that assume nothing of the distribution."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stratsim.errors import SpecError
from stratsim.stats.intervals import Interval

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["quantile_interval"]


def quantile_interval(values: ArrayLike, q: float = 0.5, level: float = 0.95) -> Interval | None:
    """Return the q-quantile over independent replications between two order statistics; None if n does not allow it.

    The interval is from the l-th to the u-th smallest. The number of values at or below the true quantile is binomial,
    so it covers with probability P(l <= Bin(n, q) < u) at least. Each side errs with (1 - level) / 2 at most, and l and
    u are as close as that allows. A median needs 6 values at 95 %, the 0.9-quantile 36. `mean` holds the estimate
    (type 7).

    Args:
        values: One figure per replication, shape (n,), finite.
        q: Which quantile, within (0, 1).
        level: Confidence level within (0, 1).

    Raises:
        SpecError: q or the level is outside (0, 1).

    Source: David and Nagaraja, "Order statistics", 3rd edition, 2003, section 7.1.
    """
    if not (0 < q < 1 and 0 < level < 1):
        raise SpecError(f"quantile and level must be within (0, 1), got {q} and {level}")
    x = np.sort(np.asarray(values, dtype=np.float64).ravel())
    if not len(x):
        return None
    from scipy.special import bdtr

    n, error = len(x), (1 - level) / 2
    below = bdtr(np.arange(n + 1), n, q)  # P(Bin <= k)
    low = int((below <= error).sum())  # the largest l with P(Bin < l) <= error
    high = int((below < 1 - error).sum()) + 1  # the smallest u with P(Bin < u) >= 1 - error
    if low < 1 or high > n:
        return None
    return Interval(float(np.quantile(x, q)), float(x[low - 1]), float(x[high - 1]), n, level)
