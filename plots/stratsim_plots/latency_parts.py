"""Where the time of requests went: mean parts of the latency by policy and class, of all and of the slowest 1 %."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.patches import Patch

from stratsim.errors import SpecError
from stratsim.explain.aggregate import mean_parts, slowest
from stratsim.explain.parts import read_run
from stratsim.results.machine import find_machine
from stratsim_plots import style
from stratsim_plots.series import CLASSES, Options, origin, select
from stratsim_plots.sheet import Sheet

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


def draw(frame: pd.DataFrame, results: Sequence[StoredResults], options: Options) -> Figure:
    """Draw a panel for all and one for the slowest: a stacked bar per series and class."""
    sheet, layout = Sheet(options.layout), options.layout
    bars = list(dict.fromkeys(zip(frame["series"], frame["class"], strict=True)))
    used = [group for group, parts in _GROUPS.items() if frame.loc[frame["part"].isin(parts), "mean_s"].sum() > 0]
    named = layout.names([series for series, _ in bars])
    rows = sheet.rows([f"{name}, {layout.name(level)}" for name, (_, level) in zip(named, bars, strict=True)], 0.17)
    for axes, of in zip(sheet.panels(2, sharey=True), ("all", _SLOWEST), strict=True):
        own = frame[frame["of"] == of]
        _bars(axes, own.pivot_table(index=["series", "class"], columns="part", values="mean_s").reindex(bars), rows.at)
        rows.label(axes)
        axes.set_xlim(left=0)
        axes.set_title(of, loc="left", pad=2)
    for axes in sheet.lowest:
        axes.set_xlabel("Mean latency of answered requests (ms)")
    sheet.legend([_patch(group, layout.name(group)) for group in used])
    return sheet.finish(rows.height_in, origin(results))


def _bars(axes: Axes, mean_s: pd.DataFrame, places: Sequence[float]) -> None:
    """Draw a row of `mean_s` at each place: what its parts, the columns, take in a group, beside the group before."""
    at, left = np.asarray(places), np.zeros(len(mean_s))
    for group, parts in _GROUPS.items():
        width = 1e3 * mean_s.reindex(columns=parts).sum(axis=1).to_numpy()
        colour, hatch = _LOOKS[group]
        drawn = width > 0
        axes.barh(at[drawn], width[drawn], _BAR, left=left[drawn], color=colour, hatch=hatch, edgecolor="white",
                  linewidth=0.3)  # fmt: skip
        left += width


def _patch(group: str, name: str) -> Patch:
    colour, hatch = _LOOKS[group]
    return Patch(facecolor=colour, hatch=hatch, edgecolor="white", label=name)
