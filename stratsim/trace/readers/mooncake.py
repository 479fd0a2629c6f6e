"""Mooncake's request traces (kvcache-ai/Mooncake, Apache-2.0): JSON lines with time stamps in ms.

The published time stamps of the conversation trace are quantised to ticks of 3 s: thousands of requests would arrive
at the same instant. They are spread uniformly inside their tick.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from stratsim.rng import Streams
from stratsim.trace.columns import in_order
from stratsim.trace.readers.jsonl import column_of, records
from stratsim.trace.schema import Trace

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stratsim.trace.source import Source

__all__ = ["TICK_S", "read"]

TICK_S = 3.0
"""Width of a tick, seconds. Source: the time stamps themselves, all within a few ms of a multiple of it."""

_OFF_TICK_MS = 5.0


def read(source: Source) -> Trace:
    """Read a Mooncake trace; token counts are kept for column rules, cache block hashes are not."""
    rows: list[int] = []
    cells: dict[str, list[object]] = {"timestamp": [], "input_length": [], "output_length": []}
    for row, record in records(source):
        rows.append(row)
        for name, column in cells.items():
            if name not in record:
                raise source.error("is missing", row, name)
            column.append(record[name])
    columns = {name: column_of(source, name, column, rows) for name, column in cells.items()}
    stamps_ms = _stamps(source, columns.pop("timestamp"), rows)
    trace = Trace(
        arrival_s=stamps_ms / 1e3,
        extra=columns,
        source=source.file,
        rows=np.asarray(rows, dtype=np.int64),
    )
    trace = in_order(trace, strict=source.strict)
    return _spread(trace, source.seed) if _is_quantised(stamps_ms) else trace


def _stamps(source: Source, column: object, rows: list[int]) -> NDArray[np.float64]:
    if not isinstance(column, np.ndarray):
        raise source.error("must be milliseconds", rows[0], "timestamp")
    stamps = np.asarray(column, dtype=np.float64)
    bad = ~np.isfinite(stamps) | (stamps < 0)
    if bad.any():
        index = int(np.argmax(bad))
        raise source.error("must be finite and not negative", rows[index], "timestamp", stamps[index].item())
    return stamps


def _is_quantised(stamps_ms: NDArray[np.float64]) -> bool:
    """Whether all time stamps lie on ticks; a tick's number times 3 s is off by a few ms in the published file."""
    off = np.abs(stamps_ms - np.round(stamps_ms / (1e3 * TICK_S)) * 1e3 * TICK_S)
    return bool((off <= _OFF_TICK_MS).all())


def _spread(trace: Trace, seed: int) -> Trace:
    tick = np.floor(trace.arrival_s / TICK_S + 0.5)
    offset = Streams(seed).get("mooncake").random(len(trace))
    note = f"time stamps are quantised to {TICK_S:g} s: requests spread uniformly inside their tick (seeded)"
    spread = replace(trace, arrival_s=(tick + offset) * TICK_S, notes=(*trace.notes, note))
    return in_order(spread, quiet=True)
