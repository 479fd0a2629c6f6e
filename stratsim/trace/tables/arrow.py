"""Tables that pyarrow reads: Parquet files, and tables in memory. Rows are counted from 1."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.errors import MissingExtraError, TraceError
from stratsim.limits import check_memory
from stratsim.trace.column import ArrowColumn, Filling, Names
from stratsim.trace.tables.base import MISSING, Kind, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from stratsim.trace.column import Column
    from stratsim.trace.source import Source

__all__ = ["MemoryTable", "ParquetTable", "arrow_table"]

_ROWS = 131_072
"""Read at a time."""
_SAMPLE = 64
_LEAST_BYTES = 8
"""Memory of a cell that is read, at least."""


class _ArrowTable(Table):
    def __init__(self, file: str, schema: Any) -> None:
        super().__init__(file, tuple(schema.names))
        self._schema = schema

    def read(self, kinds: Mapping[str, Kind]) -> dict[str, Column]:
        """Return columns; see `Table.read`."""
        kinds = {name: kind for name, kind in kinds.items() if name in self.names}
        check_memory(self.file, len(self) * _LEAST_BYTES * len(kinds), "bring a part of it")
        kept = [name for name, kind in kinds.items() if kind is Kind.KEPT]
        found: dict[str, Column] = {}
        if len(kept) < len(kinds):
            found |= self._typed({name: kind for name, kind in kinds.items() if kind is not Kind.KEPT})
        if kept:
            found |= {name: _kept(column) for name, column in self._whole(kept).items()}
        return found

    def _typed(self, kinds: Mapping[str, Kind]) -> dict[str, Column]:
        """Read the columns some rows at a time: a table of all of them would be there beside ours."""
        fillings = {name: Filling(len(self)) for name in kinds}
        for name, kind in kinds.items():
            self._check(name, kind, self._schema.field(name).type)
        for piece in chain((self._schema.empty_table(),), self._pieces(list(kinds))):
            for name, filling in fillings.items():
                filling.add(_typed(piece.column(name), kinds[name]))
        return {name: filling.column() for name, filling in fillings.items()}

    def _pieces(self, names: list[str]) -> Iterable[Any]:
        raise NotImplementedError

    def _whole(self, names: list[str]) -> dict[str, Any]:
        raise NotImplementedError

    def _check(self, name: str, kind: Kind, found: Any) -> None:
        """Refuse a column of the wrong type."""
        import pyarrow.types as pt

        if pt.is_null(found):
            return
        numeric = pt.is_integer(found) or pt.is_floating(found) or pt.is_decimal(found)
        dated = pt.is_timestamp(found) or pt.is_date(found)
        text = _is_text(found)
        if kind is Kind.NUMBER and not numeric:
            way = f"; name it with --column FIELD={name}:iso" if dated else ""
            raise self.error(f"must hold numbers, holds {found}{way}", name)
        if kind is Kind.TIME and not numeric:
            way = "; the unit iso reads dates" if dated or text else ""
            raise self.error(f"must hold numbers, holds {found}{way}", name)
        if kind is Kind.DATE and not (dated or text):
            raise self.error(f"must hold dates and times, holds {found}", name)
        if kind is Kind.TEXT and not text:
            raise self.error(f"must hold strings, holds {found}", name)
        if kind is Kind.LABEL and pt.is_nested(found):
            raise self.error(f"must hold strings or numbers, holds {found}", name)


class ParquetTable(_ArrowTable):
    """A Parquet file.

    Args:
        source: The file, in memory or on the disk.
    """

    def __init__(self, source: Source) -> None:
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ImportError:
            raise MissingExtraError("pyarrow", "parquet") from None
        self._source = source
        try:
            content = pa.py_buffer(source.data) if source.on_disk is None else pa.OSFile(str(source.on_disk))
            self._file = pq.ParquetFile(content)
            schema = self._file.schema_arrow
        except (pa.ArrowException, OSError, ValueError) as error:
            raise _damaged(source, error) from None
        super().__init__(source.file, schema)
        rows = int(self._file.metadata.num_rows)
        self._rows = rows if source.most_rows is None else min(rows, source.most_rows)
        check_memory(source.file, len(self) * _LEAST_BYTES, "bring a part of it, or --limit N reads the first requests")

    def __len__(self) -> int:
        return self._rows

    def sample(self, name: str) -> list[Any]:
        """Return the first few values of a column."""
        piece = next(iter(self._file.iter_batches(_SAMPLE, columns=[name])), None)
        return [] if piece is None else ArrowColumn(piece.column(0)).values()

    def read(self, kinds: Mapping[str, Kind]) -> dict[str, Column]:
        """Return columns; see `Table.read`."""
        import pyarrow as pa

        try:
            return super().read(kinds)
        except TraceError:
            raise
        except (pa.ArrowException, OSError, ValueError) as error:
            raise _damaged(self._source, error) from None
        finally:
            pa.default_memory_pool().release_unused()  # Arrow keeps what it has freed

    def _pieces(self, names: list[str]) -> Iterable[Any]:
        import pyarrow as pa

        left = self._rows
        for rows in self._file.iter_batches(min(_ROWS, max(left, 1)), columns=names) if left else ():
            piece = rows.slice(0, left)
            yield pa.Table.from_batches([piece])
            left -= len(piece)
            if not left:
                return

    def _whole(self, names: list[str]) -> dict[str, Any]:
        import pyarrow as pa

        cut = self._rows < self._file.metadata.num_rows
        table = pa.concat_tables(self._pieces(names)) if cut else self._file.read(columns=names)
        return {name: table.column(name) for name in names}


class MemoryTable(_ArrowTable):
    """A table in memory.

    Args:
        file: Name for messages.
        table: A `pyarrow.Table`.
    """

    def __init__(self, file: str, table: Any) -> None:
        super().__init__(file, table.schema)
        self._table = table

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def sample(self, name: str) -> list[Any]:
        """Return the first few values of a column."""
        return ArrowColumn(self._table.column(name).slice(0, _SAMPLE)).values()

    def _pieces(self, names: list[str]) -> Iterable[Any]:
        return [self._table.select(names)]

    def _whole(self, names: list[str]) -> dict[str, Any]:
        return {name: self._table.column(name) for name in names}


def arrow_table(found: Any) -> Any:
    """Return a pandas, polars or Arrow table, or whatever else offers an Arrow stream, as a `pyarrow.Table`.

    Raises:
        MissingExtraError: there is no pyarrow.
        TraceError: pyarrow cannot take it, a column of mixed kind, say.
    """
    try:
        import pyarrow as pa
    except ImportError:
        raise MissingExtraError("pyarrow", "parquet") from None
    try:
        if type(found).__module__.partition(".")[0] == "pandas":
            return pa.table({str(name): pa.array(column, from_pandas=True) for name, column in found.items()})
        return found if isinstance(found, pa.Table) else pa.table(found)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise TraceError(f"cannot be read as an Arrow table: {' '.join(str(error).split())}", file="table") from None


def _damaged(source: Source, error: Exception) -> TraceError:
    return source.error(f"is not a valid Parquet file: {' '.join(str(error).split())}")


def _is_text(kind: Any) -> bool:
    import pyarrow.types as pt

    if pt.is_dictionary(kind):
        kind = kind.value_type
    views = pt.is_string_view(kind) if hasattr(pt, "is_string_view") else False
    return bool(pt.is_string(kind) or pt.is_large_string(kind) or views)


def _typed(column: Any, kind: Kind) -> Names | np.ndarray[Any, np.dtype[Any]]:
    """Return a column whose type was checked."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.types as pt

    found = column.type
    if pt.is_null(found):
        empty = np.full(len(column), np.nan)
        return empty if kind in (Kind.NUMBER, Kind.TIME) else Names((), np.full(len(column), -1, np.int32))
    if kind is Kind.NUMBER or (kind is Kind.TIME and (pt.is_floating(found) or pt.is_decimal(found))):
        return np.asarray((column.cast("float64") if pt.is_decimal(found) else column).to_numpy()).astype(np.float64)
    if kind is Kind.TIME and pt.is_integer(found):
        whole = pc.fill_null(column.cast("int64"), MISSING) if column.null_count else column.cast("int64")
        return np.asarray(whole.to_numpy())
    if kind is Kind.DATE and not _is_text(found):
        return np.asarray(column.cast(pa.timestamp("ns", getattr(found, "tz", None))).to_numpy())
    if not (pt.is_dictionary(found) or _is_text(found)):
        column = pc.cast(column, pa.string())
    return _names(column, empty=False)


def _kept(column: Any) -> Column:
    """Return a column as it is: in numpy or as names where that loses nothing."""
    import pyarrow.types as pt

    found = column.type
    plain = found in (_arrow_type(name) for name in ("int64", "int32", "float64", "bool"))
    if plain and not column.null_count:
        return np.asarray(column.to_numpy())
    if _is_text(found) and (pt.is_string(found) or pt.is_dictionary(found)):
        return _names(column, empty=True)
    return ArrowColumn(column)


def _arrow_type(name: str) -> Any:
    import pyarrow as pa

    return pa.bool_() if name == "bool" else pa.type_for_alias(name)


def _names(column: Any, *, empty: bool) -> Names:
    """Return a column of strings as names and codes; nulls are empty cells, and so is "" unless `empty` is a name."""
    import pyarrow as pa
    import pyarrow.types as pt

    encoded = column if pt.is_dictionary(column.type) else column.combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.unify_dictionaries().combine_chunks()
    codes = np.asarray(encoded.indices.fill_null(-1)).astype(np.int32)
    names = encoded.dictionary.to_pylist()
    if None in names or len(set(names)) < len(names) or ("" in names and not empty):
        merged = Names.encode(None if name is None or not (name or empty) else name for name in names)
        codes = np.append(merged.codes, np.int32(-1))[codes]
        names = list(merged.names)
    return Names(tuple(map(str, names)), codes).take(slice(None))
