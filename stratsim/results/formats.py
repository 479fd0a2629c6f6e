"""Writes a table, chunk by chunk, as Parquet (with pyarrow) or as gzipped CSV (always possible).

Equal tables give equal bytes: neither file holds a time or the name of its folder. Floats keep their exact value.
"""

from __future__ import annotations

import csv
import gzip
import io
from contextlib import ExitStack
from importlib.util import find_spec
from math import isnan
from typing import TYPE_CHECKING

from stratsim.model.columns import Labels, arrow_array, arrow_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from stratsim.engine.columns import Chunk
    from stratsim.model.columns import Column

__all__ = ["TableWriter", "has_parquet"]


def has_parquet() -> bool:
    """Whether pyarrow is installed."""
    return find_spec("pyarrow") is not None


class TableWriter:
    """Writes a table as it comes: NAME.parquet or NAME.csv.gz in `folder`. To be closed, whatever happens.

    Args:
        folder: Where to; must exist.
        name: Name of the table.
        kinds: Kind of each column (`stratsim.model.columns`); a table without rows has these columns too.
        parquet: Which of the two formats.
    """

    def __init__(self, folder: Path, name: str, kinds: Mapping[str, str], *, parquet: bool) -> None:
        self._kinds = kinds
        self._stack = ExitStack()
        self._write = self._parquet(folder, name) if parquet else self._csv(folder, name)

    def write(self, chunks: Iterable[Chunk]) -> None:
        """Append rows."""
        for chunk in chunks:
            self._write(chunk)

    def close(self) -> None:
        """Complete the file."""
        self._stack.close()

    def _parquet(self, folder: Path, name: str) -> Callable[[Chunk], None]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        schema = arrow_schema(self._kinds)
        labels = [column for column, kind in self._kinds.items() if kind == "label"]
        path = folder / f"{name}.parquet"
        writer = self._stack.enter_context(pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=labels))

        def write(chunk: Chunk) -> None:
            arrays = [arrow_array(chunk[column], kind) for column, kind in self._kinds.items()]
            writer.write_batch(pa.record_batch(arrays, schema=schema))

        return write

    def _csv(self, folder: Path, name: str) -> Callable[[Chunk], None]:
        raw = self._stack.enter_context((folder / f"{name}.csv.gz").open("wb"))
        # mtime and filename would make the bytes depend on when and where they were written.
        packed = self._stack.enter_context(gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=3, mtime=0))
        out = self._stack.enter_context(io.TextIOWrapper(packed, encoding="utf-8", newline=""))
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(self._kinds)

        def write(chunk: Chunk) -> None:
            columns = (_texts(chunk[column], kind) for column, kind in self._kinds.items())
            writer.writerows(zip(*columns, strict=True))

        return write


def _texts(column: Column, kind: str) -> Iterator[object]:
    """Return the values as the csv module wants them: None for what is missing, floats as they are.

    It writes a float as its repr, the shortest text that reads back as the same float.
    """
    if isinstance(column, Labels):
        names = (*column.names, None)  # code -1 is the last one
        return (names[code] for code in column.codes.tolist())
    if kind == "float":
        return (None if isnan(value) else value for value in column.tolist())
    if kind == "id":
        return (value if value >= 0 else None for value in column.tolist())
    return iter(column.tolist())
