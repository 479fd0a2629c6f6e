"""A heat map of a sweep's grid: one figure over two of its conditions, a panel per policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from stratsim.errors import SpecError, suggest
from stratsim_plots import style
from stratsim_plots.series import Options, short_names
from stratsim_plots.sources import is_one_sweep, origin_of, sweep_runs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from stratsim.compare.sweep import SweepTable

__all__ = ["COLUMNS", "METRIC", "draw", "read"]

METRIC = "high_violation"
"""What is shown if nothing is asked for."""
COLUMNS = ("policy", "x_name", "x", "y_name", "y", "metric", "value", "runs", "origin")
_COLOURS = "cividis"
"""Grows evenly in lightness, also for people with colour-vision deficiencies and in grey print."""
_ACROSS = 3
_SHORT = 8
"""Characters of a name that has room below its column."""


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
    x, y = _chosen(rows, table.axes, options)
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


def _chosen(rows: pd.DataFrame, axes: Sequence[str], options: Options) -> tuple[str, str]:
    """Return the two axes: those that were asked for, else the first that vary, then the policies."""
    varying = [name for name in axes if rows[name].nunique() > 1]
    for name in (options.x, options.y):
        if name is not None and name not in (*axes, "policy"):
            raise SpecError(f"no axis {name!r}; {suggest(name, (*axes, 'policy'))}")
    free = [name for name in (*varying, "policy") if name not in (options.x, options.y)]
    x = options.x or (free.pop(0) if free else "policy")
    y = options.y or (free.pop(0) if free else "policy")
    if x == y:
        raise SpecError(f"a heat map needs two axes, got {x} and {y}")
    left = [name for name in varying if name not in (x, y)]
    if left:
        values = ", ".join(dict.fromkeys(rows[left[0]].astype(str)))
        raise SpecError(f"{left[0]} varies too ({values}): choose one by --where {left[0]}=VALUE")
    return x, y


def draw(frame: pd.DataFrame, options: Options) -> Figure:  # noqa: ARG001
    """Draw a panel per policy with one scale for all; each place says its value."""
    policies = list(dict.fromkeys(frame["policy"]))
    names = short_names(policies)
    x, y = _ordered(frame["x"]), _ordered(frame["y"])
    if str(frame["y_name"].iloc[0]) == "policy":
        y = y[::-1]  # the first on top, as in every other figure
    across = min(len(policies), _ACROSS)
    rows = -(-len(policies) // across)
    height_in = 0.8 + rows * (0.35 + max(0.24 * len(y), 0.55))
    figure = style.new_figure(height_in, style.WIDTH_IN if across == 1 else 7.0)
    panels = figure.subplots(rows, across, sharex=True, sharey=True, squeeze=False)
    scale = 100.0 if str(frame["metric"].iloc[0]).endswith("violation") else 1.0
    finite = frame["value"][np.isfinite(frame["value"])]
    top = scale * float(finite.max()) if len(finite) else 0.0
    low = 0.0 if scale > 1 or not len(finite) else scale * float(finite.min())
    for axes, policy in zip(panels.flat, policies, strict=False):
        image = _panel(axes, frame[frame["policy"] == policy], (x, y), scale, (low, max(top, low + 1e-9)))
        axes.set_title(style.wrap(names[policy], 40), fontsize=7)
    for axes in panels.flat[len(policies) :]:
        axes.set_axis_off()
    for axes in panels[-1]:
        axes.set_xlabel(str(frame["x_name"].iloc[0]))
    for line in panels:
        line[0].set_ylabel(str(frame["y_name"].iloc[0]))
    unit = " (%)" if scale > 1 else ""
    bar = figure.colorbar(image, ax=list(panels.flat), label=style.wrap(f"{frame['metric'].iloc[0]}{unit}", 24))
    bar.outline.set_linewidth(0.4)
    most = int(frame["runs"].max())
    style.footer(
        figure, f"{f'Means over up to {most} runs' if most > 1 else 'One run each'}; {frame['origin'].iloc[0]}"
    )
    return figure


def _panel(
    axes: Axes, frame: pd.DataFrame, places: tuple[list[str], list[str]], scale: float, ends: tuple[float, float]
) -> Any:
    x, y = places
    grid = np.full((len(y), len(x)), np.nan)
    for row in frame.to_dict("records"):
        grid[y.index(str(row["y"])), x.index(str(row["x"]))] = scale * row["value"]
    image = axes.imshow(
        np.where(np.isinf(grid), np.nan, grid), cmap=_COLOURS, vmin=ends[0], vmax=ends[1], aspect="auto", origin="lower"
    )
    for edge in range(1, len(x)):
        axes.axvline(edge - 0.5, color="white", linewidth=0.8)
    for edge in range(1, len(y)):
        axes.axhline(edge - 0.5, color="white", linewidth=0.8)
    middle = (ends[0] + ends[1]) / 2
    for (line, column), value in np.ndenumerate(grid):
        text = "-" if np.isnan(value) else "dropped" if np.isinf(value) else f"{value:#.3g}".rstrip(".")
        colour = "white" if value < middle else "black"  # on no colour at all, which is white, too
        axes.annotate(text, (column, line), ha="center", va="center", fontsize=5.5, color=colour)
    axes.set_xticks(range(len(x)), [style.wrap(name, 22) for name in x])
    if max(len(name) for name in x) > _SHORT:
        axes.tick_params(axis="x", labelrotation=20, labelsize=6)
        for label in axes.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(y)), [style.wrap(name, 22) for name in y])
    axes.grid(visible=False)
    return image


def _ordered(values: pd.Series[Any]) -> list[str]:
    """Return the distinct values: numbers in ascending order, names as they come."""
    distinct = [str(value) for value in dict.fromkeys(values)]
    try:
        return sorted(distinct, key=float)
    except ValueError:
        return distinct
