"""The look of every figure, in one place.

Made for one column of a two-column paper (3.3 inches), readable in grey print: whatever a colour says, a hatch, a line
style or a marker says as well. The colours are those of Okabe and Ito ("Color Universal Design", 2008), which people
with colour-vision deficiencies can tell apart. Files are the same bytes for the same data, text stays text. What
matplotlib can be told by a style file is in stratsim.mplstyle.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import matplotlib.style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "CLASS_COLOURS",
    "COLOURS",
    "HATCHES",
    "MARKERS",
    "PAGE_IN",
    "STYLE_FILE",
    "WIDTH_IN",
    "footer",
    "legend_above",
    "legend_height_in",
    "look",
    "new_figure",
    "points",
    "save",
    "shown",
    "styled",
    "wrap",
]

WIDTH_IN = 3.3
"""One column of a two-column paper."""
PAGE_IN = 7.0
"""Its two columns."""

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

STYLE_FILE = Path(__file__).with_name("stratsim.mplstyle")
"""The look as a style file, which users can take too: `plt.style.use("stratsim_plots.stratsim")`."""
_SIZES = ("font.size", "axes.labelsize", "axes.titlesize", "xtick.labelsize", "ytick.labelsize", "legend.fontsize")

_METADATA: dict[str, dict[str, Any]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None},
    ".pdf": {"CreationDate": None, "ModDate": None},
}


@contextmanager
def styled(font_size: float | None = None) -> Iterator[None]:
    """Draw with our look, whatever matplotlibrc says; the global settings are as before afterwards.

    Args:
        font_size: Of axis titles, points; other texts keep their share of it. By default that of the style file.
    """
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.style.use(STYLE_FILE)
        mpl.rcParams["figure.constrained_layout.use"] = False  # `new_figure` says how a figure lays itself out
        if font_size is not None:
            settings: Any = mpl.rcParams
            factor = font_size / settings["font.size"]
            settings.update({name: factor * settings[name] for name in _SIZES})
        yield


def points(share: float) -> float:
    """Return a share of the size of axis titles, points: small texts grow with the others."""
    return share * float(mpl.rcParams["font.size"])


def look(number: int) -> dict[str, Any]:
    """Return colour, marker and line style of the line with this number, counted from 0.

    Each eight have every colour once; the next eight have them with other markers, so that 64 are told apart.
    """
    turn = number // len(COLOURS)
    return {
        "color": COLOURS[number % len(COLOURS)],
        "marker": MARKERS[(number + turn) % len(MARKERS)],
        "linestyle": _LINES[(number + turn) % len(_LINES)],
    }


class StyledFigure(Figure):
    """A figure that is saved with our look, too: what a font is embedded as is a setting of that moment."""

    def savefig(self, fname: Any, **how: Any) -> None:
        """Save the figure, as matplotlib does."""
        with styled():
            super().savefig(fname, **how)


_SHOWN: ContextVar[bool] = ContextVar("stratsim_plots_shown", default=False)


@contextmanager
def shown() -> Iterator[None]:
    """Make figures that a notebook shows, and `plt.show()`: pyplot knows them."""
    token = _SHOWN.set(True)
    try:
        yield
    finally:
        _SHOWN.reset(token)


def new_figure(height_in: float, width_in: float = WIDTH_IN) -> Figure:
    """Return an empty figure that lays itself out; no window, no global state, but within `shown`."""
    size: dict[str, Any] = {"figsize": (width_in, height_in), "layout": "constrained"}
    if _SHOWN.get():
        from matplotlib import pyplot as plt

        return plt.figure(FigureClass=StyledFigure, **size)
    figure = StyledFigure(**size)
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
