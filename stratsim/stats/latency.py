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
_BLOCK = 262_144
"""Latencies per step: intermediate arrays stay small."""


class LatencyFigures(TypedDict):
    """Latency of the completed requests, seconds; None where there were none."""

    p50: float | None
    p95: float | None
    p99: float | None
    mean: float | None


def latency_figures(latency_s: NDArray[np.float64], *, overwrite: bool = False) -> LatencyFigures:
    """Return quantiles and mean of the latencies.

    Args:
        latency_s: Shape (n,), seconds; NaN entries are left out.
        overwrite: Whether they may be left in another order: then no copy of a long run's is made.
    """
    known = _answered_first(latency_s) if overwrite else latency_s[~np.isnan(latency_s)]
    if not len(known):
        return {"p50": None, "p95": None, "p99": None, "mean": None}
    mean = float(known.mean())
    p50, p95, p99 = (float(value) for value in np.quantile(known, _QUANTILES, overwrite_input=True))
    return {"p50": p50, "p95": p95, "p99": p99, "mean": mean}


def _answered_first(latency_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Move NaN behind the others, which stay in order; return the others."""
    known = 0
    for first in range(0, len(latency_s), _BLOCK):
        block = latency_s[first : first + _BLOCK]
        answered = block[~np.isnan(block)]
        latency_s[known : known + len(answered)] = answered
        known += len(answered)
    latency_s[known:] = np.nan
    return latency_s[:known]


class ArrivedLatency(TypedDict):
    """Latency of all requests that arrived, seconds; None for a quantile that falls among those without an answer."""

    p50: float | None
    p95: float | None
    p99: float | None


def arrived_latency(latency_s: NDArray[np.float64], *, overwrite: bool = False) -> ArrivedLatency:
    """Return quantiles of the latencies of all requests, where a request without an answer counts as infinitely late.

    Args:
        latency_s: Of each request that arrived, shape (n,), seconds; NaN for one that was dropped or is unfinished.
        overwrite: Whether other values may be left there: then no copy of a long run's is made.

    Source: our choice. Quantiles of completed requests fall as more are dropped: they are of the survivors.
    """
    p50, p95, p99 = arrived_quantiles(latency_s, _QUANTILES, overwrite=overwrite)
    return {"p50": p50, "p95": p95, "p99": p99}


def arrived_quantiles(
    latency_s: NDArray[np.float64], quantiles: Sequence[float], *, overwrite: bool = False
) -> list[float | None]:
    """Return any quantiles of `arrived_latency`, each within (0, 1)."""
    filled = latency_s if overwrite else latency_s.copy()
    known = _answered_first(filled)
    count, answered = len(filled), len(known)
    if not answered:
        return [None for _ in quantiles]
    filled[answered:] = known.max()  # their order does not matter: a quantile that touches one of them is not used
    return [
        float(value) if math.ceil((count - 1) * q) < answered else None
        for q, value in zip(quantiles, np.quantile(filled, quantiles, overwrite_input=True), strict=True)
    ]
