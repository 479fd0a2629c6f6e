"""The look of every figure, in one place.

Made for one column of a two-column paper (3.4 inches), readable in grey print: whatever a colour says, a hatch, a line
style or a marker says as well. The colours are those of Okabe and Ito ("Color Universal Design", 2008), which people
with colour-vision deficiencies can tell apart. Files are the same bytes for the same data, text stays text.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = [
    "CLASS_COLOURS",
    "COLOURS",
    "HATCHES",
    "MARKERS",
    "WIDTH_IN",
    "footer",
    "legend_above",
    "legend_height_in",
    "look",
    "new_figure",
    "save",
    "styled",
    "wrap",
]

WIDTH_IN = 3.4

BLUE, VERMILLION, GREEN, ORANGE, SKY, PURPLE, YELLOW, BLACK = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#E69F00",
    "#56B4E9",
    "#CC79A7",
    "#F0E442",
    "#000000",
)
COLOURS = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY, BLACK, YELLOW)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
HATCHES = (
    *("", "////", "....", "xxxx", "\\\\\\\\", "----", "++++", "||||"),
    *("////////", "........", "||||||||", "--------"),
)
"""Fine enough to be whole in a legend's small boxes: circles and stars would be cut."""
CLASS_COLOURS = {"high": BLUE, "low": ORANGE}  # the pair that differs most in grey
_LINES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (3, 1.2, 1, 1.2)))

_RC: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib: the same figure everywhere
    "font.size": 7.5,
    "axes.labelsize": 7.5,
    "axes.titlesize": 7.5,
    "axes.linewidth": 0.6,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.linewidth": 0.4,
    "grid.color": "#d0d0d0",
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "legend.handlelength": 2.8,
    "legend.columnspacing": 1.2,
    "lines.linewidth": 1.0,
    "lines.markersize": 3.2,
    "hatch.linewidth": 0.5,
    "savefig.dpi": 300,
    "text.parse_math": False,  # a name may hold any sign
    "svg.fonttype": "none",
    "svg.hashsalt": "stratsim",
    "pdf.fonttype": 42,
}

_METADATA: dict[str, dict[str, Any]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None},
    ".pdf": {"CreationDate": None, "ModDate": None},
}


@contextmanager
def styled() -> Iterator[None]:
    """Draw with our look, whatever matplotlibrc says; the global settings are as before afterwards."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_RC)
        yield


def look(number: int) -> dict[str, Any]:
    """Return colour, marker and line style of the line with this number, counted from 0; they repeat after eight."""
    return {
        "color": COLOURS[number % len(COLOURS)],
        "marker": MARKERS[number % len(MARKERS)],
        "linestyle": _LINES[number % len(_LINES)],
    }


def new_figure(height_in: float, width_in: float = WIDTH_IN) -> Figure:
    """Return an empty figure that lays itself out; no window, no global state."""
    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def legend_above(figure: Figure, handles: list[Any], columns: int, box_height: float = 0.7) -> None:
    """Put a legend above the axes, where it covers nothing; `box_height` is that of its samples, in font sizes."""
    figure.legend(handles=handles, loc="outside upper center", ncols=columns, handleheight=box_height)


def legend_height_in(labels: list[str], columns: int) -> float:
    """Return the height of a legend, which fills column by column: what a figure must be taller for it."""
    rows = -(-len(labels) // columns)
    blocks = [labels[start : start + rows] for start in range(0, len(labels), rows)]
    lines = max(sum(label.count("\n") + 1 for label in block) for block in blocks)
    return 0.16 * lines


def footer(figure: Figure, text: str) -> None:
    """Put a line of small print below everything; does nothing for an empty text."""
    if text:
        figure.supxlabel(wrap(text, 75), fontsize=5.5, color="#606060")


def wrap(text: str, width: int) -> str:
    """Break a text into lines of at most `width` signs, best after a space, comma or slash, or before a bracket."""
    lines: list[str] = []
    while len(text) > width:
        after = max(text.rfind(mark, 0, width) for mark in " ,/:") + 1
        at = max(after, text.rfind("(", 0, width)) or width
        lines.append(text[:at].rstrip())
        text = text[at:].lstrip()
    return "\n".join([*lines, text])


def save(figure: Figure, path: Path, suffix: str) -> None:
    """Write the figure to `path` in the format that `suffix` names."""
    figure.savefig(path, format=suffix[1:], metadata=_METADATA[suffix])
