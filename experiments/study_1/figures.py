"""Figures of how well predictors predict: live runs, pairs, and simulated runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter, NullLocator

from stratsim_plots import style

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["FIGURES"]

_NOTE = "simulated devices (synthetic); means over seeds"
_KINDS = {"snapshot": "told who was there at the start", "realised": "told who was there, for how long"}
_WIDE_IN = 7.0
_WITH_INTERVAL = ("gpulet", "rls")
_LIVE = "live runs of FIFO on two H200s, two slots (measured)"
_CHANGES = {"shifting": "the mix shifts", "slower": "the device slows down by 20 %"}
_ARMS = {
    "own": "pairs of a third card",
    "bare": "no pairs",
    "carried": "and the other card's runs",
    "frozen": "the same, learning stopped",
}
"""What a predictor had learned before a card's first batch."""
_COURSES = (
    *[(name, "own") for name in ("constant-fitted", "gpulet", "static-pairs")],
    *[("ewma-pairs", arm) for arm in ("own", "carried")],
    *[("rls", arm) for arm in ("own", "carried", "bare")],
)
_ACROSS = 3
_BANDS = ("constant-fitted", "gpulet", "static-pairs", "ewma-pairs", "rls")
"""Predictors whose intervals are drawn."""
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
    style.footer(figure, f"Relative error of the execution time, %; {marks}. Load 0.8, C = 2, FIFO; {_NOTE}")
    return figure


def _box(axes: Axes, place: int, percent: pd.Series[float]) -> None:
    q = percent.clip(*_CLIP)
    colour = style.COLOURS[place % len(style.COLOURS)]
    axes.plot([q["q01"], q["q99"]], [place, place], color=colour, linewidth=0.6)
    axes.plot([q["q05"], q["q95"]], [place, place], color=colour, linewidth=1.6)
    axes.barh(place, q["q75"] - q["q25"], left=q["q25"], height=0.6, color=colour, alpha=0.45)
    axes.plot(q["q50"], place, marker="o", color="black", markersize=2.2)


def shift(frame: pd.DataFrame) -> Figure:
    """Draw the mean error over batches since the change: a row per set, a column per change."""
    sets, mixes = list(dict.fromkeys(frame["set"])), [name for name in _CHANGES if (frame["mix"] == name).any()]
    predictors = list(dict.fromkeys(frame["predictor"]))
    figure = style.new_figure(0.9 + 1.25 * len(sets) + style.legend_height_in(predictors, 4), _WIDE_IN)
    panels = figure.subplots(len(sets), len(mixes), sharex=True, sharey="row", squeeze=False)
    for line, group in zip(panels, sets, strict=True):
        for axes, mix in zip(line, mixes, strict=True):
            here = frame[(frame["set"] == group) & (frame["mix"] == mix)]
            _courses(axes, here, predictors, _width(here["batches"]) / 2)
            axes.axvline(0, color="black", linewidth=0.6)
        line[0].set_ylabel(f"{group}: error (%)")
    for axes, mix in zip(panels[0], mixes, strict=True):
        axes.set_title(_CHANGES[mix])
    for axes in panels[-1]:
        axes.set_xlabel("Batches since the change")
    _legend(figure, predictors)
    style.footer(figure, f"Mean relative error with the realised company; bands: 95 % intervals of two; {_NOTE}")
    return figure


def met(frame: pd.DataFrame) -> Figure:
    """Draw the mean error of pairs that nobody was told of by how often they had met, one panel per set; C = 2."""
    frame = frame[frame["slots"] == frame["slots"].min()]
    sets, predictors = list(dict.fromkeys(frame["set"])), list(dict.fromkeys(frame["predictor"]))
    lines = -(-len(sets) // _ACROSS)
    figure = style.new_figure(0.7 + 1.6 * lines + style.legend_height_in(predictors, 4), _WIDE_IN)
    panels = figure.subplots(lines, min(_ACROSS, len(sets)), squeeze=False)
    for axes in panels.flat[len(sets) :]:
        axes.remove()
    for axes, group in zip(panels.flat, sets, strict=False):
        _courses(axes, frame[frame["set"] == group], predictors, 0.0)
        axes.set_xscale("symlog", linthresh=1)
        axes.set_xticks([0, 1, 2, 5, 20, 50], ["0", "1", "2", "5", "20", "50"])
        axes.set_xlim(-0.2, 60)
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlabel("Meetings before")
        axes.set_ylabel("Error (%)")
        axes.set_title(group)
    _legend(figure, predictors)
    style.footer(figure, f"Pairs that no predictor was told of, C = 2; told who was there; bands: 95 %; {_NOTE}")
    return figure


def _courses(axes: Axes, frame: pd.DataFrame, predictors: Sequence[str], offset: float) -> None:
    """Draw the course of each predictor, with intervals for some."""
    for number, name in enumerate(predictors):
        points = frame[frame["predictor"] == name].sort_values("batches")
        look = style.look(number)
        at = points["batches"] + offset
        axes.plot(at, 100 * points["error"], **{**look, "markersize": 2})
        if name in _WITH_INTERVAL:
            low, high = 100 * points["low"].clip(lower=1e-6), 100 * points["high"]
            axes.fill_between(at, low, high, color=look["color"], alpha=0.2, linewidth=0)
    _logarithmic(axes, 100 * frame["error"])


def _logarithmic(axes: Axes, percent: pd.Series[float]) -> None:
    axes.set_yscale("log")
    if len(percent):
        axes.set_ylim(percent.min() / 1.3, percent.max() * 1.3)
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())


def _width(batches: pd.Series[int]) -> float:
    steps = np.diff(np.unique(batches))
    return float(steps.min()) if len(steps) else 0.0


def _legend(figure: Figure, names: Sequence[str], columns: int = 4) -> None:
    style.legend_above(figure, [Line2D([], [], label=n, **style.look(i)) for i, n in enumerate(names)], columns)


# Live runs ----------------------------------------------------------------------------------------------------------


def live_errors(frame: pd.DataFrame) -> Figure:
    """Draw the mean error of every predictor in every live run, with intervals, by what it had learned before."""
    runs = list(dict.fromkeys(zip(frame["card"], frame["load"], strict=True)))
    names = list(dict.fromkeys(frame["predictor"]))
    arms = [arm for arm in _ARMS if (frame["arm"] == arm).any()]
    figure = style.new_figure(0.9 + 0.2 * len(names), _WIDE_IN)
    panels = figure.subplots(1, len(runs), sharey=True, squeeze=False)[0]
    for axes, (card, load) in zip(panels, runs, strict=True):
        here = frame[(frame["card"] == card) & (frame["load"] == load)]
        for number, arm in enumerate(arms):
            points = here[here["arm"] == arm]
            at = [names.index(name) + 0.18 * (number - (len(arms) - 1) / 2) for name in points["predictor"]]
            ends = 100 * np.array([points["value"] - points["low"], points["high"] - points["value"]])
            look = {**style.look(number), "linestyle": "none", "markersize": 2.5}
            axes.errorbar(100 * points["value"], at, xerr=ends, elinewidth=0.7, **look)
        axes.set_title(f"{card}, load {load:g}")
        axes.set_xlabel("Mean error (%)")
        axes.set_xlim(left=0)
    panels[0].set_yticks(range(len(names)), names)
    panels[0].set_ylim(len(names) - 0.5, -0.5)
    _legend(figure, [_ARMS[arm] for arm in arms])
    style.footer(figure, f"Told who was there; lines: 95 %, block bootstrap over batches; {_LIVE}")
    return figure


def live_course(frame: pd.DataFrame) -> Figure:
    """Draw the mean error by number of batches that the card had served: some predictors, and three of their arms."""
    shown = [(name, arm) for name, arm in _COURSES if ((frame["predictor"] == name) & (frame["arm"] == arm)).any()]
    cards = list(dict.fromkeys(frame["card"]))
    labels = [f"{name}, {_ARMS[arm]}" if name in ("ewma-pairs", "rls") else name for name, arm in shown]
    figure = style.new_figure(0.7 + 1.9 * len(cards) + style.legend_height_in(labels, 2), _WIDE_IN)
    panels = figure.subplots(len(cards), squeeze=False)[:, 0]
    for axes, card in zip(panels, cards, strict=True):
        here = frame[frame["card"] == card]
        for number, (name, arm) in enumerate(shown):
            points = here[(here["predictor"] == name) & (here["arm"] == arm)].sort_values("place")
            axes.plot(points["place"], 100 * points["value"], **{**style.look(number), "markersize": 2})
        axes.set_ylim(bottom=0)
        axes.set_title(card)
        axes.set_ylabel("Mean error (%)")
    panels[-1].set_xlabel("Judged batches before")
    _legend(figure, labels, 3)
    style.footer(figure, f"Means of 200 batches, told who was there; {_LIVE}")
    return figure


def live_coverage(frame: pd.DataFrame) -> Figure:
    """Draw coverage against width of 90 % intervals, one panel per live run."""
    frame = frame[(frame["arm"] == "own") & frame["predictor"].isin(_BANDS)]
    runs = list(dict.fromkeys(zip(frame["card"], frame["load"], strict=True)))
    names = list(dict.fromkeys(zip(frame["predictor"], frame["figure"].str.partition("-")[0], strict=True)))
    labels = [f"{name}, {'its own' if of == 'own' else 'recent errors'}" for name, of in names]
    figure = style.new_figure(2.2 + style.legend_height_in(labels, 3), _WIDE_IN)
    panels = figure.subplots(1, len(runs), sharey=True, squeeze=False)[0]
    for axes, (card, load) in zip(panels, runs, strict=True):
        here = frame[(frame["card"] == card) & (frame["load"] == load)]
        for number, (name, of) in enumerate(names):
            mine = here[here["predictor"] == name].set_index("figure")
            if f"{of}-coverage" in mine.index:
                point = mine.loc[[f"{of}-coverage"]].iloc[0]
                ends = 100 * np.array([[point["value"] - point["low"]], [point["high"] - point["value"]]])
                look = {**style.look(number), "linestyle": "none", "markersize": 3}
                width = 100 * float(mine.loc[[f"{of}-width"], "value"].iloc[0])
                axes.errorbar([width], [100 * point["value"]], yerr=ends, elinewidth=0.7, **look)
        axes.axhline(90, color="black", linewidth=0.6)
        axes.set_title(f"{card}, load {load:g}")
        axes.set_xlabel("Width (% of the time alone)")
        axes.set_xlim(left=0)
    panels[0].set_ylabel("Coverage (%)")
    _legend(figure, labels, 3)
    style.footer(figure, f"Intervals that are to cover 90 %; lines: 95 %, block bootstrap; {_LIVE}")
    return figure


def pairs(frame: pd.DataFrame) -> Figure:
    """Draw the mean error on pairs: a panel per truth, a mark per split."""
    truths, names = list(dict.fromkeys(frame["truth"])), list(dict.fromkeys(frame["predictor"]))
    splits = list(dict.fromkeys(frame["split"]))
    figure = style.new_figure(0.9 + 0.24 * len(names), _WIDE_IN)
    panels = figure.subplots(1, len(truths), sharey=True, squeeze=False)[0]
    for axes, truth in zip(panels, truths, strict=True):
        for number, split in enumerate(splits):
            points = frame[(frame["truth"] == truth) & (frame["split"] == split)]
            at = [names.index(name) + 0.15 * (number - (len(splits) - 1) / 2) for name in points["predictor"]]
            ends = 100 * np.array([points["error"] - points["low"], points["high"] - points["error"]])
            look = {**style.look(number), "linestyle": "none", "markersize": 2.5}
            axes.errorbar(100 * points["error"], at, xerr=ends, elinewidth=0.7, **look)
        axes.set_title("H200, measured" if truth == "h200" else f"{truth}, synthetic")
        axes.set_xlabel("Mean error (%)")
        axes.set_xlim(left=0)
    panels[0].set_yticks(range(len(names)), names)
    panels[0].set_ylim(len(names) - 0.5, -0.5)
    _legend(figure, splits)
    style.footer(figure, "Of the slowdown; lines: 95 % t intervals, over pairs of models (H200) or seeds")
    return figure


FIGURES: dict[str, Callable[[pd.DataFrame], Figure]] = {
    "live-errors": live_errors,
    "live-course": live_course,
    "live-coverage": live_coverage,
    "pair-errors": pairs,
    "prediction-errors": distributions,
    "prediction-shift": shift,
    "prediction-met": met,
}
"""The figure of each table."""
