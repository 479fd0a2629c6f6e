"""The rows of a sweep's table, results.csv: each has a checksum, so that one that was edited or cut is found and named.

The checksum guards against accidents (an editor, a spreadsheet, half a copy), not against somebody who means to
deceive: who changes a row on purpose can compute it anew.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
from typing import TYPE_CHECKING

from stratsim.errors import OutputError
from stratsim.limits import read_file

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

__all__ = ["CHECKSUM", "KEY", "checksum", "read_rows"]

KEY = "spec_sha256"
"""Column with the name of the run."""
CHECKSUM = "row_sha256"
"""The last column: the checksum of the others."""

_SHARES = ("violation", "violation_completed", "min_model_satisfaction", "utilization", "jain_models", "jain_classes")
"""What the names of figures end in that lie between 0 and 1."""
_MAY_BE_INFINITE = "_arrived_s"
"""What the names of percentiles end in that are infinite where requests were dropped."""
_ROUNDING = 1e-9


def checksum(cells: Sequence[str]) -> str:
    """Return the checksum of a row: of its cells as text, but for the checksum itself."""
    return hashlib.sha256("\0".join(cells).encode("utf-8", "surrogatepass")).hexdigest()


def read_rows(path: Path, figures: Collection[str] = (), *, whole: bool = True) -> tuple[list[str], list[list[str]]]:
    """Return the columns and the rows of a table, as text.

    A table without a column of checksums (made by hand) is read too.

    Args:
        path: The file.
        figures: Columns that hold numbers, or nothing.
        whole: False leaves out a last line without an end: what was being written when a sweep was cut off.

    Raises:
        FileNotFoundError: there is no such file.
        OutputError: it cannot be read, or a row was changed, comes twice or holds what cannot be; names the row.
        LimitError: it is larger than the memory budget.
    """
    try:
        text = read_file(path).decode("utf-8")
    except FileNotFoundError:
        raise
    except OSError as error:
        raise OutputError(f"{path}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise OutputError(f"{path}: cannot be read: {error}") from None
    if not whole:
        text = text[: text.rfind("\n") + 1]
    try:
        lines = list(csv.reader(io.StringIO(text), strict=True))
    except csv.Error as error:
        raise OutputError(f"{path}: cannot be read: {error}") from None
    columns = lines[0] if lines else []
    rows = [line for line in lines[1:] if line]
    for problem in _problems(columns, rows, figures):
        raise OutputError(f"{path}: {problem}")
    return columns, rows


def _problems(columns: Sequence[str], rows: Sequence[list[str]], figures: Collection[str]) -> Iterator[str]:
    """Yield what cannot be."""
    numbers = [(at, name) for at, name in enumerate(columns) if name in figures]
    key = columns.index(KEY) if KEY in columns else None
    checked = bool(columns) and columns[-1] == CHECKSUM
    seen: set[tuple[str, ...]] = set()
    if len(set(columns)) < len(columns):
        yield "has a column twice"
    for number, row in enumerate(rows, start=1):
        name = f"row {number}" + ("" if key is None or len(row) <= key else f" ({KEY} {row[key][:12]})")
        if len(row) != len(columns):
            yield f"{name} has {len(row)} cells, the table has {len(columns)} columns"
        elif checked and row[-1] != checksum(row[:-1]):
            yield f"{name} is not as it was written (its {CHECKSUM} does not fit); --fresh starts anew"
        elif tuple(row) in seen:
            yield f"{name} comes twice"
        else:
            seen.add(tuple(row))
            yield from (f"{name}: {problem}" for problem in _figures(row, numbers))


def _figures(row: Sequence[str], numbers: Sequence[tuple[int, str]]) -> Iterator[str]:
    for at, name in numbers:
        if not row[at]:
            continue  # a figure that does not exist
        try:
            value = float(row[at])
        except ValueError:
            value = math.nan
        if not math.isfinite(value) and not (name.endswith(_MAY_BE_INFINITE) and value == math.inf):
            yield f"{name} is {row[at]!r}, which is no number"
        elif name.endswith(_SHARES) and not -_ROUNDING <= value <= 1 + _ROUNDING:
            yield f"{name} is {row[at]}, which is no share"
