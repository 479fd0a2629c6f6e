"""The summary tables: per policy and class, and per policy and GPU."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from stratsim_plots.report.html import Cell, legend, number, table
from stratsim_plots.report.intervals import LEVEL
from stratsim_plots.report.meanings import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from stratsim_plots.report.intervals import Judged, Known
    from stratsim_plots.series import Series

__all__ = ["MARKS_MEAN", "class_table", "fixed", "gpu_table", "percent", "span"]

_STAR = ' <span class="star" aria-hidden="true">{}</span>&nbsp;'
MARKS_MEAN = (
    f"{_STAR.format('★')}the best of {{of}}, and every policy whose difference to it may be chance (its interval "
    f"includes 0);{_STAR.format('☆')}so are all: none is better."
)
_COUNTS = ("arrived", "met", "late", "dropped", "unfinished")
_LATENCY = {"p50 ms": "p50", "p95 ms": "p95", "p99 ms": "p99"}


def class_table(chosen: Sequence[Series], judged: Judged) -> str:
    """Return the figures of each policy and class; that requests are unfinished is shown only where some are."""
    every = [
        (place, series.label, name, figures)
        for place, series in enumerate(chosen)
        for name, figures in series.figures["classes"].items()
    ]
    counts = [name for name in _COUNTS if name != "unfinished" or any(figures.get(name) for *_, figures in every)]
    completed = ("completed p99 ms", "completed mean ms")
    columns = ("policy", "class", "violations %", *_LATENCY, "met/s", *completed, "worst model %", "slowdown", *counts)
    rows = [
        (label, name, *_class_cells(figures, counts, _of(judged, place, name))) for place, label, name, figures in every
    ]
    return table(columns, rows, COLUMNS, "Policies and classes") + _says(judged) + legend(columns, COLUMNS)


def _of(judged: Judged, place: int, name: str) -> dict[str, Known]:
    return {figure: known for (run, label, figure), known in judged.figures.items() if (run, label) == (place, name)}


def _says(judged: Judged) -> str:
    """Return what the second lines and the stars are."""
    if not judged.figures:
        return ""
    text = (
        f"Small: {100 * LEVEL:.0f} % intervals, by a bootstrap over blocks of consecutive requests: what the same "
        "policy would give with other requests of the same kind."
    )
    marked = any(known.mark for known in judged.figures.values())
    return f'<p class="note">{text}{MARKS_MEAN.format(of="a column and class") if marked else ""}</p>'


def _class_cells(figures: Mapping[str, Any], counts: Sequence[str], known: Mapping[str, Known]) -> Iterator[str | Cell]:
    latency, completed = figures.get("latency_arrived_s") or {}, figures.get("latency_s") or {}
    yield _known(figures.get("violation"), known.get("violation"), 100)
    beyond = latency.get("beyond") or "–"
    for name in _LATENCY.values():
        found = known.get(f"{name}_arrived_s")
        if latency.get(name) is None:
            yield Cell(beyond, None if beyond == "–" else math.inf, _interval(found, 1e3) if found else "")
        else:
            yield _known(latency[name], found, 1e3)
    yield _known(figures.get("goodput_per_s"), known.get("goodput_per_s"))
    yield _known(completed.get("p99"), known.get("p99_s"), 1e3)
    yield fixed(completed.get("mean"), 1e3)
    yield fixed(figures.get("min_model_satisfaction"), 100)
    yield _known((figures.get("slowdown") or {}).get("mean"), known.get("mean_slowdown"))
    yield from (str(figures.get(name, "–")) for name in counts)


def _known(value: float | None, known: Known | None, scale: float = 1.0) -> Cell:
    """Return a figure with its interval below."""
    if value is None or known is None:
        return Cell(fixed(value, scale), value)
    return Cell(fixed(value, scale), value, _interval(known, scale), known.mark)


def _interval(known: Known, scale: float) -> str:
    return "" if math.isinf(known.low) else span(known.low, known.high, scale)


def span(low: float, high: float, scale: float = 1.0) -> str:
    """Return an interval; one without an upper end reaches to where requests are dropped."""
    return f"≥ {fixed(low, scale)}" if math.isinf(high) else f"{fixed(low, scale)}–{fixed(high, scale)}"


def fixed(value: float | None, scale: float = 1.0, places: int = 2) -> str:
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
    return table(columns, rows, COLUMNS, "GPUs") + legend(columns[1:], COLUMNS) if rows else ""


def _gpu_cells(gpu: Mapping[str, Any], link: Mapping[str, Any]) -> Iterator[str]:
    yield fixed(gpu.get("utilization"), 100)
    yield fixed(gpu.get("mean_concurrency"))
    yield str(gpu.get("batches", "–"))
    yield fixed(gpu.get("mean_batch_size"))
    yield fixed(gpu.get("mean_slowdown"), places=3)
    yield fixed(link.get("h2d_utilization"), 100)
    yield fixed(link.get("d2h_utilization"), 100)
    yield str(link.get("loads", "–"))


def percent(share: float | None) -> str:
    """Return a share in percent, three significant digits."""
    return number(None if share is None else 100 * share, 3)
