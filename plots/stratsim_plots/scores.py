"""The figure of `predictor score` and `device score`: the errors of each, by what was left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stratsim_plots.beside import draw_beside

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable

    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["FIGURES", "draw"]

_SPLITS = ("as given", "in-sample", "left out by pair", "left out by model", "shift, seen", "shift, unseen")
_EDGE = 150.0
"""Percent: what lies beyond is drawn at the edge."""


def draw(directory: str | os.PathLike[str], names: Iterable[str]) -> dict[str, list[str]]:
    """Draw the figure, as PNG and SVG, next to its data: `draw_beside`."""
    return draw_beside(directory, names, FIGURES)


def scores(frame: pd.DataFrame) -> Figure:
    """Draw, per name and split, the mean error (mark) and where nine tenths of the errors lie (line)."""
    from stratsim_plots import style

    names = list(dict.fromkeys(frame["name"]))
    splits = [split for split in _SPLITS if (frame["split"] == split).any()]
    error = 100 * (frame["predicted"] / frame["measured"] - 1).abs()
    step = 0.8 / len(splits)
    figure = style.new_figure(0.9 + 0.085 * len(splits) * len(names) + style.legend_height_in(splits, 2), 3.4)
    axes = figure.subplots()
    for at, split in enumerate(splits):
        look = style.look(at)
        for row, name in enumerate(names):
            found = error[(frame["name"] == name) & (frame["split"] == split)].clip(upper=_EDGE)
            if len(found):
                place = row + (at - (len(splits) - 1) / 2) * step
                ends = np.quantile(found, [0.05, 0.95])
                axes.plot(ends, [place, place], color=look["color"], linestyle="-", linewidth=0.7)
                axes.plot(found.mean(), place, color=look["color"], marker=look["marker"], linestyle="none")
        axes.plot([], [], color=look["color"], marker=look["marker"], linestyle="-", linewidth=0.7, label=split)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlim(left=0)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("Absolute error of the execution time (%)")
    style.legend_above(figure, axes.get_legend_handles_labels()[0], 2)
    style.footer(figure, f"Mark: mean; line: 5 to 95 %. Measured: the pairs of profile {frame['profile'].iloc[0]}")
    return figure


FIGURES: dict[str, Callable[[pd.DataFrame], Figure]] = {"scores": scores}
"""What draws the figure of a table, by the table's name."""
