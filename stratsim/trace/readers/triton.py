"""What NVIDIA's tools write: Triton's own traces, perf_analyzer's and aiperf's profile exports.

All times are nanoseconds, whole numbers beyond 2^53: the first is subtracted before they become floats. Requests that
failed or were cancelled arrived all the same, and are kept; those of a warm-up phase are no part of the workload, and
are left out. A note counts both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from stratsim.trace.fields import Named
from stratsim.trace.flat import Given, flat
from stratsim.trace.registry import reader
from stratsim.trace.tables.base import Kind
from stratsim.trace.tables.json import ColumnsTable

if TYPE_CHECKING:
    from stratsim.trace.schema import Trace
    from stratsim.trace.source import Source

__all__ = [
    "Experiment",
    "Export",
    "Metadata",
    "Record",
    "Request",
    "Stamp",
    "Traced",
    "read_aiperf",
    "read_perf_analyzer",
    "read_triton",
]


class Request(msgspec.Struct):
    """A request of perf_analyzer: when it was sent, and when each response came, nanoseconds since 1970."""

    timestamp: int
    sequence_id: int | str | None = None
    response_timestamps: list[int] = []


class Experiment(msgspec.Struct):
    """One experiment of perf_analyzer: its requests, and at which load (`mode`, `value`)."""

    requests: list[Request]
    experiment: dict[str, Any] = {}
    window_boundaries: list[int] = []


class Export(msgspec.Struct):
    """A profile export of perf_analyzer."""

    experiments: list[Experiment]
    version: str | None = None


class Metadata(msgspec.Struct):
    """What aiperf says of a request; times are nanoseconds since 1970."""

    request_start_ns: int
    request_end_ns: int | None = None
    benchmark_phase: str | None = None
    was_cancelled: bool = False
    conversation_id: str | None = None
    session_num: int | None = None
    turn_index: int | None = None
    x_request_id: str | None = None


class Record(msgspec.Struct):
    """A line of aiperf's profile_export.jsonl."""

    metadata: Metadata
    error: dict[str, Any] | None = None


class Stamp(msgspec.Struct):
    """A time stamp of Triton's: `REQUEST_START`, say, at so many nanoseconds of the server's steady clock."""

    name: str
    ns: int


class Traced(msgspec.Struct):
    """A record of a trace of Triton's: all that is known of a request, or a part of it, by the same `id`."""

    id: int | str
    model_name: str | None = None
    parent_id: int | str | None = None
    timestamps: list[Stamp] = []


def _decode(source: Source, data: bytes, kind: Any, what: str) -> Any:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, RecursionError) as error:
        raise source.error(f"is not {what}: {error}") from None


def _has_requests(source: Source) -> bool:
    return b'"requests"' in bytes((source.document or {}).get("experiments", b""))


@reader("perf_analyzer's profile export", keys=("experiments",), check=_has_requests,
        recognised="`experiments`, a list with `requests`", unit="nanoseconds since 1970",
        left_out="nothing; of several experiments one is named: `perf-analyzer(experiment=1)`")  # fmt: skip
def read_perf_analyzer(source: Source, experiment: int | None = None) -> Trace:
    """Read a profile export.

    Args:
        source: One JSON object.
        experiment: Which of its experiments, counted from 1; it may be left out if there is one.
    """
    raw = bytes((source.document or {}).get("experiments", b"null"))
    found: list[Experiment] = _decode(source, raw, list[Experiment], "a profile export of perf_analyzer")
    shown = ", ".join(f"{n} ({_named(each)}, {len(each.requests)} requests)" for n, each in enumerate(found, start=1))
    if experiment is None and len(found) > 1:
        way = "--trace-format 'perf-analyzer(experiment=1)'"
        raise source.error(f"holds {len(found)} experiments: {shown}; say which, {way}")
    if not 1 <= (experiment or 1) <= len(found):
        raise source.error(f"has no experiment {experiment or 1}; it holds {shown or 'none'}")
    requests = found[(experiment or 1) - 1].requests
    lengths = [
        max(each.response_timestamps) - each.timestamp if each.response_timestamps else None for each in requests
    ]
    columns: dict[str, list[Any]] = {
        "timestamp": [each.timestamp for each in requests],
        "sequence_id": [each.sequence_id for each in requests],
        "latency_ns": lengths,
    }
    silent = sum(length is None for length in lengths)
    notes = (f"{silent} requests have no response: kept",) if silent else ()
    if not requests:
        raise source.error("has no requests")
    return flat(
        source, ColumnsTable.of_values(source, columns), {"arrival": Named("timestamp", "ns")}, Given(notes=notes)
    )


def _named(experiment: Experiment) -> str:
    mode, value = (experiment.experiment.get(key) for key in ("mode", "value"))
    return f"{mode} {value}" if mode else "unnamed"


def _is_aiperf(source: Source) -> bool:
    first = next((cell for cell in source.table.sample("metadata") if cell is not None), None)
    return isinstance(first, dict) and "request_start_ns" in first


@reader("aiperf's profile_export.jsonl", columns=("metadata", "metrics"), check=_is_aiperf,
        recognised="`metadata` with `request_start_ns`", unit="nanoseconds since 1970",
        left_out="requests of the warm-up phase, counted; failed and cancelled ones are kept and counted")  # fmt: skip
def read_aiperf(source: Source) -> Trace:
    """Read aiperf's requests, one per line."""
    columns = source.table.read({"metadata": Kind.KEPT, "error": Kind.KEPT})
    cells = list(getattr(columns.get("metadata"), "tolist", list)())
    if not cells or not all(isinstance(cell, msgspec.Raw) for cell in cells):
        raise source.error("has lines without metadata", column="metadata")
    text = b"[" + b",".join(map(bytes, cells)) + b"]"
    found: list[Metadata] = _decode(source, text, list[Metadata], "a profile export of aiperf")
    errors = _cells(columns.get("error"), len(found))
    kept = [index for index, each in enumerate(found) if each.benchmark_phase != "warmup"]
    if not kept:
        raise source.error("has no requests but those of the warm-up phase")
    counts = {
        "of the warm-up phase left out": len(found) - len(kept),
        "failed: kept": sum(errors[index] is not None for index in kept),
        "were cancelled: kept": sum(found[index].was_cancelled for index in kept),
    }
    names = ("request_start_ns", "conversation_id", "session_num", "turn_index", "x_request_id")
    table = ColumnsTable.of_values(source, {name: [getattr(found[index], name) for index in kept] for name in names})
    notes = tuple(f"{count} requests {what}" for what, count in counts.items() if count)
    return flat(source, table, {"arrival": Named("request_start_ns", "ns")}, Given(notes=notes, ordered=False))


def _cells(column: Any, count: int) -> list[Any]:
    from stratsim.trace.column import as_values

    return [None] * count if column is None else as_values(column)


def _is_triton(source: Source) -> bool:
    first = next((cell for cell in source.table.sample("timestamps") if cell), None)
    return isinstance(first, list) and isinstance(first[0], dict) and {"name", "ns"} <= set(first[0])


@reader("Triton's traces of requests", columns=("id", "timestamps"), check=_is_triton,
        recognised="`id` and `timestamps`, a list with `name` and `ns`", unit="nanoseconds, the server's own clock",
        left_out="requests inside an ensemble and traces without `REQUEST_START`, counted")  # fmt: skip
def read_triton(source: Source) -> Trace:
    """Read Triton's traces: a request arrives at its `REQUEST_START`; what one id says in several records is one."""
    data = source.data.removeprefix(b"\xef\xbb\xbf")
    if source.container == "jsonl":
        data = b"[" + b",".join(line for line in data.splitlines() if line.strip()) + b"]"
    found: dict[int | str, dict[str, Any]] = {}
    for record in _decode(source, data, list[Traced], "a trace of Triton"):
        known = found.setdefault(record.id, {"model": None, "parent": None, "start": None})
        starts = [known["start"]] if known["start"] is not None else []
        starts += [stamp.ns for stamp in record.timestamps if stamp.name == "REQUEST_START"]
        known["model"] = record.model_name or known["model"]
        known["parent"] = record.parent_id or known["parent"]
        if len(set(starts)) > 1:
            raise source.error(
                f"id {record.id} begins twice: ids begin anew when a server is started again; read the trace of each "
                "start by itself"
            )
        known["start"] = starts[0] if starts else None
    outer = {name: known for name, known in found.items() if known["parent"] is None}
    whole = {name: known for name, known in outer.items() if known["start"] is not None}
    if not whole:
        raise source.error("has no request with the time stamp REQUEST_START")
    counts = {"inside an ensemble": len(found) - len(outer), "without REQUEST_START": len(outer) - len(whole)}
    columns = {
        "request_start_ns": [known["start"] for known in whole.values()],
        "model": [known["model"] for known in whole.values()],
        "id": list(whole),
    }
    first = min(columns["request_start_ns"])
    columns["request_start_ns"] = [each - first for each in columns["request_start_ns"]]
    notes = tuple(f"{count} requests {what} left out" for what, count in counts.items() if count)
    sampled = ("times count from the first arrival; Triton traces every N-th request, by its trace rate",)
    given = Given(notes=(*notes, *sampled), ordered=False)
    return flat(source, ColumnsTable.of_values(source, columns), {"arrival": Named("request_start_ns", "ns")}, given)
