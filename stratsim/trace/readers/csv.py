"""Our own CSV, with a header; columns as in `stratsim.trace.headers`, others are kept.

Spaces around header names and cells do not count.
"""

from __future__ import annotations

import csv
import io
import math
import re
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.trace.columns import Table, assemble
from stratsim.trace.headers import NUMBERS, TEXTS, check_header, is_result
from stratsim.trace.schema import Names
from stratsim.trace.source import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from stratsim.errors import TraceError
    from stratsim.trace.schema import Column, Trace
    from stratsim.trace.source import Source

__all__ = ["header_of", "read", "read_table"]

_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*|\s*[+-]?inf(inity)?\s*", re.IGNORECASE)
_OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_SHOWN = 40
_NO_VALUE = ["", "nan", "NaN"]


def read(source: Source) -> Trace:
    """Read a trace in our own columns, or a result file `requests.csv(.gz)`."""
    header = header_of(source)
    check_header(source.file, header)
    numbers = [name for name in header if name in NUMBERS]
    texts = [name for name in header if name in TEXTS]
    return assemble(read_table(source, numbers, texts), strict=source.strict)


def header_of(source: Source) -> list[str]:
    """Return the column names in the first line."""
    first = source.data[: source.data.find(b"\n") % (len(source.data) + 1)]
    line = first.decode("utf-8-sig").rstrip("\r\n")
    try:
        names = [name.strip() for name in next(csv.reader([line], skipinitialspace=True), [])]
    except csv.Error as error:
        raise source.error(f"is not valid CSV: {error}", 1) from None
    other = next((mark for mark in _OTHER_SEPARATORS if len(names) == 1 and mark in names[0]), None)
    if other is not None:
        raise source.error(
            f"fields are separated by {_OTHER_SEPARATORS[other]}, must be by commas", 1, value=line[:_SHOWN]
        )
    return names


def read_table(source: Source, numbers: Sequence[str], texts: Sequence[str], others: bool = True) -> Table:
    """Read a CSV file into columns.

    Args:
        source: The file.
        numbers: Columns that must hold numbers.
        texts: Columns that hold strings.
        others: Keep the other columns, of the type that they seem to have.

    Raises:
        TraceError: a line has too many fields, or a number is none.
    """
    header = header_of(source)
    for name in header:
        if header.count(name) > 1:
            raise source.error("column occurs twice", 1, name)
    for name in (*numbers, *texts):
        if name not in header:
            raise source.error(f"column is missing; the file has {shown(header)}", 1, name)
    frame, lenient = _frame(source, header, numbers, texts, others)
    columns: dict[str, Column] = {str(name): _column(series, name in texts) for name, series in frame.items()}
    rows = _rows_without_blank_lines(source, columns, [*numbers, *texts])
    if rows is not None:
        columns = {
            name: column.take(rows) if isinstance(column, Names) else column[rows] for name, column in columns.items()
        }
    lines = None if rows is None else rows + 2
    return Table(source.file, columns, first_row=2, rows=lines, lenient_deadlines=lenient)


def _frame(
    source: Source, header: list[str], numbers: Sequence[str], texts: Sequence[str], others: bool
) -> tuple[pd.DataFrame, bool]:
    import pandas as pd

    lenient = is_result(header)
    empty = dict.fromkeys(header, _NO_VALUE)
    empty |= {name: [""] for name in (*numbers, *texts)}
    if lenient:
        empty |= {"deadline_s": _NO_VALUE}
    dtypes: dict[str, Any] = dict.fromkeys(numbers, "float64") | dict.fromkeys(texts, "category")
    options: dict[str, Any] = {
        "names": header,
        "skiprows": 1,
        "header": None,
        "index_col": False,
        "dtype": dtypes,
        "na_values": empty,
        "keep_default_na": False,
        "skip_blank_lines": False,
        "skipinitialspace": True,
        "low_memory": False,
        "usecols": None if others else [*numbers, *texts],
    }
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(io.BytesIO(source.data), **options, **_exact_floats())
            guessed = [name for name in texts if not _is_text(frame[name].cat.categories)]
            if guessed:  # pandas took names for numbers, 007 for 7, because all of them look like numbers
                options["dtype"] = dtypes | dict.fromkeys(guessed, "str")
                frame = pd.read_csv(io.BytesIO(source.data), **options, **_exact_floats())
            return frame, lenient
    except pd.errors.EmptyDataError:
        raise source.error("has a header and no requests") from None
    except (pd.errors.ParserError, pd.errors.ParserWarning, ValueError, OverflowError) as error:
        raise _explain(source, header, numbers, error) from None


def _is_text(categories: pd.Index[Any]) -> bool:
    """Whether the categories of a column are strings, or there are none."""
    import pandas as pd

    return len(categories) == 0 or pd.api.types.is_string_dtype(categories.dtype)


def _exact_floats() -> dict[str, Any]:
    """Return the option that makes pandas parse floats exactly; since pandas 3.1 it always does."""
    import pandas as pd

    version = tuple(int(part) for part in pd.__version__.split(".")[:2])
    return {} if version >= (3, 1) else {"float_precision": "round_trip"}


def _column(series: pd.Series[Any], text: bool) -> Column:
    """Return a pandas column as numpy numbers or as `Names`."""
    import pandas as pd

    if text and isinstance(series.dtype, pd.CategoricalDtype):
        categories = series.cat
        return _stripped(tuple(map(str, categories.categories)), np.asarray(categories.codes, dtype=np.int32))
    if text or pd.api.types.is_bool_dtype(series.dtype) or not pd.api.types.is_numeric_dtype(series.dtype):
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


def _rows_without_blank_lines(
    source: Source, columns: dict[str, Column], required: Sequence[str]
) -> NDArray[np.int64] | None:
    """Return the records that do not come from blank lines; None if there are no blank lines."""
    empty = np.ones(len(columns[required[0]]), dtype=bool)
    for name in required:
        column = columns[name]
        empty &= column.codes < 0 if isinstance(column, Names) else np.isnan(column)
    suspects = np.flatnonzero(empty)
    if not suspects.size:
        return None
    lines = source.data.splitlines()
    blank = [index for index in suspects.tolist() if index + 1 < len(lines) and not lines[index + 1].strip()]
    return np.delete(np.arange(len(empty)), blank) if blank else None


def _records(source: Source) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and fields of each record after the header, slowly; for finding the place of an error."""
    reader = csv.reader(io.StringIO(source.data.decode("utf-8-sig"), newline=""), skipinitialspace=True)
    next(reader, None)
    for fields in reader:
        yield reader.line_num, fields


def _explain(source: Source, header: list[str], numbers: Sequence[str], error: Exception) -> TraceError:
    """Return the error about the first line that pandas could not take."""
    try:
        for row, fields in _records(source):
            if len(fields) > len(header):
                return source.error(f"has {len(fields)} fields, the header has {len(header)}", row, value=fields[-1])
            for name, text in zip(header, fields, strict=False):
                if name in numbers and text and not _is_number(text):
                    return source.error("is not a number", row, name, text)
    except csv.Error as problem:
        return source.error(f"is not valid CSV: {problem}")
    return source.error(f"is not valid CSV: {' '.join(str(error).split())}")


def _is_number(text: str) -> bool:
    return _NUMBER.fullmatch(text) is not None and not math.isnan(float(text))
