"""Deadline violations by policy and class, split into what was late, dropped or never finished."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
from matplotlib.patches import Patch

from stratsim_plots import style
from stratsim_plots.series import CLASSES, Options, origin, select

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from stratsim.results.read import StoredResults

__all__ = ["COLUMNS", "data", "draw"]

COLUMNS = ("series", "policy", "class", "arrived", "met", "late", "dropped", "unfinished", "violation")
_CAUSES = {"late": "", "dropped": "/////", "unfinished": "....."}
_BAR = 0.38


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


def draw(frame: pd.DataFrame, results: Sequence[StoredResults], options: Options) -> Figure:  # noqa: ARG001
    """Draw a group of bars per series: one bar per class, its causes behind one another, the total at its end."""
    series = list(dict.fromkeys(frame["series"]))
    figure = style.new_figure(0.95 + 0.36 * len(series))
    axes = figure.subplots()
    for row in frame.to_dict("records"):
        _bar(axes, row, series.index(row["series"]))
    axes.set_yticks(range(len(series)), [style.wrap(name, 26) for name in series])
    axes.set_ylim(len(series) - 0.5, -0.5)  # by hand: without a bar there is nothing to scale to
    axes.grid(axis="y", visible=False)
    most = float(frame["violation"].fillna(0).max()) * 100 if len(frame) else 0.0
    axes.set_xlim(0, max(most * 1.15, 1.0))
    axes.set_xlabel("Violations (% of arrived requests)")
    handles = _legend(frame)
    style.legend_above(figure, handles, 4 if len(handles) == 4 else 3)
    style.footer(figure, origin(results))
    return figure


def _bar(axes: Axes, row: dict[Hashable, Any], group: int) -> None:
    """Draw one bar and write its total behind it."""
    at = group + (_BAR / 2 if row["class"] == "low" else -_BAR / 2)
    if pd.isna(row["violation"]):
        text = "no deadlines" if row["arrived"] else "no requests"
        axes.annotate(text, (0, at), (2, 0), textcoords="offset points", va="center", fontsize=6, color="#606060")
        return
    left = 0.0
    for cause, hatch in _CAUSES.items():
        width = 100 * row[cause] / row["arrived"]
        if width:
            colour = style.CLASS_COLOURS[row["class"]]
            axes.barh(at, width, _BAR, left=left, color=colour, hatch=hatch, edgecolor="white", linewidth=0.3)
            left += width
    axes.annotate(
        _percent(100 * row["violation"]), (left, at), (2, 0), textcoords="offset points", va="center", fontsize=6
    )


def _percent(value: float) -> str:
    """Return a share for the end of a bar: two significant digits, from 10 % on one after the point."""
    if value == 0:
        return "0"
    return f"{value:.1f}" if value >= 9.95 else f"{value:#.2g}"


def _legend(frame: pd.DataFrame) -> list[Patch]:
    classes = [Patch(facecolor=style.CLASS_COLOURS[name], label=name) for name in CLASSES]
    causes = [
        Patch(facecolor="#909090", edgecolor="white", hatch=hatch, label=cause)
        for cause, hatch in _CAUSES.items()
        if cause != "unfinished" or frame["unfinished"].any()
    ]
    return classes + causes
