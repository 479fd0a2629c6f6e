"""How far predictions are from measurements, by the two errors that matter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Score", "score"]


@dataclass(frozen=True, slots=True)
class Score:
    """Errors of predicted slowdowns.

    Args:
        count: Number of predictions.
        mean: Mean absolute relative error of the execution time (the slowdown's and the time's are the same).
        median: Median of it.
        worst: Largest of it.
        excess: Sum of absolute errors over the sum of |slowdown - 1|: the error of what co-location costs, which a
            prediction of "no slowdown" gets wrong by 1 however small the slowdowns are.
    """

    count: int
    mean: float
    median: float
    worst: float
    excess: float


def score(predicted: Sequence[float], measured: Sequence[float]) -> Score | None:
    """Compare slowdowns; None when there are none. Where `measured` is NaN, nothing was, and nothing is compared."""
    guess, truth = np.asarray(predicted, dtype=float), np.asarray(measured, dtype=float)
    timed = ~np.isnan(truth)
    guess, truth = guess[timed], truth[timed]
    if not len(truth):
        return None
    error = np.abs(guess / truth - 1)
    cost = float(np.sum(np.abs(truth - 1)))
    return Score(
        count=len(truth),
        mean=float(error.mean()),
        median=float(np.median(error)),
        worst=float(error.max()),
        excess=float(np.sum(np.abs(guess - truth))) / cost if cost > 0 else float("nan"),
    )
