"""Our own columns as JSON lines: one object per request; a missing key or null is an empty cell."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.trace.columns import Table, assemble
from stratsim.trace.headers import NUMBERS, TEXTS, check_header
from stratsim.trace.schema import Column, Names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from stratsim.trace.schema import Trace
    from stratsim.trace.source import Source

__all__ = ["ColumnBuilder", "column_of", "read", "records"]

_BLOCK = 65536
_NUMERIC = {int, float, type(None)}


class ColumnBuilder:
    """Collects the JSON values of one column block by block, so that their objects never all exist at once.

    Columns of the schema must hold their kind; any other column becomes numbers if all its values are, else strings.

    Args:
        source: For error messages.
        name: Of the column.
    """

    def __init__(self, source: Source, name: str) -> None:
        self._source = source
        self._name = name
        self._index: dict[str, int] = {}
        self._blocks: list[NDArray[Any]] = []  # int32 for strings, int64 or float64 for numbers

    def add(self, cells: Sequence[Any], rows: Sequence[int]) -> None:
        """Append a block of values; `rows` are their rows in the file."""
        kinds = set(map(type, cells))
        if self._name in TEXTS:
            self._refuse(cells, rows, kinds - {str, type(None)}, "is not a string")
            self._blocks.append(self._encode(cell or None for cell in cells))
        elif kinds <= _NUMERIC:
            self._blocks.append(self._numbers(cells, rows, kinds))
        elif self._name in NUMBERS:
            self._refuse(cells, rows, kinds - _NUMERIC, "is not a number")
        else:
            self._blocks.append(self._encode(None if cell is None else str(cell) for cell in cells))

    def _numbers(self, cells: Sequence[Any], rows: Sequence[int], kinds: set[type]) -> NDArray[Any]:
        try:
            whole = kinds == {int} and self._name not in NUMBERS
            return np.asarray(cells, dtype=np.int64 if whole else np.float64)
        except OverflowError:
            big = next(index for index, cell in enumerate(cells) if cell is not None and abs(cell) >= 2**63)
            raise self._source.error("is too large a number", rows[big], self._name, cells[big]) from None

    def _refuse(self, cells: Sequence[Any], rows: Sequence[int], kinds: set[type], message: str) -> None:
        for row, cell in zip(rows, cells, strict=True) if kinds else ():
            if type(cell) in kinds:
                raise self._source.error(message, row, self._name, cell)

    def _encode(self, cells: Iterable[str | None]) -> NDArray[np.int32]:
        index = self._index
        codes = [-1 if cell is None else index.setdefault(cell, len(index)) for cell in cells]
        return np.asarray(codes, dtype=np.int32)

    def column(self) -> Column:
        """Return the column."""
        strings = [block.dtype == np.int32 for block in self._blocks]
        if not any(strings):
            return np.concatenate(self._blocks)
        codes = [
            block if coded else self._encode(None if value != value else str(value) for value in block.tolist())
            for block, coded in zip(self._blocks, strings, strict=True)
        ]
        return Names(tuple(self._index), np.concatenate(codes))


def column_of(source: Source, name: str, cells: Sequence[Any], rows: Sequence[int]) -> Column:
    """Return a list of JSON values as a column."""
    builder = ColumnBuilder(source, name)
    builder.add(cells, rows)
    return builder.column()


def read(source: Source) -> Trace:
    """Read JSON lines in our own columns."""
    lines: list[NDArray[np.int64]] = []
    builders: dict[str, ColumnBuilder] = {}
    count = 0
    for rows, block in _blocks(source):
        for name in dict.fromkeys(name for record in block for name in record):
            if name not in builders:
                builders[name] = ColumnBuilder(source, name)
                if count:
                    builders[name].add([None] * count, [0] * count)
        for name, builder in builders.items():
            builder.add([record.get(name) for record in block], rows)
        lines.append(np.asarray(rows, dtype=np.int64))
        count += len(rows)
    check_header(source.file, builders)
    columns = {name: builders.pop(name).column() for name in list(builders)}
    return assemble(Table(source.file, columns, rows=np.concatenate(lines)), strict=source.strict)


def records(source: Source) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield line number and object of each line that is not blank.

    Raises:
        TraceError: a line is not a JSON object.
    """
    import msgspec

    decoder = msgspec.json.Decoder(dict[str, Any])
    for row, line in enumerate(io.BytesIO(source.data.removeprefix(b"\xef\xbb\xbf")), start=1):
        if not line.strip():
            continue
        try:
            yield row, decoder.decode(line)
        except msgspec.DecodeError as error:
            shown = line[:40].decode(errors="replace").strip()
            raise source.error(f"is not a JSON object: {error}", row, value=shown) from None


def _blocks(source: Source) -> Iterator[tuple[list[int], list[dict[str, Any]]]]:
    """Yield rows and records, block by block."""
    rows: list[int] = []
    block: list[dict[str, Any]] = []
    for row, record in records(source):
        rows.append(row)
        block.append(record)
        if len(rows) == _BLOCK:
            yield rows, block
            rows, block = [], []
    if rows:
        yield rows, block
