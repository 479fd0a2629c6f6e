"""Distribution function of the latency: the share of requests that were answered within a time, a panel per class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratsim_plots.latency_curves import ARRIVED, curves, draw_curves, thinned

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from stratsim.results.read import StoredResults
    from stratsim_plots.series import Options

__all__ = ["COLUMNS", "data", "draw"]

COLUMNS = ("series", "policy", "class", "of", "latency_s", "fraction_at_most")


def data(results: Sequence[StoredResults], options: Options) -> pd.DataFrame:
    """Return the points of each curve: `fraction_at_most` of the requests were answered within `latency_s`.

    A curve over all requests that arrived ends below 1 where some were never answered.

    Raises:
        SpecError: as for `curves`.
    """
    return curves(results, options, _curve, COLUMNS[-1])[list(COLUMNS)]


def _curve(known_s: NDArray[np.float64], count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    shorter = len(known_s) - thinned(len(known_s)) + 1
    return known_s[shorter - 1], shorter / count


def draw(frame: pd.DataFrame, results: Sequence[StoredResults], options: Options) -> Figure:
    """Draw a panel per class with a curve per series, up to the share that was answered."""
    of = "arrived" if frame["of"].iloc[0] == ARRIVED else "completed"
    return draw_curves(frame, results, options, f"Answered, of {of} (fraction)", "steps-post", _scale)


def _scale(axes: Axes, fraction: pd.Series[float]) -> None:  # noqa: ARG001
    axes.set_ylim(0.0, 1.02)
