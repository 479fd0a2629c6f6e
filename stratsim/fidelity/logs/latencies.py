"""Logs in which a request has a begin and an end, and nothing between: aiperf's, and a plain table.

aiperf's `profile_export.jsonl` has a line per request, nanoseconds since 1970, as its client saw it: round trips. It
names no model. A plain table is a CSV with the columns `arrival_s` and `latency_s`, seconds, and `model`: what any log
can be made into; an empty latency is a request without an answer.

Source: ai-dynamo/aiperf, docs/tutorials/working-with-profile-exports.md and
src/aiperf/common/models/record_models.py.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from stratsim.errors import SpecError
from stratsim.fidelity.logs.log import Log, Trip, in_order
from stratsim.imports.files import decoded, field_of, number, table_of
from stratsim.trace.readers.triton import Record

if TYPE_CHECKING:
    from pathlib import Path

    from stratsim.fidelity.logs.log import Naming

__all__ = ["read_aiperf", "read_plain"]

_AIPERF = "aiperf's profile_export.jsonl: a JSON object with `metadata` per line"
_NS = 10**9
_LATEST_S = 1e10
"""Seconds since 1970, too."""


def read_aiperf(path: Path, data: bytes, digest: str, naming: Naming) -> Log:
    """Return the log of aiperf.

    Raises:
        SpecError: a line is something else, or the model is not said.
    """
    lines = [(at, line) for at, line in enumerate(data.decode("utf-8-sig").split("\n"), start=1) if line.strip()]
    records = [decoded(path, line, Record, _AIPERF, at) for at, line in lines]
    kept = [record for record in records if record.metadata.benchmark_phase != "warmup"]
    trips = [
        Trip(naming.of(None, f"{path}: aiperf"), record.metadata.request_start_ns, _answered(record)) for record in kept
    ]
    failed = sum(trip.answered is None for trip in trips)
    counts = {
        "of the warm-up phase left out": len(records) - len(kept),
        "that failed or were cancelled: kept as arrivals": failed,
    }
    notes = [f"{count} requests {what}" for what, count in counts.items() if count]
    names, _, columns = in_order(path, trips)
    trip = "round trips, with client and network"
    return Log(path, "aiperf", digest, names, notes=(*notes, trip), **columns)  # type: ignore[arg-type]


def _answered(record: Record) -> int | None:
    failed = record.error is not None or record.metadata.was_cancelled
    return None if failed else record.metadata.request_end_ns


def read_plain(path: Path, data: bytes, digest: str, naming: Naming) -> Log:
    """Return the log of a plain table.

    Raises:
        SpecError: a column is missing, or a cell is no time.
    """
    table = table_of(path, data.decode("utf-8-sig"))
    trips = []
    for line in table.lines:
        where = f"{path}, line {line.number}"
        arrived = _time(field_of(table, path, line, "arrival_s"), f"{where}, arrival_s")
        text = field_of(table, path, line, "latency_s")
        answered = arrived + _time(text, f"{where}, latency_s") if text else None
        trips.append(Trip(naming.of(line.cells.get("model"), where), arrived, answered))
    names, _, columns = in_order(path, trips)
    return Log(path, "table", digest, names, **columns)  # type: ignore[arg-type]


def _time(text: str, where: str) -> int:
    """Return seconds in nanoseconds, exactly."""
    if not 0 <= number(text, where) <= _LATEST_S:
        raise SpecError(f"{where}: must lie within 0 and {_LATEST_S:g} s, got {text}")
    return round(Decimal(text) * _NS)
