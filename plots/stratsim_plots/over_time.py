"""Violations, arrivals, queue, utilisation and batch size over trace time: where in the trace a policy fails."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from stratsim.results.over_time import life_of_stored
from stratsim.stats.over_time import WINDOW_COLUMNS, over_time
from stratsim_plots import style
from stratsim_plots.series import CLASSES, Options, origin, select

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from stratsim.results.read import StoredResults

__all__ = ["COLUMNS", "data", "draw"]

COLUMNS = ("series", "policy", *WINDOW_COLUMNS)
_WINDOWS = 50
"""Windows of a run, about, where no length is given: as many as one column can show. Our choice."""
_ROUND = (1, 2, 5, 10)
_LABELS = ("arrivals/s", "queue length", "GPU busy (%)", "batch size")


def data(results: Sequence[StoredResults], options: Options) -> pd.DataFrame:
    """Return a row per run and window, `stratsim.stats.over_time` says of what.

    All runs have windows of one length: the one that was asked for, or a round one that cuts the longest run into
    about fifty.

    Raises:
        SpecError: a folder lacks what the figure shows, or there would be too many windows.
    """
    chosen = select(results, options.policies)
    lives = [life_of_stored(series.results, series.policy) for series in chosen]
    width_s = options.windows_s
    if width_s is None:
        width_s = _round_s(max(life.end_s - life.start_s for life in lives) / _WINDOWS)
    frames = []
    for series, life in zip(chosen, lives, strict=True):
        frame = pd.DataFrame(over_time(life, width_s))
        frame.insert(0, "policy", series.policy)
        frame.insert(0, "series", series.label)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)[list(COLUMNS)]


def _round_s(width_s: float) -> float:
    """Return the next larger width of the form 1, 2 or 5 times a power of ten."""
    if not width_s > 0:
        return 1.0
    ten = 10.0 ** math.floor(math.log10(width_s))
    return next(factor * ten for factor in _ROUND if factor * ten >= width_s * (1 - 1e-9))


def draw(frame: pd.DataFrame, results: Sequence[StoredResults], options: Options) -> Figure:  # noqa: ARG001
    """Draw a panel per figure over one axis of time, with a line per run."""
    runs = list(dict.fromkeys(frame["series"]))
    names = [style.wrap(name, 22) for name in runs]
    classes = [name for name in CLASSES if frame[f"{name}_arrived"].any()]
    figure = style.new_figure(0.6 + 0.8 * (len(classes) + 4) + style.legend_height_in(names, 2))
    panels = figure.subplots(len(classes) + 4, sharex=True)
    for number, run in enumerate(runs):
        rows = frame[frame["series"] == run]
        for axes, name in zip(panels, classes, strict=False):
            _line(axes, rows, 100 * _ratio(rows[f"{name}_violated"], rows[f"{name}_arrived"]), number)
        for axes, values in zip(panels[len(classes) + 1 :], _of_the_run(rows), strict=True):
            _line(axes, rows, values, number)
    _arrivals(panels[len(classes)], frame, runs)
    labels = (*(f"{name}:\nviolations (%)" for name in classes), *_LABELS)
    for axes, label in zip(panels, labels, strict=True):
        axes.set_ylabel(label)
        axes.set_ylim(bottom=0)
    panels[-1].set_xlabel("Trace time (s)")
    figure.align_ylabels(list(panels))
    handles = [Line2D([], [], label=name, **_look(n)) for n, name in enumerate(names)]
    style.legend_above(figure, handles, 2)
    width_s = float((frame["to_s"] - frame["from_s"]).max())
    note = f"windows of {width_s:g} s; a request counts where it arrived; queue: mean of those that wait; "
    style.footer(figure, note + origin(results))
    return figure


def _of_the_run(rows: pd.DataFrame) -> Iterable[NDArray[np.float64]]:
    yield rows["queue"].to_numpy()
    yield 100 * rows["utilization"].to_numpy()
    yield rows["batch_size"].to_numpy()


def _arrivals(axes: Axes, frame: pd.DataFrame, runs: Sequence[str]) -> None:
    """Draw arrivals: once in black where all runs have the same, as those of one command do."""
    rates = {}
    for run in runs:
        rows = frame[frame["series"] == run]
        rates[run] = _ratio(rows["high_arrived"] + rows["low_arrived"], rows["to_s"] - rows["from_s"])
    shortest = min(len(rate) for rate in rates.values()) - 1  # the last windows end with each run
    first = rates[runs[0]][:shortest]
    if all(np.array_equal(rate[:shortest], first) for rate in rates.values()):
        rows = frame[frame["series"] == max(runs, key=lambda run: len(rates[run]))]
        longest = max(rates.values(), key=len)
        axes.plot((rows["from_s"] + rows["to_s"]) / 2, longest, color=style.BLACK, linewidth=0.8)
        return
    for number, run in enumerate(runs):
        _line(axes, frame[frame["series"] == run], rates[run], number)


def _ratio(part: pd.Series, whole: pd.Series) -> NDArray[np.float64]:
    """Return part / whole; NaN, a gap in the line, where there is nothing to divide by."""
    divisor = whole.to_numpy(dtype=np.float64)
    found = np.full(len(divisor), np.nan)
    np.divide(part.to_numpy(dtype=np.float64), divisor, out=found, where=divisor > 0)
    return found


def _look(number: int) -> dict[str, Any]:
    """Return the look of a line without markers: there are too many points for them."""
    return style.look(number) | {"marker": "none", "linewidth": 0.9}


def _line(axes: Axes, rows: pd.DataFrame, values: NDArray[np.float64], number: int) -> None:
    middle = (rows["from_s"].to_numpy() + rows["to_s"].to_numpy()) / 2
    axes.plot(middle, values, **_look(number))
