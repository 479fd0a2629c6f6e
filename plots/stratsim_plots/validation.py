"""Figures of a validation report, from the data files in the same folder.

Each figure is a function of one table; `FIGURES` says which. A table without a figure of its own is left alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stratsim_plots.beside import draw_beside

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["FIGURES", "draw"]

_OUTLIERS = 3
"""Models that get a colour of their own: those with the largest mean error."""


def draw(directory: str | os.PathLike[str], names: Iterable[str]) -> dict[str, list[str]]:
    """Draw the figures of a report, as PNG and SVG, next to their data: `draw_beside`."""
    return draw_beside(directory, names, FIGURES)


def slowdowns(frame: pd.DataFrame) -> Figure:
    """Draw simulated against measured slowdowns on log axes; the models that fit worst have a colour of their own."""
    from stratsim_plots import style

    figure = style.new_figure(3.8)
    axes = figure.subplots()
    error = (frame["simulated"] / frame["measured"] - 1).abs()
    mean = error.groupby(frame["model"]).mean().sort_values(ascending=False)
    worst = list(mean.index[:_OUTLIERS])
    others = ~frame["model"].isin(worst)
    limit = (0.9, 1.12 * max(frame["measured"].max(), frame["simulated"].max()))
    axes.fill_between(limit, np.multiply(limit, 0.9), np.multiply(limit, 1.1), color="#e4e4e4", label="within 10 %")
    axes.plot(limit, limit, color="#808080", linewidth=0.6)
    _scatter(axes, frame[others], f"other models ({len(mean) - len(worst)})", color="#505050", marker=".", alpha=0.5)
    for number, model in enumerate(worst, start=1):
        label = f"{model} ({100 * mean[model]:.0f} %)"
        look = style.look(number)
        _scatter(axes, frame[frame["model"] == model], label, color=look["color"], marker=look["marker"])
    _log_axes(axes, limit)
    axes.set_xlabel("Measured slowdown of 2 to 5 copies")
    axes.set_ylabel("Simulated slowdown")
    style.legend_above(figure, axes.get_legend_handles_labels()[0], 2)
    source = "ParvaGPU, A100 80GB, whole GPU; simulated with a100-80gb-parvagpu (published, fitted)"
    style.footer(figure, f"In brackets: mean error of the three models that fit worst. {source}")
    return figure


def _scatter(axes: Axes, frame: pd.DataFrame, label: str, **look: object) -> None:
    axes.plot(frame["measured"], frame["simulated"], linestyle="none", label=label, markeredgewidth=0, **look)  # type: ignore[arg-type]


def _log_axes(axes: Axes, limit: tuple[float, float]) -> None:
    from matplotlib.ticker import NullFormatter

    axes.set(xscale="log", yscale="log", xlim=limit, ylim=limit)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks([tick for tick in (1, 1.5, 2, 3, 4, 5, 7, 10, 15) if limit[0] <= tick <= limit[1]])
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter(NullFormatter())
    axes.set_aspect("equal")


def models(frame: pd.DataFrame) -> Figure:
    """Draw the error of each model, as shipped and when the law was fitted without it."""
    from stratsim_plots import style

    frame = frame.sort_values("mean")
    figure = style.new_figure(0.9 + 0.17 * len(frame) + style.legend_height_in(["", ""], 2))
    axes = figure.subplots()
    rows = np.arange(len(frame))
    marks = {
        "mean": ("mean", style.VERMILLION, "s", style.VERMILLION),
        "median": ("median", style.BLUE, "o", style.BLUE),
        "unseen_mean": ("mean, model left out of the fit", style.VERMILLION, "s", "white"),
        "unseen_median": ("median, model left out of the fit", style.BLUE, "o", "white"),
    }
    for column, (label, colour, marker, face) in marks.items():
        shift = 0.14 if column.startswith("unseen") else -0.14
        axes.plot(
            frame[column] * 100, rows + shift, linestyle="none", marker=marker, color=colour, markerfacecolor=face,
            label=label,
        )  # fmt: skip
    axes.set_yticks(rows, frame["model"])
    axes.set_xscale("log")
    axes.set_xticks([1, 2, 5, 10, 20, 50, 100])
    axes.xaxis.set_major_formatter("{x:g} %")
    axes.xaxis.minorticks_off()
    axes.set_xlabel("Error of the slowdown")
    style.legend_above(figure, axes.get_legend_handles_labels()[0], 2)
    return figure


def tail(frame: pd.DataFrame) -> Figure:
    """Draw the tail of the wait: closed form as a line, simulated points with their intervals."""
    from stratsim_plots import style

    figure = style.new_figure(2.4)
    axes = figure.subplots()
    axes.plot(
        frame["wait_ms"], frame["closed_form"], color=style.BLACK, linewidth=0.8, label="closed form (Erlang 1909)"
    )
    reach = [
        frame["simulated"] - frame["low"].clip(lower=frame["closed_form"].min() / 10),
        frame["high"] - frame["simulated"],
    ]
    axes.errorbar(
        frame["wait_ms"], frame["simulated"], yerr=np.array(reach), fmt="o", color=style.VERMILLION, capsize=1.5,
        elinewidth=0.6, markersize=2.4, label="simulated, 99 % intervals",
    )  # fmt: skip
    axes.set_yscale("log")
    axes.set_ylim(frame["closed_form"].min() / 2, 1.2)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("Wait t (ms)")
    axes.set_ylabel("P(W > t)")
    axes.legend(loc="upper right")
    style.footer(figure, "M/D/1, service 10 ms, load 0.7")
    return figure


def cells(frame: pd.DataFrame) -> Figure:
    """Draw each client's slowdown: measured, simulated, and as predicted by a fit that has not seen it."""
    from stratsim_plots import style

    figure = style.new_figure(0.8 + 0.2 * len(frame) + style.legend_height_in([""], 2))
    axes = figure.subplots()
    rows = np.arange(len(frame))[::-1]
    axes.hlines(rows, frame["measured"], frame["unseen"], color="#a0a0a0", linewidth=0.8)
    axes.plot(frame["measured"], rows, "|", color=style.BLACK, label="measured", markersize=9, markeredgewidth=1.2)
    axes.plot(frame["simulated"], rows, "o", color=style.VERMILLION, label="simulated")
    axes.plot(frame["unseen"], rows, "D", color=style.BLUE, markerfacecolor="none", label="by a fit without it")
    columns = (frame[name] for name in ("measured", "simulated", "unseen"))
    for row, measured, *found in zip(rows, *columns, strict=True):
        error = ", ".join(f"{100 * (value / measured - 1):+.1f} %" for value in found)
        place = (max(measured, *found), row)
        axes.annotate(error, place, (5, 0), textcoords="offset points", va="center", fontsize=6)
    axes.set_yticks(rows, frame["workload"] + ": " + frame["client"])
    axes.set_xscale("log")
    both = frame[["measured", "simulated", "unseen"]]
    axes.set_xlim(0.95 * min(1.0, both.min().min()), 3.4 * both.max().max())
    axes.set_xticks([tick for tick in (1, 2, 3, 5, 10, 20) if tick < axes.get_xlim()[1]])
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.minorticks_off()
    axes.set_xlabel("Slowdown (end to end, loaded over alone)")
    style.legend_above(figure, axes.get_legend_handles_labels()[0], 3)
    style.footer(figure, "DISB, RTX 3080, TensorRT; simulated with rtx3080-disb (published, fitted), policy native")
    return figure


FIGURES: dict[str, Callable[[pd.DataFrame], Figure]] = {
    "parvagpu-slowdowns": slowdowns,
    "parvagpu-models": models,
    "m-d-1-tail": tail,
    "disb-cells": cells,
}
"""The figure of each table that has one."""
