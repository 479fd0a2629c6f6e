"""LLM request traces with `timestamp` and `input_length`: Mooncake's family, and Qwen-Bailian.

Mooncake (kvcache-ai/Mooncake, Apache-2.0) has milliseconds; so have the files of aiperf, GenAI-Perf and dynamo in its
shape, where `output_length` is optional and `delay` after the turn before makes a closed loop. The published time
stamps sit on ticks of 3 s (FAST'25) or about 3.053 s (the first paper's file): they are spread inside their tick.

Qwen-Bailian (alibaba-edu/qwen-bailian-usagetraces-anon, Apache-2.0) has the same keys and *seconds*; its `chat_id`,
`parent_chat_id` and `turn` tell it apart.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from stratsim.trace.column import as_names
from stratsim.trace.fields import Named
from stratsim.trace.flat import Given, flat
from stratsim.trace.readers.clients import waiting_notes
from stratsim.trace.registry import reader
from stratsim.trace.schema import ClientSpec, Trace
from stratsim.trace.tables.base import Kind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stratsim.trace.source import Source
    from stratsim.trace.tables.base import Table

__all__ = ["TICK_S", "read", "read_bailian"]

TICK_S = 3.0
"""Width of a tick, seconds. Source: the time stamps themselves, all within a few ms of a multiple of it."""

_OFF_TICK_S = 0.005
_HASHES = "hash_ids"


@reader("Qwen-Bailian request traces", columns=("chat_id", "timestamp", "input_length"), unit="seconds",
        left_out="`hash_ids`")  # fmt: skip
def read_bailian(source: Source) -> Trace:
    """Read a Qwen-Bailian trace; lengths, types and turns are kept for column rules, cache block hashes are not."""
    table = source.table
    stamp = table.find("timestamp") or "timestamp"
    return flat(source, table, {"arrival": Named(stamp, "s")}, Given(left_out=_hashes(table)))


def _times_or_delays(source: Source) -> bool:
    return source.table.has("timestamp") or source.table.has("session_id", "delay")


@reader("Mooncake request traces, and those of aiperf and dynamo in their shape", columns=("input_length",),
        without=("chat_id", "parent_chat_id"), check=_times_or_delays,
        recognised="`input_length` and `timestamp`, no `chat_id`", unit="milliseconds",
        ticks="3 s, or what its stamps say (3.053 s); spread inside, seeded",
        left_out="`hash_ids`; turns with a `delay` become closed-loop clients")  # fmt: skip
def read(source: Source) -> Trace:
    """Read a Mooncake trace; token counts are kept for column rules, cache block hashes are not.

    A session whose later turns have a `delay` is a closed-loop client: it sends its first request at its time stamp and
    each next one its mean delay after the reply. Requests without a delay keep their time stamps.
    """
    table = source.table
    stamp = table.find("timestamp") or "timestamp"
    if not table.has("delay") and b'"delay"' not in source.data:
        return _open_loop(source, table, stamp, None)
    columns = table.read({stamp: Kind.NUMBER, "delay": Kind.NUMBER, "session_id": Kind.LABEL})
    delays = columns.get("delay")
    if "session_id" not in columns or not isinstance(delays, np.ndarray) or np.isnan(delays).all():
        return _open_loop(source, table, stamp, None)
    stamps = np.asarray(columns.get(stamp, np.full(len(delays), np.nan)))
    sessions = as_names(columns["session_id"])
    looped = np.isin(sessions.codes, np.unique(sessions.codes[~np.isnan(delays)])) & (sessions.codes >= 0)
    for name, column in ((stamp, stamps), ("delay", delays)):
        table.refuse(
            ~np.isnan(column) & (~np.isfinite(column) | (column < 0)), name, column, "must be finite, 0 or more"
        )
    clients = tuple(
        _session(sessions.names[code], stamps[sessions.codes == code] / 1e3, delays[sessions.codes == code] / 1e3)
        for code in np.unique(sessions.codes[looped]).tolist()
    )
    note = (
        f"{int(looped.sum())} requests of {len(clients)} sessions with a delay: each a closed-loop client that pauses "
    )
    notes = (note + "for its mean delay (milliseconds)", *waiting_notes(bool(clients), False))
    rows = np.flatnonzero(~looped)
    trace = _open_loop(source, table, stamp, rows) if len(rows) else _nobody(source)
    return replace(trace, closed_loop=clients, notes=(*trace.notes, *notes))


def _nobody(source: Source) -> Trace:
    return Trace(np.empty(0), source=source.file)


def _session(name: str, stamps_s: NDArray[np.float64], delays_s: NDArray[np.float64]) -> ClientSpec:
    """Return the closed-loop client of a session."""
    known = stamps_s[~np.isnan(stamps_s)]
    start_s = float(known.min()) if len(known) else 0.0
    return ClientSpec(name, think_s=float(np.nanmean(delays_s)), start_s=start_s, limit=len(delays_s))


def _open_loop(source: Source, table: Table, stamp: str, rows: NDArray[np.int64] | None) -> Trace:
    """Return the requests that come at their time stamps."""
    given = Given(rows=rows, tick_s=_tick_s, left_out=_hashes(table))
    return flat(source, table, {"arrival": Named(stamp, "ms")}, given, stream="mooncake")


def _hashes(table: Table) -> tuple[str, ...]:
    found = table.find(_HASHES)
    return () if found is None else (found,)


def _tick_s(arrival_s: NDArray[np.float64]) -> float:
    """Return 3 s if all time stamps lie on such ticks; a tick's number times 3 s is off by a few ms in the file."""
    off = np.abs(arrival_s - np.round(arrival_s / TICK_S) * TICK_S)
    return TICK_S if (off <= _OFF_TICK_S).all() else 0.0
