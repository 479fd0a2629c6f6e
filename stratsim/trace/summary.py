"""Figures that describe a trace: rate, burstiness, what is there and what is not."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.model.request import Priority
from stratsim.trace.ticks import resolution

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stratsim.trace.schema import Names, Trace

__all__ = ["dispersion", "gap_cv", "summarise"]


def gap_cv(arrival: NDArray[np.float64]) -> float:
    """Return the coefficient of variation of the inter-arrival times; NaN below three arrivals. Poisson: 1."""
    gaps = np.diff(arrival)
    mean = float(gaps.mean()) if len(gaps) > 1 else 0.0
    return float(gaps.std()) / mean if mean > 0 else math.nan


@dataclass(frozen=True, slots=True)
class _Windows:
    """Arrivals per full window after the first arrival: number of windows; mean, variance and most arrivals of one."""

    number: int
    mean: float
    variance: float
    most: int


def _windows(arrival: NDArray[np.float64], width: float) -> _Windows:
    """Return the figures of all full windows of `width`; memory follows the requests, not the time between them."""
    number = int((arrival[-1] - arrival[0]) // width)
    index = (arrival - arrival[0]) // width
    index = index[index < number]
    if number <= _DENSE * len(arrival):
        counts = np.bincount(index.astype(np.int64), minlength=number)
        return _Windows(number, float(counts.mean()), float(counts.var()), int(counts.max())) if number else _NONE
    counts = np.unique(index, return_counts=True)[1]
    mean = float(counts.sum() / number)
    return _Windows(number, mean, float((counts.astype(float) ** 2).sum() / number - mean**2), int(counts.max()))


_NONE = _Windows(0, 0.0, 0.0, 0)
_DENSE = 64
"""Most windows per request that are counted one by one."""


def dispersion(arrival: NDArray[np.float64], width: float) -> float:
    """Return the index of dispersion: variance over mean of the counts in windows of `width`. Poisson: 1.

    NaN below two full windows.
    """
    if len(arrival) < 2:
        return math.nan
    found = _windows(arrival, width)
    return found.variance / found.mean if found.number > 1 and found.mean > 0 else math.nan


def summarise(trace: Trace) -> dict[str, Any]:
    """Return the figures of a trace, ready for JSON: None where a figure is not defined.

    Times are seconds; in a normalised trace units of the mean inter-arrival time.
    """
    rate, cv = trace.rate, gap_cv(trace.arrival_s)
    fine = resolution(trace.arrival_s)
    return {
        "source": trace.source,
        "format": trace.format,
        "sha256": trace.sha256,
        "requests": len(trace),
        "normalised": trace.normalised,
        "span_s": None if trace.normalised else trace.span,
        "rate_per_s": None if trace.normalised else _finite(rate),
        "interarrival_cv": _finite(cv),
        "simultaneous": {"requests": fine.simultaneous, "largest": fine.largest},
        "resolution_s": None if trace.normalised or not fine.tick_s else fine.tick_s,
        "dispersion": {} if trace.normalised else _dispersions(trace),
        "peak_to_mean_per_minute": None if trace.normalised else _peak(trace),
        "models": _shares(trace.model),
        "priorities": _priorities(trace),
        "deadlines": _deadlines(trace),
        "clients": None if trace.client is None else len(trace.client.names),
        "closed_loop_clients": len(trace.closed_loop),
        "one_at_a_time_clients": len(trace.one_at_a_time),
        "extra_columns": list(trace.extra),
        "missing": _missing(trace),
        "notes": list(trace.notes),
    }


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _dispersions(trace: Trace) -> dict[str, float | None]:
    return {f"{width} s": _finite(dispersion(trace.arrival_s, width)) for width in (1, 10, 60)}


def _peak(trace: Trace) -> float | None:
    """Return the busiest full minute over the mean one."""
    if trace.span < 120:
        return None
    found = _windows(trace.arrival_s, 60.0)
    return found.most / found.mean if found.mean > 0 else None


def _shares(column: Names | None) -> dict[str, int] | None:
    if column is None:
        return None
    counts = np.bincount(column.codes, minlength=len(column.names))
    order = np.argsort(-counts, kind="stable")
    return {column.names[code]: int(counts[code]) for code in order.tolist()}


def _priorities(trace: Trace) -> dict[str, int] | None:
    if trace.priority is None:
        return None
    return {priority.label: int((trace.priority == priority).sum()) for priority in Priority}


def _deadlines(trace: Trace) -> dict[str, Any] | None:
    """Return how many requests have a deadline, and the range of their times to it; None if the trace is silent."""
    if trace.deadline_free:
        return {"with": 0, "without": len(trace), "least_s": None, "median_s": None, "most_s": None}
    if trace.slo_s is not None:
        slo = trace.slo_s
    elif trace.deadline_s is not None:
        slo = trace.deadline_s - trace.arrival_s
    else:
        return None
    given = slo[np.isfinite(slo)]
    return {
        "with": len(given),
        "without": len(slo) - len(given),
        "least_s": float(given.min()),
        "median_s": float(np.median(given)),
        "most_s": float(given.max()),
    }


def _missing(trace: Trace) -> list[str]:
    """Return what a workload rule fills."""
    missing = []
    clients = trace.closed_loop
    if (len(trace) and trace.model is None) or any(spec.model is None for spec in clients):
        missing.append("model")
    if (len(trace) and trace.priority is None) or any(spec.priority is None for spec in clients):
        missing.append("priority")
    silent = trace.slo_s is None and trace.deadline_s is None and len(trace) > 0
    if not trace.deadline_free and (silent or any(spec.slo_s is None for spec in clients)):
        missing.append("deadline")
    if (len(trace) and trace.bytes_in is None) or any(spec.bytes_in is None for spec in clients):
        missing.append("bytes_in")
    if (len(trace) and trace.bytes_out is None) or any(spec.bytes_out is None for spec in clients):
        missing.append("bytes_out")
    if trace.normalised:
        missing.append("rate")
    return missing
