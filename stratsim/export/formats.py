"""Writes a table, chunk by chunk, as Parquet (with pyarrow) or as gzipped CSV (always possible).

Equal tables give equal bytes: neither file holds a time or the name of its folder. Floats keep their exact value.
"""

from __future__ import annotations

import csv
import gzip
import io
from importlib.util import find_spec
from math import isnan
from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.export.tables import Labels

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from stratsim.export.tables import Chunk

    Column = NDArray[np.float64] | NDArray[np.integer[Any]] | Labels

__all__ = ["has_parquet", "write_table"]


def has_parquet() -> bool:
    """Whether pyarrow is installed."""
    return find_spec("pyarrow") is not None


def write_table(folder: Path, name: str, kinds: Mapping[str, str], chunks: Iterable[Chunk], *, parquet: bool) -> Path:
    """Write a table and return its path: NAME.parquet or NAME.csv.gz in `folder`.

    Args:
        folder: Where to; must exist.
        name: Name of the table.
        kinds: Kind of each column (`stratsim.export.tables`); a table without rows has these columns too.
        chunks: Its rows.
        parquet: Which of the two formats.
    """
    if parquet:
        path = folder / f"{name}.parquet"
        _write_parquet(path, kinds, chunks)
    else:
        path = folder / f"{name}.csv.gz"
        _write_csv(path, kinds, chunks)
    return path


def _write_parquet(path: Path, kinds: Mapping[str, str], chunks: Iterable[Chunk]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {
        "float": pa.float64(),
        "int": pa.int64(),
        "id": pa.int64(),
        "label": pa.dictionary(pa.int32(), pa.string()),
    }
    schema = pa.schema([(name, types[kind]) for name, kind in kinds.items()])
    labels = [name for name, kind in kinds.items() if kind == "label"]
    with pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=labels) as writer:
        for chunk in chunks:
            arrays = [_arrow(chunk[name], kind) for name, kind in kinds.items()]
            writer.write_batch(pa.record_batch(arrays, schema=schema))


def _arrow(column: Column, kind: str) -> Any:
    import pyarrow as pa

    if isinstance(column, Labels):
        codes = pa.array(column.codes, type=pa.int32(), mask=column.codes < 0)
        return pa.DictionaryArray.from_arrays(codes, pa.array(column.names, type=pa.string()))
    if kind == "float":
        return pa.array(column, type=pa.float64(), mask=np.isnan(column))
    return pa.array(column, type=pa.int64(), mask=column < 0 if kind == "id" else None)


def _write_csv(path: Path, kinds: Mapping[str, str], chunks: Iterable[Chunk]) -> None:
    # mtime and filename would make the bytes depend on when and where they were written.
    with (
        path.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=3, mtime=0) as packed,
        io.TextIOWrapper(packed, encoding="utf-8", newline="") as out,
    ):
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(kinds)
        for chunk in chunks:
            writer.writerows(zip(*(_texts(chunk[name], kind) for name, kind in kinds.items()), strict=True))


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
