"""Where the records of a CSV file are: which lines they begin on, and whether each has all its fields.

pandas reads the cells, but it fills short rows in silence and does not say on which line a record stands. Blocks of the
file are looked at with numpy: the memory needed is that of a block, and of one number per record where records are not
one a line.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["Layout", "Misfit", "layout"]

_BLOCK = 1 << 23
_NO_MARKS = bytes(byte for byte in range(256) if byte not in b",\n")
_QUOTE, _COMMA, _LINE_FEED, _RETURN, _SPACE = b'",\n\r '
_BEFORE_A_QUOTE = np.frombuffer(b',\n\r"', dtype=np.uint8)


@dataclass(frozen=True, slots=True)
class Misfit(Exception):  # noqa: N818 (what it is called in the table that catches it)
    """A record with another number of fields than the header, or an open quote.

    Args:
        line: Where it begins, counted from 0 at the first line after the header.
        fields: How many it has; 0 for an open quote.
    """

    line: int
    fields: int


@dataclass(frozen=True, slots=True)
class Layout:
    """The records of a CSV file.

    Args:
        count: How many, blank lines left out.
        lines: The line of each, from 0; None where each line is a record.
        blank: The blank lines, by their number among records and blank lines; None without any.
        total: Records and blank lines.
    """

    count: int
    lines: NDArray[np.int64] | None
    blank: NDArray[np.int64] | None
    total: int


def layout(data: bytes, start: int, fields: int) -> Layout:
    """Return where the records are.

    Args:
        data: The file.
        start: Where its first record begins.
        fields: How many fields each must have.

    Raises:
        Misfit: one has not.
    """
    found = _Records(fields)
    if data.find(b'"', start) >= 0:
        block = _quoted(data, start)
        if block is None:
            return _slowly(data, start, fields)
        found.add(*block)
        return found.layout()
    for text in _plain(data, start):
        number = _regular(text, fields)
        if number:
            found.add_regular(number)
            continue
        cells = np.frombuffer(text, dtype=np.uint8)
        ends = _line_ends(cells)
        found.add(text, ends, np.flatnonzero(cells == _COMMA), np.ones(len(ends), dtype=np.int64))
    return found.layout()


def _regular(text: bytes, fields: int) -> int:
    """Return how many records a block without quotes has, if none of them is blank or of another length; else 0."""
    if fields == 1 or text.count(b"\r") != text.count(b"\r\n"):
        return 0
    marks = text.translate(None, _NO_MARKS) + (b"" if text.endswith(b"\n") else b"\n")
    record = b"," * (fields - 1) + b"\n"
    number = len(marks) // fields
    return number if marks == record * number else 0


class _Records:
    """Collects the records block by block."""

    def __init__(self, fields: int) -> None:
        self._fields = fields
        self._line = 0
        self._total = 0
        self._lines: list[NDArray[np.int64]] = []
        self._blank: list[NDArray[np.int64]] = []
        self._plain = True

    def add(self, text: bytes, ends: NDArray[np.int64], commas: NDArray[np.int64], lines: NDArray[np.int64]) -> None:
        """Add a block: its text, where records end, where fields end within them, and how many lines each record is."""
        fields = np.diff(np.searchsorted(commas, ends), prepend=0) + 1
        begins = np.concatenate(([0], ends[:-1] + 1))
        numbers = self._line + np.cumsum(lines) - lines
        cells = np.frombuffer(text + b"\n", dtype=np.uint8)
        suspects = np.flatnonzero((fields == 1) & (cells[begins] <= _SPACE)).tolist()
        blank = [row for row in suspects if not text[begins[row] : ends[row]].strip()]
        rows = np.asarray(blank, dtype=np.int64)
        wrong = fields != self._fields
        wrong[rows] = False
        if wrong.any():
            row = int(np.argmax(wrong))
            raise Misfit(int(numbers[row]), int(fields[row]))
        if len(rows):
            self._blank.append(self._total + rows)
        if self._plain and (lines != 1).any():
            self._plain = False
            self._lines.insert(0, np.arange(self._line, dtype=np.int64))
        if not self._plain:
            self._lines.append(numbers)
        self._line += int(lines.sum())
        self._total += len(ends)

    def add_regular(self, number: int) -> None:
        """Add so many records, each on a line of its own."""
        if not self._plain:
            self._lines.append(self._line + np.arange(number, dtype=np.int64))
        self._line += number
        self._total += number

    def layout(self) -> Layout:
        """Return what was found."""
        blank = np.concatenate(self._blank) if self._blank else None
        lines = None if self._plain else np.concatenate(self._lines)
        if blank is not None:
            lines = np.delete(np.arange(self._total) if lines is None else lines, blank)
        return Layout(self._total - (0 if blank is None else len(blank)), lines, blank, self._total)


def _plain(data: bytes, start: int) -> Iterator[bytes]:
    """Yield blocks of a file without quotes."""
    while start < len(data):
        stop = min(len(data), start + _BLOCK)
        stop = len(data) if stop == len(data) else data.rfind(b"\n", start, stop) + 1 or data.find(b"\n", stop) + 1
        text = data[start : stop or len(data)]
        start += len(text)
        yield text


def _line_ends(cells: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return where lines end; a carriage return alone ends one too, and so does the end of the file."""
    ends = cells == _LINE_FEED
    returns = np.flatnonzero(cells == _RETURN)
    if len(returns):
        alone = returns[np.append(cells, 0)[returns + 1] != _LINE_FEED]
        ends[alone] = True
    found = np.flatnonzero(ends)
    return found if len(found) and found[-1] == len(cells) - 1 else np.append(found, len(cells))


def _quoted(data: bytes, start: int) -> tuple[bytes, NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]] | None:
    """Return the rest of a file with quotes as one block; None where a quote stands inside an unquoted cell."""
    text = data[start:]
    cells = np.frombuffer(text, dtype=np.uint8)
    quotes = np.flatnonzero(cells == _QUOTE)
    opening = quotes[::2]
    before = cells[opening[opening > 0] - 1]
    if not np.isin(before, _BEFORE_A_QUOTE).all():
        return None
    ends, commas = _line_ends(cells), np.flatnonzero(cells == _COMMA)
    outside = np.searchsorted(quotes, ends) % 2 == 0
    if len(quotes) % 2:
        line = int(np.searchsorted(ends, opening[-1]))
        raise Misfit(line, 0)
    commas = commas[np.searchsorted(quotes, commas) % 2 == 0]
    closed = np.flatnonzero(outside)
    return text, ends[closed], commas, np.diff(closed, prepend=-1)


def _slowly(data: bytes, start: int, fields: int) -> Layout:
    """Return the same, record by record."""
    reader = csv.reader(io.StringIO(data[start:].decode(), newline=""), skipinitialspace=True)
    lines, blank, before, total = [], [], 0, 0
    for record in reader:
        if not any(cell.strip() for cell in record) and len(record) <= 1:
            blank.append(total)
        elif len(record) != fields:
            raise Misfit(before, len(record))
        else:
            lines.append(before)
        before, total = reader.line_num, total + 1
    gaps = np.asarray(blank, dtype=np.int64) if blank else None
    return Layout(len(lines), np.asarray(lines, dtype=np.int64), gaps, total)
