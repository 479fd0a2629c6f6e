"""The figures of a row: what a sweep keeps of a run's summary. One more figure is one more name here."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

from stratsim.model.request import Priority

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FIGURES", "flat_figures"]

_OF_CLASS = (
    *("arrived", "late", "dropped", "dropped_voluntary", "unfinished", "violation", "violation_completed"),
    *("goodput_per_s", "jain_models", "min_model_satisfaction"),
)
_NESTED = {
    "p50_s": ("latency_s", "p50"),
    "p95_s": ("latency_s", "p95"),
    "p99_s": ("latency_s", "p99"),
    "mean_slowdown": ("slowdown", "mean"),
    "max_slowdown": ("slowdown", "max"),
    "progress": ("slowdown", "progress"),
    "starvation_s": ("starvation_s", "completion"),
}
"""Figures of a class that the summary of a run has one level down."""
_ARRIVED = {f"{each}_arrived_s": each for each in ("p50", "p95", "p99")}
"""Percentiles of all arrived requests of a class; infinite where one falls among those that were never answered."""
_OF_GPU = ("utilization", "mean_batch_size", "mean_concurrency", "mean_slowdown", "max_slowdown")
FIGURES = (
    *(
        f"{label}_{name}"
        for label in (priority.label for priority in Priority)
        for name in (*_OF_CLASS, *_NESTED, *_ARRIVED)
    ),
    "jain_classes",
    *_OF_GPU,
    "h2d_utilization",
    "d2h_utilization",
)
"""The figures of a row, after its settings; docs/reference/metrics.md defines each. Those of GPUs are means."""


def flat_figures(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures of a run's summary under the names of columns."""
    flat: dict[str, Any] = {"jain_classes": figures["equity"]["jain_classes"]}
    for label, found in figures["classes"].items():
        flat |= {f"{label}_{name}": found[name] for name in _OF_CLASS}
        flat |= {f"{label}_{name}": found[part][key] for name, (part, key) in _NESTED.items()}
        arrived = found["latency_arrived_s"]
        beyond = inf if arrived["beyond"] and found["arrived"] else None
        flat |= {f"{label}_{name}": beyond if arrived[key] is None else arrived[key] for name, key in _ARRIVED.items()}
    for part, names in (("gpu", _OF_GPU), ("pcie", ("h2d_utilization", "d2h_utilization"))):
        flat |= {name: _mean([entry[name] for entry in figures[part]]) for name in names}
    return flat


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
