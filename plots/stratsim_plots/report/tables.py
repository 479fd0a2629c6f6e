"""The summary tables: per policy and class, and per policy and GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stratsim_plots.report.html import figure_ms, legend, number, table
from stratsim_plots.report.meanings import COLUMNS
from stratsim_plots.series import CLASSES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from stratsim_plots.series import Series

__all__ = ["class_table", "gpu_table", "percent"]

_COUNTS = ("arrived", "met", "late", "dropped", "unfinished")


def class_table(chosen: Sequence[Series]) -> str:
    """Return the figures of each policy and class."""
    latency = ("p50 ms", "p95 ms", "p99 ms", "mean ms")
    columns = ("policy", "class", *_COUNTS, "violations %", *latency, "met/s", "worst model %", "slowdown")
    rows = [
        (series.label, name, *_class_cells(series.figures["classes"][name]))
        for series in chosen
        for name in CLASSES
        if name in series.figures["classes"]
    ]
    return table(columns, rows, COLUMNS) + legend(columns, COLUMNS)


def _class_cells(figures: Mapping[str, Any]) -> Iterator[str]:
    latency = figures.get("latency_s") or {}
    yield from (str(figures.get(name, "–")) for name in _COUNTS)
    yield percent(figures.get("violation"))
    yield from (figure_ms(latency.get(name)) for name in ("p50", "p95", "p99", "mean"))
    yield number(figures.get("goodput_per_s"))
    yield percent(figures.get("min_model_satisfaction"))
    yield number((figures.get("slowdown") or {}).get("mean"))


def gpu_table(chosen: Sequence[Series]) -> str:
    """Return what the GPUs and their links did; nothing if the summary does not say."""
    columns = (
        "policy",
        "GPU",
        "busy %",
        "at once",
        "batches",
        "batch size",
        "execution slowdown",
        "in %",
        "out %",
        "loads",
    )
    rows = [
        (series.label, str(index), *_gpu_cells(gpu, link))
        for series in chosen
        for index, (gpu, link) in enumerate(
            zip(series.figures.get("gpu") or (), series.figures.get("pcie") or (), strict=False)
        )
    ]
    return table(columns, rows, COLUMNS) + legend(columns[1:], COLUMNS) if rows else ""


def _gpu_cells(gpu: Mapping[str, Any], link: Mapping[str, Any]) -> Iterator[str]:
    yield percent(gpu.get("utilization"))
    yield number(gpu.get("mean_concurrency"))
    yield str(gpu.get("batches", "–"))
    yield number(gpu.get("mean_batch_size"))
    yield number(gpu.get("mean_slowdown"))
    yield percent(link.get("h2d_utilization"))
    yield percent(link.get("d2h_utilization"))
    yield str(link.get("loads", "–"))


def percent(share: float | None) -> str:
    """Return a share in percent, three significant digits."""
    return number(None if share is None else 100 * share, 3)
