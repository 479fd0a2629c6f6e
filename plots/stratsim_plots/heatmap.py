"""A heat map of a sweep's grid: one figure over two of its conditions, a panel per policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from stratsim.errors import SpecError, suggest
from stratsim_plots import style
from stratsim_plots.sheet import Sheet
from stratsim_plots.sources import check_one_place, is_one_sweep, origin_of, sweep_runs
from stratsim_plots.words import axis_title, word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from stratsim.compare.sweep import SweepTable
    from stratsim_plots.series import Options
    from stratsim_plots.words import Word

__all__ = ["COLUMNS", "METRIC", "draw", "read"]

METRIC = "high_violation"
"""What is shown if nothing is asked for."""
COLUMNS = ("policy", "x_name", "x", "y_name", "y", "metric", "value", "runs", "origin")
_COLOURS = "cividis"
"""Grows evenly in lightness, also for people with colour-vision deficiencies and in grey print."""
_ACROSS = 3
_VALUE = 0.73
"""Size of the values, as a share of that of axis titles."""
_ROOM = 0.92
"""Share of a place's width that its value may take."""


def read(paths: Sequence[Any], options: Options) -> pd.DataFrame:
    """Return the mean of the figure over seeds, by policy and place in the grid.

    Raises:
        SpecError: not one sweep, no such axis or figure, or another axis varies too.
    """
    if not is_one_sweep(paths):
        raise SpecError("--kind heatmap takes one sweep: the folder of `stratsim sweep run`, or its results.csv")
    table = sweep_runs(paths[0], options)
    rows, metric = table.frame, options.metric or METRIC
    if metric not in table.figures:
        raise SpecError(f"{paths[0]}: has no figure {metric!r}; {suggest(metric, table.figures)}")
    x, y = _chosen(table, options)
    _check_one_run(table, x, y)
    keys = list(dict.fromkeys(["policy", x, y]))
    found = rows.groupby(keys, sort=False)[metric].agg(["mean", "count"]).reset_index()
    policy = "" if "policy" in (x, y) else found["policy"]
    frame = pd.DataFrame({"x": found[x], "y": found[y], "value": found["mean"], "runs": found["count"]})
    return frame.assign(policy=policy, x_name=x, y_name=y, metric=metric, origin=origin_of(paths))[list(COLUMNS)]


def _check_one_run(table: SweepTable, x: str, y: str) -> None:
    """Raise if a policy ran twice with one seed at one place: with several settings, or several C."""
    rows = table.frame
    place = list(dict.fromkeys(["policy", x, y, "seed"]))
    twice = rows[rows.duplicated(place, keep=False)]
    if twice.empty:
        return
    policy = twice["policy"].iloc[0]
    own = twice[twice["policy"] == policy]
    several = [name for name in table.choices if own[name].nunique() > 1]
    if not several:
        raise SpecError(f"{policy} ran twice with seed {own['seed'].iloc[0]} at one place of the grid")
    values = ", ".join(dict.fromkeys(own[several[0]].astype(str)))
    raise SpecError(
        f"{policy} ran with {several[0]} {values} at one place of the grid: choose one by --where {several[0]}=VALUE"
    )


def _chosen(table: SweepTable, options: Options) -> tuple[str, str]:
    """Return the two axes: those that were asked for, else the first that vary, then the policies."""
    rows, axes = table.frame, table.axes
    varying = [name for name in axes if rows[name].nunique() > 1]
    for name in (options.x, options.y):
        if name is not None and name not in (*axes, "policy"):
            raise SpecError(f"no axis {name!r}; {suggest(name, (*axes, 'policy'))}")
    free = [name for name in (*varying, "policy") if name not in (options.x, options.y)]
    x = options.x or (free.pop(0) if free else "policy")
    y = options.y or (free.pop(0) if free else "policy")
    if x == y:
        raise SpecError(f"a heat map needs two axes, got {x} and {y}")
    check_one_place(table, x, y)
    return x, y


def draw(frame: pd.DataFrame, options: Options) -> Figure:
    """Draw a panel per policy with one scale for all; each place says its value, if all places have room for theirs."""
    layout = options.layout
    policies = list(dict.fromkeys(frame["policy"]))
    sheet = Sheet(layout, style.WIDTH_IN if len(policies) == 1 else style.PAGE_IN)
    x_name, y_name = str(frame["x_name"].iloc[0]), str(frame["y_name"].iloc[0])
    x, y = (layout.sorted(_ordered(frame[name])) for name in ("x", "y"))
    if y_name == "policy":
        y = y[::-1]  # the first on top, as in every other figure
    across = min(len(policies), _ACROSS if sheet.wide else 1)
    panels = sheet.panels(len(policies), across, sharex=True, sharey=True)
    said = word(str(frame["metric"].iloc[0]))
    rows = sheet.rows(layout.names(y), 0.24)
    for axes, policy, name in zip(panels, policies, layout.names(policies), strict=True):
        image = _panel(axes, frame[frame["policy"] == policy], (x, y), said.factor, _ends(frame["value"], said))
        sheet.columns(axes, range(len(x)), layout.names(x))
        axes.set_yticks(range(len(y)), rows.names)
        axes.set_title(name)
    for axes in sheet.lowest:
        axes.set_xlabel(layout.name(axis_title(x_name)))
    for axes in sheet.left:
        axes.set_ylabel(layout.name(axis_title(y_name)))
    of = f", {layout.name(said.level)} priority" if said.level else ""
    bar = sheet.figure.colorbar(image, ax=panels, label=said.axis(f"{said.title}{of}"))
    bar.outline.set_linewidth(0.4)
    most = int(frame["runs"].max())
    note = f"Means over up to {most} runs" if most > 1 else "One run each"
    figure = sheet.finish(max(len(y) * rows.most_in, 0.55 * sheet.scale), f"{note}; {frame['origin'].iloc[0]}")
    _drop_crowded(panels, len(x))
    return figure


def _ends(values: pd.Series[float], said: Word) -> tuple[float, float]:
    """Return the ends of the scale of colours; that of a share begins at 0."""
    finite = said.factor * values[np.isfinite(values)]
    top, low = (float(finite.max()), float(finite.min())) if len(finite) else (0.0, 0.0)
    low = 0.0 if said.unit == "%" else low
    return low, max(top, low + 1e-9)


def _panel(
    axes: Axes, frame: pd.DataFrame, places: tuple[list[str], list[str]], factor: float, ends: tuple[float, float]
) -> Any:
    x, y = places
    grid = np.full((len(y), len(x)), np.nan)
    for row in frame.to_dict("records"):
        grid[y.index(str(row["y"])), x.index(str(row["x"]))] = factor * row["value"]
    image = axes.imshow(
        np.where(np.isinf(grid), np.nan, grid), cmap=_COLOURS, vmin=ends[0], vmax=ends[1], aspect="auto", origin="lower"
    )
    for edge in range(1, len(x)):
        axes.axvline(edge - 0.5, color="white", linewidth=0.8)
    for edge in range(1, len(y)):
        axes.axhline(edge - 0.5, color="white", linewidth=0.8)
    middle, size = (ends[0] + ends[1]) / 2, style.points(_VALUE)
    for (line, column), value in np.ndenumerate(grid):
        text = "-" if np.isnan(value) else "dropped" if np.isinf(value) else f"{value:#.3g}".rstrip(".")
        colour = "white" if value < middle else "black"  # on no colour at all, which is white, too
        said = axes.annotate(text, (column, line), ha="center", va="center", fontsize=size, color=colour)
        said.set_in_layout(False)  # it is in its place, or it is dropped: no panel makes room for it
    axes.grid(visible=False)
    return image


def _drop_crowded(panels: Sequence[Axes], columns: int) -> None:
    """Take the values away if one is wider than its place: the colours say them too."""
    room = min(axes.get_window_extent().width for axes in panels) / columns
    texts = [text for axes in panels for text in axes.texts]
    if any(text.get_window_extent().width > _ROOM * room for text in texts):
        for text in texts:
            text.remove()


def _ordered(values: pd.Series[Any]) -> list[str]:
    """Return the distinct values: numbers in ascending order, names as they come."""
    distinct = [str(value) for value in dict.fromkeys(values)]
    try:
        return sorted(distinct, key=float)
    except ValueError:
        return distinct
