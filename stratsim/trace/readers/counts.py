"""Requests per interval instead of requests: one number a line, or a column per function (Huawei).

How many requests an interval holds is kept exactly; inside it they are placed uniformly, seeded.

- One number a line, no header: `--trace-format 'counts(interval_s=1)'`. Such a file may as well hold times or gaps, so
  it is read when it is said what it is.
- Huawei's `day,time,0,1,...` tables, one column per function: per minute in the public files; the private ones count
  per second (`huawei-counts(interval_s=1)`). Source: Joosen et al., "How Does It Function?", SoCC 2023.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from stratsim.errors import SpecError
from stratsim.limits import check_memory
from stratsim.rng import Streams
from stratsim.trace.column import Names
from stratsim.trace.flat import Given, flat
from stratsim.trace.registry import reader
from stratsim.trace.tables.base import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from stratsim.trace.column import Column
    from stratsim.trace.schema import Trace
    from stratsim.trace.source import Source
    from stratsim.trace.tables.base import Table

__all__ = ["counts_of", "place", "read_counts", "read_gaps", "read_huawei"]

_DAY_S = 86_400.0
_REQUEST_BYTES = 24
"""Memory of a request, at least."""
_PLACED = "requests placed uniformly inside their interval (seeded)"


def counts_of(
    table: Table, columns: Mapping[str, Column], names: list[str], *, empty: int | None = None
) -> NDArray[np.int64]:
    """Return the counts in columns of numbers, shape (rows, columns).

    Args:
        table: For messages.
        columns: What was read.
        names: Which of them are counts.
        empty: What an empty cell means; None: it is an error.
    """
    found = np.stack([np.asarray(columns[name]) for name in names], axis=1)
    if empty is not None:
        found[np.isnan(found)] = empty
    bad = ~np.isfinite(found) | (found < 0) | (found % 1 != 0)
    for place_ in np.flatnonzero(bad.any(axis=0)).tolist():
        column = found[:, place_]
        table.refuse(np.isnan(column), names[place_], column, "is empty")
        table.refuse(bad[:, place_], names[place_], column, "must be a count")
    check_memory(table.file, float(found.sum()) * _REQUEST_BYTES, "leave out the busiest rows or intervals")
    return found.astype(np.int64)


def place(
    rng: np.random.Generator, counts: NDArray[np.int64], starts: NDArray[np.float64], width_s: float
) -> NDArray[np.float64]:
    """Return so many arrivals inside each interval, not sorted within it."""
    begin = np.repeat(starts, counts)
    # The sum may round up to the next interval's first instant: keep it inside.
    return np.minimum(begin + width_s * rng.random(len(begin)), np.nextafter(begin + width_s, 0.0))


def _checked(interval_s: float) -> float:
    if not 0 < interval_s < math.inf:
        raise SpecError(f"interval_s must be > 0 and finite, got {interval_s!r}")
    return float(interval_s)


def _numbers(source: Source, what: str) -> tuple[Table, NDArray[np.float64]]:
    """Return a headerless column of numbers."""
    table = source.table
    if not table.headerless or len(table.names) != 1:
        raise source.error(f"must be {what}, one a line, without a header")
    return table, np.asarray(table.read({table.names[0]: Kind.NUMBER})[table.names[0]])


@reader("requests per interval, one number a line", unit="counts per `interval_s` (1), an option",
        recognised="`--trace-format 'counts(interval_s=1)'` alone: such a column may as well hold times or gaps",
        ticks="placed uniformly inside their interval, seeded")  # fmt: skip
def read_counts(source: Source, interval_s: float = 1.0) -> Trace:
    """Read requests per interval.

    Args:
        source: One number a line.
        interval_s: Width of an interval, seconds.
    """
    table, numbers = _numbers(source, "counts")
    width_s = _checked(interval_s)
    counts = counts_of(table, {table.names[0]: numbers}, [table.names[0]], empty=0)[:, 0]
    starts = width_s * np.arange(len(counts), dtype=np.float64)
    rows = np.repeat(np.arange(len(counts)), counts)
    arrival = np.sort(place(Streams(source.seed).get("counts"), counts, starts, width_s))
    notes = (f"counts per {width_s:g} s: {_PLACED}",)
    return flat(source, table, {}, Given(arrival_s=arrival, rows=rows, extra={}, notes=notes, ordered=False))


@reader("gaps between requests in microseconds (perf_analyzer --request-intervals)", unit="microseconds, gaps",
        recognised="`--trace-format request-intervals` alone, as for `counts`",
        left_out="perf_analyzer repeats the gaps for as long as it runs; `repeat` does so many times (1)")  # fmt: skip
def read_gaps(source: Source, repeat: int = 1) -> Trace:
    """Read gaps between requests.

    Args:
        source: One whole number of microseconds a line.
        repeat: How often the gaps are gone through.
    """
    if repeat < 1 or repeat % 1:
        raise SpecError(f"repeat must be a whole number of at least 1, got {repeat!r}")
    table, gaps = _numbers(source, "gaps in microseconds")
    name = table.names[0]
    table.refuse(~np.isfinite(gaps) | (gaps < 0), name, gaps, "must be a gap, 0 or more")
    arrival = np.cumsum(np.tile(gaps, int(repeat))) / 1e6
    rows = np.tile(np.arange(len(gaps)), int(repeat))
    notes = ("microseconds between requests; the first comes after the first gap",)
    return flat(source, table, {}, Given(arrival_s=arrival, rows=rows, extra={}, notes=notes, ordered=False))


def _counts_functions(source: Source) -> bool:
    return any(name.isdecimal() for name in source.table.names)


@reader("Huawei tables, counts per function and minute", columns=("day", "time"), check=_counts_functions,
        recognised="`day`, `time` and a column per function (`0`, `1`, ...)",
        unit="seconds of the day, counts per `interval_s` (60), an option",
        ticks="placed uniformly inside their interval, seeded, each function by a stream of its own",
        left_out="an empty cell is 0")  # fmt: skip
def read_huawei(source: Source, interval_s: float = 60.0) -> Trace:
    """Read a table of counts per function.

    Args:
        source: Columns `day`, `time` and one per function.
        interval_s: Width of an interval, seconds.
    """
    table = source.table
    width_s = _checked(interval_s)
    day, time = (table.find(name) or name for name in ("day", "time"))
    functions = [name for name in table.names if name not in (day, time)]
    if not functions or not table.has("day", "time"):
        raise source.error("needs the columns day, time and one per function")
    columns = table.read(dict.fromkeys([day, time, *functions], Kind.NUMBER))
    starts = _starts(table, columns, day, time)
    counts = counts_of(table, columns, functions, empty=0)
    streams = Streams(source.seed)
    placed = [
        place(streams.get("huawei-counts", name), counts[:, place_], starts, width_s)
        for place_, name in enumerate(functions)
    ]
    total = counts.sum(axis=0)
    rows = np.concatenate([np.repeat(np.arange(len(counts)), counts[:, place_]) for place_ in range(len(functions))])
    owner = Names(tuple(functions), np.repeat(np.arange(len(functions), dtype=np.int32), total))
    notes = (f"counts per {width_s:g} s and function, time in seconds: {_PLACED}",)
    given = Given(np.concatenate(placed), rows, extra={"function": owner}, notes=notes, ordered=False)
    return flat(source, table, {}, given)


def _starts(table: Table, columns: Mapping[str, Column], day: str, time: str) -> NDArray[np.float64]:
    """Return when each row's interval begins, from the first day on; `time` may count within the day or on and on."""
    found = {}
    for name in (day, time):
        found[name] = np.asarray(columns[name])
        bad = ~np.isfinite(found[name]) | (found[name] < 0)
        table.refuse(bad, name, found[name], "must be a number, 0 or more")
    if not len(found[day]):
        raise table.error("has no requests", time)
    within = found[time].max() < _DAY_S
    return found[time] + (_DAY_S * (found[day] - found[day].min()) if within else 0.0)
