"""How wide texts are in their font, and where to break them."""

from __future__ import annotations

from functools import cache
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.font_manager import FontProperties

__all__ = ["line_in", "setting", "text_in", "wrapped"]

_LINE = 1.2
"""Height of a line of text, in font sizes."""


def setting(name: str) -> float:
    """Return a number of matplotlib's settings in force: a size is in points."""
    settings: Any = mpl.rcParams
    return float(settings[name])


def line_in(size: float) -> float:
    """Return the height of a line of text of a size in points, inches."""
    return _LINE * size / 72


@cache
def _share(sign: str, family: tuple[str, ...]) -> float:
    """Return the width of a sign as a share of the font's size."""
    renderer: Any = RendererAgg
    font = FontProperties(family=list(family), size=100)
    return float(renderer(1, 1, 72).get_text_width_height_descent(sign, font, False)[0]) / 100


def text_in(text: str, size: float) -> float:
    """Return the width of a line of text, inches: that of its signs, without kerning."""
    family = tuple(mpl.rcParams["font.family"])
    return sum(_share(sign, family) for sign in text) * size / 72


def wrapped(text: str, room_in: float, size: float) -> str:
    """Break a text into lines that fit, best after a space, comma, slash or colon, or before a bracket.

    Args:
        text: The text; breaks that it has stay.
        room_in: Room for a line, inches.
        size: Of the font, points.
    """
    return "\n".join(line for part in text.split("\n") for line in _lines(part, room_in, size))


def _lines(text: str, room_in: float, size: float) -> list[str]:
    lines = []
    while text and text_in(text, size) > room_in:
        fits = next((n for n in range(len(text) - 1, 1, -1) if text_in(text[:n].rstrip(), size) <= room_in), 1)
        after = max(text.rfind(mark, 0, fits) for mark in " ,/:") + 1
        before = text.rfind("(", 1, fits + 1)
        other = max(text.rfind(mark, 0, fits) for mark in "-_=.;") + 1
        at = max(after, before)
        at = at if at > 0 else other or fits
        lines.append(text[:at].rstrip())
        text = text[at:].lstrip()
    return [*lines, text] if text or not lines else lines
