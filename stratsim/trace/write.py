"""Writing a trace in our own formats: complete or not at all.

A file is written under a temporary name beside its final place and renamed, so that an interrupted run leaves no half
trace. What `read_trace` reads back is identical, bit for bit.
"""

from __future__ import annotations

import gzip
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from stratsim.errors import MissingExtraError, OutputError, SpecError
from stratsim.model.request import Priority
from stratsim.trace.schema import Column, Names, Trace

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["SUFFIXES", "replacing", "write_trace"]

_BLOCK = 65536

SUFFIXES = (".csv", ".csv.gz", ".parquet", ".jsonl", ".jsonl.gz", ".json")
"""What the name of the output may end in; `.json` is the format for clients that wait for replies."""


def write_trace(trace: Trace, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Write a trace; the suffix of `path` decides the format (`SUFFIXES`).

    Raises:
        SpecError: unknown suffix, or a format that cannot hold this trace.
        OutputError: the file exists (without `overwrite`) or cannot be written.
        MissingExtraError: Parquet without pyarrow.
    """
    target = Path(path)
    suffix = _suffix(target)
    if trace.closed_loop and suffix != ".json":
        raise SpecError(f"{target}: closed-loop clients need the suffix .json, {suffix} holds requests only")
    if trace.one_at_a_time and suffix != ".json":
        raise SpecError(
            f"{target}: clients that send one request at a time need the suffix .json, {suffix} holds requests only"
        )
    columns = {} if suffix == ".json" and not len(trace) else _columns(trace)
    with replacing(target, overwrite=overwrite) as file:
        if suffix == ".json":
            _write_clients(trace, columns, file)
        elif suffix == ".parquet":
            _write_parquet(columns, file)
        elif suffix.endswith(".gz"):
            # No name and no time inside: equal traces give equal bytes.
            with gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=0) as packed:
                _write_text(suffix, columns, packed)
        else:
            _write_text(suffix, columns, file)


def _suffix(target: Path) -> str:
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if target.name.endswith(suffix) and target.name != suffix:
            return suffix
    raise SpecError(f"{target}: the name must end in one of {', '.join(SUFFIXES)}")


@contextmanager
def replacing(target: Path, *, overwrite: bool) -> Iterator[BinaryIO]:
    """Open a temporary file that takes the place of `target` when the block succeeds, and vanishes when it fails.

    Raises:
        OutputError: `target` exists (without `overwrite`), is a folder, or cannot be written.
    """
    if target.is_dir():
        raise OutputError(f"{target}: is a directory")
    if target.exists() and not overwrite:
        raise OutputError(f"{target}: exists already; --overwrite replaces it")
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("xb") as file:
            yield file
        temporary.replace(target)
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(f"{target}: cannot be written: {error.strerror or error}") from None
    finally:
        temporary.unlink(missing_ok=True)


def _columns(trace: Trace) -> dict[str, Column]:
    """Return the columns of the file; deadlines of `inf` become NaN, an empty cell."""
    columns: dict[str, Column] = {"arrival_norm" if trace.normalised else "arrival_s": trace.arrival_s}
    if trace.model is not None:
        columns["model"] = trace.model
    if trace.priority is not None:
        labels = tuple(priority.label for priority in Priority)
        columns["priority"] = Names(labels, trace.priority.astype(np.int32))
    for name in ("slo_s", "deadline_s"):
        values = getattr(trace, name)
        if values is not None:
            columns[name] = np.where(np.isinf(values), np.nan, values)
    if trace.deadline_free:
        columns["slo_s"] = np.full(len(trace), np.nan)
    for name in ("bytes_in", "bytes_out", "client"):
        column = getattr(trace, name)
        if column is not None:
            columns[name] = column
    clash = set(columns) & set(trace.extra)
    if clash:
        raise SpecError(f"extra column {min(clash)!r} has the name of a column of the schema")
    return {**columns, **trace.extra}


def _write_text(suffix: str, columns: dict[str, Column], file: Any) -> None:
    if suffix.startswith(".csv"):
        _write_csv(columns, file)
    else:
        _write_jsonl(columns, file)


def _write_csv(columns: dict[str, Column], file: Any) -> None:
    import pandas as pd

    cells: dict[str, Any] = {
        name: pd.Categorical.from_codes(column.codes, pd.Index(column.names)) if isinstance(column, Names) else column
        for name, column in columns.items()
    }
    frame = pd.DataFrame(cells, copy=False)
    # pandas writes the shortest digits that give the same float back.
    frame.to_csv(file, index=False, lineterminator="\n", chunksize=_BLOCK)


def _write_jsonl(columns: dict[str, Column], file: Any) -> None:
    import msgspec

    _refuse_infinity(columns)
    length = len(next(iter(columns.values())))
    for start in range(0, length, _BLOCK):
        cells = [_cells(column, slice(start, start + _BLOCK)) for column in columns.values()]
        records = [dict(zip(columns, row, strict=True)) for row in zip(*cells, strict=True)]
        file.write(msgspec.json.Encoder().encode_lines(records))


def _refuse_infinity(columns: dict[str, Column]) -> None:
    for name, column in columns.items():
        if not isinstance(column, Names) and column.dtype.kind == "f" and np.isinf(column).any():
            raise SpecError(f"column {name!r} holds infinity, which JSON cannot express; write CSV or Parquet")


def _cells(column: Column, rows: slice) -> list[Any]:
    """Return some rows as JSON values; None for an empty cell."""
    if isinstance(column, Names):
        lookup = [*column.names, None]
        return [lookup[code] for code in column.codes[rows].tolist()]
    values = column[rows].tolist()
    return [None if value != value else value for value in values] if column.dtype.kind == "f" else values


def _write_parquet(columns: dict[str, Column], file: BinaryIO) -> None:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise MissingExtraError("pyarrow", "parquet") from None

    def array(column: Column) -> Any:
        if not isinstance(column, Names):
            return pa.array(column)
        codes = pa.array(column.codes, mask=column.codes < 0)
        return pa.DictionaryArray.from_arrays(codes, pa.array(list(column.names), type=pa.string()))

    table = pa.table({name: array(column) for name, column in columns.items()})
    pq.write_table(table, file, compression="zstd")


def _write_clients(trace: Trace, columns: dict[str, Column], file: BinaryIO) -> None:
    import msgspec

    from stratsim.trace.readers.clients import FORMAT, VERSION, ClientsFile, client_entry, one_at_a_time_entry

    _refuse_infinity(columns)
    senders = () if trace.client is None else trace.client.names
    content = ClientsFile(
        format=FORMAT,
        version=VERSION,
        clients=[client_entry(spec) for spec in trace.closed_loop],
        one_at_a_time=[one_at_a_time_entry(spec) for spec in trace.one_at_a_time if spec.id in senders],
        deadlines=not trace.deadline_free,
        requests={name: _cells(column, slice(None)) for name, column in columns.items()},
    )
    file.write(msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n")
