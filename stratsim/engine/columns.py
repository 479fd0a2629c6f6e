"""The columns of the result tables, independent of the file format.

A table is produced in chunks of rows, so that a run of millions of requests costs no second copy of itself.
docs/reference/result-files.md lists every column with its unit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.model.columns import PAUSE_KINDS, STAGES, Labels
from stratsim.model.request import Priority, Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from stratsim.engine.result import Result

__all__ = ["CHUNK_ROWS", "Chunk", "batch_chunks", "batch_columns", "pause_chunks", "pause_columns"]
__all__ += ["request_chunks", "request_columns"]

CHUNK_ROWS = 131_072
"""Rows per chunk and per Parquet row group: about 22 MB while it is being written."""


Chunk = dict[str, "NDArray[np.float64] | NDArray[np.integer[Any]] | Labels"]
"""Some rows of a table, by column name."""


def request_chunks(result: Result, policies: Sequence[str] | None = None) -> Iterator[Chunk]:
    """Yield the request table of a run as chunks of at most `CHUNK_ROWS` rows.

    Args:
        result: The run.
        policies: All of which the table holds runs; by default this one's.
    """
    for rows in _slices(len(result.requests)):
        yield request_columns(result, rows, policies)


def batch_chunks(result: Result, policies: Sequence[str] | None = None) -> Iterator[Chunk]:
    """Yield the batch table of a run; arguments as for `request_chunks`."""
    for rows in _slices(len(result.batches)):
        yield batch_columns(result, rows, policies)


def pause_chunks(result: Result, policies: Sequence[str] | None = None) -> Iterator[Chunk]:
    """Yield the table of pauses of a run; arguments as for `request_chunks`."""
    for rows in _slices(0 if result.pauses is None else len(result.pauses)):
        yield pause_columns(result, rows, policies)


def _slices(length: int) -> Iterator[slice]:
    for start in range(0, length, CHUNK_ROWS):
        yield slice(start, min(start + CHUNK_ROWS, length))


def _policy_labels(result: Result, policies: Sequence[str] | None, rows: slice) -> Labels:
    names = (result.policy,) if policies is None else tuple(policies)
    return Labels(np.full(rows.stop - rows.start, names.index(result.policy), dtype=np.int32), names)


def request_columns(result: Result, rows: slice, policies: Sequence[str] | None = None) -> Chunk:
    """Return some rows of the request table.

    Args:
        result: The run.
        rows: Which; with start and stop.
        policies: As for `request_chunks`.
    """
    table, batches = result.requests, result.batches
    batch = table.batch[rows]
    deadline = table.deadline_s[rows]
    return {
        "policy": _policy_labels(result, policies, rows),
        "request_id": np.arange(rows.start, rows.stop),
        "arrival_s": table.arrival_s[rows],
        "model": Labels(table.model[rows], result.models),
        "priority": Labels(table.priority[rows].astype(np.int32), tuple(p.label for p in Priority)),
        "deadline_s": np.where(np.isfinite(deadline), deadline, np.nan),
        "bytes_in": table.bytes_in[rows],
        "bytes_out": table.bytes_out[rows],
        "client": Labels(table.client[rows], result.clients),
        "status": Labels(table.status[rows].astype(np.int32), tuple(s.label for s in Status)),
        "reason": Labels(table.reason[rows].astype(np.int32), result.reasons),
        "dropped_s": table.dropped_s[rows],
        "gpu": _ids(batches.gpu, batch),
        "batch_id": batch,
        "batch_size": _ids(batches.size, batch),
        **{name: _times(getattr(batches, name), batch) for name in STAGES},
        "latency_s": table.finish_s[rows] - table.arrival_s[rows],
        **({} if result.attempts is None else {"attempts": result.attempts[rows].astype(np.int64)}),
    }


def _times(values: NDArray[np.float64], batch: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return the batch's time for each request; NaN where it was never dispatched."""
    known = batch >= 0
    found = np.full(len(batch), np.nan)
    found[known] = values[batch[known]]
    return found


def _ids(values: NDArray[np.integer[Any]], batch: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the batch's integer for each request; -1 where it was never dispatched."""
    known = batch >= 0
    found = np.full(len(batch), -1, dtype=np.int64)
    found[known] = values[batch[known]]
    return found


def batch_columns(result: Result, rows: slice, policies: Sequence[str] | None = None) -> Chunk:
    """Return some rows of the batch table; arguments as for `request_columns`."""
    table = result.batches
    return {
        "policy": _policy_labels(result, policies, rows),
        "batch_id": np.arange(rows.start, rows.stop),
        "gpu": table.gpu[rows].astype(np.int64),
        "model": Labels(table.model[rows], result.models),
        "batch_size": table.size[rows].astype(np.int64),
        "priority": Labels(table.priority[rows].astype(np.int32), tuple(p.label for p in Priority)),
        **{name: getattr(table, name)[rows] for name in STAGES},
        **_loads(result, rows),
        **_stops(result, rows),
        "solo_s": table.solo_s[rows],
        "slowdown": _executed_s(result, rows) / table.solo_s[rows],
        "expected_s": table.expected_s[rows],
    }


def pause_columns(result: Result, rows: slice, policies: Sequence[str] | None = None) -> Chunk:
    """Return some rows of the table of pauses, which has none if the policy cannot preempt; arguments as before."""
    pauses = result.pauses
    times = [name for name, kind in PAUSE_KINDS.items() if kind == "float"]
    if pauses is None:
        found: Chunk = {"batch_id": np.empty(0, dtype=np.int64), **dict.fromkeys(times, np.empty(0))}
    else:
        found = {"batch_id": pauses.batch[rows], **{name: getattr(pauses, name)[rows] for name in times}}
    return {"policy": _policy_labels(result, policies, rows), **found}


def _executed_s(result: Result, rows: slice) -> NDArray[np.float64]:
    """Return some rows of `Result.executed_s`."""
    if result.pauses is not None:
        return result.executed_s[rows]
    return result.batches.execution_end_s[rows] - result.batches.execution_start_s[rows]


def _stops(result: Result, rows: slice) -> Chunk:
    """Return how often a batch stopped, for how long in all, and what it had to do again."""
    pauses, count = result.pauses, len(result.batches)
    if pauses is None:
        nothing = np.zeros(rows.stop - rows.start)
        return {"pauses": nothing.astype(np.int64), "paused_s": nothing, "lost_s": nothing}
    stopped = (~np.isnan(pauses.stopped_s)).astype(np.float64)
    return {
        "pauses": pauses.by_batch(stopped, count)[rows].astype(np.int64),
        "paused_s": result.paused_s[rows],
        "lost_s": pauses.by_batch(pauses.lost_s, count)[rows],
    }


def _loads(result: Result, rows: slice) -> Chunk:
    """Return when the weights that a batch had loaded were copied and evicted; NaN where it had none loaded."""
    loads, count = result.loads, len(result.batches)
    if loads is None:
        return dict.fromkeys(("load_start_s", "load_end_s", "evicted_s"), np.full(rows.stop - rows.start, np.nan))
    times = {"load_start_s": loads.start_s, "load_end_s": loads.end_s, "evicted_s": loads.evicted_s}
    return {name: loads.by_batch(column, count)[rows] for name, column in times.items()}
