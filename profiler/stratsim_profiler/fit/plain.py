"""A summary as plain data for JSON. NaN and infinity, which JSON does not have, become None."""

from __future__ import annotations

import math
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from stratsim.fit.cells import Load

if TYPE_CHECKING:
    from stratsim.fit.queue import QueueFit
    from stratsim_profiler.fit.summary import Sharing, Summary

__all__ = ["summary_dict"]


def summary_dict(summary: Summary) -> dict[str, Any]:
    """Return the figures as plain data for JSON: times in seconds, sizes in bytes, errors as fractions."""
    judged = summary.judged
    return {
        "device": summary.device,
        "verdict": summary.verdict,
        "good": summary.good,
        "limit": summary.limit,
        "judged_on": None if judged is None else judged[0],
        "drift": _plain(summary.measured.drift),
        "solo": _plain(summary.measured.solo),
        "transfers": _plain(summary.transfers),
        "sharing": None if summary.sharing is None else _sharing(summary.sharing),
        "stressors": _plain(summary.responses),
        "launcher": _plain(summary.launcher),
        "discarded": summary.discarded,
        "left_out": list(summary.measured.left_out),
    }


def _sharing(sharing: Sharing) -> dict[str, Any]:
    terms = sharing.terms
    return {
        "rule": sharing.rule,
        "kernel_queue": None if sharing.queue is None else _queue(sharing, sharing.queue),
        "anchor": str(sharing.fit.anchor),
        "demand": _plain(sharing.fit.shares.demand),
        "weight": _plain(sharing.fit.shares.weight),
        "sigma": sharing.fit.sigma,
        "starts": [*sharing.fit.starts],
        "intervals": _plain(sharing.intervals),
        "not_identified": [f"{found.kind} {found.load or ''}".strip() for found in sharing.not_identified],
        "singular_values": [*sharing.singular_values],
        "errors": _plain(sharing.rows),
        "law": sharing.law,
        "law_errors": _plain(sharing.law_scores),
        "saturated": _plain(sharing.saturated),
        "below_saturation": _plain(sharing.below),
        "terms": None
        if terms is None
        else {**_plain(terms.terms), "p_value": terms.p_value, "needed": terms.needed, "sigma": [*terms.sigma]},
        "clock": _plain(sharing.clock),
        "power_capped": {"cells": sharing.capped_cells, "errors_without": _plain(sharing.uncapped)},
        "gpulet_features": sharing.features,
    }


def _queue(sharing: Sharing, fit: QueueFit) -> dict[str, Any]:
    return {
        "kernel_s": _plain(fit.queue.length_s),
        "hold": _plain(fit.queue.hold),
        "residual": fit.queue.residual,
        "gap_s": fit.queue.gap_s,
        "sigma": fit.sigma,
        "starts": [*fit.starts],
        "intervals": _plain(sharing.queue_intervals),
        "singular_values": [*sharing.queue_singular_values],
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Load):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
