"""Pieces of HTML. Whatever comes from outside is escaped here, or goes into the page as JSON by `data_block`."""

from __future__ import annotations

import base64
import json
import math
import re
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["Cell", "csv_link", "data_block", "escape", "figure_ms", "legend", "number", "section", "table"]


class Cell(NamedTuple):
    """A cell of a table that is more than its text."""

    text: str
    value: float | None = None
    """What it is sorted by; None: the text, or nothing to sort by where the text is a dash."""
    note: str = ""
    """A second line: the interval."""
    mark: str = ""
    """`best`: of its column; `tied`: none of its column can be told from another."""


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str | Cell]],
    means: Mapping[str, str] | None = None,
    title: str = "",
) -> str:
    """Return a table of text cells, which are escaped; a column's meaning is shown on hover.

    The page's script lets the reader sort it.

    Args:
        columns: Their names; the first is a heading of its row.
        rows: The cells.
        means: What columns mean, by name.
        title: What it is called for those who cannot see it.
    """
    head = "".join(_head(name, (means or {}).get(name)) for name in columns)
    body = "".join(_row(row) for row in rows)
    label = f' aria-label="{escape(title)}"' if title else ""
    inner = f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
    return f'<div class="scroll"><table class="sortable"{label}>{inner}</table></div>'


def _head(name: str, meaning: str | None) -> str:
    title = "" if meaning is None else f' title="{escape(meaning)}" class="says"'
    words = re.sub(r" (%|ms|s|MB)$", "\u00a0\\1", name)  # a unit stays with its word
    text = escape(words).replace("_", "_<wbr>").replace(".", ".<wbr>")
    return f'<th scope="col"{title}>{text}</th>'


def _row(cells: Sequence[str | Cell]) -> str:
    first, *rest = (cell if isinstance(cell, Cell) else Cell(cell) for cell in cells)
    return f'<tr><th scope="row">{escape(first.text)}</th>' + "".join(_cell(cell) for cell in rest) + "</tr>"


def _cell(cell: Cell) -> str:
    by = "" if cell.value is None or math.isnan(cell.value) else f' data-by="{_plain(cell.value)}"'
    kind = f' class="{cell.mark}"' if cell.mark else ""
    star = _MARKS.get(cell.mark, "")
    note = f'<small class="interval">{escape(cell.note)}</small>' if cell.note else ""
    return f"<td{by}{kind}>{star}{escape(cell.text)}{note}</td>"


_MARKS = {
    "best": '<span class="star" role="img" aria-label="best">★</span>',
    "tied": '<span class="star" role="img" aria-label="all alike">☆</span>',
}


def _plain(value: float) -> str:
    return f"{math.copysign(1e300, value):g}" if math.isinf(value) else f"{value:.9g}"


def legend(columns: Iterable[str], means: Mapping[str, str], title: str = "What the columns mean") -> str:
    """Return what columns (or other words) mean, to be unfolded: for those who cannot hover."""
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(means[name])}</dd>" for name in columns if name in means)
    return f"<details><summary>{escape(title)}</summary><dl>{items}</dl></details>"


def section(name: str, title: str, *parts: str) -> str:
    """Return a section; `name` is its anchor."""
    body = "\n".join(part for part in parts if part)
    head = f'<h2 id="{name}-title">{escape(title)}</h2>'
    return f'<section id="{name}" aria-labelledby="{name}-title">{head}\n{body}</section>'


def data_block(name: str, value: Any) -> str:
    """Return JSON for the page's script. Nothing in it can end the block: `<` is written as an escape."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"), ensure_ascii=True)
    safe = text.replace("<", "\\u003c")
    return f'<script type="application/json" id="{name}">{safe}</script>'


def csv_link(name: str, content: str, text: str) -> str:
    """Return a link that saves a CSV file, which lies in the link itself."""
    data = base64.b64encode(content.encode()).decode()
    return f'<a download="{escape(name)}" href="data:text/csv;charset=utf-8;base64,{data}">{escape(text)}</a>'


def number(value: float | None, digits: int = 4) -> str:
    """Return a figure to so many significant digits, without an exponent; a dash where there is none."""
    if value is None:
        return "–"
    if value == 0:
        return "0"
    exponent = int(f"{abs(value):e}".split("e")[1])
    text = f"{value:.{max(0, digits - 1 - exponent)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def figure_ms(seconds: float | None, digits: int = 4) -> str:
    """Return a time in milliseconds; below a nanosecond it is 0."""
    return number(None if seconds is None else round(seconds * 1e3, 6), digits)
