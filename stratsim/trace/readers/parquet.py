"""Our own columns in Parquet, and result files `requests.parquet`. Needs pyarrow (extra `parquet`)."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.errors import MissingExtraError, TraceError
from stratsim.trace.columns import Table, assemble
from stratsim.trace.headers import NUMBERS, TEXTS, check_header, is_result
from stratsim.trace.schema import Filling, Names

if TYPE_CHECKING:
    from stratsim.trace.schema import Column, Trace
    from stratsim.trace.source import Source

__all__ = ["read"]

_ROWS = 131_072
"""Read at a time."""


def read(source: Source) -> Trace:
    """Read a Parquet file; rows are counted from 1."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise MissingExtraError("pyarrow", "parquet") from None
    try:
        columns = _columns(
            source, pq.ParquetFile(pa.py_buffer(source.data if source.mapped is None else source.mapped))
        )
    except TraceError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        raise source.error(f"is not a valid Parquet file: {' '.join(str(error).split())}") from None
    return assemble(Table(source.file, columns, lenient_deadlines=is_result(columns)), strict=source.strict)


def _columns(source: Source, file: Any) -> dict[str, Column]:
    """Read the columns some rows at a time: a table of all of them would be there beside ours."""
    import pyarrow as pa

    names = file.schema_arrow.names
    check_header(source.file, names)
    fillings = {name: Filling(file.metadata.num_rows) for name in names}
    pieces = (pa.Table.from_batches([rows]) for rows in file.iter_batches(_ROWS))
    for table in chain((file.schema_arrow.empty_table(),), pieces):
        for name, filling in fillings.items():
            filling.add(_column(source, name, table.column(name)))
    pa.default_memory_pool().release_unused()  # Arrow keeps what it has freed
    return {name: filling.column() for name, filling in fillings.items()}


def _column(source: Source, name: str, column: Any) -> Column:
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_null(kind):
        return np.full(len(column), np.nan) if name in NUMBERS else Names((), np.full(len(column), -1, np.int32))
    numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    if name in NUMBERS and not numeric:
        raise source.error(f"must hold numbers, holds {kind}", column=name)
    if name in TEXTS and numeric:
        raise source.error(f"must hold strings, holds {kind}", column=name)
    if numeric:
        values = np.asarray(column.to_numpy())  # nulls become NaN
        return values.astype(np.float64) if name in NUMBERS else values
    if not (pa.types.is_dictionary(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        column = pc.cast(column, pa.string())
    encoded = column.combine_chunks().dictionary_encode() if not pa.types.is_dictionary(kind) else column
    return _names(encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded)


def _names(encoded: Any) -> Names:
    """Return a dictionary-encoded array as names and codes; nulls and empty strings are empty cells."""
    codes = np.asarray(encoded.indices.fill_null(-1)).astype(np.int32)
    names = encoded.dictionary.to_pylist()
    if None in names or "" in names:
        gone = [code for code, name in enumerate(names) if not name]
        codes = np.where(np.isin(codes, gone), np.int32(-1), codes)
        names = [name or "" for name in names]
    return Names(tuple(map(str, names)), codes).take(slice(None))
