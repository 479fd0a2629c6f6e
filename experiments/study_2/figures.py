"""Figures of study 2, from the tables in its folder: `figures/NAME.csv`, one function for each."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.stats.fronts import hull

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["FIGURES", "ablation", "equity", "fronts", "matched"]

_WIDE_IN = 7.0
_PANELS = 4
"""Panels side by side."""
_SHOWN = ("fewest-late", "strait", "aware-k-edf", "k-edf", "preempt-gated", "preempt-slack")
"""Policies that are told apart where there are many."""
_OTHERS = "other policies"
_GREY = "#b8b8b8"
_SUBJECTS = ("fewest-late", "strait")
_EVERY_FAMILY = ("preempt-needed", "orion")


def fronts(frame: pd.DataFrame) -> Figure:
    """Draw low against high violations: a panel per cell, a point per setting, lines for what settings offer."""
    from matplotlib.lines import Line2D

    from stratsim_plots import style

    cells = list(dict.fromkeys(frame["cell"]))
    shown = [family for family in _SHOWN if (frame["family"] == family).any()]
    rows = -(-len(cells) // _PANELS)
    figure = style.new_figure(0.7 + 1.45 * rows + style.legend_height_in([*shown, _OTHERS], 4), _WIDE_IN)
    grid = figure.subplots(rows, _PANELS, squeeze=False)
    for axes in grid.flat[len(cells) :]:
        axes.set_visible(False)
    for axes, cell in zip(grid.flat, cells, strict=False):
        here = frame[frame["cell"] == cell]
        others = here[~here["family"].isin(shown)]
        axes.plot(others["high"], others["low"], ".", color=_GREY, markersize=2.5, zorder=1)
        for number, family in enumerate(shown):
            _offered(axes, here[here["family"] == family], style.look(number))
        for scale, bound in ((axes.set_xscale, axes.set_xlim), (axes.set_yscale, axes.set_ylim)):
            scale("function", functions=(_root, np.square))
            bound(left=0) if bound == axes.set_xlim else bound(bottom=0)
        axes.set_xticks(_ticks(here["high"].max()))
        axes.set_yticks(_ticks(here["low"].max()))
        axes.tick_params(labelsize=5)
        axes.set_title(style.wrap(cell, 30), fontsize=5.5)
    for row in grid:
        row[0].set_ylabel("Low, violations (%)", fontsize=6)
    for at, axes in enumerate(grid.flat[: len(cells)]):
        if at + _PANELS >= len(cells):
            axes.set_xlabel("High, violations (%)", fontsize=6)
    handles = [Line2D([], [], label=family, **style.look(number)) for number, family in enumerate(shown)]
    handles.append(Line2D([], [], label=_OTHERS, color=_GREY, marker=".", linestyle="none"))
    style.legend_above(figure, handles, 4)
    note = (
        "A point is the mean over the result seeds of one setting; lines join those that no mixture of the others beats"
    )
    _footer(figure, frame, f"{note}. Square-root axes: towards the lower left is better for both classes")
    return figure


def _root(values: Any) -> Any:
    return np.sqrt(np.maximum(values, 0.0))


def _ticks(most: float) -> list[float]:
    return [tick for tick in (0, 1, 5, 10, 20, 40, 60, 80, 100) if tick <= max(most, 1.0)]


def _offered(axes: Axes, points: pd.DataFrame, look: dict[str, Any]) -> None:
    if points.empty:
        return
    values = points[["high", "low"]].to_numpy()
    plain = {**look, "linestyle": "none", "markersize": 2.5}
    axes.plot(values[:, 0], values[:, 1], zorder=2, **plain)
    corners = values[hull(values)]
    # A straight line between two settings is bent by the axes.
    ends = [np.linspace(start, end, 20) for start, end in pairwise(corners)]
    if ends:
        line = np.concatenate(ends)
        axes.plot(line[:, 0], line[:, 1], **{**look, "marker": "", "linewidth": 0.9}, zorder=2)


def matched(frame: pd.DataFrame) -> Figure:
    """Draw low-priority violations less a rival's at the same protection: a panel per rival, a line per cell."""
    from matplotlib.lines import Line2D

    from stratsim_plots import style

    cells = list(dict.fromkeys(frame["cell"]))
    families = [family for family in (*_SHOWN, *_EVERY_FAMILY) if (frame["family"] == family).any()]
    rows = -(-len(families) // _PANELS)
    figure = style.new_figure(
        0.9 + rows * (0.45 + 0.1 * len(cells)) + style.legend_height_in([*_SUBJECTS], 2), _WIDE_IN
    )
    grid = figure.subplots(rows, _PANELS, sharey=True, squeeze=False)
    for axes in grid.flat[len(families) :]:
        axes.set_visible(False)
    for axes, family in zip(grid.flat, families, strict=False):
        axes.axvline(0, color="#808080", linewidth=0.6)
        for number, subject in enumerate(_SUBJECTS):
            own = frame[(frame["family"] == family) & (frame["subject"] == subject)]
            for row in own.to_dict("records"):
                _estimate(axes, row, cells.index(row["cell"]) + (number - 0.5) * 0.4, style.COLOURS[number])
        axes.set_xscale("symlog", linthresh=1.0, linscale=0.6)
        axes.set_xlim(-100, 100)
        axes.set_xticks([-50, -5, 0, 5, 50], ["-50", "-5", "0", "5", "50"])
        axes.grid(axis="y", visible=False)
        axes.set_title(f"less {family}", fontsize=6.5)
        axes.tick_params(labelsize=5)
    for row in grid:
        row[0].set_yticks(range(len(cells)), cells, fontsize=4.5)
        row[0].set_ylim(len(cells) - 0.5, -0.5)
    for at, axes in enumerate(grid.flat[: len(families)]):
        if at + _PANELS >= len(families):
            axes.set_xlabel("Low violations (pp)", fontsize=6)
    handles = [
        Line2D([], [], label=subject, color=style.COLOURS[number], marker="o")
        for number, subject in enumerate(_SUBJECTS)
    ]
    style.legend_above(figure, handles, 2)
    note = (
        "At the same high-priority violations: left of 0 it has fewer of low priority. 95 % intervals, each by itself"
    )
    ends = (
        "At the left edge: the rival's settings do not reach that protection; at the right edge: it is better for both"
    )
    _footer(figure, frame, f"{note}. {ends}; x: they all protect better and serve less of low priority")
    return figure


_AT_EDGE = {"out of reach": -85.0, "behind": 85.0}


def _estimate(axes: Axes, row: dict[Any, Any], at: float, colour: str) -> None:
    if row["mean"] == row["mean"]:
        axes.plot([row["low"], row["high"]], [at, at], color=colour, linestyle="-", linewidth=0.9)
        axes.plot([row["mean"]], [at], "o", color=colour, markersize=2.0)
    elif row["outcome"] in _AT_EDGE:
        axes.plot(
            [_AT_EDGE[row["outcome"]]], [at], "<" if row["outcome"] != "behind" else ">", color=colour, markersize=2.2
        )
    elif row["outcome"] == "trade":
        axes.plot([0], [at], "x", color=colour, markersize=2.2, markeredgewidth=0.6)


def ablation(frame: pd.DataFrame) -> Figure:
    """Draw violations of fewest-late under one change: a panel per cell, two bars per change."""
    from matplotlib.patches import Patch

    from stratsim_plots import style

    cells = list(dict.fromkeys(frame["cell"]))
    changes = list(dict.fromkeys(frame["change"]))
    columns = min(len(cells), 3)
    rows = -(-len(cells) // columns)
    figure = style.new_figure(0.9 + rows * (0.4 + 0.22 * len(changes)) + style.legend_height_in(["", ""], 2), _WIDE_IN)
    grid = figure.subplots(rows, columns, sharey=True, squeeze=False)
    for axes in grid.flat[len(cells) :]:
        axes.set_visible(False)
    for axes, cell in zip(grid.flat, cells, strict=False):
        for row in frame[frame["cell"] == cell].to_dict("records"):
            for label, offset in (("high", -0.19), ("low", 0.19)):
                mean = row[label]
                error = [[max(mean - row[f"{label}_low"], 0)], [max(row[f"{label}_high"] - mean, 0)]]
                bar = {"color": style.CLASS_COLOURS[label], "error_kw": {"elinewidth": 0.6, "capsize": 1.0}}
                axes.barh(changes.index(row["change"]) + offset, mean, 0.36, xerr=error, **bar)
        axes.set_xlim(left=0)
        axes.set_title(style.wrap(cell, 40), fontsize=6.5)
        axes.grid(axis="y", visible=False)
        axes.tick_params(labelsize=6)
    for row in grid:
        row[0].set_yticks(range(len(changes)), changes)
        row[0].set_ylim(len(changes) - 0.5, -0.5)
    for at, axes in enumerate(grid.flat[: len(cells)]):
        if at + columns >= len(cells):
            axes.set_xlabel("Violations (%)")
    handles = [Patch(facecolor=style.CLASS_COLOURS[label], label=f"{label} priority") for label in ("high", "low")]
    style.legend_above(figure, handles, 2)
    _footer(figure, frame, "fewest-late with one change from its defaults. Bars: 95 % t interval over the result seeds")
    return figure


def equity(frame: pd.DataFrame) -> Figure:
    """Draw how alike classes and models fare against violations: a point per cell and policy."""
    from matplotlib.lines import Line2D

    from stratsim_plots import style

    shown = [family for family in _SHOWN if (frame["family"] == family).any()]
    figure = style.new_figure(2.7 + style.legend_height_in([*shown, _OTHERS], 4), _WIDE_IN)
    columns: Sequence[tuple[str, str, str, str]] = (
        ("jain_classes", "high", "Jain's index over classes", "High, violations (%)"),
        ("low_jain_models", "low", "Jain's index over models, low", "Low, violations (%)"),
        ("low_max_slowdown", "low", "Largest slowdown, low", "Low, violations (%)"),
    )
    others = frame[~frame["family"].isin(shown)]
    for axes, (y, x, y_label, x_label) in zip(figure.subplots(1, 3), columns, strict=True):
        axes.plot(others[x], others[y], ".", color=_GREY, markersize=2.5, zorder=1)
        for number, family in enumerate(shown):
            points = frame[frame["family"] == family]
            axes.plot(
                points[x], points[y], **{**style.look(number), "linestyle": "none", "markersize": 3.0, "alpha": 0.8}
            )
        axes.set_xscale("function", functions=(_root, np.square))
        axes.set_xlim(left=0)
        axes.set_xticks(_ticks(frame[x].max()))
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
    handles = [
        Line2D([], [], label=family, **{**style.look(number), "linestyle": "none"})
        for number, family in enumerate(shown)
    ]
    handles.append(Line2D([], [], label=_OTHERS, color=_GREY, marker=".", linestyle="none"))
    style.legend_above(figure, handles, 4)
    _footer(
        figure,
        frame,
        "A point is the mean over the result seeds of one policy in one cell, at the setting that the pilot chose",
    )
    return figure


def _footer(figure: Figure, frame: pd.DataFrame, note: str) -> None:
    """Write below a figure how to read it, and where its profiles come from."""
    from stratsim_plots import style

    style.footer(figure, f"{note}. {frame['origin'].iloc[0]}")


FIGURES: dict[str, Callable[[pd.DataFrame], Figure]] = {
    "study-2-fronts": fronts,
    "study-2-matched": matched,
    "study-2-ablation": ablation,
    "study-2-equity": equity,
}
"""The figure of each table."""
