"""The summary tables: per policy and class, and per policy and GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stratsim_plots.report.html import legend, number, table
from stratsim_plots.report.meanings import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from stratsim_plots.series import Series

__all__ = ["class_table", "gpu_table", "percent"]

_COUNTS = ("arrived", "met", "late", "dropped", "unfinished")


def class_table(chosen: Sequence[Series]) -> str:
    """Return the figures of each policy and class; that requests are unfinished is shown only where some are."""
    latency = ("p50 ms", "p95 ms", "p99 ms", "completed p99 ms", "completed mean ms")
    every = [(series.label, name, figures) for series in chosen for name, figures in series.figures["classes"].items()]
    counts = [name for name in _COUNTS if name != "unfinished" or any(figures.get(name) for _, _, figures in every)]
    columns = ("policy", "class", *counts, "violations %", *latency, "met/s", "worst model %", "slowdown")
    rows = [(label, name, *_class_cells(figures, counts)) for label, name, figures in every]
    return table(columns, rows, COLUMNS) + legend(columns, COLUMNS)


def _class_cells(figures: Mapping[str, Any], counts: Sequence[str]) -> Iterator[str]:
    latency, completed = figures.get("latency_arrived_s") or {}, figures.get("latency_s") or {}
    yield from (str(figures.get(name, "–")) for name in counts)
    yield _fixed(figures.get("violation"), 100)
    beyond = latency.get("beyond") or "–"
    yield from (beyond if latency.get(q) is None else _fixed(latency[q], 1e3) for q in ("p50", "p95", "p99"))
    yield from (_fixed(completed.get(name), 1e3) for name in ("p99", "mean"))
    yield _fixed(figures.get("goodput_per_s"))
    yield _fixed(figures.get("min_model_satisfaction"), 100)
    yield _fixed((figures.get("slowdown") or {}).get("mean"))


def _fixed(value: float | None, scale: float = 1.0, places: int = 2) -> str:
    """Return a figure with a fixed number of places, so that a column can be compared at a glance."""
    return "–" if value is None else f"{value * scale:.{places}f}"


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
    yield _fixed(gpu.get("utilization"), 100)
    yield _fixed(gpu.get("mean_concurrency"))
    yield str(gpu.get("batches", "–"))
    yield _fixed(gpu.get("mean_batch_size"))
    yield _fixed(gpu.get("mean_slowdown"), places=3)
    yield _fixed(link.get("h2d_utilization"), 100)
    yield _fixed(link.get("d2h_utilization"), 100)
    yield str(link.get("loads", "–"))


def percent(share: float | None) -> str:
    """Return a share in percent, three significant digits."""
    return number(None if share is None else 100 * share, 3)
