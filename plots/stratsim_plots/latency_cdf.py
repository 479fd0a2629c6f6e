"""Distribution of the latency of completed requests: one curve per series and class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D
from matplotlib.ticker import Locator, LogLocator, MaxNLocator, NullFormatter

from stratsim.errors import SpecError
from stratsim_plots import style
from stratsim_plots.series import CLASSES, Options, origin, select

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from stratsim.export.read import StoredResults

__all__ = ["COLUMNS", "data", "draw"]

COLUMNS = ("series", "policy", "class", "latency_s", "fraction")
_POINTS = 1000
"""Points per curve: beyond that, ranks are thinned evenly, so a vector file stays small."""


def data(results: Sequence[StoredResults], options: Options) -> pd.DataFrame:
    """Return the points of each curve: `fraction` of the completed requests took at most `latency_s`."""
    frames = []
    tables = {id(stored): stored.requests(["policy", "priority", "latency_s"]) for stored in results}
    for series in select(results, options.policies):
        table = tables[id(series.results)]
        own = table[table["policy"] == series.policy]
        for name in CLASSES:
            latency, fraction = _curve(own.loc[own["priority"] == name, "latency_s"].to_numpy(np.float64))
            labels = {"series": series.label, "policy": series.policy, "class": name}
            frames.append(pd.DataFrame({**labels, "latency_s": latency, "fraction": fraction}))
    frame = pd.concat(frames, ignore_index=True)[list(COLUMNS)]
    if frame.empty:
        raise SpecError("no request was completed, so there is no latency to draw")
    return frame


def _curve(latency_s: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    known = np.sort(latency_s[~np.isnan(latency_s)])
    ranks = np.unique(np.linspace(0, len(known) - 1, min(len(known), _POINTS)).round().astype(np.int64))
    return known[ranks], (ranks + 1) / max(len(known), 1)


def draw(frame: pd.DataFrame, results: Sequence[StoredResults], options: Options) -> Figure:  # noqa: ARG001
    """Draw the curves: colour and marker by series, line style by class."""
    series = list(dict.fromkeys(frame["series"]))
    names = [style.wrap(label, 22) for label in series]
    figure = style.new_figure(2.45 + style.legend_height_in([*names, *CLASSES], 2))
    axes = figure.subplots()
    for number, label in enumerate(series):
        for name in CLASSES:
            curve = frame[(frame["series"] == label) & (frame["class"] == name)]
            if len(curve):
                look = _look(number) | {"linestyle": style.CLASS_LINES[name]}
                every = _marked(curve["fraction"].to_numpy(), number)
                axes.plot(curve["latency_s"] * 1e3, curve["fraction"], drawstyle="steps-post", markevery=every, **look)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(_ticks(frame["latency_s"].max() / frame["latency_s"].min()))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("Latency (ms)")
    axes.set_ylabel("Fraction of completed requests")
    axes.set_ylim(0, 1.02)
    handles = [Line2D([], [], label=name, **_look(n)) for n, name in enumerate(names)]
    handles += [Line2D([], [], color="#404040", linestyle=style.CLASS_LINES[name], label=name) for name in CLASSES]
    style.legend_above(figure, handles, 2)
    style.footer(figure, origin(results))
    return figure


def _ticks(spread: float) -> Locator:
    """Return where to put numbers on a log axis whose ends have the ratio `spread`: at least two must fall inside."""
    if spread < 3:
        return MaxNLocator(5)
    return LogLocator(subs=(1,) if spread > 500 else (1, 2, 5))


def _look(number: int) -> dict[str, Any]:
    return {
        "color": style.COLOURS[number % len(style.COLOURS)],
        "marker": style.MARKERS[number % len(style.MARKERS)],
    }


def _marked(fraction: NDArray[np.float64], number: int) -> list[int]:
    """Return the points that carry a marker: a few fractions, shifted by series so that markers do not coincide."""
    wanted = np.array([0.15, 0.4, 0.65, 0.9]) + 0.03 * (number % 8)
    return [int(at) for at in np.unique(np.minimum(np.searchsorted(fraction, wanted), len(fraction) - 1))]
