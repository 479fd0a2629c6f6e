"""Where the time of requests went: mean parts of the latency by policy and class, of all and of the slowest 1 %."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.patches import Patch

from stratsim.errors import SpecError
from stratsim.explain.aggregate import mean_parts, slowest
from stratsim.explain.parts import read_run
from stratsim.results.machine import find_machine
from stratsim_plots import style
from stratsim_plots.series import CLASSES, Options, origin, select

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from stratsim.explain.parts import Run
    from stratsim.results.read import StoredResults

__all__ = ["COLUMNS", "data", "draw"]

COLUMNS = ("series", "policy", "class", "of", "requests", "part", "mean_s")
_SLOWEST = "slowest 1 %"
_GROUPS = {
    "waiting for dispatch": ("queueing",),
    "loading weights": ("weights",),
    "waiting for a copy engine": ("copy_in_wait", "copy_out_wait"),
    "copying, alone": ("copy_in", "copy_out"),
    "slowed by other copies": ("copy_in_contention", "copy_out_contention"),
    "waiting for a slot": ("slot_wait",),
    "executing, as if alone": ("execution",),
    "slowed by other batches": ("interference",),
    "stopped": ("preemption",),
}
"""What is drawn as one: both directions of copies together."""
_LOOKS = {
    "waiting for dispatch": (style.BLUE, ""),
    "loading weights": (style.YELLOW, "||||"),
    "waiting for a copy engine": (style.SKY, "...."),
    "copying, alone": (style.PURPLE, "xxxx"),
    "slowed by other copies": (style.ORANGE, "////"),
    "waiting for a slot": (style.SKY, "----"),
    "executing, as if alone": (style.GREEN, ""),
    "slowed by other batches": (style.VERMILLION, "////"),
    "stopped": (style.BLACK, "\\\\\\\\"),
}
_BAR = 0.72
_ROW_IN = 0.17
"""Height of a row whose label has one line."""
_LINE, _GAP = 0.7, 0.3
"""Height of a label's line, and of what is between two labels, in rows."""


def data(results: Sequence[StoredResults], options: Options) -> pd.DataFrame:
    """Return one row per series, class, kind of mean and part; a class without answers has none.

    Raises:
        SpecError: no request was answered.
    """
    machines = {id(stored): find_machine(stored) for stored in results}
    rows = []
    for series in select(results, options.policies):
        run = read_run(series.results, series.policy, machines[id(series.results)])
        for name in CLASSES:
            for of, chosen in _chosen(run, name).items():
                count = int((chosen & run.requests["latency_s"].notna()).sum())
                labels = dict(zip(COLUMNS, (series.label, series.policy, name, of, count), strict=False))
                parts = mean_parts(run, chosen) or {}
                rows += [{**labels, "part": part, "mean_s": mean_s} for part, mean_s in parts.items()]
    if not rows:
        raise SpecError("no request was answered, so there is no latency to draw")
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _chosen(run: Run, name: str) -> dict[str, pd.Series[bool]]:
    own = run.requests["priority"] == name
    return {"all": own, _SLOWEST: pd.Series(slowest(run, name), index=own.index)}


def draw(frame: pd.DataFrame, results: Sequence[StoredResults], options: Options) -> Figure:  # noqa: ARG001
    """Draw a panel for all and one for the slowest: a stacked bar per series and class."""
    bars = list(dict.fromkeys(zip(frame["series"], frame["class"], strict=True)))
    used = [group for group, parts in _GROUPS.items() if frame.loc[frame["part"].isin(parts), "mean_s"].sum() > 0]
    labels = [style.wrap(f"{series}, {name}", 28) for series, name in bars]
    centres, height = _rows(labels)
    figure = style.new_figure(0.75 + 2 * (0.25 + _ROW_IN * height) + style.legend_height_in(used, 2))
    panels = figure.subplots(2, squeeze=False)[:, 0]
    for axes, of in zip(panels, ("all", _SLOWEST), strict=True):
        own = frame[frame["of"] == of]
        for at, (series, name) in zip(centres, bars, strict=True):
            _bar(axes, own[(own["series"] == series) & (own["class"] == name)], at)
        axes.set_yticks(centres, labels)
        axes.set_ylim(height - 0.5, -0.5)
        axes.grid(axis="y", visible=False)
        axes.set_xlim(left=0)
        axes.set_title(of, loc="left", pad=2)
    panels[-1].set_xlabel("Mean latency of answered requests (ms)")
    style.legend_above(figure, [_patch(group) for group in used], 2)
    style.footer(figure, origin(results))
    return figure


def _rows(labels: Sequence[str]) -> tuple[list[float], float]:
    """Return where the rows' centres are, and the height of all: a label of several lines makes its row higher."""
    heights = [max(1.0, _LINE * (label.count("\n") + 1) + _GAP) for label in labels]
    ends = list(accumulate(heights))
    return [end - height / 2 - 0.5 for end, height in zip(ends, heights, strict=True)], sum(heights)


def _bar(axes: Axes, own: pd.DataFrame, at: float) -> None:
    mean_ms = own.set_index("part")["mean_s"] * 1e3
    left = 0.0
    for group, parts in _GROUPS.items():
        width = float(mean_ms.reindex(parts).fillna(0.0).sum())
        if width > 0:
            colour, hatch = _LOOKS[group]
            axes.barh(at, width, _BAR, left=left, color=colour, hatch=hatch, edgecolor="white", linewidth=0.3)
            left += width


def _patch(group: str) -> Patch:
    colour, hatch = _LOOKS[group]
    return Patch(facecolor=colour, hatch=hatch, edgecolor="white", label=group)
