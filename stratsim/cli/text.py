"""Tables and numbers for people: rich on a terminal, plain columns in a pipe.

Whatever is printed goes through `echo`, `heading` or `table`: names in files are not trusted with the terminal.
"""

from __future__ import annotations

import re
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

LINE = 120
"""Characters of a line in a pipe, where a table is folded there too."""

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
    """Print a text, `clean`, to stdout or stderr."""
    click.secho(clean(str(text)), err=err, nl=nl, bold=bold or None)


def clear_line() -> None:
    """Go back to the start of the line on stderr and empty it: for progress on a terminal."""
    click.echo("\r\x1b[K", nl=False, err=True)


def heading(text: str) -> None:
    """Print a heading with an empty line above it."""
    click.echo()
    echo(text, bold=True)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1, width: int | None = None) -> None:
    """Print rows under column names.

    A terminal that is too narrow gets several tables, one below the other, each with the text columns: a figure is
    never broken. Text columns alone are folded.

    Args:
        columns: The names.
        rows: The cells, as text.
        left: How many columns, from the first, are text and aligned to the left; the others are figures.
        width: In a pipe, the width to which all text columns but the first are folded; by default they are not.
    """
    columns, rows = [_cell(name) for name in columns], [[_cell(cell) for cell in row] for row in rows]
    if is_terminal(sys.stdout):
        _rich(columns, rows, left)
    else:
        _plain(columns, rows if width is None else _folded(columns, rows, left, width), left)


def _cell(text: str) -> str:
    """Return a text that stays in its line."""
    return clean(text).replace("\n", "\\n").replace("\t", " ")


def _rich(columns: Sequence[str], rows: Sequence[Sequence[str]], left: int) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    for part in _parts(_widths(columns, rows), left, console.width):
        drawn = Table(box=SIMPLE_HEAD, pad_edge=False)
        for index in part:
            text = index < left
            drawn.add_column(
                columns[index],
                justify="left" if text else "right",
                overflow="fold",
                no_wrap=index == 0 or not text,
            )
        for row in rows:
            drawn.add_row(*(escape(row[index]) for index in part))
        console.print(drawn)


_GAP = 3
"""Characters between two columns on a terminal: a space on either side, and the (invisible) divider."""


def _parts(widths: Sequence[int], left: int, width: int) -> Iterator[list[int]]:
    """Yield the columns of each table that fits `width`: all text columns, and as many figures as there is room for."""
    text = list(range(left))
    part: list[int] = []
    for index in range(left, len(widths)):
        if part and sum(widths[i] + _GAP for i in (*text, *part, index)) > width:
            yield text + part
            part = []
        part.append(index)
    yield text + part


def _plain(columns: Sequence[str], rows: Sequence[Sequence[str]], left: int) -> None:
    widths = _widths(columns, rows)
    for line in (columns, *rows):
        cells = [
            cell.ljust(width) if index < left else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        click.echo("  ".join(cells).rstrip())


def _folded(columns: Sequence[str], rows: Sequence[Sequence[str]], left: int, width: int) -> list[list[str]]:
    """Return the rows with text columns folded: each gets a share of the width in proportion to its longest cell."""
    widths = _widths(columns, rows)
    wanted = sum(widths[1:left])
    room = width - 2 * (len(widths) - 1) - (sum(widths) - wanted)
    if wanted > room:
        widths[1:left] = [max(len(columns[n]), room * widths[n] // wanted) for n in range(1, left)]
    lines = []
    for row in rows:
        cells = [_wrapped(cell, each) for cell, each in zip(row, widths, strict=True)]
        lines += [list(line) for line in zip_longest(*cells, fillvalue="")]
    return lines


def _wrapped(cell: str, width: int) -> list[str]:
    return textwrap.wrap(cell, max(1, width), break_on_hyphens=False) or [""]


def _widths(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(len(line[index]) for line in (columns, *rows)) for index in range(len(columns))]


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
