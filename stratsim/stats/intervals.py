"""Confidence intervals over independent replications (different seeds)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stratsim.errors import SpecError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = [
    "Interval",
    "MedianInterval",
    "mean_interval",
    "median_interval",
    "paired_interval",
    "share_interval",
]


class Interval(NamedTuple):
    """A mean and its two-sided confidence interval, in the unit of the values."""

    mean: float
    low: float
    high: float
    n: int
    """Number of replications."""
    level: float
    """Confidence level, such as 0.95."""

    @property
    def half_width(self) -> float:
        """Distance from the mean to either end."""
        return (self.high - self.low) / 2

    def __contains__(self, value: object) -> bool:
        return isinstance(value, (int, float)) and self.low <= value <= self.high


class MedianInterval(NamedTuple):
    """A median and its two-sided 95 % interval, in the unit of the values."""

    median: float
    low: float
    high: float


def median_interval(values: ArrayLike) -> MedianInterval:
    """Return the median with a 95 % interval by order statistics: no shape of the distribution is assumed.

    As many values lie below the true median as a fair coin falls heads, so the ends are the values whose ranks are
    1.96 standard deviations of that count, sqrt(n) / 2 each, from the middle one.

    Args:
        values: Shape (n,), n >= 1, finite.

    Raises:
        SpecError: no values.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64).ravel())
    n = len(ordered)
    if not n:
        raise SpecError("a median needs at least 1 value, got 0")
    reach = 0.98 * math.sqrt(n)
    low, high = max(int(n / 2 - reach), 0), min(int(np.ceil(n / 2 + reach)), n - 1)
    return MedianInterval(float(np.median(ordered)), float(ordered[low]), float(ordered[high]))


def mean_interval(values: ArrayLike, level: float = 0.95) -> Interval:
    """Return the mean of independent replications with Student's t interval.

    mean +- t((1 + level) / 2, n - 1) * s / sqrt(n), where s is the sample standard deviation (divisor n - 1).

    Args:
        values: One figure per replication, shape (n,), n >= 2, finite.
        level: Confidence level within (0, 1).

    Raises:
        SpecError: fewer than two values, one that is not finite, or a level outside (0, 1).
    """
    x = np.asarray(values, dtype=np.float64).ravel()
    if not 0 < level < 1:
        raise SpecError(f"confidence level must be within (0, 1), got {level}")
    if x.size < 2:
        raise SpecError(f"a confidence interval needs at least 2 replications, got {x.size}")
    if not np.isfinite(x).all():
        raise SpecError(f"a confidence interval needs finite values, got {x[~np.isfinite(x)][0]}")
    from scipy.special import stdtrit

    mean = float(x.mean())
    reach = float(stdtrit(x.size - 1, (1 + level) / 2)) * float(x.std(ddof=1)) / math.sqrt(x.size)
    return Interval(mean, mean - reach, mean + reach, x.size, level)


def share_interval(values: ArrayLike, level: float = 0.95) -> Interval:
    """Return the mean of shares with its t interval, cut to [0, 1]: no share lies outside.

    Args:
        values: One share per replication, shape (n,), n >= 2, within [0, 1].
        level: Confidence level within (0, 1).
    """
    found = mean_interval(values, level)
    return found._replace(low=max(found.low, 0.0), high=min(found.high, 1.0))


def paired_interval(values: ArrayLike, reference: ArrayLike, level: float = 0.95) -> Interval:
    """Return the mean of values - reference, paired by seed, with its t interval.

    Pairing removes what both have in common (the same arrivals), so it needs far fewer replications than two
    separate intervals.

    Args:
        values: One figure per seed, shape (n,).
        reference: The other policy's figure for the same seeds, in the same order, shape (n,).
        level: Confidence level within (0, 1).
    """
    x, y = np.asarray(values, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    if x.shape != y.shape:
        raise SpecError(f"paired values must be as many as their reference, got {x.size} and {y.size}")
    return mean_interval(x - y, level)
