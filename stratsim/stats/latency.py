"""Latency figures.

A quantile is the linear interpolation between order statistics that numpy uses by default (type 7 of Hyndman and Fan,
1996): the q-quantile of n sorted values lies at position (n - 1) q, counted from 0.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypedDict

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["ArrivedLatency", "LatencyFigures", "arrived_latency", "arrived_quantiles", "latency_figures"]


_QUANTILES = (0.50, 0.95, 0.99)


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
    mean = float(known.mean())
    own = known is not latency_s
    p50, p95, p99 = (float(value) for value in np.quantile(known, _QUANTILES, overwrite_input=own))
    return {"p50": p50, "p95": p95, "p99": p99, "mean": mean}


class ArrivedLatency(TypedDict):
    """Latency of all requests that arrived, seconds; None for a quantile that falls among those without an answer."""

    p50: float | None
    p95: float | None
    p99: float | None


def arrived_latency(latency_s: NDArray[np.float64]) -> ArrivedLatency:
    """Return quantiles of the latencies of all requests, where a request without an answer counts as infinitely late.

    Args:
        latency_s: Of each request that arrived, shape (n,), seconds; NaN for one that was dropped or is unfinished.

    Source: our choice. Quantiles of completed requests fall as more are dropped: they are of the survivors.
    """
    p50, p95, p99 = arrived_quantiles(latency_s, _QUANTILES)
    return {"p50": p50, "p95": p95, "p99": p99}


def arrived_quantiles(latency_s: NDArray[np.float64], quantiles: Sequence[float]) -> list[float | None]:
    """Return any quantiles of `arrived_latency`, each within (0, 1)."""
    count, answered = len(latency_s), int(np.count_nonzero(~np.isnan(latency_s)))
    if not answered:
        return [None for _ in quantiles]
    # The order of the others does not matter: a quantile that touches one of them is not used.
    own = answered < count
    filled = np.where(np.isnan(latency_s), np.nanmax(latency_s), latency_s) if own else latency_s
    return [
        float(value) if math.ceil((count - 1) * q) < answered else None
        for q, value in zip(quantiles, np.quantile(filled, quantiles, overwrite_input=own), strict=True)
    ]
