"""The table of runs: a CSV that grows while they come in and is sorted when all are there.

A row that is in the file belongs to a run that need not be repeated. Figures that differ between identical runs (how
long one took) go to a file of their own, so that the table is the same bytes however many processes made it.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from stratsim.errors import OutputError
from stratsim.model.write import write_text
from stratsim.results.sweep_rows import CHECKSUM, KEY, checksum, read_rows

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from pathlib import Path

__all__ = ["KEY", "Row", "Store"]

Row = dict[str, str]
"""Column by name, as text; an empty text is a figure that does not exist."""


class Store:
    """One CSV file, keyed by the hash of the run.

    Args:
        path: The file; made when there is something to write.
        columns: Its columns; the first is `KEY`. The file has one more, the checksum of each row.
        figures: Those that hold numbers.

    Raises:
        OutputError: the file cannot be read, a row in it was changed, or it has other columns: those of other code.
    """

    def __init__(self, path: Path, columns: Sequence[str], figures: Collection[str] = ()) -> None:
        self._path = path
        self._figures = figures
        self._columns = list(columns)
        self.rows: dict[str, list[Row]] = {}
        self._read()

    def _read(self) -> None:
        try:
            # What was being written when a run was cut off has no end of line.
            columns, rows = read_rows(self._path, self._figures, whole=False)
        except FileNotFoundError:
            return
        if columns and columns != [*self._columns, CHECKSUM]:
            raise OutputError(f"{self._path}: has other columns than these runs; --fresh starts anew")
        for line in rows:
            row = dict(zip(self._columns, line[:-1], strict=True))
            self.rows.setdefault(row[KEY], []).append(row)
        if not self._path.read_bytes().endswith(b"\n"):
            self.sort(list(self.rows))

    def add(self, sha256: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Append the rows of one run, at once."""
        made = [{KEY: sha256, **{name: _text(row.get(name)) for name in self._columns[1:]}} for row in rows]
        if not self.rows:
            self._rewrite([])
        self.rows[sha256] = made
        try:
            with self._path.open("a", encoding="utf-8", newline="") as file:
                file.write(self._lines(made))
        except OSError as error:
            why = error.strerror or error
            raise OutputError(f"{self._path}: cannot be written: {why}; the rows so far are kept") from None

    def sort(self, order: Iterable[str]) -> list[Row]:
        """Rewrite the file in this order of runs, without others, and return its rows."""
        kept = [row for sha256 in order for row in self.rows.get(sha256, ())]
        self._rewrite(kept)
        return kept

    def _rewrite(self, rows: list[Row]) -> None:
        head = ",".join([*self._columns, CHECKSUM]) + "\n"
        write_text(head + self._lines(rows), self._path, overwrite=True)

    def _lines(self, rows: list[Row]) -> str:
        out = io.StringIO()
        cells = ([row[name] for name in self._columns] for row in rows)
        csv.writer(out, lineterminator="\n").writerows([*each, checksum(each)] for each in cells)
        return out.getvalue()


def _text(value: Any) -> str:
    """Return a figure with all its digits."""
    return "" if value is None else repr(float(value)) if isinstance(value, float) else str(value)
