"""Lines with intervals: what figures against a load or another axis are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.lines import Line2D

from stratsim_plots import style

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["draw_line", "line_samples"]


def draw_line(axes: Axes, points: pd.DataFrame, number: int, factor: float) -> None:
    """Draw one line with bars and a band where there are intervals.

    Args:
        axes: Where.
        points: In order: `at` on the axis, `value`, and `low` and `high`, NaN where there is no interval.
        number: Of the line, counted from 0: its look.
        factor: From the unit of the values to that of the figure.
    """
    x, y = points["at"].to_numpy(), factor * points["value"].to_numpy()
    error = np.nan_to_num(np.vstack([y - factor * points["low"].to_numpy(), factor * points["high"].to_numpy() - y]))
    look = style.look(number)
    axes.errorbar(x, y, yerr=error, elinewidth=0.7, capsize=1.5, **look)
    if error.any():
        axes.fill_between(x, y - error[0], y + error[1], color=look["color"], alpha=0.15, linewidth=0)


def line_samples(names: Sequence[str]) -> list[Line2D]:
    """Return what a legend shows of lines."""
    return [Line2D([], [], label=name, **style.look(number)) for number, name in enumerate(names)]
