"""The columns of the tables of a run, by name, and how a table with words in it is handed to other libraries.

A table is a dict of columns. Texts from a short list (models, classes, reasons) are codes with their names, `Labels`;
nobody outside sees the codes. docs/reference/result-files.md describes every column with its unit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from stratsim.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    Column: TypeAlias = "NDArray[np.float64] | NDArray[np.integer[Any]] | Labels"

__all__ = ["BATCH_KINDS", "PAUSE_KINDS", "REQUEST_KINDS", "RETRY_KINDS", "STAGES", "TABLES", "Labels"]
__all__ += ["arrow_array", "arrow_schema", "arrow_stream", "as_pandas", "joined"]


class Labels(NamedTuple):
    """A column of texts: `codes` index `names`; -1 stands for none."""

    codes: NDArray[np.integer[Any]]
    names: tuple[str, ...]


STAGES = (
    "dispatch_s",
    "copy_in_start_s",
    "copy_in_end_s",
    "execution_start_s",
    "execution_end_s",
    "copy_out_start_s",
    "copy_out_end_s",
)
"""The times of a batch, in the order in which they happen."""

_COMMON = {"policy": "label"}

REQUEST_KINDS: dict[str, str] = {
    **_COMMON,
    "request_id": "int",
    "arrival_s": "float",
    "model": "label",
    "priority": "label",
    "deadline_s": "float",
    "bytes_in": "int",
    "bytes_out": "int",
    "client": "label",
    "status": "label",
    "reason": "label",
    "dropped_s": "float",
    "gpu": "id",
    "batch_id": "id",
    "batch_size": "id",
    **dict.fromkeys(STAGES, "float"),
    "latency_s": "float",
}
"""Kind of each column of the request table: `label` (text from a short list, may be missing), `float` (NaN: missing),
`int`, or `id` (integer, -1: missing)."""

RETRY_KINDS = {**REQUEST_KINDS, "attempts": "int"}
"""The same of runs in which clients send dropped requests again."""

BATCH_KINDS: dict[str, str] = {
    **_COMMON,
    "batch_id": "int",
    "gpu": "int",
    "model": "label",
    "batch_size": "int",
    "priority": "label",
    **dict.fromkeys(STAGES, "float"),
    **dict.fromkeys(("load_start_s", "load_end_s", "evicted_s"), "float"),
    "pauses": "int",
    **dict.fromkeys(("paused_s", "lost_s"), "float"),
    "solo_s": "float",
    "slowdown": "float",
    "expected_s": "float",
}
"""Kind of each column of the batch table."""

PAUSE_KINDS: dict[str, str] = {
    **_COMMON,
    "batch_id": "int",
    **dict.fromkeys(("suspend_s", "freed_s", "stopped_s", "restart_s", "lost_s"), "float"),
}
"""Kind of each column of the table of pauses."""

TABLES = {"requests": RETRY_KINDS, "batches": BATCH_KINDS, "pauses": PAUSE_KINDS}


def as_pandas(columns: Mapping[str, Column], kinds: Mapping[str, str]) -> pd.DataFrame:
    """Return a table as a pandas frame: categories for labels, Int64 for whole numbers, float64 for figures.

    Args:
        columns: By name, each of shape (n,).
        kinds: Kind of each: `label`, `float`, `int` or `id`.
    """
    import pandas as pd

    def cells(column: Column, kind: str) -> Any:
        if isinstance(column, Labels):
            return pd.Categorical.from_codes(column.codes.astype("int32"), pd.Index(column.names, dtype="str"))
        if kind == "float":
            return column
        missing = column < 0 if kind == "id" else column != column
        return pd.arrays.IntegerArray(column.astype("int64"), missing)

    return pd.DataFrame({name: cells(column, kinds[name]) for name, column in columns.items()})


def joined(tables: Sequence[Mapping[str, Column]]) -> dict[str, Column]:
    """Return tables below each other; what one of them lacks is missing there.

    Args:
        tables: At least one; columns of the same name are of the same kind.
    """
    import numpy as np

    names = dict.fromkeys(name for table in tables for name in table)
    lengths = [len(_values(next(iter(table.values())))) for table in tables]
    found: dict[str, Column] = {}
    for name in names:
        parts = [table.get(name) for table in tables]
        if any(isinstance(part, Labels) for part in parts):
            found[name] = _joined_labels(parts, lengths)
            continue
        filled = [np.full(length, -1) if part is None else part for part, length in zip(parts, lengths, strict=True)]
        found[name] = np.concatenate([np.asarray(part) for part in filled])
    return found


def _joined_labels(parts: Sequence[Column | None], lengths: Sequence[int]) -> Labels:
    """Return columns of texts below each other, each text once among the names."""
    import numpy as np

    known: dict[str, int] = {}
    codes = []
    for part, length in zip(parts, lengths, strict=True):
        if not isinstance(part, Labels):
            codes.append(np.full(length, -1, dtype=np.int32))
            continue
        place = np.array([*(known.setdefault(name, len(known)) for name in part.names), -1], dtype=np.int32)
        codes.append(place[part.codes])  # code -1 is the last one
    return Labels(np.concatenate(codes), tuple(known))


def _values(column: Column) -> NDArray[Any]:
    return column.codes if isinstance(column, Labels) else column


def arrow_stream(columns: Mapping[str, Column], kinds: Mapping[str, str], requested_schema: object = None) -> object:
    """Return a table as what `__arrow_c_stream__` has to return, which polars, DuckDB and pyarrow read.

    Args:
        columns: By name, each of shape (n,).
        kinds: As for `as_pandas`.
        requested_schema: As the caller asked for.

    Raises:
        MissingExtraError: there is no pyarrow.
    """
    try:
        import pyarrow as pa
    except ImportError:
        raise MissingExtraError("pyarrow", "parquet") from None
    schema = arrow_schema({name: kinds[name] for name in columns})
    arrays = [arrow_array(column, kinds[name]) for name, column in columns.items()]
    return pa.table(arrays, schema=schema).__arrow_c_stream__(requested_schema)


def arrow_schema(kinds: Mapping[str, str]) -> Any:
    """Return the `pyarrow.Schema` of a table with these kinds of columns."""
    import pyarrow as pa

    label = pa.dictionary(pa.int32(), pa.string())
    types = {"float": pa.float64(), "int": pa.int64(), "id": pa.int64(), "label": label}
    return pa.schema([(column, types[kind]) for column, kind in kinds.items()])


def arrow_array(column: Column, kind: str) -> Any:
    """Return a column as a `pyarrow.Array`: what is missing is null."""
    import numpy as np
    import pyarrow as pa

    if isinstance(column, Labels):
        codes = pa.array(column.codes, type=pa.int32(), mask=column.codes < 0)
        return pa.DictionaryArray.from_arrays(codes, pa.array(column.names, type=pa.string()))
    if kind == "float":
        return pa.array(column, type=pa.float64(), mask=np.isnan(column))
    return pa.array(column, type=pa.int64(), mask=column < 0 if kind == "id" else None)
