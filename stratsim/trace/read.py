"""Reading a trace: the format is recognised from the content, never from the name of the file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from stratsim.errors import SpecError, suggest
from stratsim.trace.epoch import rebased
from stratsim.trace.headers import ARRIVALS, missing_arrival
from stratsim.trace.source import load, shown

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from stratsim.errors import TraceError
    from stratsim.trace.schema import Trace
    from stratsim.trace.source import Source

__all__ = ["FORMATS", "OWN_FORMATS", "Format", "parse_trace", "read_trace", "recognise"]


@dataclass(frozen=True, slots=True)
class Format:
    """A format that stratsim reads.

    Args:
        summary: One line for tables and help.
        reader: Where its reader is, as `module:function`; imported on use.
    """

    summary: str
    reader: str

    def read(self, source: Source) -> Trace:
        """Read a source in this format."""
        module, function = self.reader.split(":")
        reader: Callable[[Source], Trace] = getattr(import_module(f"stratsim.trace.readers.{module}"), function)
        return reader(source)


FORMATS = {
    "csv": Format("stratsim's columns as CSV, or results requests.csv.gz", "csv:read"),
    "parquet": Format("stratsim's columns as Parquet, or results requests.parquet", "parquet:read"),
    "jsonl": Format("stratsim's columns as JSON lines", "jsonl:read"),
    "clients": Format("stratsim's closed-loop clients, JSON", "clients:read"),
    "azure-llm": Format("Azure LLM inference traces, CSV", "azure:read_llm"),
    "azure-functions-2019": Format("Azure Functions 2019, counts per minute, CSV", "azure:read_functions_2019"),
    "azure-functions-2021": Format("Azure Functions 2021, end and duration, CSV", "azure:read_functions_2021"),
    "mooncake": Format("Mooncake request traces, JSON lines", "mooncake:read"),
    "disb": Format("DISB workloads, JSON", "disb:read"),
}
"""Readers by the name that `--trace-format` takes."""
OWN_FORMATS = ("csv", "parquet", "jsonl", "clients")
"""Those that hold our own columns."""


def read_trace(
    source: str | os.PathLike[str] | None = None,
    *,
    format: str | None = None,  # noqa: A002 (the word that everybody expects)
    strict: bool = False,
    limit: int | None = None,
    seed: int = 0,
) -> Trace:
    """Read and validate a trace.

    Args:
        source: A file, the name of a bundled trace, or None for the bundled default. gzip is recognised. Times from
            1e6 s on count from the first arrival, with a note (`stratsim.trace.epoch`).
        format: A key of `FORMATS` to force; None recognises it from the content.
        strict: Refuse rows that are out of order instead of sorting them.
        limit: Keep the first so many requests.
        seed: Of the random placement inside coarse time stamps, where a format has such.

    Raises:
        TraceError: the trace cannot be used; says which row, column and value.
        SpecError: unknown format, or a limit below 1.
        MissingExtraError: Parquet without pyarrow.
    """
    _check_options(format, limit)
    return parse_trace(load(source, strict=strict, seed=seed), format=format, limit=limit)


def parse_trace(content: Source, *, format: str | None = None, limit: int | None = None) -> Trace:  # noqa: A002 (as above)
    """Return the trace that a file in memory holds; arguments and errors as for `read_trace`."""
    _check_options(format, limit)
    name = format or recognise(content)
    if content.is_parquet != (name == "parquet"):
        raise content.error(f"is not in the format {name}")
    trace = replace(rebased(FORMATS[name].read(content)), format=name, sha256=content.sha256)
    return trace if limit is None else trace.head(limit)


def _check_options(format: str | None, limit: int | None) -> None:  # noqa: A002 (as above)
    if format is not None and format not in FORMATS:
        raise SpecError(f"unknown trace format {format!r}; {suggest(format, FORMATS)}")
    if limit is not None and limit < 1:
        raise SpecError(f"limit must be at least 1 request, got {limit}")


def recognise(source: Source) -> str:
    """Return the format of a file by its content.

    Raises:
        TraceError: it is in none of the known formats.
    """
    if source.is_parquet:
        return "parquet"
    start = source.data.removeprefix(b"\xef\xbb\xbf").lstrip()
    return _json_format(source, start) if start[:1] in {b"{", b"["} else _csv_format(source)


def _json_format(source: Source, start: bytes) -> str:
    import msgspec

    def keys(text: bytes) -> set[str]:
        found: Any = msgspec.json.decode(text)
        return set(found) if isinstance(found, dict) else set()

    try:
        names = keys(start.partition(b"\n")[0])
    except msgspec.DecodeError:
        try:
            names = keys(start)  # one object over many lines
        except msgspec.DecodeError as error:
            raise source.error(f"is not valid JSON: {error}") from None
    for name, needed in (
        ("disb", {"tasks"}),
        ("clients", {"format"}),
        ("mooncake", {"timestamp", "input_length"}),
    ):
        if needed <= names:
            return name
    if names & set(ARRIVALS):
        return "jsonl"
    raise _no_arrivals(source, "keys", names)


def _csv_format(source: Source) -> str:
    from stratsim.trace.readers.azure import MINUTE
    from stratsim.trace.readers.csv import header_of

    header = set(header_of(source))
    if header & set(ARRIVALS):
        return "csv"
    if "TIMESTAMP" in header:
        return "azure-llm"
    if "HashFunction" in header and any(MINUTE.fullmatch(name) for name in header):
        return "azure-functions-2019"
    if {"end_timestamp", "duration"} <= header:
        return "azure-functions-2021"
    raise _no_arrivals(source, "columns", header)


def _no_arrivals(source: Source, what: str, names: set[str]) -> TraceError:
    """Return the error about a table without arrivals: which column to rename, else what there is."""
    hint = missing_arrival(sorted(names))
    if hint:
        return source.error(f"column is missing; {hint}", 1, "arrival_s")
    return source.error(
        f"column is missing, and the file is in no known format: it has the {what} {shown(sorted(names))}; "
        f"force one of {', '.join(FORMATS)}",
        1,
        "arrival_s",
    )
