"""Our own columns, by their exact names, in any table (`stratsim.trace.headers`), and result files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratsim.trace.flat import flat
from stratsim.trace.headers import ARRIVALS
from stratsim.trace.registry import reader

if TYPE_CHECKING:
    from stratsim.trace.schema import Trace
    from stratsim.trace.source import Source

__all__ = ["read_csv", "read_json", "read_jsonl", "read_parquet", "read_table"]

_UNIT = "seconds"
_BY = "`arrival_s` or `arrival_norm`, exactly"


def _has_arrivals(source: Source, container: str) -> bool:
    return source.container == container and bool(set(ARRIVALS) & set(source.table.names))


def _read(source: Source, container: str) -> Trace:
    if source.container != container:
        raise source.error(f"is not in the format {container}")
    return flat(source, source.table)


@reader("stratsim's columns as CSV, or results requests.csv.gz", own=True, unit=_UNIT, recognised=_BY,
        check=lambda source: _has_arrivals(source, "csv"), in_rows=True)  # fmt: skip
def read_csv(source: Source) -> Trace:
    """Read CSV."""
    return _read(source, "csv")


@reader("stratsim's columns as Parquet, or results requests.parquet", own=True, unit=_UNIT, recognised=_BY,
        check=lambda source: _has_arrivals(source, "parquet"), in_rows=True)  # fmt: skip
def read_parquet(source: Source) -> Trace:
    """Read Parquet."""
    return _read(source, "parquet")


@reader("stratsim's columns as JSON lines", own=True, unit=_UNIT, recognised=_BY,
        check=lambda source: _has_arrivals(source, "jsonl"), in_rows=True)  # fmt: skip
def read_jsonl(source: Source) -> Trace:
    """Read JSON lines."""
    return _read(source, "jsonl")


@reader("stratsim's columns as one JSON array of objects", own=True, unit=_UNIT, recognised=_BY,
        check=lambda source: _has_arrivals(source, "json"))  # fmt: skip
def read_json(source: Source) -> Trace:
    """Read a JSON array."""
    return _read(source, "json")


@reader("a pandas, polars or Arrow table in memory", own=True, unit=_UNIT, recognised=_BY,
        check=lambda source: _has_arrivals(source, "table"))  # fmt: skip
def read_table(source: Source) -> Trace:
    """Read a table in memory."""
    return _read(source, "table")
