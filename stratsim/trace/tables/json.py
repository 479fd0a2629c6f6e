"""JSON tables: one object per line, one array of objects, or one object of arrays of equal length.

A missing key or null is an empty cell. Values that nobody asks for are passed over, not decoded.
"""

from __future__ import annotations

import io
from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from stratsim.trace.column import Names, from_values, text_of
from stratsim.trace.tables.base import MISSING, Kind, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from stratsim.trace.column import Column
    from stratsim.trace.source import Source

__all__ = ["ColumnsTable", "RecordsTable", "arrays_of", "records"]

_BLOCK = 65_536
_SAMPLE = 64
_NUMERIC = {int, float, type(None)}
_NULL = b"null"
_LARGEST = 2**63
_NO_TIME = "is not a number; the unit iso reads dates"

Record = dict[str, msgspec.Raw]


class RecordsTable(Table):
    """One object per record: on lines of their own, or in one array.

    Args:
        source: The file.
        array: Whether it is one array; then rows count records from 1, otherwise lines.
    """

    def __init__(self, source: Source, *, array: bool) -> None:
        self._source = source
        self._blocks = _array(source) if array else None
        self._count: int | None = None
        first = next(iter(self._all()), ([], []))[1][:_SAMPLE]
        self._sample = first
        super().__init__(source.file, tuple(dict.fromkeys(name for record in first for name in record)))

    def __len__(self) -> int:
        if self._count is None:
            self.read({})
        return self._count or 0

    def sample(self, name: str) -> list[Any]:
        """Return the first few values of a column."""
        return [_sampled(record.get(name)) for record in self._sample]

    def read(self, kinds: Mapping[str, Kind]) -> dict[str, Column]:
        """Return columns; see `Table.read`. Afterwards `names` holds the keys of all records."""
        names = dict.fromkeys(self.names)
        lines: list[NDArray[np.int64]] = []
        collected = {name: _Cells(self._source, name, kind) for name, kind in kinds.items()}
        count = 0
        for rows, block in self._all():
            found = set().union(*block)
            if not found <= names.keys():
                names |= dict.fromkeys(name for record in block for name in record)
            for name in collected.keys() & names.keys():
                collected[name].pad(count)
                collected[name].add([record.get(name) for record in block], rows)
            lines.append(np.asarray(rows, dtype=np.int64))
            count += len(rows)
        self.names = tuple(names)
        self.rows = np.concatenate(lines) if lines else np.empty(0, dtype=np.int64)
        self._count = len(self.rows)
        return {name: collected.pop(name).column() for name in list(collected) if name in names}

    def _all(self) -> Iterable[tuple[Sequence[int], list[Record]]]:
        return _in_blocks(records(self._source)) if self._blocks is None else self._blocks


class ColumnsTable(Table):
    """One object whose values are arrays: those of the most frequent length are columns, the rest is passed over.

    Args:
        source: The file.
        arrays: The arrays of the object.
    """

    def __init__(self, source: Source, arrays: Mapping[str, list[msgspec.Raw]]) -> None:
        lengths = Counter(len(cells) for cells in arrays.values())
        self._length = lengths.most_common(1)[0][0] if lengths else 0
        self._source = source
        self._cells = {name: cells for name, cells in arrays.items() if len(cells) == self._length}
        super().__init__(source.file, tuple(self._cells))

    @classmethod
    def of_values(cls, source: Source, columns: Mapping[str, Sequence[Any]]) -> ColumnsTable:
        """Return columns of values that were decoded, or made, as a table; those without any value are left out."""
        encode = msgspec.json.encode
        filled = {name: cells for name, cells in columns.items() if any(cell is not None for cell in cells)}
        return cls(source, {name: [msgspec.Raw(encode(cell)) for cell in cells] for name, cells in filled.items()})

    def __len__(self) -> int:
        return self._length

    def sample(self, name: str) -> list[Any]:
        """Return the first few values of a column."""
        return [_sampled(raw) for raw in self._cells[name][:_SAMPLE]]

    def read(self, kinds: Mapping[str, Kind]) -> dict[str, Column]:
        """Return columns; see `Table.read`."""
        found = {}
        for name, kind in kinds.items():
            if name in self._cells:
                cells = _Cells(self._source, name, kind)
                cells.add(self._cells[name], range(1, self._length + 1))
                found[name] = cells.column()
        return found


class _Cells:
    """Collects the values of one column block by block, so that their objects never all exist at once."""

    def __init__(self, source: Source, name: str, kind: Kind) -> None:
        self._source = source
        self._name = name
        self._kind = kind
        self._index: dict[str, int] = {}
        self._blocks: list[Any] = []

    def pad(self, count: int) -> None:
        """Append empty cells up to `count`: the key was not there before."""
        if not self._blocks and count:
            self.add_values([None] * count, range(count))

    def add(self, raw: Sequence[msgspec.Raw | None], rows: Sequence[int]) -> None:
        """Append a block of values; `rows` are their rows in the file."""
        try:
            values = _decoded(raw, nested=self._kind is Kind.KEPT)
        except msgspec.DecodeError:  # one cannot be told as a value
            row, text = next(
                (row, bytes(value or b"")) for row, value in zip(rows, raw, strict=True) if not _is_value(value)
            )
            raise self._source.error("is out of range", row, self._name, text[:40].decode()) from None
        self.add_values(values, rows)

    def add_values(self, values: list[Any], rows: Sequence[int]) -> None:
        """Append a block of values that are decoded already."""
        kinds = set(map(type, values))
        if self._kind is Kind.KEPT:
            self._blocks.append(self._kept(values, kinds))
        elif self._kind is Kind.LABEL:
            self._blocks.append(self._encoded(map(text_of, values)))
        elif self._kind in (Kind.TEXT, Kind.DATE):
            what = "a string" if self._kind is Kind.TEXT else "a date and time (ISO 8601)"
            self._refuse(values, rows, kinds - {str, type(None)}, f"is not {what}")
            self._blocks.append(self._encoded(values))
        else:
            self._refuse(values, rows, kinds - _NUMERIC, _NO_TIME if self._kind is Kind.TIME else "is not a number")
            self._blocks.append(self._numbers(values, kinds))

    def _kept(self, values: list[Any], kinds: set[type]) -> Any:
        if kinds <= {str, type(None)}:
            return self._encoded(values, empty=True)
        return from_values(values)

    def _numbers(self, values: list[Any], kinds: set[type]) -> NDArray[Any]:
        if self._kind is Kind.TIME and float not in kinds and all(abs(value or 0) < _LARGEST for value in values):
            return np.asarray([MISSING if value is None else value for value in values], dtype=np.int64)
        try:
            return np.asarray(values, dtype=np.float64)
        except OverflowError:  # beyond all floats
            return np.asarray([_float(value) for value in values])

    def _refuse(self, values: Sequence[Any], rows: Sequence[int], kinds: set[type], message: str) -> None:
        for row, value in zip(rows, values, strict=True) if kinds else ():
            if type(value) in kinds:
                shown = text_of(value) if isinstance(value, (list, dict)) else value
                raise self._source.error(message, row, self._name, shown)

    def _encoded(self, values: Iterable[str | None], *, empty: bool = False) -> Names:
        index = self._index
        codes = [-1 if v is None or not (v or empty) else index.setdefault(v, len(index)) for v in values]
        return Names((), np.asarray(codes, dtype=np.int32))

    def column(self) -> Column:
        """Return the column."""
        blocks = self._blocks
        if all(isinstance(block, Names) for block in blocks):
            codes = [block.codes for block in blocks]
            return Names(tuple(self._index), np.concatenate([np.empty(0, dtype=np.int32), *codes]))
        kinds = {block.dtype if isinstance(block, np.ndarray) else None for block in blocks}
        if len(kinds) == 1:
            return np.concatenate(blocks)
        if self._kind is Kind.TIME and kinds == {np.dtype(np.int64), np.dtype(np.float64)}:
            blocks = [np.where(block == MISSING, np.nan, block) for block in blocks]
            return np.concatenate(blocks)
        lookup = [*self._index, None]
        return from_values(
            [
                value
                for block in blocks
                for value in ([lookup[code] for code in block.codes.tolist()] if isinstance(block, Names)
                              else [None if v != v else v for v in block.tolist()])
            ]
        )  # fmt: skip


def records(source: Source) -> Iterator[tuple[int, Record]]:
    """Yield line number and object of each line that is not blank; the object's values are not decoded.

    Raises:
        TraceError: a line is not a JSON object.
    """
    decoder = msgspec.json.Decoder(Record)
    for row, line in enumerate(io.BytesIO(source.data.removeprefix(b"\xef\xbb\xbf")), start=1):
        if not line.strip():
            continue
        try:
            yield row, decoder.decode(line)
        except (msgspec.DecodeError, RecursionError) as error:
            shown = line[:40].decode(errors="replace").strip()
            raise source.error(f"is not a JSON object: {error}", row, value=shown) from None


def _in_blocks(found: Iterator[tuple[int, Record]]) -> Iterator[tuple[list[int], list[Record]]]:
    while block := list(islice(found, _BLOCK)):
        yield [row for row, _ in block], [record for _, record in block]


def _array(source: Source) -> list[tuple[Sequence[int], list[Record]]]:
    """Return the records of one array."""
    data = source.data.removeprefix(b"\xef\xbb\xbf")
    try:
        found = msgspec.json.decode(data, type=list[Record])
    except (msgspec.DecodeError, RecursionError) as error:
        raise source.error(f"is a JSON array, and not one of objects, a request each: {error}") from None
    return [(range(1, len(found) + 1), found)]


def arrays_of(document: Record) -> dict[str, list[msgspec.Raw]]:
    """Return the arrays among the values of an object."""
    decoder = msgspec.json.Decoder(list[msgspec.Raw])
    return {name: decoder.decode(raw) for name, raw in document.items() if bytes(raw)[:1] == b"["}


def _sampled(raw: msgspec.Raw | None) -> Any:
    return _plain(raw) if _is_value(raw) else None


def _is_value(raw: msgspec.Raw | None) -> bool:
    try:
        _plain(raw)
    except msgspec.DecodeError:
        return False
    return True


def _plain(raw: msgspec.Raw | None) -> Any:
    return None if raw is None else msgspec.json.decode(raw)


def _decoded(raw: Sequence[msgspec.Raw | None], *, nested: bool) -> list[Any]:
    """Return values; what is nested as it is in the file, if `nested`."""
    texts = [_NULL if value is None else bytes(value) for value in raw]
    if nested:
        return [
            msgspec.Raw(text) if text[:1] in b"[{" else value
            for text, value in zip(texts, _decoded_flat(texts), strict=True)
        ]
    found: list[Any] = msgspec.json.decode(b"[" + b",".join(texts) + b"]")
    return found


def _decoded_flat(texts: list[bytes]) -> list[Any]:
    """Return values, None for what is nested."""
    flat = [_NULL if text[:1] in b"[{" else text for text in texts]
    found: list[Any] = msgspec.json.decode(b"[" + b",".join(flat) + b"]")
    return found


def _float(value: float | None) -> float:
    try:
        return np.nan if value is None else float(value)
    except OverflowError:
        return np.inf
