"""Reading a trace: the format is recognised from the content, never from the name of the file.

Our own arrivals, by their exact name, win over any other format; then, of the formats that a file fits, the one that
asks for most columns. What else would have fitted is said in a note.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.errors import SpecError, TraceError
from stratsim.trace.epoch import rebased
from stratsim.trace.fields import likely_unit
from stratsim.trace.headers import ARRIVALS, is_result, missing_arrival, shown
from stratsim.trace.registry import Chosen, find_reader, formats, read_with
from stratsim.trace.source import load, table_source

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping

    from stratsim.trace.schema import Trace
    from stratsim.trace.source import Source

__all__ = ["OWN_FORMATS", "parse_trace", "read_trace", "recognise"]

OWN_FORMATS = ("csv", "parquet", "jsonl", "json", "table", "clients")
"""Those that hold our own columns."""


_MORE_ROWS = 1024
"""Rows that are read beyond a limit: headers, comments and blank lines are among them (our choice)."""
_NO_TRACES = {
    ("User Count", "Requests/s"): "rates over time (Locust's history), not requests: no arrivals can be taken from it",
    ("num_prefill_tokens", "num_decode_tokens", "pd_ratio"): "lengths of requests (Vidur), but no arrival times",
}
"""Tables that look like traces and are none, by their columns."""


def read_trace(
    source: str | os.PathLike[str] | Any | None = None,
    *,
    format: str | None = None,  # noqa: A002 (the word that everybody expects)
    strict: bool = False,
    limit: int | None = None,
    seed: int = 0,
    columns: Iterable[str] | Mapping[str, str] = (),
    ticks: str | None = None,
) -> Trace:
    """Read and validate a trace.

    Args:
        source: A file, `-` for standard input, a folder with one file per model, the name of a bundled trace, None for
            the bundled default, or a pandas, polars or Arrow table. Compressed files are recognised. Times from 1e6 s
            on count from the first arrival, with a note (`stratsim.trace.epoch`).
        format: A registered format, or `FILE.py:function`, options in brackets (`counts(interval_s=60)`); None
            recognises it from the content.
        strict: Refuse rows that are out of order instead of sorting them.
        limit: Keep the first so many requests. Of our own columns as CSV, JSON lines or Parquet no more rows are read
            than that takes, if those are in order of arrival; what comes after them is not looked at.
        seed: Of the random placement inside coarse time stamps.
        columns: The columns of a file in no known format: `{"arrival": "t_us:us", "model": "net"}`, or the same as
            `FIELD=COLUMN[:UNIT]` texts (`stratsim.trace.fields`).
        ticks: "spread" or "leave" coarse time stamps; None spreads those that a format is known for
            (`stratsim.trace.ticks`).

    Raises:
        TraceError: the trace cannot be used; says which row, column and value.
        SpecError: unknown format, field or option, or a limit below 1.
        MissingExtraError: Parquet without pyarrow.
    """
    _check_options(format, limit)
    options: dict[str, Any] = {"strict": strict, "seed": seed, "columns": columns, "ticks": ticks}
    in_memory = hasattr(source, "__arrow_c_stream__") or type(source).__module__.partition(".")[0] == "pandas"
    if limit is not None and not in_memory:
        found = _first(load(source, **options, rows=limit + _MORE_ROWS), format, limit)
        if found is not None:
            return found
    content = table_source(source, **options) if in_memory else load(source, **options)
    return parse_trace(content, format=format, limit=limit)


def parse_trace(content: Source, *, format: str | None = None, limit: int | None = None) -> Trace:  # noqa: A002 (as above)
    """Return the trace that a file in memory holds; arguments and errors as for `read_trace`."""
    chosen = _check_options(format, limit)
    notes: tuple[str, ...] = ()
    if chosen is None:
        name, others = recognise(content)
        chosen = find_reader(name)
        notes = (f"reads like {' and '.join(others)}, too; read as {name}",) if others else ()
    _check_columns(content, chosen)
    trace = rebased(read_with(chosen, content))
    trace = replace(trace, format=chosen.text, sha256=content.sha256, notes=(*notes, *trace.notes))
    return trace if limit is None else trace.head(limit)


def _first(content: Source, format: str | None, limit: int) -> Trace | None:  # noqa: A002 (as above)
    """Return the first requests of a file of which the first rows were read; None if it has to be read whole.

    These rows do where each is a request and they are in order of arrival: then the rest is taken to be, too.
    """
    if not content.cut:
        return parse_trace(content, format=format, limit=limit)
    try:
        chosen = _check_options(format, limit) or find_reader(recognise(content)[0])
        if not chosen.reader.in_rows or content.ticks == "spread" or is_result(content.table.names):
            return None
        trace = parse_trace(content, format=format)
    except TraceError:  # of all rows the first wrong one is to be named, and what is wrong may be where we cut
        return None
    whole = len(trace) > limit and not trace.normalised
    return trace.head(limit) if whole and (trace.rows is None or bool((np.diff(trace.rows) > 0).all())) else None


def _check_options(format: str | None, limit: int | None) -> Chosen | None:  # noqa: A002 (as above)
    chosen = None if format is None else find_reader(format)
    if limit is not None and limit < 1:
        raise SpecError(f"limit must be at least 1 request, got {limit}")
    return chosen


def _check_columns(source: Source, chosen: Chosen) -> None:
    """Refuse columns that the user names in a format that has none."""
    if source.columns and chosen.reader.keys:
        raise source.error(f"--column names columns of a table, and {chosen.text} is none")


def recognise(source: Source) -> tuple[str, tuple[str, ...]]:
    """Return the format of a file by its content, and the other formats that it would fit.

    Raises:
        TraceError: it is in none of the known formats, or in two that ask for as many columns.
    """
    known = formats()
    fits = [name for name, reader in known.items() if reader.fits(source)]
    own = [name for name in fits if known[name].own]
    if own:
        return own[0], tuple(name for name in fits if name not in own)
    if "arrival" in source.columns and not source.members:
        return _own_format(source), ()
    if not fits:
        raise _unknown(source)
    fits.sort(key=lambda name: -known[name].certainty)
    first = fits[0]
    equal = [name for name in fits if known[name].certainty == known[first].certainty]
    if len(equal) > 1:
        ways = " or ".join(f"--trace-format {name}" for name in equal)
        raise source.error(f"fits the formats {' and '.join(equal)} alike: say {ways}")
    return first, tuple(fits[1:])


def _own_format(source: Source) -> str:
    """Return the format of a table whose columns the user names."""
    return source.container


def _unknown(source: Source) -> TraceError:
    """Return the error about a table without arrivals: which column holds them, else what there is."""
    if source.members:
        return source.error("is a directory, not a trace file (of folders, those with one CSV file per model are read)")
    if source.is_object:
        keys = shown(sorted(source.document or ()))
        ways = "--column arrival=KEY:UNIT reads arrays of equal length as columns"
        return source.error(f"is in no known format: it has the keys {keys}; {ways}")
    table = source.table
    if table.headerless:
        ways = (
            "add a line 'arrival_s' if they are arrivals in seconds; --trace-format 'counts(interval_s=1)' if they are "
            "requests per interval, request-intervals if they are gaps in microseconds"
            if len(table.names) == 1
            else "add a header, or name columns by position: --column arrival=1:UNIT (s, ms, us, ns or iso)"
        )
        return source.error(f"has no header line, but numbers: {ways}", table.first_row, ARRIVALS[0])
    for columns, what in _NO_TRACES.items():
        if table.has(*columns):
            raise source.error(f"holds {what}", max(table.first_row - 1, 1))
    hint = missing_arrival(sorted(table.names), lambda name: likely_unit(table, name))
    what = "columns" if source.container in ("csv", "parquet", "table") else "keys"
    if not hint:
        hint = (
            f"and the file is in no known format: it has the {what} {shown(sorted(table.names))}; name the one with "
            "the arrivals: --column arrival=COLUMN:UNIT (s, ms, us, ns or iso), or force a format with --trace-format"
        )
        return source.error(f"column is missing, {hint}", max(table.first_row - 1, 1), ARRIVALS[0])
    return source.error(f"column is missing; {hint}", max(table.first_row - 1, 1), ARRIVALS[0])
