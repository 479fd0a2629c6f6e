"""Differences to a baseline with their intervals: what `stratsim compare` says, drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from stratsim.compare import METRICS, Asked, compare
from stratsim.errors import SpecError
from stratsim_plots import style
from stratsim_plots.series import CLASSES, Options, short_names
from stratsim_plots.sources import origin_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["COLUMNS", "METRIC", "draw", "read"]

METRIC = "violation"
"""What is shown if nothing is asked for."""
COLUMNS = ("cell", "class", "metric", "policy", "baseline", "difference", "low", "high", "p_holm", "interval", "origin")
_SHOWN = {
    "violation": ("Violations", "pp", 100.0),
    "p50_s": ("Median latency", "ms", 1e3),
    "p95_s": ("95th percentile of latency", "ms", 1e3),
    "p99_s": ("99th percentile of latency", "ms", 1e3),
    "mean_slowdown": ("Mean slowdown", "1", 1.0),
    "goodput_per_s": ("Goodput", "requests/s", 1.0),
}
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


def draw(frame: pd.DataFrame, options: Options) -> Figure:  # noqa: ARG001
    """Draw a panel per class: a row per policy, or per conditions if there are several, with a mark per policy."""
    classes = [name for name in CLASSES if (frame["class"] == name).any()]
    cells = list(dict.fromkeys(frame["cell"]))
    policies = list(dict.fromkeys(frame["policy"]))
    names = short_names(policies)
    lines = cells if len(cells) > 1 else policies
    labels = [style.wrap(name, 24) for name in (cells if len(cells) > 1 else names.values())]
    each_in = 0.12 + 0.10 * (len(policies) if len(cells) > 1 else 1) + 0.05 * max(label.count("\n") for label in labels)
    legend = [style.wrap(name, 24) for name in names.values()] if len(cells) > 1 else []
    height_in = 0.75 + len(classes) * (0.3 + each_in * len(lines)) + style.legend_height_in(legend or [""], 2)
    figure = style.new_figure(height_in)
    panels = figure.subplots(len(classes), sharex=True, squeeze=False)[:, 0]
    for axes, name in zip(panels, classes, strict=True):
        axes.axvline(0, color="#606060", linewidth=0.7, zorder=1)
        for row in frame[frame["class"] == name].to_dict("records"):
            number = policies.index(row["policy"])
            shift = 0.5 * (number / max(len(policies) - 1, 1) - 0.5) if len(cells) > 1 and len(policies) > 1 else 0.0
            at = lines.index(row["cell"] if len(cells) > 1 else row["policy"]) + shift
            _estimate(axes, row, at, number if len(cells) > 1 else 0)
        axes.set_yticks(range(len(lines)), labels)
        axes.set_ylim(len(lines) - 0.4, -0.6)
        axes.grid(axis="y", visible=False)
        for edge in range(1, len(lines) if len(cells) > 1 else 0):
            axes.axhline(edge - 0.5, color="#d0d0d0", linewidth=0.4)
        axes.set_title(f"{name} priority", loc="left", fontsize=7)
    title, unit, _ = _SHOWN[str(frame["metric"].iloc[0])]
    baselines = list(dict.fromkeys(frame["baseline"]))
    against = short_names(baselines)[baselines[0]] if len(baselines) == 1 else "the baseline"
    panels[-1].set_xlabel(style.wrap(f"{title}: difference to {against} ({unit})", 48))
    _legend(figure, legend)
    style.footer(figure, f"Filled: p Holm below 5 %; bars: {frame['interval'].iloc[0]}; {frame['origin'].iloc[0]}")
    return figure


def _estimate(axes: Axes, row: dict[Any, Any], at: float, number: int) -> None:
    look, scale = style.look(number), _SHOWN[row["metric"]][2]
    mean, low, high = (scale * row[name] for name in ("difference", "low", "high"))
    axes.plot([low, high], [at, at], color=look["color"], linewidth=1.3, linestyle=_line(number), solid_capstyle="butt")
    sure = row["p_holm"] is not None and row["p_holm"] < _SIGNIFICANT
    face = look["color"] if sure else "white"
    axes.plot([mean], [at], marker=look["marker"], color=look["color"], markerfacecolor=face, markersize=3.6, zorder=3)


def _line(number: int) -> str:
    """Return the line of a policy's interval; those after the eighth, whose marks repeat, are dotted."""
    return ":" if number >= len(style.MARKERS) else "-"


def _legend(figure: Figure, labels: Sequence[str]) -> None:
    from matplotlib.lines import Line2D

    if labels:
        handles = [
            Line2D([], [], label=name, **style.look(n) | {"linestyle": _line(n)}) for n, name in enumerate(labels)
        ]
        style.legend_above(figure, handles, 2)


assert set(_SHOWN) == set(METRICS)  # noqa: S101 (a metric without a name would be ours to add)
