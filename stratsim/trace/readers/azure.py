"""Azure's public traces (Azure/AzurePublicDataset, CC-BY-4.0) as they are published.

- LLM inference 2023 and 2024: TIMESTAMP, ContextTokens, GeneratedTokens.
- Functions 2019: invocation counts per function and minute.
- Functions 2021: end and duration of every invocation.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from stratsim.rng import Streams
from stratsim.trace.columns import in_order
from stratsim.trace.readers.csv import header_of, read_table
from stratsim.trace.schema import Names, Trace

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stratsim.trace.columns import Table
    from stratsim.trace.source import Source

__all__ = ["MINUTE", "read_functions_2019", "read_functions_2021", "read_llm"]

MINUTE = re.compile(r"(?:minute_)?(\d+)")
"""Header of a per-minute column: `1` in Azure's own files, `minute_1` in samples of them."""

_KEYS = ("HashOwner", "HashApp", "HashFunction")


def read_llm(source: Source) -> Trace:
    """Read an Azure LLM inference trace. Time stamps keep their 100 ns digits; the first arrival is at 0."""
    table = read_table(source, (), ("TIMESTAMP",))
    stamps = table.columns.pop("TIMESTAMP")
    assert isinstance(stamps, Names)  # noqa: S101 (read_table keeps its promise)
    nanoseconds = _nanoseconds(source, table, stamps)
    trace = Trace(
        arrival_s=(nanoseconds - nanoseconds.min()) / 1e9,
        extra=table.columns,
        source=source.file,
        first_row=table.first_row,
        rows=table.rows,
        notes=("times count from the first arrival",),
    )
    return in_order(trace, strict=source.strict)


def _nanoseconds(source: Source, table: Table, stamps: Names) -> NDArray[np.int64]:
    """Return absolute times. Parsed once per distinct string; whole nanoseconds, so nothing is rounded."""
    import pandas as pd

    if not len(stamps):
        raise source.error("has no requests")
    if not stamps.complete:
        raise table.error("is empty", "TIMESTAMP", int(np.argmax(stamps.codes < 0)))
    parsed = pd.to_datetime(pd.Series(stamps.names), format="ISO8601", utc=True, errors="coerce")
    bad = parsed.isna().to_numpy()
    if bad.any():
        index = int(np.argmax(bad[stamps.codes]))
        raise table.error("is not a time stamp", "TIMESTAMP", index, stamps.names[stamps.codes[index]])
    ticks = parsed.dt.tz_localize(None).to_numpy().astype("datetime64[ns]").astype(np.int64)
    return np.asarray(ticks[stamps.codes])


def read_functions_2019(source: Source) -> Trace:
    """Read invocation counts per minute.

    Requests are placed uniformly inside their minute; counts are preserved exactly. Each function draws from a random
    stream of its own, so another function in the file moves nobody.
    """
    header = header_of(source)
    minutes = [name for name in header if MINUTE.fullmatch(name)]
    keys = [name for name in _KEYS if name in header]
    if not minutes or "HashFunction" not in keys:
        raise source.error("needs the column HashFunction and one per minute (1, 2, ... or minute_1, ...)", 1)
    table = read_table(source, minutes, keys, others=False)
    counts = _counts(table, minutes)
    starts = np.asarray([60.0 * (int(name.removeprefix("minute_")) - 1) for name in minutes])
    functions = _identities(source, table, keys)
    streams = Streams(source.seed)
    placed = [
        _place(streams.get("azure-functions", *identity), row, starts)
        for identity, row in zip(functions, counts, strict=True)
    ]
    total = counts.sum(axis=1)
    if not total.sum():
        raise source.error("has no requests")
    trace = Trace(
        arrival_s=np.concatenate(placed),
        extra={"function": Names(tuple(identity[-1] for identity in functions), _owners(total))},
        source=source.file,
        notes=("counts per minute: requests placed uniformly inside their minute (seeded)",),
        first_row=2,
        rows=np.repeat(np.arange(len(total)) + 2 if table.rows is None else table.rows, total),
    )
    return in_order(trace, quiet=True)


def _owners(total: NDArray[np.int64]) -> NDArray[np.int32]:
    return np.repeat(np.arange(len(total), dtype=np.int32), total)


def _counts(table: Table, minutes: list[str]) -> NDArray[np.int64]:
    """Return the counts, shape (functions, minutes); an empty cell is an error."""
    for name in minutes:
        column = table.columns[name]
        assert isinstance(column, np.ndarray)  # noqa: S101 (read_table keeps its promise)
        table.refuse(np.isnan(column), name, "is empty")
        table.refuse(~np.isfinite(column) | (column < 0) | (column % 1 != 0), name, "must be a count")
    return np.stack([np.asarray(table.columns[name]) for name in minutes], axis=1).astype(np.int64)


def _identities(source: Source, table: Table, keys: list[str]) -> list[tuple[str, ...]]:
    """Return owner, app and function of each row; they must differ."""
    columns = [column.decode() for key in keys if isinstance(column := table.columns[key], Names)]
    identities = [tuple(part or "" for part in row) for row in zip(*columns, strict=True)]
    seen: set[tuple[str, ...]] = set()
    for index, identity in enumerate(identities):
        if identity in seen:
            raise table.error("function occurs twice", "HashFunction", index, identity[-1])
        seen.add(identity)
    if not identities:
        raise source.error("has a header and no functions")
    return identities


def _place(rng: np.random.Generator, counts: NDArray[np.int64], starts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the arrivals of one function, sorted within each minute by the caller."""
    begin = np.repeat(starts, counts)
    # The sum may round up to the next minute's first instant: keep it inside.
    return np.minimum(begin + 60.0 * rng.random(len(begin)), np.nextafter(begin + 60.0, 0.0))


def read_functions_2021(source: Source) -> Trace:
    """Read an invocation trace: a request arrives at `end_timestamp` - `duration`."""
    table = read_table(source, ("end_timestamp", "duration"), ("app", "func"))
    end, duration = np.asarray(table.columns["end_timestamp"]), np.asarray(table.columns["duration"])
    for name, column in (("end_timestamp", end), ("duration", duration)):
        table.refuse(np.isnan(column), name, "is empty")
        table.refuse(~np.isfinite(column) | (column < 0), name, "must be finite and not negative")
    if not len(end):
        raise source.error("has no requests")
    start = end - duration
    notes = ["arrival = end_timestamp - duration"]
    if start.min() < 0:
        notes.append(f"times count from the first arrival, which was at {start.min():.6g} s")
        start = start - start.min()
    trace = Trace(
        arrival_s=start,
        extra={"app": table.columns["app"], "function": table.columns["func"], "duration_s": duration},
        source=source.file,
        first_row=table.first_row,
        rows=table.rows,
        notes=tuple(notes),
    )
    return in_order(trace, quiet=True)
