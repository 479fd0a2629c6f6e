"""One figure of a sweep against one of its axes: a line per policy, with intervals over seeds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.transforms import ScaledTranslation

from stratsim.compare.sweep import variant_labels
from stratsim.errors import SpecError, suggest
from stratsim.stats.intervals import mean_interval
from stratsim_plots import style
from stratsim_plots.lines import draw_line, line_samples
from stratsim_plots.series import CLASSES, Options
from stratsim_plots.sheet import Sheet
from stratsim_plots.sources import check_one_place, origin_of, sweep_runs
from stratsim_plots.words import axis_title, word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from stratsim.compare.sweep import SweepTable

__all__ = ["COLUMNS", "draw", "read"]

COLUMNS = ("policy", "metric", "x_name", "x_unit", "x", "runs", "infinite", "value", "low", "high", "origin")
_METRIC = "violation"
_BESIDE_PT = 3.0
"""Between triangles of two policies at one place, points."""


def read(paths: Sequence[Any], options: Options) -> pd.DataFrame:
    """Return mean and 95 % t interval of the figure over seeds, by policy and place on the axis.

    Raises:
        SpecError: no such axis or figure, or another axis varies too.
    """
    table = sweep_runs(paths[0], options)
    metrics = _metrics(table, options.metric or _METRIC)
    x = _axis(table, options)
    rows = table.frame.assign(policy=variant_labels(table.frame, table.choices))
    units = list(rows["load_unit"].unique()) if x == "load" and "load_unit" in rows else []
    unit = str(units[0]) if len(units) == 1 else ""
    found = []
    for (policy, at), own in rows.groupby(["policy", x], sort=False):
        for metric in metrics:
            values = own[metric].dropna()
            if len(values):
                most = word(metric).most or math.inf
                found.append((policy, metric, x, unit, at, *_mean(values.tolist(), most)))
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
    check_one_place(table, x)
    return x


def _mean(values: Sequence[float], most: float) -> tuple[int, int, float, float, float]:
    infinite = sum(math.isinf(value) for value in values)
    if infinite:
        return len(values), infinite, math.nan, math.nan, math.nan
    if len(values) < 2:
        return 1, 0, values[0], math.nan, math.nan
    interval = mean_interval(values)
    return interval.n, 0, interval.mean, max(interval.low, 0.0), min(interval.high, most)


def draw(frame: pd.DataFrame, options: Options) -> Figure:
    """Draw a panel per class with a line per policy; a triangle at the top where the figure is infinite."""
    sheet, layout = Sheet(options.layout), options.layout
    policies, metrics = (list(dict.fromkeys(frame[name])) for name in ("policy", "metric"))
    panels = sheet.panels(len(metrics), sharex=True)
    x_name = str(frame["x_name"].iloc[0])
    places = _places(frame["x"])
    for axes, metric in zip(panels, metrics, strict=True):
        said = word(metric)
        for number, policy in enumerate(policies):
            own = frame[(frame["policy"] == policy) & (frame["metric"] == metric)]
            _line(axes, own.assign(at=own["x"].map(places)).sort_values("at"), number, len(policies), said.factor)
        axes.set_ylabel(f"{layout.name(said.level)}: {_small(said.axis())}" if said.level else said.axis())
        axes.set_ylim(bottom=0.0)
        if any(not _is_number(value) for value in places):
            sheet.columns(axes, places.values(), [layout.name(str(name)) for name in places])
    for axes in sheet.lowest:
        axes.set_xlabel(layout.name(axis_title(x_name, str(frame["x_unit"].iloc[0]))))
    sheet.legend(line_samples(layout.names(policies)))
    notes = ["bars and bands: 95 % t interval over seeds"] if frame["low"].notna().any() else []
    notes += ["triangles: the percentile falls among dropped requests"] if (frame["infinite"] > 0).any() else []
    return sheet.finish(1.15 * sheet.scale, "; ".join([*notes, str(frame["origin"].iloc[0])]))


def _small(title: str) -> str:
    """Return a title inside a sentence: names such as GPU keep their capitals."""
    return title if title[1:2].isupper() else title[:1].lower() + title[1:]


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


def _line(axes: Axes, points: pd.DataFrame, number: int, count: int, factor: float) -> None:
    draw_line(axes, points, number, factor)
    beyond = points["at"].to_numpy()[points["infinite"].to_numpy() > 0]
    if len(beyond):
        beside = _BESIDE_PT * (number - (count - 1) / 2) / 72  # so that those of several policies are seen
        place = axes.get_xaxis_transform() + ScaledTranslation(beside, 0, axes.figure.dpi_scale_trans)
        look: dict[str, Any] = {"color": style.look(number)["color"], "markersize": 3, "clip_on": False}
        axes.plot(beyond, np.full(len(beyond), 0.97), "^", **look, transform=place)
        axes.update_datalim([(at, 0.0) for at in beyond], updatey=False)  # the shifted places scale nothing
        axes.autoscale_view(scaley=False)
