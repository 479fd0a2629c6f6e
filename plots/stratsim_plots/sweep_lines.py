"""One figure of a sweep against one of its axes: a line per policy, with intervals over seeds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from stratsim.compare.sweep import variant_labels
from stratsim.errors import SpecError, suggest
from stratsim.stats.intervals import mean_interval
from stratsim_plots import style
from stratsim_plots.series import CLASSES, Options, short_names
from stratsim_plots.sources import origin_of, sweep_runs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from stratsim.compare.sweep import SweepTable

__all__ = ["COLUMNS", "draw", "read"]

COLUMNS = ("policy", "metric", "x_name", "x", "runs", "infinite", "value", "low", "high", "origin")
_METRIC = "violation"
_WORDS = {
    "violation": ("violations", "%", 100.0),
    "violation_completed": ("violations of completed requests", "%", 100.0),
    "goodput_per_s": ("goodput", "requests/s", 1.0),
    "mean_slowdown": ("mean slowdown", "", 1.0),
    "max_slowdown": ("largest slowdown", "", 1.0),
    "starvation_s": ("longest wait for a completion", "s", 1.0),
    "utilization": ("GPU utilisation", "%", 100.0),
    "h2d_utilization": ("utilisation of the link to the GPU", "%", 100.0),
    "d2h_utilization": ("utilisation of the link to the host", "%", 100.0),
    "mean_batch_size": ("mean batch size", "", 1.0),
    "mean_concurrency": ("mean batches at once", "", 1.0),
    **{f"{each}_s": (f"{each} of completed requests", "ms", 1e3) for each in ("p50", "p95", "p99")},
    **{f"{each}_arrived_s": (f"{each} of all arrived requests", "ms", 1e3) for each in ("p50", "p95", "p99")},
}
"""By figure, without its class: what it is called, its unit and the factor to it."""
_SHARES = ("violation", "violation_completed", "utilization")
"""What figures end in that are at most 1. None is negative."""
_AXES = {
    "load": "offered load",
    "max_concurrency": "batches at once on a GPU (C)",
    "max_batch": "largest batch",
    "gpus": "GPUs",
    "workload.priority.high_share": "share of high-priority requests",
    "uplink_bytes_per_s": "uplink (bytes/s)",
}


def read(paths: Sequence[Any], options: Options) -> pd.DataFrame:
    """Return mean and 95 % t interval of the figure over seeds, by policy and place on the axis.

    Raises:
        SpecError: no such axis or figure, or another axis varies too.
    """
    table = sweep_runs(paths[0], options)
    metrics = _metrics(table, options.metric or _METRIC)
    x = _axis(table, options)
    rows = table.frame.assign(policy=variant_labels(table.frame, table.choices))
    found = []
    for (policy, at), own in rows.groupby(["policy", x], sort=False):
        for metric in metrics:
            values = own[metric].dropna()
            if len(values):
                most = 1.0 if metric.endswith(_SHARES) else math.inf
                found.append((policy, metric, x, at, *_mean(values.tolist(), most)))
    frame = pd.DataFrame(found, columns=list(COLUMNS[:-1])).assign(origin=origin_of(paths))
    if frame.empty:
        raise SpecError(f"{paths[0]}: no run has a figure {' or '.join(metrics)}")
    return frame


def _metrics(table: SweepTable, asked: str) -> list[str]:
    """Return the columns of a figure: of both classes, where it is a figure of classes."""
    of_classes = [f"{name}_{asked}" for name in CLASSES if f"{name}_{asked}" in table.figures]
    if of_classes:
        return of_classes
    if asked in table.figures:
        return [asked]
    known = dict.fromkeys(name.removeprefix("high_").removeprefix("low_") for name in table.figures)
    raise SpecError(f"no figure {asked!r}; {suggest(asked, (*known, *table.figures))}")


def _axis(table: SweepTable, options: Options) -> str:
    """Return the axis that was asked for, else the load, else the first that varies."""
    varying = [name for name in table.axes if name != "policy" and table.frame[name].nunique() > 1]
    if options.x is not None and options.x not in table.axes:
        raise SpecError(f"no axis {options.x!r}; {suggest(options.x, table.axes)}")
    if not varying and options.x is None:
        raise SpecError("no axis of the sweep varies: there is one place, and no line to draw")
    x = options.x or ("load" if "load" in varying else varying[0])
    for name in varying:
        if name != x:
            values = ", ".join(dict.fromkeys(table.frame[name].astype(str)))
            raise SpecError(f"{name} varies too ({values}): choose one by --where {name}=VALUE")
    return x


def _mean(values: Sequence[float], most: float) -> tuple[int, int, float, float, float]:
    infinite = sum(math.isinf(value) for value in values)
    if infinite:
        return len(values), infinite, math.nan, math.nan, math.nan
    if len(values) < 2:
        return 1, 0, values[0], math.nan, math.nan
    interval = mean_interval(values)
    return interval.n, 0, interval.mean, max(interval.low, 0.0), min(interval.high, most)


def draw(frame: pd.DataFrame, options: Options) -> Figure:  # noqa: ARG001
    """Draw a panel per class with a line per policy; a triangle at the top where the figure is infinite."""
    policies, metrics = (list(dict.fromkeys(frame[name])) for name in ("policy", "metric"))
    names = [style.wrap(name, 22) for name in short_names(policies).values()]
    figure = style.new_figure(0.9 + 1.35 * len(metrics) + style.legend_height_in(names, 2))
    panels = figure.subplots(len(metrics), sharex=True, squeeze=False)[:, 0]
    x_name = str(frame["x_name"].iloc[0])
    places = _places(frame["x"])
    for axes, metric in zip(panels, metrics, strict=True):
        words, factor = _label(metric)
        for number, policy in enumerate(policies):
            own = frame[(frame["policy"] == policy) & (frame["metric"] == metric)]
            _line(axes, own.assign(at=own["x"].map(places)).sort_values("at"), number, factor)
        axes.set_ylabel(style.wrap(words, 26))
        axes.set_ylim(bottom=0.0)
    if any(not _is_number(value) for value in places):
        panels[-1].set_xticks(list(places.values()), [style.wrap(str(name), 14) for name in places])
    panels[-1].set_xlabel(_AXES.get(x_name, x_name.rpartition(".")[2].replace("_", " ")))
    style.legend_above(figure, [Line2D([], [], label=name, **style.look(n)) for n, name in enumerate(names)], 2)
    notes = ["bars and bands: 95 % t interval over seeds"] if frame["low"].notna().any() else []
    notes += ["triangles: the percentile falls among dropped requests"] if (frame["infinite"] > 0).any() else []
    style.footer(figure, "; ".join([*notes, str(frame["origin"].iloc[0])]))
    return figure


def _label(metric: str) -> tuple[str, float]:
    """Return what an axis is called, with its unit, and the factor to that."""
    level = next((name for name in CLASSES if metric.startswith(f"{name}_")), "")
    base = metric.removeprefix(f"{level}_") if level else metric
    words, unit, factor = _WORDS.get(base, (base.replace("_", " "), "", 1.0))
    return f"{level}: {words}".removeprefix(": ") + (f" ({unit})" if unit else ""), factor


def _places(values: pd.Series[Any]) -> dict[str, float]:
    """Return where each value of the axis is: at its number, or one after the other where some are none."""
    distinct = list(dict.fromkeys(values))
    if all(_is_number(value) for value in distinct):
        return {value: float(value) for value in distinct}
    return {value: float(at) for at, value in enumerate(distinct)}


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _line(axes: Axes, points: pd.DataFrame, number: int, factor: float) -> None:
    x, y = points["at"].to_numpy(), factor * points["value"].to_numpy()
    error = np.nan_to_num(np.vstack([y - factor * points["low"].to_numpy(), factor * points["high"].to_numpy() - y]))
    look = style.look(number)
    axes.errorbar(x, y, yerr=error, elinewidth=0.7, capsize=1.5, **look)
    if error.any():
        axes.fill_between(x, y - error[0], y + error[1], color=look["color"], alpha=0.15, linewidth=0)
    beyond = x[points["infinite"].to_numpy() > 0]
    if len(beyond):
        at_top = axes.get_xaxis_transform()
        axes.plot(beyond, np.full(len(beyond), 0.97), "^", color=look["color"], markersize=3, transform=at_top)
