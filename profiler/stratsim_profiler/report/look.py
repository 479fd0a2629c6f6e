"""The look of the report's figures, and how they get into a page.

Colours are those of Okabe and Ito, which people with colour-vision deficiencies can tell apart; what a colour says, a
marker or a label says as well.
"""

from __future__ import annotations

import base64
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes

__all__ = [
    "BLACK",
    "BLUE",
    "COLOURS",
    "GREEN",
    "GREY",
    "MARKERS",
    "ORANGE",
    "VERMILLION",
    "data_uri",
    "new_figure",
    "plain_log_ticks",
    "png",
    "styled",
]

BLUE, VERMILLION, GREEN, ORANGE, PURPLE, BLACK, GREY = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#E69F00",
    "#CC79A7",
    "#000000",
    "#808080",
)
COLOURS = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, BLACK)
MARKERS = ("o", "s", "^", "D", "v", "P")

_RC: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib: the same figure everywhere
    "font.size": 8.5,
    "axes.titlesize": 9,
    "axes.linewidth": 0.6,
    "axes.grid": True,
    "axes.formatter.useoffset": False,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.linewidth": 0.4,
    "grid.color": "#d0d0d0",
    "legend.frameon": False,
    "lines.linewidth": 1.2,
    "lines.markersize": 4,
    "text.parse_math": False,  # a model's name may hold any sign
}
_DPI = 144
_MOST_TICKS = 9


@contextmanager
def styled() -> Iterator[None]:
    """Draw with our look, whatever matplotlibrc says; the global settings are as before afterwards."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_RC)
        yield


def new_figure(width_in: float, height_in: float) -> Figure:
    """Return an empty figure that lays itself out; no window, no global state."""
    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def plain_log_ticks(axes: Axes, side: str, low: float, high: float) -> None:
    """Limit a logarithmic axis and label it with plain numbers: few to a decade where it spans many.

    Args:
        axes: The axes.
        side: `x` or `y`.
        low: Lower limit.
        high: Upper limit.
    """
    decades = [10.0**power for power in range(-9, 10)]
    ticks: list[float] = []
    for steps in ((1, 1.5, 2, 3, 4, 6, 8), (1, 2, 5), (1,)):
        ticks = [step * decade for decade in decades for step in steps if low <= step * decade <= high]
        if len(ticks) <= _MOST_TICKS:
            break
    axis = axes.xaxis if side == "x" else axes.yaxis
    axis.set_ticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.set_minor_locator(NullLocator())
    (axes.set_xlim if side == "x" else axes.set_ylim)(low, high)


def png(figure: Figure) -> bytes:
    """Return a figure as a PNG file's content."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI, metadata={"Software": None})
    return buffer.getvalue()


def data_uri(figure: Figure) -> str:
    """Return a figure as a PNG inside a `data:` URI."""
    return "data:image/png;base64," + base64.b64encode(png(figure)).decode()
