"""NVIDIA's aiperf, `profile_export.jsonl`: one request per line, round trips of those that were alone.

Requests of the warm-up phase, cancelled ones and errors are left out. The concurrency is not in the file: requests must
not overlap. The other files of the same folder (`profile_export_aiperf.json`, `.csv`: percentiles; `inputs.json`) hold
no single requests.

Source: ai-dynamo/aiperf, docs/tutorials/working-with-profile-exports.md, src/aiperf/common/models/record_models.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratsim.errors import SpecError
from stratsim.imports.files import decoded, read_text
from stratsim.imports.round_trips import Trip, solo_of
from stratsim.trace.readers.triton import Record

if TYPE_CHECKING:
    from pathlib import Path

    from stratsim.imports.found import Ask, Found

__all__ = ["read"]

_WHAT = "aiperf's profile_export.jsonl: a JSON object with `metadata` per line"


def read(path: Path, ask: Ask) -> Found:
    """Return the mean round trip.

    Raises:
        SpecError: it is another file, the model is not said, or requests overlap.
    """
    lines = [(number, line) for number, line in enumerate(read_text(path).splitlines(), start=1) if line.strip()]
    if len(lines) > 1 and lines[0][1].strip() == "{":
        raise SpecError(f"{path}: is not {_WHAT}; profile_export_aiperf.json holds percentiles, not requests")
    records = [decoded(path, line, Record, _WHAT, number) for number, line in lines]
    left_out = {"of the warm-up phase": 0, "that failed": 0, "that were cancelled": 0, "without an end": 0}
    trips = []
    for record in records:
        metadata = record.metadata
        if metadata.benchmark_phase == "warmup":
            left_out["of the warm-up phase"] += 1
        elif record.error is not None:
            left_out["that failed"] += 1
        elif metadata.was_cancelled:
            left_out["that were cancelled"] += 1
        elif metadata.request_end_ns is None:
            left_out["without an end"] += 1
        else:
            trips.append(Trip(metadata.request_start_ns, metadata.request_end_ns))
    return solo_of(path, ask, "aiperf", trips, left_out)
