"""Our own columns as JSON lines: one object per request; a missing key or null is an empty cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.trace.columns import NUMBERS, TEXTS, Table, assemble, check_header
from stratsim.trace.schema import Column, Names

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stratsim.trace.schema import Trace
    from stratsim.trace.source import Source

__all__ = ["column_of", "read", "records"]

_BLOCK = 65536


def read(source: Source) -> Trace:
    """Read JSON lines in our own columns."""
    rows: list[int] = []
    blocks: dict[str, list[list[Any]]] = {}
    for block in _blocks(source):
        for name in {name for _, record in block for name in record} - set(blocks):
            blocks[name] = [[None] * len(rows)]
        rows.extend(row for row, _ in block)
        for name, column in blocks.items():
            column.append([record.get(name) for _, record in block])
    order = sorted(blocks, key=lambda name: (name not in NUMBERS, name))
    check_header(source.file, order)
    columns = {
        name: column_of(source, name, [cell for part in blocks.pop(name) for cell in part], rows) for name in order
    }
    lines = None if rows == list(range(1, len(rows) + 1)) else np.asarray(rows, dtype=np.int64)
    return assemble(Table(source.file, columns, first_row=1, rows=lines), strict=source.strict)


def records(source: Source) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield line number and object of each line that is not blank.

    Raises:
        TraceError: a line is not a JSON object.
    """
    import msgspec

    decoder = msgspec.json.Decoder(dict[str, Any])
    for row, line in enumerate(source.data.removeprefix(b"\xef\xbb\xbf").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            yield row, decoder.decode(line)
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            raise source.error(
                f"is not a JSON object: {error}", row, value=line[:40].decode(errors="replace")
            ) from None


def column_of(source: Source, name: str, cells: list[Any], rows: Sequence[int]) -> Column:
    """Return a list of JSON values as a column: numbers if they are (or must be) numbers, else strings."""
    if name in NUMBERS or (name not in TEXTS and all(_is_number(cell) or cell is None for cell in cells)):
        return _numbers(source, name, cells, rows)
    if name not in TEXTS:
        return Names.encode(None if cell is None else str(cell) for cell in cells)
    for row, cell in zip(rows, cells, strict=True):
        if not (cell is None or isinstance(cell, str)):
            raise source.error("is not a string", row, name, cell)
    return Names.encode(cell or None for cell in cells)


def _numbers(source: Source, name: str, cells: list[Any], rows: Sequence[int]) -> Column:
    for row, cell in zip(rows, cells, strict=True):
        if not (cell is None or _is_number(cell)):
            raise source.error("is not a number", row, name, cell)
    if name not in NUMBERS and all(isinstance(cell, int) and abs(cell) < 2**63 for cell in cells):
        return np.asarray(cells, dtype=np.int64)
    return np.asarray([np.nan if cell is None else cell for cell in cells], dtype=np.float64)


def _is_number(cell: object) -> bool:
    return isinstance(cell, int | float) and not isinstance(cell, bool)


def _blocks(source: Source) -> Iterator[list[tuple[int, dict[str, Any]]]]:
    """Yield the records in blocks, so that their objects do not all exist at once."""
    block: list[tuple[int, dict[str, Any]]] = []
    for entry in records(source):
        block.append(entry)
        if len(block) == _BLOCK:
            yield block
            block = []
    yield block
