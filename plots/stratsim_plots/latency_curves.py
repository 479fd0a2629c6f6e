"""Curves over the latencies of requests: what the two distribution functions share, a panel per class.

A curve is over all requests that arrived, where one without an answer never ends, or over the completed ones alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.ticker import Locator, LogLocator, MaxNLocator, NullFormatter

from stratsim.errors import SpecError
from stratsim_plots import style
from stratsim_plots.lines import line_samples
from stratsim_plots.series import CLASSES, Options, origin, select
from stratsim_plots.sheet import Sheet

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from stratsim.results.read import StoredResults

    Floats = NDArray[np.float64]

__all__ = ["ARRIVED", "COMPLETED", "OF", "curves", "draw_curves", "thinned"]

ARRIVED, COMPLETED = "arrived", "completed"
OF = (ARRIVED, COMPLETED)
_POINTS = 1000
"""Points per curve, at most: beyond that they are thinned, so a vector file stays small."""


def curves(
    results: Sequence[StoredResults],
    options: Options,
    curve: Callable[[Floats, int], tuple[Floats, Floats]],
    column: str,
) -> pd.DataFrame:
    """Return the points of each curve.

    Args:
        results: The folders.
        options: What was chosen; `of` says of which requests.
        curve: From the latencies of the answered requests in ascending order, s, and the number of all that count, to
            the points: latencies and fractions.
        column: What fractions are called.

    Raises:
        SpecError: no request was completed, or `of` is neither of both.
    """
    of = options.of or ARRIVED
    if of not in OF:
        raise SpecError(f"--of takes {' or '.join(OF)}, got {of!r}")
    frames = []
    tables = {id(stored): stored.requests(["policy", "priority", "latency_s"]) for stored in results}
    for series in select(results, options.policies):
        table = tables[id(series.results)]
        own = table[table["policy"] == series.policy]
        for name in CLASSES:
            latency_s = own.loc[own["priority"] == name, "latency_s"].to_numpy(np.float64)
            known = np.sort(latency_s[~np.isnan(latency_s)])
            if len(known):
                at, fraction = curve(known, len(latency_s) if of == ARRIVED else len(known))
                labels = {"series": series.label, "policy": series.policy, "class": name, "of": of}
                frames.append(pd.DataFrame({**labels, "latency_s": at, column: fraction}))
    if not frames:
        raise SpecError("no request was completed, so there is no latency to draw")
    return pd.concat(frames, ignore_index=True)


def thinned(count: int) -> NDArray[np.int64]:
    """Return at most 1,000 of the ranks count, ..., 1 of the longest latencies: the longest all, fewer of the rest."""
    if count <= _POINTS:
        return np.arange(count, 0, -1)
    return np.unique(np.geomspace(count, 1, _POINTS).round().astype(np.int64))[::-1]


def draw_curves(
    frame: pd.DataFrame, results: Sequence[StoredResults], options: Options, title: str, steps: str, scale: Any
) -> Figure:
    """Draw a panel per class with a curve per series: colour, marker and line style.

    Args:
        frame: From `curves`; its last column is the fraction.
        results: The folders.
        options: What was chosen.
        title: Of the axis of fractions.
        steps: How a curve goes from one point to the next, as matplotlib calls it.
        scale: Called with the axes and the fractions, to scale their axis.
    """
    sheet, layout = Sheet(options.layout), options.layout
    series = list(dict.fromkeys(frame["series"]))
    classes = [name for name in CLASSES if (frame["class"] == name).any()]
    panels = sheet.panels(len(classes), sharex=True, sharey=True)
    column = str(frame.columns[-1])
    known = frame.loc[np.isfinite(frame["latency_s"]), "latency_s"]
    end_s = 1.05 * float(known.max())
    for axes, name in zip(panels, classes, strict=True):
        for number, label in enumerate(series):
            own = frame[(frame["series"] == label) & (frame["class"] == name)]
            if len(own):
                _curve(axes, own["latency_s"].to_numpy(), own[column].to_numpy(), number, steps, end_s)
        axes.set_title(layout.name(name), loc="left", pad=2)
    axes = panels[-1]
    axes.set_xscale("log")
    axes.set_xlim(1e3 * float(known.min()) / 1.05, 1e3 * end_s)
    axes.xaxis.set_major_locator(latency_ticks(end_s / float(known.min())))
    scale(axes, frame[column])
    for axes in panels:
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter(NullFormatter())
    for axes in sheet.lowest:
        axes.set_xlabel("Latency (ms)")
    for axes in sheet.left:
        axes.set_ylabel(title)
    sheet.legend(line_samples(layout.names(series)))
    return sheet.finish(1.25 * sheet.scale, origin(results))


def _curve(axes: Axes, latency_s: Floats, fraction: Floats, number: int, steps: str, end_s: float) -> None:
    """Draw a curve, which stays at its last value to the end of the axis where requests were never answered."""
    at = np.where(np.isfinite(latency_s), latency_s, end_s)
    if steps == "steps-post":
        at, fraction = np.append(at, end_s), np.append(fraction, fraction[-1])
    axes.plot(1e3 * at, fraction, drawstyle=steps, markevery=_marked(fraction, number), **style.look(number))


def latency_ticks(spread: float) -> Locator:
    """Return where to put numbers on a log axis whose ends have the ratio `spread`: at least two must fall inside."""
    if spread < 3:
        return MaxNLocator(5)
    return LogLocator(subs=(1,) if spread > 500 else (1, 2, 5))


def _marked(fraction: Floats, number: int) -> list[int]:
    """Return the points that carry a marker: spread over the axis, at other places for each series."""
    at = (np.arange(4) + (number % 8) / 8) / 4
    falls = fraction[0] >= fraction[-1]
    found = np.searchsorted(-fraction, -(fraction[-1] ** at)) if falls else np.searchsorted(fraction, at)
    return [int(place) for place in np.unique(np.minimum(found, len(fraction) - 1))]
