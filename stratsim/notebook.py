"""How objects show themselves: a line for `repr`, a small table for notebooks (`_repr_html_`).

Whatever comes from files is escaped. The tables have no colours of their own, so that they follow the notebook's.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["card", "facts", "line", "percent"]

_MOST_ROWS = 40
"""Rows of a table in a notebook: what is longer is better looked at as a data frame. Our choice."""
_MOST_NOTES = 5


def line(kind: str, name: str, *about: str) -> str:
    """Return what `repr` says of an object: its kind, its name and a few facts."""
    text = ", ".join(part for part in about if part)
    return f"<{' '.join(part for part in (kind, name) if part)}{': ' + text if text else ''}>"


def card(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], notes: Sequence[str] = ()) -> str:
    """Return a table as HTML, with a title above and notes below it.

    Args:
        title: One line.
        columns: Heads of the columns; empty for a table without a head.
        rows: Cells: texts to the left, numbers to the right.
        notes: A line each.
    """
    rows = list(rows)
    parts = [f"<div><strong>{escape(title)}</strong>", "<table>"]
    if columns:
        parts.append("<thead><tr>" + "".join(f"<th>{escape(name)}</th>" for name in columns) + "</tr></thead>")
    parts += ["<tbody>", *(_row(row) for row in rows[:_MOST_ROWS]), "</tbody></table>"]
    if len(rows) > _MOST_ROWS:
        parts.append(f"<div>and {len(rows) - _MOST_ROWS:,} more rows</div>")
    parts += [f"<div>{escape(note)}</div>" for note in notes[:_MOST_NOTES]]
    if len(notes) > _MOST_NOTES:
        parts.append(f"<div>and {len(notes) - _MOST_NOTES:,} more notes</div>")
    return "".join([*parts, "</div>"])


def facts(title: str, found: Mapping[str, object], notes: Sequence[str] = ()) -> str:
    """Return a table of names and values as HTML."""
    return card(title, (), found.items(), notes)


def percent(share: float | None) -> str:
    """Return a share as a percentage; a dash where there is none."""
    return "-" if share is None or share != share else f"{share * 100:.2f} %"


def _row(row: Sequence[object]) -> str:
    return "<tr>" + "".join(_cell(cell) for cell in row) + "</tr>"


def _cell(value: object) -> str:
    if isinstance(value, int):
        return f'<td style="text-align: right">{value:,}</td>'
    if isinstance(value, float):
        return f'<td style="text-align: right">{value:{",.0f" if abs(value) >= 1000 else ".3g"}}</td>'
    side = "right" if str(value)[:1].isdigit() else "left"
    return f'<td style="text-align: {side}">{escape(str(value))}</td>'
