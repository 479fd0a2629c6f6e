"""Reads files of measurements: tables by header, JSON, numbers with the place in every message."""

from __future__ import annotations

import csv
import io
import math
import re
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from stratsim.errors import SpecError, suggest
from stratsim.limits import read_file
from stratsim.model.codec import read_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

__all__ = [
    "Line",
    "Table",
    "decoded",
    "field_of",
    "listed",
    "number",
    "objects",
    "read_table",
    "read_text",
    "seconds_of",
    "table_of",
    "whole",
]


T = TypeVar("T")
_OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_UNITS = {
    **dict.fromkeys(("ns", "nsec"), 1e-9),
    **dict.fromkeys(("us", "usec", "\N{MICRO SIGN}s", "\N{GREEK SMALL LETTER MU}s"), 1e-6),
    **dict.fromkeys(("ms", "msec"), 1e-3),
    **dict.fromkeys(("s", "sec"), 1.0),
}


class Line(NamedTuple):
    """One row of a table."""

    number: int
    """As a text editor counts it; the header is 1."""
    cells: Mapping[str, str]


class Table(NamedTuple):
    """A table with a header."""

    columns: Sequence[str]
    lines: Sequence[Line]


def read_text(path: Path) -> str:
    """Return a file in UTF-8, or in UTF-16 with byte-order mark, as spreadsheets and PowerShell write it.

    Raises:
        SpecError: it cannot be read, or is not text.
        LimitError: it is larger than the memory budget allows.
    """
    try:
        data = read_file(path)
        return data.decode("utf-16" if data.startswith(_UTF_16) else "utf-8-sig")
    except UnicodeDecodeError:
        raise SpecError(f"{path}: not UTF-8 text: save it as UTF-8") from None
    except OSError as error:
        raise SpecError(f"{path}: cannot be read: {error.strerror or error}") from None


def read_table(path: Path, header: Iterable[str] | None = None) -> Table:
    """Return the CSV table of a file, as `table_of` does.

    Raises:
        SpecError: it cannot be read, or is no such table.
    """
    return table_of(path, read_text(path), header)


def table_of(path: Path, text: str, header: Iterable[str] | None = None) -> Table:
    """Return a CSV table; quoted cells may hold commas and line breaks.

    Args:
        path: The file, for messages.
        text: Its content.
        header: Columns that the header line must have; lines before it are skipped. None: the first line is it.

    Raises:
        SpecError: it has no such header, two columns of one name, or a row that is shorter or longer than the header.
    """
    if not text.strip():
        raise SpecError(f"{path}: is empty")
    wanted = set(header or ())
    reader = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True)
    columns: list[str] | None = None
    lines = []
    begin = 1
    try:
        for row in reader:
            first, begin = begin, reader.line_num + 1
            cells = [cell.strip() for cell in row]
            if columns is None:
                if len(cells) == 1 and "," in cells[0]:
                    cells = [cell.strip() for cell in cells[0].split(",")]  # a header that was quoted as a whole
                _check_separator(path, first, cells, wanted)
                if wanted <= set(cells):
                    columns = _distinct(path, first, cells)
                continue
            if not any(cells):
                if header is not None:
                    break  # reports follow each other, with an empty line between
                continue
            if len(cells) != len(columns):
                raise SpecError(f"{path}, line {first}: {len(cells)} cells under {len(columns)} columns")
            lines.append(Line(first, dict(zip(columns, cells, strict=True))))
    except csv.Error as error:
        raise SpecError(f"{path}, line {reader.line_num}: not a CSV table: {error}") from None
    if columns is None:
        raise SpecError(f"{path}: no line has the columns {listed(sorted(wanted))}" if wanted else f"{path}: is empty")
    return Table(columns, lines)


def _check_separator(path: Path, line: int, cells: Sequence[str], wanted: set[str]) -> None:
    """Refuse a header whose cells something else than commas separates: what separates decimals is then open too."""
    for mark, name in _OTHER_SEPARATORS.items():
        names = [cell.strip(' "') for cell in cells[0].split(mark)] if len(cells) == 1 else []
        if len(names) > 2 and wanted <= set(names):
            raise SpecError(f"{path}, line {line}: {name} separate its cells: save it with commas, and decimal points")


def _distinct(path: Path, line: int, cells: list[str]) -> list[str]:
    twice = [name for name, count in Counter(cells).items() if count > 1 and name]
    if twice:
        raise SpecError(f"{path}, line {line}: two columns are called {twice[0]!r}: which one counts is not said")
    return cells


def decoded(path: Path, text: str, kind: type[T], what: str, line: int | None = None) -> T:
    """Return JSON text as a structure.

    Args:
        path: The file, for messages.
        text: JSON.
        kind: What it is read as.
        what: What the file should be.
        line: Where the text stands in the file.

    Raises:
        SpecError: it is something else.
    """
    import msgspec

    try:
        return msgspec.json.decode(text.encode("utf-8", "surrogatepass"), type=kind)
    except (msgspec.DecodeError, RecursionError) as error:
        place = "" if line is None else f", line {line}"
        raise SpecError(f"{path}{place}: is not {what}: {error}") from None


def field_of(table: Table, path: Path, line: Line, name: str) -> str:
    """Return a cell.

    Raises:
        SpecError: there is no such column.
    """
    if name not in line.cells:
        raise SpecError(f"{path}: no column {name!r}; {suggest(name, table.columns)}")
    return line.cells[name]


def number(text: Any, where: str) -> float:
    """Return a finite number.

    Raises:
        SpecError: it is none; `where` says of what.
    """
    try:
        if isinstance(text, bool):
            raise TypeError
        value = float(text)
    except (TypeError, ValueError):
        hint = ": numbers have a decimal point, and no other marks" if re.fullmatch(r"[\d.,' ]+", str(text)) else ""
        raise SpecError(f"{where}: not a number: {text!r}{hint}") from None
    if not math.isfinite(value):
        raise SpecError(f"{where}: not a finite number: {text!r}")
    return value


def whole(text: Any, where: str) -> int:
    """Return a whole number.

    Raises:
        SpecError: it is none; `where` says of what.
    """
    value = number(text, where)
    if value != int(value):
        raise SpecError(f"{where}: not a whole number: {text!r}")
    return int(value)


def seconds_of(path: Path, table: Table, name: str) -> tuple[str, float]:
    """Return the column of a time, `NAME (UNIT)`, and how many seconds its unit is.

    Raises:
        SpecError: there is none, or in no unit that is known.
    """
    for column in table.columns:
        match = re.fullmatch(rf"{re.escape(name)} ?\((.+)\)", column)
        if match and match[1] in _UNITS:
            return column, _UNITS[match[1]]
        if match or column == name:
            raise SpecError(f"{path}: column {column!r} is in no unit of time that is known: {listed(_UNITS)}")
    raise SpecError(f"{path}: no column '{name} (ns)' or of another unit; it has {listed(table.columns)}")


def objects(path: Path, what: str) -> list[dict[str, Any]]:
    """Return a JSON array of objects.

    Raises:
        SpecError: the file is something else; `what` says what it should be.
    """
    data = read_json(path)
    if not isinstance(data, list) or not all(isinstance(each, dict) for each in data):
        kind = "a JSON object" if isinstance(data, dict) else "no array of JSON objects"
        raise SpecError(f"{path}: {what} is a JSON array of objects, and this is {kind}")
    if not data:
        raise SpecError(f"{path}: the array is empty")
    return data


def listed(names: Iterable[object]) -> str:
    """Return names in one line."""
    return ", ".join(str(name) for name in names)
