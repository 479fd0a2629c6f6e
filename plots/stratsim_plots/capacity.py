"""Capacity bars: the highest rate at which each policy meets a target, and the goodput there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from stratsim.errors import SpecError, suggest
from stratsim_plots import style
from stratsim_plots.sheet import NOTE, Sheet
from stratsim_plots.sources import read_capacity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from stratsim_plots.series import Options

__all__ = ["COLUMNS", "draw", "read"]

COLUMNS = (
    *("series", "policy", "target", "level", "seeds", "rate_per_s", "load", "expected_per_s", "above_per_s"),
    *("goodput_per_s", "goodput_low", "goodput_high", "origin"),
)
_BAR = 0.36
_ROOMY = 0.25
"""Share of the axis from which on a bar has room for its number."""


def read(paths: Sequence[Any], options: Options) -> pd.DataFrame:
    """Return a row per policy and file.

    Raises:
        SpecError: a file is no result of `stratsim capacity`, they have different targets, or lack a chosen policy.
    """
    documents = {str(path): read_capacity(path) for path in paths}
    targets = {_target(each) for each in documents.values()}
    if len(targets) > 1:
        raise SpecError(f"capacities for different targets have no common axis: {' and '.join(sorted(targets))}")
    known = list(dict.fromkeys(each["policy"] for found in documents.values() for each in found["capacities"]))
    for policy in options.policies:
        if policy not in known:
            raise SpecError(f"no capacity of policy {policy!r}; {suggest(policy, known)}")
    rows = [
        _row(Path(path).stem if len(documents) > 1 else "", found, each)
        for path, found in documents.items()
        for each in found["capacities"]
        if not options.policies or each["policy"] in options.policies
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _row(file: str, document: dict[str, Any], found: dict[str, Any]) -> tuple[Any, ...]:
    profile = document["manifest"].get("profile") or {}
    goodput = found["goodput_per_s"].get("all") or {"mean": np.nan, "low": np.nan, "high": np.nan}
    figures = (found[name] for name in ("rate_per_s", "load", "expected_per_s", "above_per_s"))
    return (
        f"{file}: {found['policy']}" if file else found["policy"],
        found["policy"],
        _target(document),
        document["level"],
        len(document["seeds"]),
        *(np.nan if figure is None else figure for figure in figures),
        *(goodput[name] for name in ("mean", "low", "high")),
        f"simulated; device profile: {profile.get('name', 'unnamed')} ({profile.get('label', 'unlabelled')})",
    )


def _target(document: dict[str, Any]) -> str:
    return ", ".join(goal["words"] for goal in document["target"])


def draw(frame: pd.DataFrame, options: Options) -> Figure:
    """Draw two bars per policy: the rate that is surely met, its line up to where it is surely missed; the goodput."""
    sheet = Sheet(options.layout)
    rows = sheet.rows(options.layout.names(list(frame["series"])), 0.38)
    (axes,) = sheet.panels(1)
    reach = frame[["rate_per_s", "above_per_s", "goodput_high"]].max().max()
    width = 1.16 * (float(reach) if reach > 0 else 1.0)
    axes.set_xlim(0, width)
    for at, row in zip(rows.at, frame.to_dict("records"), strict=True):
        _bars(axes, row, at, roomy=row["rate_per_s"] > _ROOMY * sheet.scale * 3.3 / sheet.width_in * width)
    rows.label(axes)
    axes.set_xlabel("Requests per second")
    handles: list[Any] = [
        Patch(facecolor=style.BLUE, label="rate that meets the target"),
        Line2D([], [], color="black", linewidth=0.8, marker="D", markersize=3, markerfacecolor="white",
               label="by the mean; up to surely missed"),
        Patch(facecolor=style.ORANGE, edgecolor="white", hatch="////", label="goodput there"),
    ]  # fmt: skip
    sheet.legend(handles)
    level, seeds = 100 * frame["level"].iloc[0], frame["seeds"].iloc[0]
    note = f"Target: {frame['target'].iloc[0]}, by the upper {level:g} % limit of the mean of {seeds} seeds"
    return sheet.finish(rows.height_in, f"{note}; {frame['origin'].iloc[0]}")


def _bars(axes: Axes, row: dict[Any, Any], at: float, *, roomy: bool) -> None:
    """Draw the bars of one policy, or say that there are none; its rate stands in a bar that has room for it."""
    if np.isnan(row["rate_per_s"]):
        _note(axes, 0, at, "misses the target at every rate")
        return
    axes.barh(at - _BAR / 2, row["rate_per_s"], _BAR, color=style.BLUE, zorder=2)
    end = row["rate_per_s"]
    if not np.isnan(row["above_per_s"]):
        end = row["above_per_s"]
        look: dict[str, Any] = {"color": "black", "linewidth": 0.8, "zorder": 3}
        axes.plot([row["rate_per_s"], end], [at - _BAR / 2] * 2, **look, solid_capstyle="butt")
        axes.plot([end], [at - _BAR / 2], marker="|", markersize=4, **look)
    if not np.isnan(row["expected_per_s"]):
        axes.plot([row["expected_per_s"]], [at - _BAR / 2], "D", color="black", markerfacecolor="white", markersize=3,
                  markeredgewidth=0.7, zorder=4)  # fmt: skip
    rate = _number(row["rate_per_s"])
    if roomy:
        place: dict[str, Any] = {
            "xytext": (-3, 0),
            "textcoords": "offset points",
            "va": "center_baseline",
            "ha": "right",
        }
        axes.annotate(
            rate, (row["rate_per_s"], at - _BAR / 2), **place, fontsize=style.points(NOTE), color="white", zorder=4
        )
    else:
        _note(axes, end, at - _BAR / 2, rate)
    error = [[row["goodput_per_s"] - row["goodput_low"]], [row["goodput_high"] - row["goodput_per_s"]]]
    axes.barh(at + _BAR / 2, row["goodput_per_s"], _BAR, color=style.ORANGE, edgecolor="white", hatch="////",
              linewidth=0.3, xerr=error, error_kw={"elinewidth": 0.7, "capsize": 1.5}, zorder=2)  # fmt: skip
    _note(axes, row["goodput_high"], at + _BAR / 2, _number(row["goodput_per_s"]))


def _number(value: float) -> str:
    """Return three significant digits, all of those before the point."""
    return f"{value:.0f}" if value >= 100 else f"{value:#.3g}"


def _note(axes: Axes, x: float, y: float, text: str) -> None:
    axes.annotate(text, (x, y), (4, 0), textcoords="offset points", va="center_baseline", fontsize=style.points(NOTE))
