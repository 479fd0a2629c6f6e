"""Tables and numbers for people: as wide as the terminal, and as a page of `LINE` characters in a pipe.

Whatever is printed goes through `echo`, `heading` or `table`: names in files are not trusted with the terminal.
"""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
from itertools import zip_longest
from typing import TYPE_CHECKING, TextIO

import click

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = [
    "LINE",
    "clean",
    "clear_line",
    "duration",
    "echo",
    "heading",
    "is_terminal",
    "ms",
    "number",
    "rounded_ms",
    "table",
]

LINE = 100
"""Characters of a line of a table in a pipe; on a terminal it is the terminal's width."""

_NAME = 24
"""Characters from which on a name in the first column may stand on a line of its own, so that the table fits."""

_ACTIVE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters
    "\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"  # line ends and directions of Unicode
    "\ud800-\udfff]"  # halves of characters, as in file names that are not UTF-8
)


def is_terminal(stream: TextIO | None) -> bool:
    """Whether somebody looks at a stream of this process; None is one that was closed before the start."""
    return stream is not None and stream.isatty()


def clean(text: str) -> str:
    """Return a text in which no character does anything but stand there; others become escapes.

    These are the control characters (colours, titles, answers that a terminal types) but for line ends and tabs, and
    the marks that turn the direction of text around and so show another name than there is.
    """
    return _ACTIVE.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")


def echo(text: object = "", *, err: bool = False, nl: bool = True, bold: bool = False) -> None:
    """Print a text, `clean`, to stdout or stderr.

    What people read on stderr (notes, errors) is broken between words where a terminal would break it inside one. In a
    pipe a text stays on its line, so that `grep` finds it.
    """
    shown = clean(str(text))
    if err and is_terminal(sys.stderr):
        shown = "\n".join(_broken(line, shutil.get_terminal_size().columns) for line in shown.split("\n"))
    click.echo(click.style(shown, bold=True) if bold else shown, err=err, nl=nl)


def _broken(line: str, width: int) -> str:
    """Return a line broken between words; a word longer than the line, such as a path, stays whole."""
    if _places(line) <= width:
        return line
    indent = line[: len(line) - len(line.lstrip())]
    return textwrap.fill(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def clear_line() -> None:
    """Go back to the start of the line on stderr and empty it: for progress on a terminal."""
    click.echo("\r\x1b[K", nl=False, err=True)


def heading(text: str) -> None:
    """Print a heading with an empty line above it."""
    click.echo()
    echo(text, bold=True)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> None:
    """Print rows under column names, no wider than the terminal (`LINE` in a pipe).

    A figure is never broken. What does not fit is printed as several tables, one below the other, each with the text
    columns; a long name in the first column stands on a line of its own, above its row; other texts are folded.

    Args:
        columns: The names.
        rows: The cells, as text.
        left: How many columns, from the first, are text and aligned to the left; the others are figures.
    """
    columns, rows = [_cell(name) for name in columns], [[_cell(cell) for cell in row] for row in rows]
    terminal = is_terminal(sys.stdout)
    width = shutil.get_terminal_size().columns if terminal else LINE
    widths = _fitted(_widths(columns, rows), columns, rows, left, width)
    for at, part in enumerate(_parts(widths, left, width)):
        if at:
            click.echo()
        head = _line([columns[i] for i in part], [widths[i] for i in part], left)
        click.echo(click.style(head, bold=True) if terminal else head)
        for row in rows:
            for line in _lines([row[i] for i in part], [widths[i] for i in part], left, width):
                click.echo(line)


def _cell(text: str) -> str:
    """Return a text that stays in its line."""
    return clean(text).replace("\n", "\\n").replace("\t", " ")


_GAP = 2
"""Characters between two columns."""


def _fitted(
    widths: list[int], columns: Sequence[str], rows: Sequence[Sequence[str]], left: int, width: int
) -> list[int]:
    """Return the widths of the columns once long texts have made room for figures.

    The first column keeps room for its names of usual length. The other text columns share what all figures leave, or
    what one figure leaves where that would be too little to read.
    """
    if sum(widths) + _GAP * (len(widths) - 1) <= width or not left:
        return widths
    first = max([_places(columns[0]), *(each for row in rows if (each := _places(row[0])) <= _NAME)])
    figures = widths[left:]
    room = width - first - _GAP * (len(widths) - 1)
    shared = room - sum(figures)
    if shared < sum(min(each, _NAME) for each in widths[1:left]):
        shared = room + _GAP * (len(figures) - 1) - max(figures, default=0)
    words = [max(_places(word) for line in (columns, *rows) for word in line[n].split() or "-") for n in range(1, left)]
    return [first, *_shared(widths[1:left], shared, words), *figures]


def _shared(widths: Sequence[int], room: int, words: Sequence[int]) -> list[int]:
    """Return the widths of text columns that share some room: the longest are cut to one length, the others stay.

    No column is narrower than its longest word, if all words fit beside each other.
    """
    least = words if sum(words) <= room else [1] * len(words)
    cut, found = max(widths, default=0), list(widths)
    while cut > 1 and sum(found) > room:
        cut -= 1
        found = [max(word, min(width, cut)) for width, word in zip(widths, least, strict=True)]
    return found


def _parts(widths: Sequence[int], left: int, width: int) -> Iterator[list[int]]:
    """Yield the columns of each table that fits `width`: all text columns, and as many figures as there is room for."""
    text = list(range(left))
    part: list[int] = []
    for index in range(left, len(widths)):
        if part and sum(widths[i] + _GAP for i in (*text, *part, index)) - _GAP > width:
            yield text + part
            part = []
        part.append(index)
    yield text + part


def _lines(row: Sequence[str], widths: Sequence[int], left: int, width: int) -> Iterator[str]:
    """Yield the lines of one row: a name that is longer than its column first, on its own."""
    name, *others = row
    if left and _places(name) > widths[0]:
        yield from textwrap.wrap(name, width)
        name = ""
    cells = [
        _wrapped(cell, each) if 0 < index < left else [cell]
        for index, (cell, each) in enumerate(zip((name, *others), widths, strict=True))
    ]
    for line in zip_longest(*cells, fillvalue=""):
        yield _line(line, widths, left)


def _line(cells: Sequence[str], widths: Sequence[int], left: int) -> str:
    padded = []
    for index, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        room = " " * (width - _places(cell))
        padded.append(cell + room if index < left else room + cell)
    return (" " * _GAP).join(padded).rstrip()


def _wrapped(cell: str, width: int) -> list[str]:
    return textwrap.wrap(cell, max(1, width), break_on_hyphens=False) or [""]


def _widths(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(_places(line[index]) for line in (columns, *rows)) for index in range(len(columns))]


def _places(text: str) -> int:
    """Return how many places of a terminal a text takes: two for each wide character."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


_NEXT_UNIT = 90
"""From so many seconds on a duration is in minutes, from so many minutes on in hours."""


def ms(seconds: float) -> str:
    """Return a time in milliseconds with four significant digits."""
    return number(seconds * 1e3)


def duration(seconds: float) -> str:
    """Return how long something takes, roughly and at least a second: `3 s`, `12 minutes`, `5.5 hours`."""
    if seconds < _NEXT_UNIT:
        return f"{max(1.0, seconds):.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} minutes" if minutes < _NEXT_UNIT else f"{minutes / 60:.1f} hours"


def rounded_ms(seconds: float, digits: int = 3) -> str:
    """Return a time in milliseconds, to so many significant digits and to the microsecond at most."""
    if seconds and abs(seconds) < 1e-6:
        return "<0.001"
    return number(seconds * 1e3, digits, decimals=3)


def number(value: float | None, digits: int = 4, decimals: int | None = None) -> str:
    """Return a figure without exponent or final zeros; a dash where it is not known.

    Args:
        value: The figure.
        digits: How many significant digits at most; those before the point are always whole.
        decimals: How many digits after the point at most.
    """
    if value is None:
        return "-"
    if value == 0:
        return "0"
    places = max(0, digits - 1 - _exponent(value))
    text = f"{value:.{places if decimals is None else min(places, decimals)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _exponent(value: float) -> int:
    return int(f"{abs(value):e}".split("e")[1])
