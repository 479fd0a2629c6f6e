"""Deadline violations by policy and class, split into what was late, dropped or never finished."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.patches import Patch

from stratsim_plots import style
from stratsim_plots.series import CLASSES, Options, origin, select
from stratsim_plots.sheet import NOTE, Sheet

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from stratsim.results.read import StoredResults
    from stratsim_plots.layout import Layout

__all__ = ["CAUSES", "COLUMNS", "data", "draw", "draw_bars"]

COLUMNS = ("series", "policy", "class", "arrived", "met", "late", "dropped", "unfinished", "violation")
CAUSES = {"late": "", "dropped": "/////", "unfinished": "....."}
_BAR = 0.4


def data(results: Sequence[StoredResults], options: Options) -> pd.DataFrame:
    """Return one row per series and class; `violation` is missing where no request has a deadline."""
    rows = []
    for series in select(results, options.policies):
        for name in CLASSES:
            figures = series.figures["classes"][name]
            counts = {column: figures[column] for column in COLUMNS[3:]}
            rows.append({"series": series.label, "policy": series.policy, "class": name, **counts})
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return frame.astype({"violation": "float64"})


def draw(frame: pd.DataFrame, results: Sequence[StoredResults], options: Options) -> Figure:
    """Draw a group of bars per series: one bar per class, its causes behind one another, the total at its end."""
    return draw_bars(frame, options, origin(results))


def draw_bars(frame: pd.DataFrame, options: Options, note: str) -> Figure:
    """Draw the bars; an interval too, where the data have `low` and `high`."""
    sheet = Sheet(options.layout)
    series = list(dict.fromkeys(frame["series"]))
    rows = sheet.rows(options.layout.names(series), 0.34)
    (axes,) = sheet.panels(1)
    for row in frame.to_dict("records"):
        _bar(axes, row, rows.at[series.index(row["series"])])
    rows.label(axes)
    ends = frame["violation"] if "high" not in frame else frame["high"].fillna(frame["violation"])
    most = float(ends.fillna(0).max()) * 100 if len(frame) else 0.0
    axes.set_xlim(0, max(most * 1.05, 1.0))
    axes.set_xlabel("Violations (% of arrived requests)")
    sheet.legend(_legend(frame, options.layout))
    return sheet.finish(rows.height_in, note)


def _bar(axes: Axes, row: dict[Hashable, Any], group: float) -> None:
    """Draw one bar and write its total behind it."""
    at = group + (_BAR / 2 if row["class"] == "low" else -_BAR / 2)
    note: dict[str, Any] = {"textcoords": "offset points", "va": "center_baseline", "fontsize": style.points(NOTE)}
    if pd.isna(row["violation"]):
        text = "no deadlines" if row["arrived"] else "no requests"
        axes.annotate(text, (0, at), (2, 0), color="#606060", **note)
        return
    left = 0.0
    for cause, hatch in CAUSES.items():
        width = 100 * row[cause] / row["arrived"]
        if width:
            colour = style.CLASS_COLOURS[row["class"]]
            axes.barh(at, width, _BAR, left=left, color=colour, hatch=hatch, edgecolor="white", linewidth=0.3)
            left += width
    if not pd.isna(row.get("high", np.nan)):
        reach = [[left - 100 * row["low"]], [100 * row["high"] - left]]
        axes.errorbar(left, at, xerr=reach, color="black", elinewidth=0.7, capsize=1.5, linestyle="none")
        left = 100 * row["high"]
    axes.annotate(_percent(100 * row["violation"]), (left, at), (2, 0), **note)


def _percent(value: float) -> str:
    """Return a share for the end of a bar: two significant digits, from 10 % on one after the point."""
    if value == 0:
        return "0"
    return f"{value:.1f}" if value >= 9.95 else f"{value:#.2g}"


def _legend(frame: pd.DataFrame, layout: Layout) -> list[Patch]:
    classes = [Patch(facecolor=style.CLASS_COLOURS[name], label=layout.name(name)) for name in CLASSES]
    causes = [
        Patch(facecolor="#909090", edgecolor="white", hatch=hatch, label=layout.name(cause))
        for cause, hatch in CAUSES.items()
        if cause != "unfinished" or frame["unfinished"].any()
    ]
    return classes + causes
