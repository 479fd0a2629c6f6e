"""Figures of study 2, from the tables in its folder: `figures/NAME.csv`, one function for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["COLUMNS", "FIGURES", "ablations", "differences", "equity", "violations"]

COLUMNS = {
    "study-violations": (
        *("conditions", "policy", "role", "best_blind", "class", "load", "violation", "low", "high", "origin"),
    ),
    "study-differences": (
        *("cell", "policy", "role", "best_blind", "mean", "low", "high", "low_simultaneous", "high_simultaneous"),
        "origin",
    ),
    "study-equity": (
        *("cell", "policy", "role", "best_blind", "violation_high", "violation_low"),
        *("high_jain_models", "low_jain_models", "violation_gap_pp", "max_slowdown", "origin"),
    ),
    "study-ablations": ("cell", "policy", "role", "class", "violation", "low", "high", "origin"),
}
"""Columns of the data behind each figure."""
_CLASSES = ("high", "low")
_WIDE_IN = 7.0
_PANELS = 3
"""Panels side by side."""
_INTERVAL = "95 % t interval over seeds"
_MANY = 8
"""Policies, or cells, from which on not everything can be told apart in one figure."""
_TOLD_APART = ("strait", "oracle", "rival-preemptive")
"""Roles whose policies keep looks of their own among many; of the blind, only the best of each cell is told apart."""
_BEST_BLIND, _OTHERS = "best blind rival", "other policies"
_OTHERS_LOOK: dict[str, Any] = {"color": "#b8b8b8", "linewidth": 0.5, "marker": ".", "markersize": 2.0, "zorder": 1}


def violations(frame: pd.DataFrame) -> Figure:
    """Draw violations against load: a row per conditions, a column per class, a line per policy."""
    from stratsim_plots import style

    loads = frame.groupby("conditions")["load"].nunique()
    shown = [name for name in dict.fromkeys(frame["conditions"]) if loads[name] > 1] or list(dict.fromkeys(loads.index))
    frame = frame[frame["conditions"].isin(shown)]
    series = _series(frame)
    figure = style.new_figure(
        0.5 + 1.7 * len(shown) + style.legend_height_in([name for name, _, _ in series], 4), _WIDE_IN
    )
    grid = figure.subplots(len(shown), len(_CLASSES), sharex="row", squeeze=False)
    for row, conditions in zip(grid, shown, strict=True):
        for axes, label in zip(row, _CLASSES, strict=True):
            here = (frame["conditions"] == conditions) & (frame["class"] == label)
            for _, points, look in series:
                for _, line in points[here.loc[points.index]].groupby("policy" if look is _OTHERS_LOOK else "class"):
                    _line(axes, line.sort_values("load"), look)
            axes.set_ylim(bottom=0)
            axes.set_title(f"{style.wrap(conditions, 60)}\n{label} priority", fontsize=7)
        row[0].set_ylabel("Violations (%)")
    for axes in grid[-1]:
        axes.set_xlabel("Load (1 is what a server that wastes nothing keeps up with)")
    _legend(figure, series)
    _footer(figure, frame, f"Each policy at the setting and C that its pilot chose; bars: {_INTERVAL}")
    return figure


def _line(axes: Axes, points: pd.DataFrame, look: dict[str, Any]) -> None:
    mean = 100 * points["violation"].to_numpy()
    ends = 100 * np.clip(points[["low", "high"]].to_numpy(), 0.0, 1.0)
    error = np.maximum([mean - ends[:, 0], ends[:, 1] - mean], 0.0)
    axes.errorbar(points["load"], mean, yerr=error, elinewidth=0.6, capsize=1.2, **look)


def _series(frame: pd.DataFrame) -> list[tuple[str, pd.DataFrame, dict[str, Any]]]:
    """Return what is told apart, each with its name, its rows and its look; of many policies only some, last first."""
    policies = list(dict.fromkeys(frame["policy"]))
    if len(policies) <= _MANY:
        return [(name, frame[frame["policy"] == name], _look(number)) for number, name in enumerate(policies)]
    told = [name for name in policies if frame.loc[frame["policy"] == name, "role"].iloc[0] in _TOLD_APART]
    best = frame["best_blind"] == 1
    named = [(name, frame[frame["policy"] == name]) for name in told] + [(_BEST_BLIND, frame[best])]
    found = [(name, rows, _look(number)) for number, (name, rows) in enumerate(named)]
    return [*found, (_OTHERS, frame[~frame["policy"].isin(told) & ~best], _OTHERS_LOOK)]


def _legend(figure: Figure, series: list[tuple[str, pd.DataFrame, dict[str, Any]]], **look: Any) -> None:
    from matplotlib.lines import Line2D

    from stratsim_plots import style

    style.legend_above(figure, [Line2D([], [], label=name, **{**own, **look}) for name, _, own in series], 4)


def _look(number: int) -> dict[str, Any]:
    """Return a look for more policies than there are colours: the second round is hollow and thinner."""
    from stratsim_plots import style

    look = style.look(number)
    if number >= len(style.COLOURS):
        look |= {"markerfacecolor": "white", "linewidth": 0.6}
    return look


def differences(frame: pd.DataFrame) -> Figure:
    """Draw Strait minus each baseline: a panel per cell, a line per baseline, thin ends for all of the cell at once."""
    from stratsim_plots import style

    cells = list(dict.fromkeys(frame["cell"]))
    policies = list(dict.fromkeys(frame["policy"]))
    if len(cells) > _MANY:
        return _differences_by_cell(frame, cells)
    rows = -(-len(cells) // _PANELS)
    figure = style.new_figure(0.7 + rows * (0.55 + 0.14 * len(policies)), _WIDE_IN)
    grid = figure.subplots(rows, min(_PANELS, len(cells)), sharey=True, squeeze=False)
    for axes in grid.flat[len(cells) :]:
        axes.set_axis_off()
    for axes, cell in zip(grid.flat, cells, strict=False):
        axes.axvline(0, color="#808080", linewidth=0.6)
        for row in frame[frame["cell"] == cell].to_dict("records"):
            _estimate(axes, row, policies.index(row["policy"]))
        axes.set_yticks(range(len(policies)), policies)
        axes.set_ylim(len(policies) - 0.5, -0.5)
        axes.grid(axis="y", visible=False)
        axes.set_title(style.wrap(cell, 44), fontsize=6)
    for axes in grid[-1]:
        axes.set_xlabel("Difference (pp)")
    note = "High-priority violations, Strait minus the policy: left of 0 Strait has fewer. Filled: best blind rival of"
    _footer(figure, frame, f"{note} the pilot. Thick: {_INTERVAL}; thin: for all of the cell at once (Bonferroni)")
    return figure


def _differences_by_cell(frame: pd.DataFrame, cells: list[str]) -> Figure:
    """Draw Strait minus the best blind rival, the oracle and those that preempt: a panel each, a line per cell."""
    from stratsim_plots import style

    told = [name for role in _TOLD_APART for name in dict.fromkeys(frame.loc[frame["role"] == role, "policy"])]
    groups = {_BEST_BLIND: frame[frame["best_blind"] == 1]}
    groups |= {name: frame[frame["policy"] == name] for name in told[: _PANELS - 1]}
    figure = style.new_figure(1.0 + 0.15 * len(cells), _WIDE_IN)
    panels = figure.subplots(1, len(groups), sharey=True, squeeze=False)[0]
    for axes, (name, rows) in zip(panels, groups.items(), strict=True):
        axes.axvline(0, color="#808080", linewidth=0.6)
        for row in rows.to_dict("records"):
            _estimate(axes, row, cells.index(row["cell"]))
        axes.set_title(f"Strait minus {name}", fontsize=7)
        axes.set_xlabel("Difference (pp)")
        axes.grid(axis="y", visible=False)
    panels[0].set_yticks(range(len(cells)), cells, fontsize=5)
    panels[0].set_ylim(len(cells) - 0.5, -0.5)
    note = "High-priority violations: left of 0 Strait has fewer. Thick"
    _footer(figure, frame, f"{note}: {_INTERVAL}; thin: for all policies of the cell at once (Bonferroni)")
    return figure


def _estimate(axes: Axes, row: dict[Any, Any], at: int) -> None:
    from stratsim_plots import style

    colour = style.VERMILLION if row["best_blind"] else style.BLUE
    axes.plot([row["low_simultaneous"], row["high_simultaneous"]], [at, at], color=colour, linewidth=0.6)
    axes.plot([row["low"], row["high"]], [at, at], color=colour, linewidth=1.8, solid_capstyle="butt")
    face = colour if row["best_blind"] else "white"
    axes.plot([row["mean"]], [at], "o", color=colour, markerfacecolor=face, markersize=3.2)


def equity(frame: pd.DataFrame) -> Figure:
    """Draw equity against violations: a point per cell and policy; towards the upper left is better in both."""
    from stratsim_plots import style

    series = _series(frame)
    figure = style.new_figure(2.6 + style.legend_height_in([name for name, _, _ in series], 4), _WIDE_IN)
    panels = figure.subplots(1, 3)
    columns = (
        ("high_jain_models", "violation_high", "Jain's index over models, high", "Violations, high (%)"),
        ("low_jain_models", "violation_low", "Jain's index over models, low", "Violations, low (%)"),
        ("violation_gap_pp", "violation_high", "Violations, low - high (pp)", "Violations, high (%)"),
    )
    for axes, (y, x, y_label, x_label) in zip(panels, columns, strict=True):
        for _, points, look in series:
            axes.plot(100 * points[x], points[y], **{"alpha": 0.8, "markersize": 3.2, **look, "linestyle": "none"})
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        axes.set_xlim(left=0)
    _legend(figure, series, linestyle="none")
    _footer(figure, frame, "A point is the mean over the result seeds of one policy in one cell")
    return figure


def ablations(frame: pd.DataFrame) -> Figure:
    """Draw violations of Strait and of its ablations: a panel per cell below the other, two bars per policy."""
    from matplotlib.patches import Patch

    from stratsim_plots import style

    policies = {cell: list(dict.fromkeys(rows["policy"])) for cell, rows in frame.groupby("cell", sort=False)}
    lines = [len(names) for names in policies.values()]
    height_in = 0.9 + 0.24 * sum(lines) + 0.35 * len(lines) + style.legend_height_in(["", ""], 2)
    figure = style.new_figure(height_in, _WIDE_IN)
    panels = figure.subplots(len(policies), 1, sharex=True, squeeze=False, height_ratios=lines)[:, 0]
    for axes, (cell, names) in zip(panels, policies.items(), strict=True):
        for row in frame[frame["cell"] == cell].to_dict("records"):
            _bar(axes, row, names.index(row["policy"]))
        axes.set_yticks(range(len(names)), [style.wrap(name, 64) for name in names], fontsize=5)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.grid(axis="y", visible=False)
        axes.set_title(style.wrap(str(cell), 80), fontsize=6)
    panels[-1].set_xlabel("Violations (%)")
    handles = [Patch(facecolor=style.CLASS_COLOURS[label], label=f"{label} priority") for label in _CLASSES]
    style.legend_above(figure, handles, 2)
    _footer(figure, frame, f"Bars: {_INTERVAL}")
    return figure


def _bar(axes: Axes, row: dict[Any, Any], group: int) -> None:
    from stratsim_plots import style

    at = group + (0.19 if row["class"] == "low" else -0.19)
    mean, low, high = (100 * row[name] for name in ("violation", "low", "high"))
    error = [[min(mean - low, mean)], [high - mean]]
    colour = style.CLASS_COLOURS[row["class"]]
    axes.barh(at, mean, 0.36, color=colour, xerr=error, error_kw={"elinewidth": 0.6, "capsize": 1.2})


def _footer(figure: Figure, frame: pd.DataFrame, note: str) -> None:
    """Write below a figure how to read it, and where its profiles come from."""
    from stratsim_plots import style

    style.footer(figure, f"{note}. {frame['origin'].iloc[0]}")


FIGURES: dict[str, Callable[[pd.DataFrame], Figure]] = {
    "study-violations": violations,
    "study-differences": differences,
    "study-equity": equity,
    "study-ablations": ablations,
}
"""The figure of each table."""
