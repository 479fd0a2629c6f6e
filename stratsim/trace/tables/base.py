"""What every table can do, whatever holds it: name its columns, read some of them, and say which line a row is on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import ItemsView, Iterator, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.errors import TraceError
from stratsim.trace.column import Column, as_values, take

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["MISSING", "Kind", "Table", "Unread"]

MISSING = np.iinfo(np.int64).min
"""What stands for an empty cell in a column of times that are whole numbers."""


class Kind(Enum):
    """What a column is read as."""

    NUMBER = "numbers, as float64; NaN for an empty cell"
    TIME = "times in a unit: int64 (`MISSING` for an empty cell) or float64"
    DATE = "dates and times of day: `Names` of strings, or datetime64[ns]"
    TEXT = "strings, as `Names`; a column of another kind is refused"
    LABEL = "strings, as `Names`; numbers as the file writes them"
    KEPT = "as it is in the file"


class Table(ABC):
    """A table of a file; one row per record.

    Args:
        file: Name for messages.
        names: The columns, each once.
        first_row: Line of the first record, or 1 where records are counted.
    """

    headerless = False
    """Whether the file names no columns: then they are called 1, 2, 3 and so on."""

    def __init__(self, file: str, names: tuple[str, ...], first_row: int = 1) -> None:
        self.file = file
        self.names = names
        self.first_row = first_row
        self.rows: NDArray[np.int64] | None = None
        for name in names if len(set(names)) < len(names) else ():
            if names.count(name) > 1:
                raise self.error("column occurs twice", name, row=1)

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of records."""

    @abstractmethod
    def read(self, kinds: Mapping[str, Kind]) -> dict[str, Column]:
        """Return columns, in one pass over the file; those that it does not have are left out.

        Raises:
            TraceError: a cell does not hold what its kind says.
        """

    @abstractmethod
    def sample(self, name: str) -> list[Any]:
        """Return the first few values of a column, strings or numbers; None for an empty cell."""

    def find(self, name: str) -> str | None:
        """Return the column of that name: exactly, else but for letter case where that is one column."""
        if name in self.names:
            return name
        near = [known for known in self.names if known.casefold() == name.casefold()]
        return near[0] if len(near) == 1 else None

    def has(self, *names: str) -> bool:
        """Whether there is a column of each name, in any letter case."""
        return all(self.find(name) is not None for name in names)

    def line(self, index: int) -> int:
        """Return the line of a record as an editor counts it, or the number of the record where there are no lines."""
        return self.first_row + index if self.rows is None else int(self.rows[index])

    def error(
        self, message: str, column: str, index: int | None = None, value: object = None, *, row: int | None = None
    ) -> TraceError:
        """Return the error that blames one cell, a row, or a whole column."""
        row = self.line(index) if index is not None else row
        return TraceError(message, file=self.file, row=row, column=column, value=value)

    def refuse(self, bad: NDArray[np.bool_], name: str, column: Column, message: str) -> None:
        """Raise an error about the first row where `bad` holds."""
        if bad.any():
            self.refuse_row(int(np.argmax(bad)), name, column, message)

    def refuse_row(self, index: int, name: str, column: Column, message: str) -> None:
        """Raise an error about one cell."""
        value = as_values(take(column, slice(index, index + 1)))[0]
        raise self.error(message, name, index, None if value == MISSING else value)


class Unread(Mapping[str, Column]):
    """Further columns of a table, each read when it is asked for.

    Args:
        table: Where they are.
        names: Which, by the name that each is given here.
        rows: Rows of the table, in the order that is wanted; None for all.
    """

    def __init__(self, table: Table, names: Mapping[str, str], rows: NDArray[np.integer[Any]] | None = None) -> None:
        self._table = table
        self._names = names
        self._rows = rows
        self._known: dict[str, Column] = {}

    def __getitem__(self, name: str) -> Column:
        """Return a column; it is read now, if it was not before."""
        if name not in self._names:
            raise KeyError(name)
        self._read(name)
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def items(self) -> ItemsView[str, Column]:
        """Return all columns, read in one pass."""
        self._read(*self._names)
        return {name: self._known[name] for name in self._names}.items()

    def take(self, rows: NDArray[Any] | slice) -> Unread:
        """Return the same columns of some rows."""
        if self._rows is None:
            every = np.arange(len(self._table))
        chosen = (every if self._rows is None else self._rows)[rows]
        return Unread(self._table, self._names, chosen)

    def _read(self, *names: str) -> None:
        wanted = {self._names[name]: name for name in names if name not in self._known}
        found = self._table.read(dict.fromkeys(wanted, Kind.KEPT)) if wanted else {}
        for name, column in found.items():
            self._known[wanted[name]] = column if self._rows is None else take(column, self._rows)
