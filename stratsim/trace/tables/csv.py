"""CSV with a header: cells by pandas, lines by `stratsim.trace.tables.lines`.

Before the header blank lines, comments (`#`) and a spreadsheet's `sep=,` are passed over. Spaces around names, and
around cells of known columns, do not count. A first line that begins with a number is no header: its columns are
called 1, 2, 3 and so on.
"""

from __future__ import annotations

import csv
import io
import math
import re
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.trace.column import Names
from stratsim.trace.headers import is_result
from stratsim.trace.tables.base import MISSING, Kind, Table
from stratsim.trace.tables.lines import Misfit, layout
from stratsim.trace.tables.texts import Texts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from stratsim.errors import TraceError
    from stratsim.trace.column import Column
    from stratsim.trace.source import Source

__all__ = ["CsvTable"]

_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*|\s*[+-]?inf(inity)?\s*", re.IGNORECASE)
_OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_SHOWN = 40
_SAMPLE = 64
_ROWS = 65_536
_NO_DEADLINE = ["", "nan", "NaN"]
_EXACT = 2.0**53
"""Whole numbers below this are exact as floats."""


class CsvTable(Table):
    """A CSV file.

    Args:
        source: The file, as text in UTF-8.
    """

    def __init__(self, source: Source) -> None:
        data = source.data
        start, line = _preamble(source)
        names, lines = _header(source, start, line)
        self._source = source
        self.headerless = bool(names) and _is_number(names[0])
        if self.headerless:
            names = [str(position) for position in range(1, len(names) + 1)]
        else:
            start, line = _skip_lines(data, start, lines), line + lines
        super().__init__(source.file, tuple(names), first_row=line)
        self._start = start
        try:
            self._layout = layout(data, start, len(names))
        except Misfit as misfit:
            raise self._misfit(misfit) from None
        if self._layout.lines is not None:
            self.rows = self._layout.lines + line

    def __len__(self) -> int:
        return self._layout.count

    def sample(self, name: str) -> list[Any]:
        """Return the first few cells of a column."""
        place = self.names.index(name)
        records = islice(self._records(), _SAMPLE)
        return [fields[place].strip() or None for _, fields in records if len(fields) > place]

    def read(self, kinds: Mapping[str, Kind]) -> dict[str, Column]:
        """Return columns; see `Table.read`."""
        kinds = {name: kind for name, kind in kinds.items() if name in self.names}
        kept = [name for name, kind in kinds.items() if kind is Kind.KEPT]
        wanted = {name: kind for name, kind in kinds.items() if kind is not Kind.KEPT}
        if not len(self):
            return {name: np.empty(0) for name in kinds}
        columns = self._typed(wanted) if wanted else {}
        return columns | (self._kept(kept) if kept else {})

    def _typed(self, kinds: Mapping[str, Kind]) -> dict[str, Column]:
        texts = [name for name, kind in kinds.items() if kind in (Kind.TEXT, Kind.LABEL, Kind.DATE)]
        numbers = [name for name in kinds if name not in texts]
        dtypes: dict[str, Any] = dict.fromkeys(numbers, "float64") | dict.fromkeys(texts, "category")
        try:
            frame = self._frame(dtypes)
            guessed = [name for name in texts if not _is_text(frame[name].cat.categories)]
            if guessed:  # pandas took names for numbers, 007 for 7, because all of them look like numbers
                frame = frame.assign(**self._frame(dict.fromkeys(guessed, "str")))
        except (ValueError, OverflowError) as error:  # a parser error is a ValueError
            raise self._explain(numbers, error) from None
        columns = {name: self._rows_of(_column(frame[name], name in texts)) for name in kinds}
        for name, kind in kinds.items():
            column = columns[name]
            if kind is Kind.TIME and isinstance(column, np.ndarray) and (np.abs(column) >= _EXACT).any():
                columns[name] = self._whole(name, column)
        return columns

    def _frame(self, dtypes: Mapping[str, Any]) -> pd.DataFrame:
        """Return some columns, blank lines included."""
        import pandas as pd

        missing = {name: [""] for name in dtypes}
        if is_result(self.names) and "deadline_s" in dtypes:
            missing["deadline_s"] = _NO_DEADLINE
        frame = pd.read_csv(**self._options(list(dtypes)), dtype=dict(dtypes), na_values=missing, **_exact_floats())
        return self._checked(frame)

    def _options(self, names: list[str]) -> dict[str, Any]:
        body = io.BytesIO(self._source.data)
        body.seek(self._start)
        return {
            "filepath_or_buffer": body,
            "names": list(self.names),
            "header": None,
            "index_col": False,
            "usecols": names,
            "keep_default_na": False,
            "skip_blank_lines": False,
            "skipinitialspace": True,
            "low_memory": False,
        }

    def _checked(self, frame: pd.DataFrame) -> pd.DataFrame:
        if len(frame) != self._layout.total:  # pandas and we must see the same records
            raise self._source.error(
                f"is not valid CSV: {len(frame)} or {self._layout.total} records, by how one reads"
            )
        return frame

    def _rows_of(self, column: Column) -> Column:
        """Return a column without the rows of blank lines."""
        if self._layout.blank is None:
            return column
        rows = np.delete(np.arange(self._layout.total), self._layout.blank)
        return column[rows] if isinstance(column, np.ndarray) else column.take(rows)

    def _whole(self, name: str, floats: NDArray[np.float64]) -> NDArray[Any]:
        """Return a column of whole numbers that floats cannot hold; the floats themselves where they are no such."""
        cells = self._rows_of(_column(self._frame({name: "str"})[name], text=True))
        assert isinstance(cells, Names)  # noqa: S101 (text)
        try:
            whole = np.asarray([*map(int, cells.names), MISSING], dtype=np.int64)
        except (ValueError, OverflowError):
            return floats
        return np.asarray(whole[cells.codes])

    def _kept(self, names: list[str]) -> dict[str, Column]:
        """Return columns as the file writes them, piece by piece."""
        import pandas as pd

        texts = {name: Texts() for name in names}
        blank = set(() if self._layout.blank is None else self._layout.blank.tolist())
        total = 0
        options = self._options(names) | {"dtype": "str", "na_filter": False, "chunksize": _ROWS}
        for frame in pd.read_csv(**options):
            kept = [row not in blank for row in range(total, total + len(frame))] if blank else None
            for name, text in texts.items():
                cells = frame[name].tolist()
                text.add(cells if kept is None else [cell for cell, there in zip(cells, kept, strict=True) if there])
            total += len(frame)
        return {name: texts.pop(name).column() for name in names}

    def _records(self) -> Iterator[tuple[int, list[str]]]:
        """Yield line number and fields of each record, slowly; for samples and for finding the place of an error."""
        reader = csv.reader(_lines_from(self._source.data, self._start), skipinitialspace=True)
        before = 0
        for fields in reader:
            if fields and (len(fields) > 1 or fields[0].strip()):
                yield self.first_row + before, fields
            before = reader.line_num

    def _misfit(self, misfit: Misfit) -> TraceError:
        """Return the error about a record with too few or too many fields, or a quote that is never closed."""
        row = self.first_row + misfit.line
        if not misfit.fields:
            return self._source.error("is not valid CSV: a quote is opened here and never closed", row)
        fields = next((fields for line, fields in self._records() if line == row), [""])
        shown = fields[-1] if misfit.fields > len(self.names) else None
        plural = "" if misfit.fields == 1 else "s"
        message = f"has {misfit.fields} field{plural}, the header has {len(self.names)}"
        if fields[0].startswith("#"):
            message = "is a comment; comments may stand before the header only"
        return self._source.error(message, row, value=shown)

    def _explain(self, numbers: list[str], error: Exception) -> TraceError:
        """Return the error about the first line that pandas could not take."""
        try:
            for row, fields in self._records():
                for name, text in zip(self.names, fields, strict=False):
                    if name in numbers and text and not _is_number(text):
                        return self._source.error("is not a number", row, name, text[:_SHOWN])
        except csv.Error as problem:
            return self._source.error(f"is not valid CSV: {problem}")
        return self._source.error(f"is not valid CSV: {' '.join(str(error).split())}")


def _preamble(source: Source) -> tuple[int, int]:
    """Return where the header begins, and on which line; before it are blank lines, comments and `sep=,`."""
    data = source.data
    start, line = 3 if data.startswith(b"\xef\xbb\xbf") else 0, 1
    while start < len(data):
        end = _line_end(data, start)
        text = data[start:end].strip()
        separator = re.fullmatch(rb"sep=(.)", text)
        if separator is not None and separator[1] != b",":
            name = _OTHER_SEPARATORS.get(separator[1].decode(errors="replace"), "other signs")
            raise source.error(f"fields are separated by {name}, must be by commas", line, value=text.decode())
        if text and separator is None and not text.startswith(b"#"):
            return start, line
        start, line = _after(data, end), line + 1
    raise source.error("has no header line, and no requests")


def _line_end(data: bytes, start: int) -> int:
    """Return where the line that begins at `start` ends."""
    feed = data.find(b"\n", start)
    feed = len(data) if feed < 0 else feed
    back = data.find(b"\r", start, feed)
    return feed if back < 0 else back


def _after(data: bytes, end: int) -> int:
    """Return where the line after one that ends at `end` begins."""
    return min(len(data), end + (2 if data[end : end + 2] == b"\r\n" else 1))


def _skip_lines(data: bytes, start: int, lines: int) -> int:
    for _ in range(lines):
        start = _after(data, _line_end(data, start))
    return start


def _lines_from(data: bytes, start: int) -> io.TextIOWrapper:
    """Return the lines of the file from `start` on, each with its end."""
    body = io.BytesIO(data)
    body.seek(start)
    return io.TextIOWrapper(body, "utf-8", newline="")


def _header(source: Source, start: int, line: int) -> tuple[list[str], int]:
    """Return the names in the header, and how many lines it takes."""
    first = source.data[start : _line_end(source.data, start)].decode("utf-8")
    reader = csv.reader(_lines_from(source.data, start) if '"' in first else [first], skipinitialspace=True)
    try:
        names = [name.strip() for name in next(reader, [])]
    except csv.Error as error:
        raise source.error(f"is not valid CSV: {error}", line) from None
    other = next((mark for mark in _OTHER_SEPARATORS if len(names) == 1 and mark in names[0]), None)
    if other is not None:
        message = f"fields are separated by {_OTHER_SEPARATORS[other]}, must be by commas"
        raise source.error(message, line, value=first[:_SHOWN])
    return names, reader.line_num


def _is_text(categories: pd.Index[Any]) -> bool:
    """Whether the categories of a column are strings, or there are none."""
    import pandas as pd

    return len(categories) == 0 or pd.api.types.is_string_dtype(categories.dtype)


def _exact_floats() -> dict[str, Any]:
    """Return the option that makes pandas parse floats exactly; since pandas 3.1 it always does."""
    import pandas as pd

    version = tuple(int(part) for part in pd.__version__.split(".")[:2])
    return {} if version >= (3, 1) else {"float_precision": "round_trip"}


def _column(series: pd.Series[Any], text: bool) -> Names | NDArray[Any]:
    """Return a pandas column as numpy numbers or as `Names`."""
    import pandas as pd

    if text and isinstance(series.dtype, pd.CategoricalDtype):
        categories = series.cat
        return _stripped(tuple(map(str, categories.categories)), np.asarray(categories.codes, dtype=np.int32))
    if text:
        codes, uniques = pd.factorize(series)
        return _stripped(tuple(map(str, uniques)), np.asarray(codes, dtype=np.int32))
    return series.to_numpy()


def _stripped(names: tuple[str, ...], codes: NDArray[np.int32]) -> Names:
    """Return a column without the spaces around its strings; what is nothing else is an empty cell."""
    bare = [name.strip() for name in names]
    if tuple(bare) == names:
        return Names(names, codes)
    merged = Names.encode(name or None for name in bare)
    lookup = np.append(merged.codes, np.int32(-1))  # the last entry serves code -1
    return Names(merged.names, lookup[codes])


def _is_number(text: str) -> bool:
    return _NUMBER.fullmatch(text) is not None and not math.isnan(float(text))
