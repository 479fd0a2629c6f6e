"""Tail of the latency of completed requests: the complementary distribution function, a panel per class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D
from matplotlib.ticker import Locator, LogLocator, MaxNLocator, NullFormatter

from stratsim.errors import SpecError
from stratsim_plots import style
from stratsim_plots.series import CLASSES, Options, origin, select

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from stratsim.results.read import StoredResults

__all__ = ["COLUMNS", "data", "draw"]

COLUMNS = ("series", "policy", "class", "latency_s", "fraction_at_least")
_POINTS = 1000
"""Points per curve, at most: beyond that they are thinned evenly on the log axis, so a vector file stays small."""


def data(results: Sequence[StoredResults], options: Options) -> pd.DataFrame:
    """Return the points of each curve: `fraction_at_least` of the completed requests took `latency_s` or longer.

    The last point of a curve is its longest latency, at 1/n for n completed requests.

    Raises:
        SpecError: no request was completed.
    """
    frames = []
    tables = {id(stored): stored.requests(["policy", "priority", "latency_s"]) for stored in results}
    for series in select(results, options.policies):
        table = tables[id(series.results)]
        own = table[table["policy"] == series.policy]
        for name in CLASSES:
            latency, fraction = _curve(own.loc[own["priority"] == name, "latency_s"].to_numpy(np.float64))
            labels = {"series": series.label, "policy": series.policy, "class": name}
            frames.append(pd.DataFrame({**labels, "latency_s": latency, "fraction_at_least": fraction}))
    frame = pd.concat(frames, ignore_index=True)[list(COLUMNS)]
    if frame.empty:
        raise SpecError("no request was completed, so there is no latency to draw")
    return frame


def _curve(latency_s: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    known = np.sort(latency_s[~np.isnan(latency_s)])
    longer = np.geomspace(max(len(known), 1), 1, min(len(known), _POINTS)).round().astype(np.int64)
    longer = np.arange(len(known), 0, -1) if len(known) <= _POINTS else np.unique(longer)[::-1]
    return known[len(known) - longer], longer / max(len(known), 1)


def draw(frame: pd.DataFrame, results: Sequence[StoredResults], options: Options) -> Figure:  # noqa: ARG001
    """Draw a panel per class with a curve per series: colour, marker and line style."""
    series = list(dict.fromkeys(frame["series"]))
    classes = [name for name in CLASSES if (frame["class"] == name).any()]
    names = [style.wrap(label, 22) for label in series]
    figure = style.new_figure(0.6 + 1.5 * len(classes) + style.legend_height_in(names, 2))
    panels = figure.subplots(len(classes), sharex=True, sharey=True, squeeze=False)[:, 0]
    for axes, name in zip(panels, classes, strict=True):
        for number, label in enumerate(series):
            curve = frame[(frame["series"] == label) & (frame["class"] == name)]
            if len(curve):
                _draw_curve(axes, curve, number)
        axes.set_title(name, loc="left", pad=2)
    _scale(panels[-1], frame)
    panels[-1].set_xlabel("Latency (ms)")
    figure.supylabel("Fraction of completed requests above", fontsize="medium")
    style.legend_above(figure, [Line2D([], [], label=name, **style.look(n)) for n, name in enumerate(names)], 2)
    style.footer(figure, origin(results))
    return figure


def _draw_curve(axes: Axes, curve: pd.DataFrame, number: int) -> None:
    fraction = curve["fraction_at_least"].to_numpy()
    # Between two latencies, as many requests lie above as took the longer of them.
    axes.plot(
        curve["latency_s"] * 1e3,
        fraction,
        drawstyle="steps-pre",
        markevery=_marked(fraction, number),
        **style.look(number),
    )


def _scale(axes: Axes, frame: pd.DataFrame) -> None:
    """Make both axes logarithmic; the panels share them."""
    latency, fraction = frame["latency_s"], frame["fraction_at_least"]
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(fraction.min() / 1.4, 1.4)
    axes.xaxis.set_major_locator(_ticks(latency.max() / latency.min()))
    axes.yaxis.set_major_locator(LogLocator(subs=(1,) if fraction.min() < 0.05 else (1, 2, 5)))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter(NullFormatter())


def _ticks(spread: float) -> Locator:
    """Return where to put numbers on a log axis whose ends have the ratio `spread`: at least two must fall inside."""
    if spread < 3:
        return MaxNLocator(5)
    return LogLocator(subs=(1,) if spread > 500 else (1, 2, 5))


def _marked(fraction: NDArray[np.float64], number: int) -> list[int]:
    """Return the points that carry a marker: spread over the log axis, at other places for each series."""
    shift = (number % 8) / 8
    wanted = fraction[-1] ** ((np.arange(4) + shift) / 4)
    return [int(at) for at in np.unique(np.minimum(np.searchsorted(-fraction, -wanted), len(fraction) - 1))]
