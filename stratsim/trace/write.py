"""Writing a trace in our own formats: complete or not at all.

A file is written under a temporary name beside its final place and renamed, so that an interrupted run leaves no half
trace. What `read_trace` reads back is identical, bit for bit.
"""

from __future__ import annotations

import gzip
import re
import secrets
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from stratsim.errors import MissingExtraError, OutputError, SpecError
from stratsim.trace.column import Column, Names, as_arrow, as_values, take, text_of

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator

    from stratsim.trace.schema import Trace

__all__ = ["SUFFIXES", "replacing", "write_trace"]

_BLOCK = 65536
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_SPECIAL = frozenset(',"\n\r')
STDOUT = "-"
"""What stands for standard output: CSV."""

SUFFIXES = (".csv", ".csv.gz", ".parquet", ".jsonl", ".jsonl.gz", ".json")
"""What the name of the output may end in; `.json` is the format for clients that wait for replies."""


def write_trace(trace: Trace, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Write a trace; the suffix of `path` decides the format (`SUFFIXES`), and `-` is CSV on standard output.

    Raises:
        SpecError: unknown suffix, or a format that cannot hold this trace.
        OutputError: the file exists (without `overwrite`) or cannot be written.
        MissingExtraError: Parquet without pyarrow.
    """
    if path == STDOUT:
        _refuse_clients(trace, STDOUT, ".csv")
        _write_csv(trace.columns(), sys.stdout.buffer)
        return
    target = Path(path)
    suffix = _suffix(target)
    _refuse_clients(trace, target, suffix)
    columns = {} if suffix == ".json" and not len(trace) else trace.columns()
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


def _refuse_clients(trace: Trace, target: object, suffix: str) -> None:
    for kind, there in (
        ("closed-loop clients", trace.closed_loop),
        ("clients that send one request at a time", trace.one_at_a_time),
    ):
        if there and suffix != ".json":
            raise SpecError(f"{target}: {kind} need the suffix .json, {suffix} holds requests only")


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
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
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


def _write_text(suffix: str, columns: dict[str, Column], file: Any) -> None:
    if suffix.startswith(".csv"):
        _write_csv(columns, file)
    else:
        _write_jsonl(columns, file)


def _write_csv(columns: dict[str, Column], file: Any) -> None:
    """Write rows block by block; floats in the shortest digits that give the same float back."""
    cells = {name: _csv_cells(name, column) for name, column in columns.items()}
    for name in columns:
        if name != name.strip() or _CONTROL.search(name):
            raise SpecError(
                f"column {name!r} has spaces or control characters that CSV loses; write JSON lines or Parquet"
            )
    file.write((",".join(map(_quoted, columns)) + "\n").encode())
    length = len(next(iter(columns.values())))
    for start in range(0, length, _BLOCK):
        rows = zip(*(cut(slice(start, start + _BLOCK)) for cut in cells.values()), strict=True)
        file.write("".join(f"{line}\n" for line in map(",".join, rows)).encode())


def _csv_cells(name: str, column: Column) -> Callable[[slice], list[str]]:
    """Return what gives the cells of some rows, each as it stands in the file."""
    if isinstance(column, Names):
        lookup = [_checked(name, text) for text in column.names] + [""]
        return lambda rows: [lookup[code] for code in column.codes[rows].tolist()]
    if isinstance(column, np.ndarray) and column.dtype.kind == "f":
        return lambda rows: ["" if value != value else repr(value) for value in column[rows].tolist()]
    if isinstance(column, np.ndarray) and column.dtype.kind in "iu":
        return lambda rows: list(map(str, column[rows].tolist()))
    return lambda rows: [_checked(name, text_of(value) or "") for value in as_values(take(column, rows))]


def _checked(name: str, text: str) -> str:
    if _CONTROL.search(text):
        raise SpecError(f"column {name!r} holds control characters, which CSV loses; write JSON lines or Parquet")
    return _quoted(text)


def _quoted(text: str) -> str:
    """Return a cell so that any reader takes all of it for the cell, spaces at its ends included."""
    if text[:1].isspace() or text[-1:].isspace() or not _SPECIAL.isdisjoint(text):
        return '"' + text.replace('"', '""') + '"'
    return text


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
        if isinstance(column, np.ndarray) and column.dtype.kind == "f" and np.isinf(column).any():
            raise SpecError(f"column {name!r} holds infinity, which JSON cannot express; write CSV or Parquet")


def _cells(column: Column, rows: slice) -> list[Any]:
    """Return some rows as JSON values; None for an empty cell."""
    if isinstance(column, Names):
        lookup = [*column.names, None]
        return [lookup[code] for code in column.codes[rows].tolist()]
    return as_values(take(column, rows))


def _write_parquet(columns: dict[str, Column], file: BinaryIO) -> None:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise MissingExtraError("pyarrow", "parquet") from None

    table = pa.table({name: as_arrow(column) for name, column in columns.items()})
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
