"""Tail of the latency: the complementary distribution function on log axes, a panel per class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import LogLocator

from stratsim_plots.latency_curves import ARRIVED, curves, draw_curves, thinned

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from stratsim.results.read import StoredResults
    from stratsim_plots.series import Options

__all__ = ["COLUMNS", "data", "draw"]

COLUMNS = ("series", "policy", "class", "of", "latency_s", "fraction_at_least")


def data(results: Sequence[StoredResults], options: Options) -> pd.DataFrame:
    """Return the points of each curve: `fraction_at_least` of the requests took `latency_s` or longer, or never ended.

    A curve over all requests that arrived, some of which were never answered, ends with their share at `latency_s`
    infinite; every other one with its longest latency, at 1/n for n requests.

    Raises:
        SpecError: as for `curves`.
    """
    return curves(results, options, _curve, COLUMNS[-1])[list(COLUMNS)]


def _curve(known_s: NDArray[np.float64], count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    longest, never = thinned(len(known_s)), count - len(known_s)
    latency_s, fraction = known_s[len(known_s) - longest], (longest + never) / count
    return (np.append(latency_s, np.inf), np.append(fraction, never / count)) if never else (latency_s, fraction)


def draw(frame: pd.DataFrame, results: Sequence[StoredResults], options: Options) -> Figure:
    """Draw a panel per class with a curve per series; between two latencies, as many took longer as the longer one."""
    of = "arrived" if frame["of"].iloc[0] == ARRIVED else "completed"
    title = "Slower or not answered" if of == "arrived" else "Slower, of completed"
    return draw_curves(frame, results, options, f"{title} (fraction)", "steps-pre", _scale)


def _scale(axes: Axes, fraction: pd.Series[float]) -> None:
    axes.set_yscale("log")
    axes.set_ylim(fraction.min() / 1.4, 1.4)
    axes.yaxis.set_major_locator(LogLocator(subs=(1,) if fraction.min() < 0.05 else (1, 2, 5)))
