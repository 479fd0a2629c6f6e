"""Tables and numbers for people: rich on a terminal, plain columns in a pipe."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["heading", "is_terminal", "ms", "number", "table"]


def is_terminal(stream: TextIO | None) -> bool:
    """Whether somebody looks at a stream of this process; None is one that was closed before the start."""
    return stream is not None and stream.isatty()


def heading(text: str) -> None:
    """Print a heading with an empty line above it."""
    click.echo()
    click.secho(text, bold=True)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> None:
    """Print rows under column names.

    Args:
        columns: The names.
        rows: The cells, as text.
        left: How many columns, from the first, are text and aligned to the left; the others are figures.
    """
    if is_terminal(sys.stdout):
        _rich(columns, rows, left)
    else:
        _plain(columns, rows, left)


def _rich(columns: Sequence[str], rows: Sequence[Sequence[str]], left: int) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    drawn = Table(box=SIMPLE_HEAD, pad_edge=False)
    for index, name in enumerate(columns):
        drawn.add_column(name, justify="left" if index < left else "right", overflow="fold", no_wrap=index == 0)
    for row in rows:
        drawn.add_row(*(escape(cell) for cell in row))
    Console().print(drawn)


def _plain(columns: Sequence[str], rows: Sequence[Sequence[str]], left: int) -> None:
    widths = [max(len(line[index]) for line in (columns, *rows)) for index in range(len(columns))]
    for line in (columns, *rows):
        cells = [
            cell.ljust(width) if index < left else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        click.echo("  ".join(cells).rstrip())


def ms(seconds: float) -> str:
    """Return a time in milliseconds with four significant digits."""
    return number(seconds * 1e3)


def number(value: float | None) -> str:
    """Return a figure with four significant digits, without exponent or final zeros; a dash where it is not known."""
    if value is None:
        return "-"
    if value == 0:
        return "0"
    text = f"{value:.{max(0, 3 - _exponent(value))}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _exponent(value: float) -> int:
    return int(f"{abs(value):e}".split("e")[1])
