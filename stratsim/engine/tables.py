"""Turns the buffers of a run into the two tables of its result; everything that can be derived is derived here."""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.device import Direction
from stratsim.engine.result import BatchTable, LoadTable, PauseTable, RequestTable
from stratsim.model.request import Status
from stratsim.model.tolerance import latest_finish_s
from stratsim.model.workload import Workload

if TYPE_CHECKING:
    from array import array
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from stratsim.device import DeviceMemory, PrivateLinks
    from stratsim.engine.recorder import Recorder
    from stratsim.model.request import Request

__all__ = ["load_table", "make_tables", "pause_table"]


def make_tables(
    recorder: Recorder,
    workload: Workload,
    batches: int,
    latency_s: Mapping[str, Sequence[float]],
    factors: array[float],
    links: PrivateLinks | None,
    *,
    all_seen: bool = False,
) -> tuple[RequestTable, BatchTable, tuple[str, ...]]:
    """Return the request table, the batch table and the names of the clients.

    Args:
        recorder: What happened.
        workload: What was replayed.
        batches: Number of batches dispatched; all have executed, unless everything was seen.
        latency_s: Solo latency by model and batch size.
        factors: By which a batch deviates from it, by the id of its earliest request.
        links: The GPUs' own links, on which copies of outputs that the run did not simulate are derived; None if there
            are none: then outputs are on the host at once.
        all_seen: Every stage that was reached is in the buffers: what they lack did not happen.
    """
    source = workload if recorder.arrived is None else _columns(recorder.arrived, workload.models)
    batch_of = np.frombuffer(recorder.batch_of, dtype=np.int64).copy()
    table = _batch_table(recorder, source, batch_of, batches)
    _solo(table, batch_of, [latency_s.get(name, ()) for name in source.models], np.frombuffer(factors))
    if not all_seen and np.isnan(table.copy_out_end_s).any():
        dispatched = batch_of >= 0
        size_bytes = np.zeros(batches, dtype=np.int64)
        np.add.at(size_bytes, batch_of[dispatched], source.bytes_out[dispatched])
        _copy_out(table, size_bytes, links)
    return _request_table(recorder, source, batch_of, table.copy_out_end_s), table, source.client_names


def load_table(recorder: Recorder, batches: BatchTable, memory: DeviceMemory, models: Sequence[str]) -> LoadTable:
    """Return the table of the copies of weights.

    Args:
        recorder: What happened.
        batches: The batch table.
        memory: Of any GPU.
        models: Names of the models that the batch table refers to.
    """
    loads = list(recorder.loads.values())
    batch = np.array(list(recorder.loads), dtype=np.int64)
    return LoadTable(
        batch=batch,
        start_s=np.array([load.start_s for load in loads], dtype=np.float64),
        end_s=np.array([load.end_s for load in loads], dtype=np.float64),
        evicted_s=np.array([load.evicted_s for load in loads], dtype=np.float64),
        weights_bytes=np.array([memory.weights_bytes(models[code]) for code in batches.model[batch]], dtype=np.int64),
        capacity_bytes=memory.capacity_bytes,
    )


def pause_table(recorder: Recorder) -> PauseTable:
    """Return the table of what was stopped."""
    pauses = recorder.pauses
    times = {
        name: np.array([getattr(pause, name) for pause in pauses], dtype=np.float64)
        for name in ("suspend_s", "freed_s", "stopped_s", "restart_s", "lost_s")
    }
    return PauseTable(batch=np.array([pause.batch for pause in pauses], dtype=np.int64), **times)


def _batch_table(recorder: Recorder, source: Workload, batch_of: NDArray[np.int64], batches: int) -> BatchTable:
    dispatched = batch_of >= 0
    members = batch_of[dispatched]
    model = np.zeros(batches, dtype=np.int32)
    model[members] = source.model[dispatched]
    priority = np.full(batches, np.iinfo(np.int8).max, dtype=np.int8)
    np.minimum.at(priority, members, source.priority[dispatched])
    log = recorder.log
    return BatchTable(
        gpu=_column(recorder.gpu, np.int32, batches),
        model=model,
        size=np.bincount(members, minlength=batches).astype(np.int32),
        priority=priority,
        dispatch_s=_column(log.dispatch_s, np.float64, batches),
        copy_in_start_s=_column(log.copy_in_start_s, np.float64, batches),
        copy_in_end_s=_column(log.copy_in_end_s, np.float64, batches),
        execution_start_s=_column(log.execution_start_s, np.float64, batches),
        execution_end_s=_column(log.execution_end_s, np.float64, batches),
        copy_out_start_s=_column(log.copy_out_start_s, np.float64, batches),
        copy_out_end_s=_column(log.copy_out_end_s, np.float64, batches),
        solo_s=np.full(batches, nan),
        expected_s=_column(recorder.expected_s, np.float64, batches),
    )


def _solo(
    table: BatchTable,
    batch_of: NDArray[np.int64],
    latency_s: Sequence[Sequence[float]],
    factors: NDArray[np.float64],
) -> None:
    """Fill in how long each batch would have taken alone: what the device was told when it was dispatched."""
    dispatched = np.flatnonzero(batch_of >= 0)
    lead = np.empty(len(table), dtype=np.int64)
    lead[batch_of[dispatched[::-1]]] = dispatched[::-1]  # the last one written, the smallest id, stays
    for code, by_size in enumerate(latency_s):
        rows = np.flatnonzero(table.model == code)
        table.solo_s[rows] = np.array(by_size)[table.size[rows]] * factors[lead[rows]]


def _column(buffer: array[Any], dtype: type[np.generic], count: int) -> NDArray[Any]:
    return np.frombuffer(buffer, dtype=dtype, count=count).copy() if count else np.empty(0, dtype)


def _copy_out(table: BatchTable, size_bytes: NDArray[np.int64], links: PrivateLinks | None) -> None:
    """Fill in the copies of the outputs: per GPU one after the other, in the order in which executions ended."""
    if links is None:
        table.copy_out_start_s[:] = table.copy_out_end_s[:] = table.execution_end_s
        return
    for gpu in np.unique(table.gpu):
        rows = np.flatnonzero(table.gpu == gpu)
        rows = rows[np.argsort(table.execution_end_s[rows], kind="stable")]
        start_s, end_s = links.submit_all(gpu, Direction.D2H, table.execution_end_s[rows], size_bytes[rows])
        table.copy_out_start_s[rows] = start_s
        table.copy_out_end_s[rows] = end_s


def _request_table(
    recorder: Recorder, source: Workload, batch_of: NDArray[np.int64], copy_out_end_s: NDArray[np.float64]
) -> RequestTable:
    count = len(batch_of)
    finish_s = np.full(count, nan)
    finish_s[batch_of >= 0] = copy_out_end_s[batch_of[batch_of >= 0]]
    status = np.full(count, Status.UNFINISHED, dtype=np.int8)
    status[~np.isnan(finish_s)] = Status.LATE
    status[finish_s <= latest_finish_s(source.deadline_s)] = Status.MET
    dropped_s = np.full(count, nan)
    reason = np.full(count, -1, dtype=np.int16)
    if recorder.dropped:
        ids, times_s, reasons = (np.array(column) for column in zip(*recorder.dropped, strict=True))
        status[ids] = Status.DROPPED
        dropped_s[ids] = times_s
        reason[ids] = reasons
    return RequestTable(
        arrival_s=source.arrival_s,
        model=source.model,
        priority=source.priority,
        deadline_s=source.deadline_s,
        bytes_in=source.bytes_in,
        bytes_out=source.bytes_out,
        client=source.client,
        status=status,
        batch=batch_of,
        dropped_s=dropped_s,
        reason=reason,
        finish_s=finish_s,
    )


def _columns(arrived: list[Request], models: tuple[str, ...]) -> Workload:
    """Turn the requests of a run whose arrivals depended on replies into columns."""
    names = tuple(dict.fromkeys(r.client for r in arrived if r.client is not None))
    client = {name: code for code, name in enumerate(names)}
    model = {name: code for code, name in enumerate(models)}
    return Workload(
        models=models,
        arrival_s=np.array([r.arrival_s for r in arrived], dtype=np.float64),
        model=np.array([model[r.model] for r in arrived], dtype=np.int32),
        priority=np.array([r.priority for r in arrived], dtype=np.int8),
        deadline_s=np.array([r.deadline_s for r in arrived], dtype=np.float64),
        bytes_in=np.array([r.bytes_in for r in arrived], dtype=np.int64),
        bytes_out=np.array([r.bytes_out for r in arrived], dtype=np.int64),
        client=np.array([-1 if r.client is None else client[r.client] for r in arrived], dtype=np.int32),
        client_names=names,
    )
