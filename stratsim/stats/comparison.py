"""Policies compared over the same seeds: families of comparisons, what pairing gains, and the price of a gain."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stratsim.errors import SpecError
from stratsim.stats.intervals import Interval, paired_interval

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike

__all__ = ["Comparison", "compare_paired", "holm", "low_price", "low_price_interval", "ratio_interval"]
__all__ += ["paired_p_value", "simultaneous_level", "variance_ratio"]


class Comparison(NamedTuple):
    """One member of a family of paired comparisons."""

    interval: Interval
    """Of the mean difference, by itself: covers with the level's probability."""
    simultaneous: Interval
    """Of the mean difference: all of the family's cover at once with at least that probability (Bonferroni)."""
    p_value: float
    """Of the two-sided paired t test, by itself."""
    p_holm: float
    """Adjusted for the family: below 1 - level, the difference is not by chance, with that error for all together."""
    variance_ratio: float | None
    """Variance of the difference, paired over unpaired; None where nothing varies."""


def compare_paired(
    differences: Mapping[str, tuple[ArrayLike, ArrayLike]], level: float = 0.95
) -> dict[str, Comparison]:
    """Compare each pair of figures over the same seeds, and account for how many comparisons there are.

    The decisions are Holm's: reject where `p_holm <= 1 - level`. Intervals that say exactly what Holm's procedure
    says exist for one-sided questions only, and tell nothing but the sign of what is rejected unless all is
    (Strassburger and Bretz 2008). So the simultaneous intervals here are Bonferroni's, at level 1 - (1 - level) / m.
    They are valid and a little wide: one that excludes 0 is always rejected by Holm too, but Holm may reject where it
    includes 0. Say so when both are shown.

    Args:
        differences: By name: one figure per seed and the reference's for the same seeds, both of shape (n,), n >= 2.
        level: Confidence level within (0, 1).

    Source: Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6,
    1979; Strassburger and Bretz, "Compatible simultaneous lower confidence bounds for the Holm procedure and other
    Bonferroni-based closed tests", Statistics in Medicine 27, 2008.
    """
    jointly = simultaneous_level(level, len(differences))
    p_values = [paired_p_value(values, reference) for values, reference in differences.values()]
    return {
        name: Comparison(
            interval=paired_interval(values, reference, level),
            simultaneous=paired_interval(values, reference, jointly),
            p_value=p_value,
            p_holm=p_holm,
            variance_ratio=variance_ratio(values, reference),
        )
        for (name, (values, reference)), p_value, p_holm in zip(
            differences.items(), p_values, holm(p_values), strict=True
        )
    }


def simultaneous_level(level: float, count: int) -> float:
    """Return the level of each of `count` intervals that all cover at once with at least `level` (Bonferroni)."""
    return 1 - (1 - level) / max(count, 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's adjusted p-values, in the given order.

    The k-th smallest of m (k from 1) is multiplied by m - k + 1, raised to the largest before it, and cut at 1.
    Rejecting what is at most alpha keeps the probability of any false rejection at most alpha, whatever the dependence.
    """
    p = np.asarray(p_values, dtype=np.float64)
    if not ((p >= 0) & (p <= 1)).all():
        raise SpecError(f"p-values must lie within [0, 1], got {p.tolist()}")
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1.0)
    return [float(value) for value in adjusted]


def paired_p_value(values: ArrayLike, reference: ArrayLike) -> float:
    """Return the two-sided p-value of Student's paired t test that the mean difference is 0.

    Differences that are all equal give 1 if they are 0, else 0.

    Args:
        values: One figure per seed, shape (n,), n >= 2.
        reference: The other's for the same seeds, shape (n,).
    """
    interval = paired_interval(values, reference)  # checks the arguments
    difference = np.asarray(values, dtype=np.float64) - np.asarray(reference, dtype=np.float64)
    error = float(difference.std(ddof=1)) / math.sqrt(difference.size)
    if error == 0:
        return 0.0 if interval.mean else 1.0
    from scipy.special import stdtr

    return 2 * float(stdtr(difference.size - 1, -abs(interval.mean) / error))


def variance_ratio(values: ArrayLike, reference: ArrayLike) -> float | None:
    """Return Var(x - y) / (Var x + Var y): how much of the variance is left by using the same seeds for both.

    1 is no gain, 0.1 is worth ten times as many seeds, above 1 pairing harms. None where neither varies.
    """
    x, y = np.asarray(values, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    paired_interval(x, y)  # checks the arguments
    apart = float(x.var(ddof=1) + y.var(ddof=1))
    return float((x - y).var(ddof=1)) / apart if apart else None


# The price of a gain --------------------------------------------------------------------------------------------------


def low_price(high: float, low: float, reference_high: float, reference_low: float) -> float | None:
    """Return the extra low-priority violation per unit of high-priority violation saved, against a reference policy.

    (low - reference_low) / (reference_high - high): percentage points per percentage point. Positive: low priority
    pays. 0: nobody does. Negative: both classes gain. None where nothing is saved: a price of a loss means nothing.

    Args:
        high: Violation of the high-priority class, within [0, 1].
        low: Of the low-priority class.
        reference_high: The reference policy's, high priority.
        reference_low: The reference policy's, low priority.
    """
    saved = reference_high - high
    return (low - reference_low) / saved if saved > 0 else None


def low_price_interval(
    high: ArrayLike, low: ArrayLike, reference_high: ArrayLike, reference_low: ArrayLike, level: float = 0.95
) -> Interval | None:
    """Return the low-priority price over seeds: mean extra violation over mean saving, with Fieller's interval.

    A ratio of means, not a mean of ratios: single seeds may save next to nothing. None where nothing is saved on
    average; an interval from -inf to inf where the saving is not significant at the level: the price is not known.

    Args:
        high: Violations of the high-priority class, one per seed, shape (n,), n >= 2; the others likewise.
        low: Of the low-priority class.
        reference_high: The reference policy's, for the same seeds.
        reference_low: The reference policy's, for the same seeds.
        level: Confidence level within (0, 1).
    """
    extra = np.asarray(low, dtype=np.float64) - np.asarray(reference_low, dtype=np.float64)
    saved = np.asarray(reference_high, dtype=np.float64) - np.asarray(high, dtype=np.float64)
    return ratio_interval(extra, saved, level) if saved.mean() > 0 else None


def ratio_interval(numerator: ArrayLike, denominator: ArrayLike, level: float = 0.95) -> Interval:
    """Return mean(numerator) / mean(denominator) with Fieller's confidence interval, paired by seed.

    The interval holds every ratio r for which mean(numerator - r denominator) does not differ from 0 by a t test. It
    is exact for normal figures, and not symmetric. Where the denominator's mean itself does not differ from 0, no
    finite interval can be right: it is from -inf to inf.

    Args:
        numerator: One figure per seed, shape (n,), n >= 2.
        denominator: For the same seeds; its mean must not be 0.
        level: Confidence level within (0, 1).

    Source: Fieller, "Some problems in interval estimation", Journal of the Royal Statistical Society B 16, 1954;
    Franz, "Ratios: a short guide to confidence limits and proper use", arXiv 0710.2024, 2007.
    """
    x, y = np.asarray(numerator, dtype=np.float64), np.asarray(denominator, dtype=np.float64)
    paired_interval(x, y, level)  # checks the arguments
    from scipy.special import stdtrit

    if not y.mean():
        raise SpecError("a ratio of means needs a denominator whose mean is not 0")
    scale = float(stdtrit(x.size - 1, (1 + level) / 2)) ** 2 / x.size
    (v_xx, v_xy), (_, v_yy) = scale * np.cov(x, y)
    a, b, c = y.mean() ** 2 - v_yy, x.mean() * y.mean() - v_xy, x.mean() ** 2 - v_xx
    ratio = float(x.mean() / y.mean())
    if a <= 0:
        return Interval(ratio, -math.inf, math.inf, x.size, level)
    reach = math.sqrt(max(b * b - a * c, 0.0))
    return Interval(ratio, float((b - reach) / a), float((b + reach) / a), x.size, level)
