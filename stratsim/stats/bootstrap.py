"""Confidence from one run: the block bootstrap over time.

Requests of one run depend on each other (a queue remembers), so they cannot be drawn anew one by one. Blocks of
consecutive requests can, if a block is longer than the memory.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from stratsim.errors import SpecError
from stratsim.stats.intervals import Interval

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import ArrayLike, NDArray

    from stratsim.rng import Streams

    Floats = NDArray[np.float64]
    Counts = NDArray[np.int64]

__all__ = ["block_counts", "block_length", "bootstrap_p_value", "counted_quantiles", "least_p_value"]
__all__ += ["percentile_interval"]

_SIGNIFICANT = 2.0
"""Autocorrelations below so many sqrt(log10 n / n) count as none (Politis and White's c)."""


def block_length(series: Sequence[ArrayLike]) -> int:
    """Return how many consecutive values a block needs for all of the series, each of shape (n,), in order of time.

    The longest of what each asks for by Politis and White's automatic rule for the circular bootstrap: twice the lag
    from which on autocorrelations are insignificant is the reach M; with R the autocovariance and w the flat-top window
    (1 up to M / 2, then linear to 0 at M),

        b = (3 n G^2 / (2 g^2))^(1/3),    G = sum of w(k) |k| R(k),  g = sum of w(k) R(k),  over |k| <= M

    A constant series asks for 1. No block is longer than min(3 sqrt(n), n / 3).

    Raises:
        SpecError: there is no series, or one is empty.

    Source: Politis and White, "Automatic block-length selection for the dependent bootstrap", Econometric Reviews 23,
    2004; Patton, Politis and White, correction, Econometric Reviews 28, 2009.
    """
    arrays = [np.asarray(values, dtype=np.float64) for values in series]
    if not arrays or not all(len(values) for values in arrays):
        raise SpecError("a block length needs at least one series, and values in each")
    return max(_length(values) for values in arrays)


def _length(x: Floats) -> int:
    n = len(x)
    longest = max(math.ceil(min(3 * math.sqrt(n), n / 3)), 1)
    quiet = max(5, math.ceil(math.sqrt(math.log10(max(n, 2)))))
    lags = min(math.ceil(math.sqrt(n)) + quiet, n - 1)
    centred = x - x.mean()
    variance = float(centred @ centred) / n
    if lags < 1 or variance <= (1e-12 * max(abs(float(x.mean())), 1e-300)) ** 2:
        return 1
    covariance = np.array([float(centred[lag:] @ centred[: n - lag]) / n for lag in range(lags + 1)])
    window = _reach(covariance[1:] / variance, quiet, _SIGNIFICANT * math.sqrt(math.log10(n) / n), lags)
    lag = np.arange(1, window + 1)
    weighted = np.minimum(2 * (1 - lag / window), 1.0) * covariance[1 : window + 1]
    spread = variance + 2 * float(weighted.sum())
    slope = 2 * float((lag * weighted).sum())
    if spread <= 0:
        return 1
    wanted = (3 * n * slope**2 / (2 * spread**2)) ** (1 / 3)
    return int(min(max(math.ceil(wanted - 1e-9), 1), longest))


def _reach(correlation: Floats, quiet: int, limit: float, lags: int) -> int:
    """Return the reach M of the window: twice the lag after which `quiet` autocorrelations in a row are none."""
    loud = np.abs(correlation) >= limit
    last = next((m for m in range(len(loud) - quiet + 1) if not loud[m : m + quiet].any()), None)
    if last is None:
        last = int(np.flatnonzero(loud)[-1]) + 1 if loud.any() else 1
    return min(2 * max(last, 1), lags)


def block_counts(n: int, length: int, resamples: int, streams: Streams) -> Iterator[Counts]:
    """Yield, for each resample, how often each of the n values is in it: an array of shape (n,).

    Blocks of `length` consecutive values, each beginning anywhere with the same probability; after the last value
    comes the first (circular: Politis and Romano 1992). There are as many as are needed for n values.

    Args:
        n: Number of values.
        length: Values of a block, at most n.
        resamples: How many.
        streams: The random streams; the same give the same resamples.
    """
    rng = streams.get("bootstrap", "blocks")
    for _ in range(resamples):
        begin = rng.integers(0, n, size=-(-n // length))
        steps = np.bincount(begin, minlength=2 * n) - np.bincount(begin + length, minlength=2 * n)[: 2 * n]
        covered = np.cumsum(steps)
        yield covered[:n] + covered[n:]


def counted_quantiles(ordered: Floats, counts: Floats, quantiles: Sequence[float]) -> Floats:
    """Return quantiles (type 7, as in `stratsim.stats.latency`) of values that count several times, for many resamples.

    Args:
        ordered: Values in ascending order, shape (n,); may be infinite at the end.
        counts: How often each counts in each resample, whole numbers of shape (R, n).
        quantiles: Each within [0, 1].

    Returns:
        Shape (number of quantiles, R); NaN for a resample in which no value counts.
    """
    resamples = len(counts)
    found = np.full((len(quantiles), resamples), np.nan)
    if not len(ordered):
        return found
    ends = np.cumsum(counts, axis=1)
    for row in range(resamples):
        total = ends[row, -1]
        if not total:
            continue
        at = (total - 1) * np.asarray(quantiles)
        whole = np.floor(at)
        below, above = ordered[ends[row].searchsorted(np.stack([whole, np.ceil(at)]), side="right")]
        with np.errstate(invalid="ignore"):  # between two infinite values
            found[:, row] = np.where(np.isinf(above), above, below + (at - whole) * (above - below))
    return found


def percentile_interval(estimate: float, resampled: ArrayLike, level: float = 0.95) -> Interval | None:
    """Return an estimate with the interval between the percentiles of its resamples; None where fewer than half exist.

    Args:
        estimate: The figure of the whole run.
        resampled: The same figure of each resample, shape (B,); NaN where it does not exist.
        level: Confidence level within (0, 1).

    Source: Efron, "Bootstrap methods: another look at the jackknife", Annals of Statistics 7, 1979.
    """
    known = _known(resampled)
    if 2 * len(known) < len(np.asarray(resampled)) or not len(known):
        return None
    ends = ((1 - level) / 2, (1 + level) / 2)
    if np.isfinite(known).all():
        low, high = np.quantile(known, ends)
    else:  # nothing lies between a number and an infinite one
        low, high = (np.quantile(known, q, method=way) for q, way in zip(ends, ("lower", "higher"), strict=True))  # type: ignore[call-overload]
    return Interval(float(estimate), float(low), float(high), 1, level)


def bootstrap_p_value(resampled: ArrayLike) -> float:
    """Return the two-sided p-value that a difference is 0: twice the share of resamples on the rarer side of 0.

    A resample of exactly 0 is on both sides. Never 0: no less than `least_p_value`.

    Args:
        resampled: The difference in each resample, shape (B,); NaN where it does not exist.
    """
    known = _known(resampled)
    rarer = min(int((known <= 0).sum()), int((known >= 0).sum()))
    return min(2 * (1 + rarer) / (1 + len(known)), 1.0)


def least_p_value(resampled: ArrayLike) -> float:
    """Return the smallest p-value that so many resamples can give, 2 / (B + 1): one that small is an upper bound.

    Args:
        resampled: As for `bootstrap_p_value`.
    """
    return min(2 / (1 + len(_known(resampled))), 1.0)


def _known(resampled: ArrayLike) -> Floats:
    values = np.asarray(resampled, dtype=np.float64)
    return values[~np.isnan(values)]
