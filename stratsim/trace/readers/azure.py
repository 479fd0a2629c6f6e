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
from stratsim.trace.column import Names
from stratsim.trace.fields import ISO, Named
from stratsim.trace.flat import Given, flat
from stratsim.trace.readers.counts import counts_of, place
from stratsim.trace.registry import reader
from stratsim.trace.tables.base import Kind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stratsim.trace.column import Column
    from stratsim.trace.schema import Trace
    from stratsim.trace.source import Source
    from stratsim.trace.tables.base import Table

__all__ = ["MINUTE", "read_functions_2019", "read_functions_2021", "read_llm"]

MINUTE = re.compile(r"(?:minute_)?(\d+)")
"""Header of a per-minute column: `1` in Azure's own files, `minute_1` in samples of them."""

_KEYS = ("HashOwner", "HashApp", "HashFunction")


def _has_tokens(source: Source) -> bool:
    table = source.table
    return "TIMESTAMP" in table.names or table.has("ContextTokens") or table.has("GeneratedTokens")


@reader("Azure LLM inference traces", columns=("TIMESTAMP",), check=_has_tokens, unit="date and time, to 100 ns",
        recognised="`TIMESTAMP` and `ContextTokens` or `GeneratedTokens`, or `TIMESTAMP` exactly")  # fmt: skip
def read_llm(source: Source) -> Trace:
    """Read an Azure LLM inference trace. Time stamps keep their 100 ns digits; the first arrival is at 0."""
    table = source.table
    stamp = table.find("TIMESTAMP") or "TIMESTAMP"
    return flat(source, table, {"arrival": Named(stamp, ISO)})


def _counts_minutes(source: Source) -> bool:
    return any(MINUTE.fullmatch(name) for name in source.table.names)


@reader("Azure Functions 2019, counts per minute", columns=("HashFunction",), check=_counts_minutes,
        recognised="`HashFunction` and a column per minute (`1` or `minute_1`)", unit="counts per minute",
        ticks="placed uniformly inside their minute, seeded, each function by a stream of its own",
        left_out="the other columns; minute 0 means that minutes count from 0")  # fmt: skip
def read_functions_2019(source: Source) -> Trace:
    """Read invocation counts per minute.

    Requests are placed uniformly inside their minute; counts are preserved exactly. Each function draws from a random
    stream of its own, so another function in the file moves nobody.
    """
    table = source.table
    minutes = [name for name in table.names if MINUTE.fullmatch(name)]
    keys = [name for key in _KEYS if (name := table.find(key)) is not None]
    if not minutes or table.find("HashFunction") is None:
        raise source.error("needs the column HashFunction and one per minute (1, 2, ... or minute_1, ...)", 1)
    columns = table.read(dict.fromkeys(minutes, Kind.NUMBER) | dict.fromkeys(keys, Kind.LABEL))
    counts = counts_of(table, columns, minutes)
    numbers = np.asarray([int(name.rpartition("_")[2]) for name in minutes])
    first = 0 if 0 in numbers else 1
    functions = _identities(source, table, [columns[key] for key in keys])
    streams = Streams(source.seed)
    placed = [
        place(streams.get("azure-functions", *identity), row, 60.0 * (numbers - first), 60.0)
        for identity, row in zip(functions, counts, strict=True)
    ]
    total = counts.sum(axis=1)
    note = "counts per minute: requests placed uniformly inside their minute (seeded)"
    arrival_s = np.concatenate(placed)
    del placed  # millions of requests a second time
    given = Given(
        arrival_s=arrival_s,
        rows=np.repeat(np.arange(len(total), dtype=np.int32), total),
        extra={"function": Names(tuple(identity[-1] for identity in functions), _owners(total))},
        notes=(note, "minutes count from 0") if first == 0 else (note,),
        ordered=False,
    )
    return flat(source, table, {}, given)


def _owners(total: NDArray[np.int64]) -> NDArray[np.int32]:
    return np.repeat(np.arange(len(total), dtype=np.int32), total)


def _identities(source: Source, table: Table, keys: list[Column]) -> list[tuple[str, ...]]:
    """Return owner, app and function of each row; they must differ."""
    columns = [column.decode() for column in keys if isinstance(column, Names)]
    identities = [tuple(part or "" for part in row) for row in zip(*columns, strict=True)]
    seen: set[tuple[str, ...]] = set()
    for index, identity in enumerate(identities):
        if identity in seen:
            raise table.error("function occurs twice", "HashFunction", index, identity[-1])
        seen.add(identity)
    if not identities:
        raise source.error("has a header and no functions")
    return identities


@reader("Azure Functions 2021, end and duration", columns=("end_timestamp", "duration"),
        unit="seconds; arrival = `end_timestamp` - `duration`")  # fmt: skip
def read_functions_2021(source: Source) -> Trace:
    """Read an invocation trace: a request arrives at `end_timestamp` - `duration`."""
    table = source.table
    names = {each: table.find(each) or each for each in ("end_timestamp", "duration", "app", "func")}
    kinds = [Kind.NUMBER, Kind.NUMBER, Kind.LABEL, Kind.LABEL]
    columns = table.read(dict(zip(names.values(), kinds, strict=True)))
    times = []
    for name in (names["end_timestamp"], names["duration"]):
        column = np.asarray(columns.get(name, np.empty(0)))
        table.refuse(np.isnan(column), name, column, "is empty")
        table.refuse(~np.isfinite(column) | (column < 0), name, column, "must be finite and not negative")
        times.append(column)
    end, duration = times
    if not len(end):
        raise source.error("has no requests")
    start = end - duration
    notes = ["seconds; arrival = end_timestamp - duration"]
    if start.min() < 0:
        notes.append(f"times count from the first arrival, which was at {start.min():.6g} s")
        start = start - start.min()
    extra = {"app": columns.get(names["app"]), "function": columns.get(names["func"]), "duration_s": duration}
    known = {name: column for name, column in extra.items() if column is not None}
    return flat(source, table, {}, Given(arrival_s=start, extra=known, notes=tuple(notes), ordered=False))
