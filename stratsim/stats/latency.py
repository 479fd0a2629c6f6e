"""Latency figures.

A quantile is the linear interpolation between order statistics that numpy uses by default (type 7 of Hyndman and Fan,
1996): the q-quantile of n sorted values lies at position (n - 1) q, counted from 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["LatencyFigures", "latency_figures"]


class LatencyFigures(TypedDict):
    """Latency of the completed requests, seconds; None where there were none."""

    p50: float | None
    p95: float | None
    p99: float | None
    mean: float | None


def latency_figures(latency_s: NDArray[np.float64]) -> LatencyFigures:
    """Return quantiles and mean of the latencies, shape (n,), seconds; NaN entries are left out."""
    known = latency_s
    if (missing := np.isnan(latency_s)).any():
        known = latency_s[~missing]
    if not len(known):
        return {"p50": None, "p95": None, "p99": None, "mean": None}
    p50, p95, p99 = (float(value) for value in np.quantile(known, (0.50, 0.95, 0.99)))
    return {"p50": p50, "p95": p95, "p99": p99, "mean": float(known.mean())}
