"""Figures of how well predictors predict: distributions of errors, their course about a shift, the worst cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter

from stratsim_plots import style

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["FIGURES"]

_NOTE = "simulated devices (synthetic); means over seeds"
_KINDS = {"snapshot": "company at dispatch", "dispatch": "walk at dispatch (E2)"}
_KINDS |= {"last": "last walk (E3)", "realised": "realised company (E1)"}
_WIDE_IN = 7.0
_WITH_INTERVAL = ("gpulet", "rls")
_CLIP = (-100, 150)
"""Percent: what lies beyond is drawn at the edge."""


def distributions(frame: pd.DataFrame) -> Figure:
    """Draw 1 to 99, 5 to 95 and 25 to 75 % of the errors, and their median: a row per set, a column per kind."""
    sets, kinds = list(dict.fromkeys(frame["set"])), [kind for kind in _KINDS if (frame["kind"] == kind).any()]
    predictors = list(dict.fromkeys(frame["predictor"]))
    figure = style.new_figure(0.7 + 1.35 * len(sets), _WIDE_IN)
    panels = figure.subplots(len(sets), len(kinds), sharex=True, sharey=True, squeeze=False)
    for line, group in zip(panels, sets, strict=True):
        for axes, kind in zip(line, kinds, strict=True):
            chosen = frame[(frame["set"] == group) & (frame["kind"] == kind)].set_index("predictor")
            for place, name in enumerate(predictors):
                if name in chosen.index:
                    _box(axes, place, 100 * chosen.loc[name].drop(["set", "kind"]).astype(float))
            axes.axvline(0, color="#808080", linewidth=0.6)
        line[0].set_ylabel(group)
    for axes, kind in zip(panels[0], kinds, strict=True):
        axes.set_title(_KINDS[kind])
    panels[0, 0].set_yticks(range(len(predictors)), predictors)
    panels[0, 0].invert_yaxis()
    panels[0, 0].set_xlim(_CLIP[0] - 5, _CLIP[1] + 5)
    marks = f"thin: 1 to 99 %; thick: 5 to 95 %; box: quartiles; dot: median; beyond {_CLIP[1]} %: at the edge"
    style.footer(figure, f"Relative error of the execution time, %; {marks}. Load 0.8, C = 3, FIFO; {_NOTE}")
    return figure


def _box(axes: Axes, place: int, percent: pd.Series[float]) -> None:
    q = percent.clip(*_CLIP)
    colour = style.COLOURS[place % len(style.COLOURS)]
    axes.plot([q["q01"], q["q99"]], [place, place], color=colour, linewidth=0.6)
    axes.plot([q["q05"], q["q95"]], [place, place], color=colour, linewidth=1.6)
    axes.barh(place, q["q75"] - q["q25"], left=q["q25"], height=0.6, color=colour, alpha=0.45)
    axes.plot(q["q50"], place, marker="o", color="black", markersize=2.2)


def shift(frame: pd.DataFrame) -> Figure:
    """Draw the mean error over batches since the shift, one panel per set, with intervals over seeds."""
    sets, predictors = list(dict.fromkeys(frame["set"])), list(dict.fromkeys(frame["predictor"]))
    figure = style.new_figure(0.9 + 1.25 * len(sets) + style.legend_height_in(predictors, 3))
    panels = figure.subplots(len(sets), sharex=True, squeeze=False)[:, 0]
    for axes, group in zip(panels, sets, strict=True):
        for number, name in enumerate(predictors):
            points = frame[(frame["set"] == group) & (frame["predictor"] == name)].sort_values("batches")
            look = style.look(number)
            at = points["batches"] + _width(points["batches"]) / 2
            axes.plot(at, 100 * points["error"], **{**look, "markersize": 2})
            if name in _WITH_INTERVAL:
                low, high = 100 * points["low"].clip(lower=1e-6), 100 * points["high"]
                axes.fill_between(at, low, high, color=look["color"], alpha=0.2, linewidth=0)
        axes.axvline(0, color="black", linewidth=0.6)
        axes.set_ylabel(f"{group}: error (%)")
        axes.set_yscale("log")
        shown = 100 * frame.loc[frame["set"] == group, "error"]
        axes.set_ylim(shown.min() / 1.3, shown.max() * 1.3)
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
    panels[-1].set_xlabel("Batches since the shift of the mix")
    style.legend_above(figure, [Line2D([], [], label=n, **style.look(i)) for i, n in enumerate(predictors)], 3)
    style.footer(figure, f"Mean relative error with the realised company (E1); bands: 95 % intervals of two; {_NOTE}")
    return figure


def _width(batches: pd.Series[int]) -> float:
    steps = np.diff(np.unique(batches))
    return float(steps.min()) if len(steps) else 0.0


def cells(frame: pd.DataFrame) -> Figure:
    """Draw the worst underestimate in every cell, and the line of 60 %."""
    names = {f"{row.predictor} ({row.kind})": None for row in frame.itertuples()}
    labels = [
        f"{row.set}, {row.load:g}, C={row.slots}{', random' if row.behaviour == 'random' else ''}"
        for row in frame.itertuples()
    ]
    places = {label: place for place, label in enumerate(dict.fromkeys(labels))}
    figure = style.new_figure(0.9 + 0.14 * len(places) + style.legend_height_in(list(names), 2))
    axes = figure.subplots()
    for number, name in enumerate(names):
        mine = [name == f"{row.predictor} ({row.kind})" for row in frame.itertuples()]
        at = [places[label] for label, wanted in zip(labels, mine, strict=True) if wanted]
        look = {**style.look(number), "linestyle": "none"}
        axes.plot(100 * frame.loc[mine, "worst_under"], at, label=name, **look)
    axes.axvline(60, color="black", linewidth=0.8)
    axes.set_yticks(range(len(places)), list(places))
    axes.set_ylim(len(places) - 0.5, -0.5)
    axes.set_xlabel("Worst underestimate (%)")
    style.legend_above(figure, axes.get_legend_handles_labels()[0], 2)
    style.footer(figure, f"Of the execution time; rows: set, load, C; {_NOTE}")
    return figure


FIGURES: dict[str, Callable[[pd.DataFrame], Figure]] = {
    "prediction-errors": distributions,
    "prediction-shift": shift,
    "prediction-cells": cells,
}
"""The figure of each table."""
