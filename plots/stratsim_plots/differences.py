"""Differences to a baseline with their intervals: what `stratsim compare` says, drawn."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pandas as pd
from matplotlib.lines import Line2D

from stratsim.compare import Asked, compare
from stratsim.errors import SpecError
from stratsim_plots import style
from stratsim_plots.series import CLASSES, Options
from stratsim_plots.sheet import Sheet
from stratsim_plots.sources import origin_of
from stratsim_plots.words import word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["COLUMNS", "METRIC", "draw", "read"]

METRIC = "violation"
"""What is shown if nothing is asked for."""
COLUMNS = ("cell", "class", "metric", "policy", "baseline", "difference", "low", "high", "p_holm", "interval", "origin")
_SIGNIFICANT = 0.05


def read(paths: Sequence[Any], options: Options) -> pd.DataFrame:
    """Return a row per conditions, class and policy: its difference to the baseline.

    Raises:
        SpecError: whatever `stratsim compare` refuses, or nothing has a difference.
    """
    metric = options.metric or METRIC
    asked = Asked(baseline=options.baseline, policies=options.policies, metrics=(metric,), where=options.where)
    found = compare(paths, asked)
    note = _interval_note(found)
    where = origin_of(paths)
    rows = [
        (
            *(row[name] for name in ("cell", "class", "metric", "variant")),
            found["baselines"][row["cell"]],
            *(row["difference"][name] for name in ("mean", "low", "high")),
            row["p_holm"],
            note,
            where,
        )
        for row in found["rows"]
        if row["difference"] is not None
    ]
    if not rows:
        raise SpecError(f"there is no difference in {metric} to draw: no request has one")
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _interval_note(found: dict[str, Any]) -> str:
    level = f"{100 * found['level']:g} %"
    if found["blocks"] is None:
        return f"{level} t interval over {len(found['seeds'])} seeds, paired"
    return f"{level} interval by block bootstrap of one run"


def draw(frame: pd.DataFrame, options: Options) -> Figure:
    """Draw a panel per class: a row per policy, or per conditions if there are several, with a mark per policy."""
    sheet, layout = Sheet(options.layout), options.layout
    classes = [name for name in CLASSES if (frame["class"] == name).any()]
    cells, policies = (list(dict.fromkeys(frame[name])) for name in ("cell", "policy"))
    names, several = layout.names(policies), len(cells) > 1
    lines = cells if several else policies
    each_in = 0.12 + 0.10 * (len(policies) if several else 1)
    rows = sheet.rows([layout.name(cell) for cell in cells] if several else names, each_in)
    for axes, name in zip(sheet.panels(len(classes), sharex=True, sharey=True), classes, strict=True):
        axes.axvline(0, color="#606060", linewidth=0.7, zorder=1)
        for row in frame[frame["class"] == name].to_dict("records"):
            number = policies.index(row["policy"])
            shift = 0.7 * (number / max(len(policies) - 1, 1) - 0.5) if several and len(policies) > 1 else 0.0
            at = rows.at[lines.index(row["cell"] if several else row["policy"])] + shift
            _estimate(axes, row, at, number if several else 0)
        rows.label(axes)
        for upper, lower in pairwise(rows.at if several else ()):
            axes.axhline((upper + lower) / 2, color="#d0d0d0", linewidth=0.4)
        axes.set_title(f"{layout.name(name)} priority", loc="left", pad=2)
    baselines = list(dict.fromkeys(frame["baseline"]))
    against = layout.names(baselines)[0] if len(baselines) == 1 else "the baseline"
    for axes in sheet.lowest:
        axes.set_xlabel(_title(str(frame["metric"].iloc[0]), against))
    if several:
        sheet.legend(
            [Line2D([], [], label=name, **style.look(n) | {"linestyle": _line(n)}) for n, name in enumerate(names)]
        )
    return sheet.finish(
        rows.height_in, f"Filled: p Holm below 5 %; bars: {frame['interval'].iloc[0]}; {frame['origin'].iloc[0]}"
    )


def _title(metric: str, against: str) -> str:
    """Return what the axis is called; differences of shares are in percentage points."""
    said = word(metric)
    return said._replace(unit="pp" if said.unit == "%" else said.unit).axis(f"{said.title}: difference to {against}")


def _estimate(axes: Axes, row: dict[Any, Any], at: float, number: int) -> None:
    look, scale = style.look(number), word(row["metric"]).factor
    mean, low, high = (scale * row[name] for name in ("difference", "low", "high"))
    axes.plot([low, high], [at, at], color=look["color"], linewidth=1.3, linestyle=_line(number), solid_capstyle="butt")
    sure = row["p_holm"] is not None and row["p_holm"] < _SIGNIFICANT
    face = look["color"] if sure else "white"
    axes.plot([mean], [at], marker=look["marker"], color=look["color"], markerfacecolor=face, markersize=3.6, zorder=3)


def _line(number: int) -> str:
    """Return the line of a policy's interval; those after the eighth, whose marks repeat, are dotted."""
    return ":" if number >= len(style.MARKERS) else "-"
