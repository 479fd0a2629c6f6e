"""The benchmarks' figures, in the project's look, from the tables beside which they are drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

__all__ = ["FIGURES"]


def peers(frame: pd.DataFrame) -> Figure:
    """Draw requests per second on a log axis: the queue in every simulator, and whole machines in ours."""
    from matplotlib.patches import Patch

    from stratsim_plots import style

    rows = np.arange(len(frame), dtype=float) + 0.6 * frame["machine"].to_numpy()
    figure = style.new_figure(0.9 + 0.2 * len(frame))
    axes = figure.subplots()
    looks = {
        "others": {"facecolor": "#b0b0b0"},
        "stratsim": {"facecolor": style.SKY},
        "stratsim, whole machine": {"facecolor": style.BLUE, "hatch": "////", "edgecolor": "white"},
    }
    kinds = np.where(frame["machine"], "stratsim, whole machine", np.where(frame["ours"], "stratsim", "others"))
    for kind, look in looks.items():
        of = kinds == kind
        axes.barh(rows[of], frame.loc[of, "requests_per_s"], height=0.75, linewidth=0, **look)
    reach = np.array([frame["requests_per_s"] - frame["least_per_s"], frame["most_per_s"] - frame["requests_per_s"]])
    axes.errorbar(
        frame["requests_per_s"], rows, xerr=reach, fmt="none", ecolor=style.BLACK, elinewidth=0.7, capsize=1.5
    )
    clear = {"facecolor": "white", "linewidth": 0, "pad": 0.6}  # of the grid
    for row, most, speed, ratio in zip(rows, frame["most_per_s"], frame["requests_per_s"], frame["ratio"], strict=True):
        text = f"{speed:,.0f} ({ratio:.3g}×)"
        axes.annotate(text, (most, row), (4, 0), textcoords="offset points", va="center", fontsize=6, bbox=clear)
    axes.set_yticks(rows, [_row_name(label) for label in frame["label"]])
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlim(10 ** np.floor(np.log10(frame["least_per_s"].min())), 16 * frame["most_per_s"].max())
    axes.xaxis.set_major_formatter(lambda value, _: _short(value))
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("Requests per second (× SimPy, processes)")
    style.legend_above(figure, [Patch(label=kind, **look) for kind, look in looks.items()], 3)
    style.footer(
        figure,
        "Processor time: median of the rounds, whiskers their range. One server, the same arrivals for all, load 0.7.",
    )
    return figure


AXES = {
    "requests": "Requests",
    "gpus": "GPUs",
    "models": "Models",
    "queue": "Waiting requests",
    "slots": "Slots per GPU",
}
"""What to write under each axis of growth."""


def growth(frame: pd.DataFrame) -> Figure:
    """Draw time and memory per request against each axis, on log scales; a panel each, a line per policy."""
    from matplotlib.lines import Line2D

    from stratsim_plots import style

    figure = style.new_figure(3.3, 7.0)
    panels = figure.subplots(2, len(AXES), sharex="col", sharey="row")
    policies = list(dict.fromkeys(frame["policy"]))
    for column, (axis, name) in enumerate(AXES.items()):
        top, bottom = panels[:, column]
        for number, policy in enumerate(policies):
            line = frame[(frame["axis"] == axis) & (frame["policy"] == policy)]
            look = style.look(number)
            top.plot(line["value"], line["us_per_request"], **look)
            top.fill_between(line["value"], line["least_us"], line["most_us"], color=look["color"], alpha=0.15, lw=0)
            bottom.plot(line["value"], line["peak_mb"], **look)
        bottom.axhline(frame["peak_mb"].sub(frame["memory_mb"]).min(), color="#808080", linewidth=0.6, dashes=(2, 2))
        bottom.set_xlabel(name)
        for axes in (top, bottom):
            axes.set(xscale="log", yscale="log")
            axes.minorticks_off()
        values = sorted(frame.loc[frame["axis"] == axis, "value"].unique())
        _ticks(bottom.xaxis, values[-1::-2][::-1] if len(values) > 4 else values)
    panels[0, 0].set_ylabel("µs per request")
    panels[1, 0].set_ylabel("Peak memory (MB)")
    panels[0, 0].yaxis.set_major_formatter(lambda value, _: _short(value))
    sizes = [size * decade for decade in (1, 10, 100, 1_000, 10_000) for size in (1, 2, 5)]
    least_mb, most_mb = max(size for size in sizes if size < frame["peak_mb"].min()), frame["peak_mb"].max()
    panels[1, 0].set_ylim(least_mb, 1.25 * most_mb)
    _ticks(panels[1, 0].yaxis, [size for size in sizes if least_mb <= size < 1.25 * most_mb])
    handles = [Line2D([], [], label=policy, **style.look(number)) for number, policy in enumerate(policies)]
    started = Line2D([], [], label="before a run", color="#808080", linewidth=0.6, dashes=(2, 2))
    style.legend_above(figure, [*handles, started], len(policies) + 1)
    rest = "One GPU, one model, two slots, load 0.7, 100,000 requests (strait: 10,000) unless the axis says otherwise."
    style.footer(figure, f"Processor time: medians of the rounds, bands their range. {rest}")
    return figure


def _ticks(axis: Axis, values: Sequence[int]) -> None:
    axis.set_ticks(values, [_short(value) for value in values])


def _row_name(label: str) -> str:
    """Return a row's label without what the colour says."""
    return label.removesuffix(", this queue").removeprefix("stratsim, ")


def _short(value: float) -> str:
    """Return a number as an axis shows it: 1000 is 1k, 1024 is not."""
    for unit, sign in ((1e6, "M"), (1e3, "k")):
        if value >= unit and value % unit == 0:
            return f"{value / unit:g}{sign}"
    return f"{value:g}"


FIGURES: dict[str, Callable[[pd.DataFrame], Figure]] = {"growth": growth, "peers": peers}
"""The figure of each table that has one."""
