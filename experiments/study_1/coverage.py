"""Intervals of a batch's execution time, and how often they cover it: a belief's own, and those of its recent errors.

Any predictor has the second kind: the ratio of actual to predicted time of its last batches of the same model, between
two order statistics. Source: split conformal prediction over a sliding window (Vovk, Gammerman and Shafer, "Algorithmic
learning in a random world", 2005); window and least number are our choice.
"""

from __future__ import annotations

from collections import deque
from math import ceil, floor, nan
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stratsim.compare.prequential import quantile_kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from stratsim.compare.prequential import Prediction

    Floats = NDArray[np.float64]

__all__ = ["ENDS", "NOMINAL", "Band", "own_band", "recent_band"]

NOMINAL = 0.9
"""With which probability an interval is to cover."""
ENDS = (0.05, 0.95)
"""The quantiles that it lies between."""
RECENT = 200
"""Batches whose errors are remembered."""
LEAST = 30
"""Errors of one model below which those of all models count; below that, there is no interval."""


class Band(NamedTuple):
    """Intervals, one per batch: shapes (n,), seconds; NaN where there is none."""

    low_s: Floats
    high_s: Floats
    actual_s: Floats
    solo_s: Floats

    @property
    def covered(self) -> Floats:
        """1 where the interval covers, else 0; NaN where there is none."""
        inside = (self.low_s <= self.actual_s) & (self.actual_s <= self.high_s)
        return np.where(np.isnan(self.low_s), nan, inside.astype(np.float64))

    @property
    def width(self) -> Floats:
        """Width over the execution time alone."""
        width: Floats = (self.high_s - self.low_s) / self.solo_s
        return width

    @property
    def score(self) -> Floats:
        """The interval score over the execution time alone: its width, and 2 / (1 - level) times what it misses by.

        The smaller the better; at best for the true quantiles (Gneiting and Raftery, JASA 102, 2007).
        """
        missed = np.maximum(self.low_s - self.actual_s, 0.0) + np.maximum(self.actual_s - self.high_s, 0.0)
        score: Floats = self.width + 2.0 / (1.0 - NOMINAL) * missed / self.solo_s
        return score


def own_band(by_kind: Mapping[str, Sequence[Prediction]]) -> Band | None:
    """Return the intervals that a belief gives itself; None where it gives none.

    Args:
        by_kind: Its predictions by kind, each of the same batches in the same order.
    """
    low, high = (by_kind.get(quantile_kind(end)) for end in ENDS)
    return _band([each.predicted_s for each in low], [each.predicted_s for each in high], low) if low and high else None


def recent_band(predictions: Sequence[Prediction]) -> Band:
    """Return the intervals that the errors before each batch give.

    Args:
        predictions: Of one predictor and kind, in the order in which batches ended.
    """
    ratios: dict[str, deque[float]] = {}
    anybody: deque[float] = deque(maxlen=RECENT)
    low_s, high_s = [], []
    for each in predictions:
        own = ratios.setdefault(each.model, deque(maxlen=RECENT))
        low, high = _ends(own if len(own) >= LEAST else anybody)
        low_s.append(low * each.predicted_s)
        high_s.append(high * each.predicted_s)
        for known in (own, anybody):
            known.append(each.actual_s / each.predicted_s)
    return _band(low_s, high_s, predictions)


def _ends(known: deque[float]) -> tuple[float, float]:
    """Return the order statistics between which one more value lies with at least the nominal probability."""
    n = len(known)
    if n < LEAST:
        return nan, nan
    ordered = sorted(known)
    return ordered[max(floor((n + 1) * ENDS[0]), 1) - 1], ordered[min(ceil((n + 1) * ENDS[1]), n) - 1]


def _band(low_s: list[float], high_s: list[float], predictions: Sequence[Prediction]) -> Band:
    actual_s = np.array([each.actual_s for each in predictions])
    solo_s = np.array([each.solo_s for each in predictions])
    return Band(np.array(low_s), np.array(high_s), actual_s, solo_s)
