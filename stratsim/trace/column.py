"""Kinds of column, and what rules and writers ask of each.

A column that the schema does not know is kept as it is: identifiers with every digit, leading zeros, lists. Four kinds
suffice:

- `Names`: strings, each stored once;
- a numpy array of whole numbers, floats (NaN: an empty cell) or booleans;
- a numpy array of objects: values of a JSON file or a CSV file that fit no array of numbers (whole numbers beside an
  empty cell or beyond 64 bits, values of mixed kind); `msgspec.Raw` for what is nested;
- `ArrowColumn`: what Parquet and Arrow know beyond that (lists, structs, decimals, time stamps, numbers with gaps).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

__all__ = [
    "ArrowColumn",
    "Column",
    "Filling",
    "Names",
    "as_arrow",
    "as_names",
    "as_numbers",
    "as_values",
    "from_values",
    "narrow",
    "take",
    "text_of",
]

_BLOCK = 65_536


@dataclass(frozen=True, slots=True, eq=False)
class Names:
    """A column of strings, stored once each.

    Args:
        names: The distinct strings, in the order of their first row.
        codes: Index into `names` per row, shape (n,); -1 for an empty cell.
    """

    names: tuple[str, ...]
    codes: NDArray[np.int32]

    @classmethod
    def encode(cls, values: Iterable[str | None]) -> Names:
        """Return the column that holds `values`; None is an empty cell."""
        index: dict[str, int] = {}
        codes = [-1 if value is None else index.setdefault(value, len(index)) for value in values]
        return cls(tuple(index), np.asarray(codes, dtype=np.int32))

    def __len__(self) -> int:
        return len(self.codes)

    def at(self, row: int) -> str | None:
        """Return the string of one row; None for an empty cell."""
        code = int(self.codes[row])
        return None if code < 0 else self.names[code]

    def decode(self) -> list[str | None]:
        """Return the strings row by row; None for an empty cell."""
        lookup: list[str | None] = [*self.names, None]
        return [lookup[code] for code in self.codes.tolist()]

    def take(self, rows: NDArray[Any] | slice) -> Names:
        """Return the column of some rows, with the names that are left renumbered by first appearance."""
        codes = self.codes[rows]
        used = _by_first_appearance(codes, len(self.names))
        renumber = np.full(len(self.names) + 1, -1, dtype=np.int32)  # the last entry serves code -1
        renumber[used] = np.arange(len(used), dtype=np.int32)
        return Names(tuple(self.names[code] for code in used.tolist()), renumber[codes])

    @property
    def complete(self) -> bool:
        """Whether no cell is empty."""
        return not bool((self.codes < 0).any())


@dataclass(frozen=True, slots=True, eq=False)
class ArrowColumn:
    """A column that stays in Arrow's memory.

    Args:
        array: A `pyarrow.ChunkedArray`.
    """

    array: Any

    def __len__(self) -> int:
        return len(self.array)

    @property
    def is_numeric(self) -> bool:
        """Whether it holds whole numbers or floats."""
        import pyarrow as pa

        return bool(pa.types.is_integer(self.array.type) or pa.types.is_floating(self.array.type))

    def take(self, rows: NDArray[Any] | slice) -> ArrowColumn:
        """Return the column of some rows."""
        if isinstance(rows, slice):
            start, stop, step = rows.indices(len(self))
            if step == 1:
                return ArrowColumn(self.array.slice(start, max(0, stop - start)))
            rows = np.arange(start, stop, step)
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows
        return ArrowColumn(self.array.take(rows))

    def values(self) -> list[Any]:
        """Return the cells as JSON has them: what it does not know, as text with all digits."""
        import pyarrow as pa
        import pyarrow.compute as pc

        kind = self.array.type
        if pa.types.is_floating(kind):
            return [None if value is None or value != value else value for value in self.array.to_pylist()]
        plain = pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_string(kind)
        if plain or pa.types.is_nested(kind):
            return list(self.array.to_pylist())
        try:
            return list(pc.cast(self.array, pa.string()).to_pylist())
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):  # bytes that are no text, say
            return [None if value is None else str(value) for value in self.array.to_pylist()]


Column = Names | ArrowColumn | np.ndarray[Any, np.dtype[Any]]
"""A column of any kind."""


def take(column: Column, rows: NDArray[Any] | slice) -> Column:
    """Return some rows of a column of any kind."""
    return column[rows] if isinstance(column, np.ndarray) else column.take(rows)


def as_values(column: Column) -> list[Any]:
    """Return the cells of a column as JSON has them; None for an empty cell."""
    if isinstance(column, Names):
        return column.decode()
    if isinstance(column, ArrowColumn):
        return column.values()
    values = column.tolist()
    return [None if value != value else value for value in values] if column.dtype.kind == "f" else values


def text_of(value: Any) -> str | None:
    """Return one cell as a CSV file has it: JSON's spelling of what is nested; None for an empty cell."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, msgspec.Raw):
        return bytes(value).decode()
    return msgspec.json.encode(value, enc_hook=str).decode() if isinstance(value, (list, dict)) else str(value)


def as_names(column: Column) -> Names:
    """Return a column as strings, for rules that look at categories."""
    return column if isinstance(column, Names) else Names.encode(map(text_of, as_values(column)))


def as_numbers(column: Column) -> tuple[NDArray[np.float64], int | None]:
    """Return a column as floats (NaN for an empty cell), and the first row that holds no number; None if all do."""
    if isinstance(column, ArrowColumn) and column.is_numeric:
        return np.asarray(column.array.cast("float64").to_numpy(), dtype=np.float64), None
    if isinstance(column, np.ndarray) and column.dtype.kind in "iufb":
        return column.astype(np.float64), None
    if isinstance(column, Names):
        parsed = [_number(name) for name in column.names]
        lookup = np.asarray([*(np.nan if each is None else each for each in parsed), np.nan])
        bad = [code for code, each in enumerate(parsed) if each is None]
        wrong = np.isin(column.codes, bad)
        return lookup[column.codes], int(np.argmax(wrong)) if wrong.any() else None
    numbers, first = np.full(len(column), np.nan), None
    for row, value in enumerate(as_values(column)):
        number = _number(value)
        if value is not None and number is None:
            first = row if first is None else first
        elif number is not None:
            numbers[row] = number
    return numbers, first


def _number(value: Any) -> float | None:
    if isinstance(value, (msgspec.Raw, list, dict)) or value is None:
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def from_values(values: Sequence[Any]) -> Column:
    """Return the values of a JSON file as the plainest column that keeps each as it is."""
    kinds = set(map(type, values))
    filled = kinds - {type(None)}
    if filled <= {str}:
        return Names.encode(values)
    if filled == {float}:
        return np.asarray(values, dtype=np.float64)  # None becomes NaN
    if kinds == {bool}:
        return np.asarray(values, dtype=bool)
    if kinds == {int}:
        try:
            return np.asarray(values, dtype=np.int64)
        except OverflowError:
            pass
    found = np.empty(len(values), dtype=object)
    found[:] = list(values)
    return found


def as_arrow(column: Column) -> Any:
    """Return a column as a pyarrow array; strings as a dictionary."""
    import pyarrow as pa

    if isinstance(column, ArrowColumn):
        return column.array
    if isinstance(column, Names):
        codes = pa.array(column.codes, mask=column.codes < 0)
        return pa.DictionaryArray.from_arrays(codes, pa.array(list(column.names), type=pa.string()))
    if column.dtype != object:
        return pa.array(column)
    values = [msgspec.json.decode(value) if isinstance(value, msgspec.Raw) else value for value in column.tolist()]
    whole = [value for value in values if type(value) is int]
    kinds = {type(value) for value in values} - {type(None)}
    try:
        if kinds == {int} and max(whole) > 2**63 - 1 and min(whole) >= 0:
            return pa.array(values, type=pa.uint64())
        if not kinds <= {int, float} or len(kinds) < 2:  # Arrow would make floats of whole numbers beside floats
            return pa.array(values)
    except (pa.ArrowException, OverflowError, ValueError, TypeError):
        pass
    return pa.array([text_of(value) for value in column.tolist()], type=pa.string())


def _by_first_appearance(codes: NDArray[np.int32], count: int) -> NDArray[np.int32]:
    """Return those of the codes 0 to `count` - 1 that occur, in the order in which they first do; without a sort."""
    seen = np.zeros(count + 1, dtype=bool)
    seen[-1] = True  # code -1 is an empty cell
    found = [np.empty(0, dtype=np.int32)]
    for start in range(0, len(codes), _BLOCK):
        block = codes[start : start + _BLOCK]
        new, first = np.unique(block[~seen[block]], return_index=True)
        found.append(new[np.argsort(first)])
        seen[new] = True
    return np.concatenate(found)


class Filling:
    """A column that is read piece by piece, of one kind all of them.

    Args:
        rows: Its length.
    """

    def __init__(self, rows: int) -> None:
        self._values: NDArray[Any] = np.empty(0)
        self._filled = 0
        self._rows = rows
        self._names: dict[str, int] | None = None

    def add(self, piece: Names | NDArray[Any]) -> None:
        """Append a piece."""
        values = self._codes(piece) if isinstance(piece, Names) else piece
        if not len(self._values):
            self._values = np.empty(self._rows, dtype=values.dtype)
        elif values.dtype != self._values.dtype:
            self._values = self._values.astype(np.result_type(values, self._values))
        self._values[self._filled : self._filled + len(values)] = values
        self._filled += len(values)

    def _codes(self, piece: Names) -> NDArray[np.int32]:
        if self._names is None:
            self._names = {}
        place = [self._names.setdefault(name, len(self._names)) for name in piece.names]
        return np.array([*place, -1], dtype=np.int32)[piece.codes]  # the last entry serves code -1

    def column(self) -> Names | NDArray[Any]:
        """Return the column; at least one piece was there, if an empty one."""
        return self._values if self._names is None else Names(tuple(self._names), self._values)


def narrow(sizes: NDArray[np.int64]) -> NDArray[np.integer[Any]]:
    """Return byte counts in half the room, if all of them fit."""
    return sizes.astype(np.int32) if sizes.max(initial=0) <= np.iinfo(np.int32).max else sizes
