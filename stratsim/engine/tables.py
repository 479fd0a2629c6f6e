"""Turns the buffers of a run into the two tables of its result; everything that can be derived is derived here."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import pairwise
from math import nan
from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.device import Direction
from stratsim.engine.rare import RareColumn
from stratsim.engine.result import BatchTable, LoadTable, PauseTable, RequestTable, Result
from stratsim.engine.rows import add_members, blocks
from stratsim.model.request import Priority, Status
from stratsim.model.tolerance import latest_finish_s
from stratsim.model.workload import Workload

if TYPE_CHECKING:
    from array import array
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from stratsim.device import DeviceMemory, PrivateLinks
    from stratsim.engine.layout import Layout
    from stratsim.engine.recorder import Recorder
    from stratsim.model.request import Request

__all__ = ["attempts_column", "load_table", "make_result", "make_tables", "pause_table"]

_UNKNOWN = np.float64(nan)


def make_result(
    name: str,
    recorder: Recorder,
    workload: Workload,
    layout: Layout,
    *,
    gpus: int,
    batches: int,
    events: int,
    notes: tuple[str, ...],
    began: float,
) -> Result:
    """Return the result of a run, but for what is rare: loads of weights, pauses and further attempts.

    Args:
        name: The policy's.
        recorder: What happened.
        workload: What was replayed.
        layout: The server.
        gpus: Number of GPUs.
        batches: Number of batches dispatched.
        events: Number of events scheduled.
        notes: What the user should know.
        began: When the run began, by `time.perf_counter`.
    """
    requests, table, clients = make_tables(recorder, workload, batches, layout.private_links)
    last_s = [_latest(times) for times in (requests.arrival_s, requests.finish_s, requests.dropped_s)]
    return Result(
        policy=name,
        requests=requests,
        batches=table,
        models=workload.models,
        clients=clients,
        reasons=tuple(recorder.reasons),
        gpus=gpus,
        max_concurrency=layout.slots,
        copy_engines=layout.copy_engines,
        events=events + len(workload),
        start_s=float(requests.arrival_s.min()) if len(requests) else 0.0,
        end_s=max(last_s),
        wall_s=time.perf_counter() - began,
        notes=notes,
    )


def _latest(times_s: ArrayLike) -> float:
    """Return the largest of some times, 0 if there is none; NaN: has not happened."""
    return float(np.fmax.reduce(np.asarray(times_s), initial=0.0))


def make_tables(
    recorder: Recorder, workload: Workload, batches: int, links: PrivateLinks | None, *, all_seen: bool = False
) -> tuple[RequestTable, BatchTable, tuple[str, ...]]:
    """Return the request table, the batch table and the names of the clients.

    Columns that the recorder has are not copied: it must not record any more.

    Args:
        recorder: What happened.
        workload: What was replayed.
        batches: Number of batches dispatched; all have executed, unless everything was seen.
        links: The GPUs' own links, on which copies of outputs that the run did not simulate are derived; None if there
            are none: then outputs are on the host at once.
        all_seen: Every stage that was reached is in the buffers: what they lack did not happen.
    """
    source = workload if recorder.arrived is None else _columns(recorder.arrived, workload.models)
    batch_of = np.frombuffer(recorder.batch_of, dtype=np.int32) if len(recorder.batch_of) else np.empty(0, np.int32)
    table = _batch_table(recorder, source, batch_of, batches)
    if not all_seen and np.isnan(table.copy_out_end_s).any():
        table = _copy_out(table, _bytes_out(source, batch_of, batches), links)
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


def attempts_column(attempts: Mapping[int, int], requests: int) -> RareColumn:
    """Return how often each request was sent, of those in `attempts` more than once."""
    return RareColumn(requests, list(attempts), np.array(list(attempts.values()), dtype=np.int16), 1)


def _batch_table(recorder: Recorder, source: Workload, batch_of: NDArray[np.int32], batches: int) -> BatchTable:
    model, size = np.zeros(batches, dtype=np.int16), np.zeros(batches, dtype=np.int16)
    priority = np.full(batches, max(Priority), dtype=np.int8)
    for rows in blocks(len(batch_of)):
        dispatched = batch_of[rows] >= 0
        members, level = batch_of[rows][dispatched], source.priority[rows][dispatched]
        model[members] = source.model[rows][dispatched]
        add_members(size, members)
        for more_urgent in sorted(Priority, reverse=True)[1:]:
            priority[members[level == more_urgent]] = more_urgent
    log = recorder.log
    return BatchTable(
        gpu=_column(recorder.gpu, batches, np.int32(0)),
        model=model,
        size=size,
        priority=priority,
        dispatch_s=_column(log.dispatch_s, batches),
        copy_in_start_s=_column(log.copy_in_start_s, batches),
        copy_in_end_s=_column(log.copy_in_end_s, batches),
        execution_start_s=_column(log.execution_start_s, batches),
        execution_end_s=_column(log.execution_end_s, batches),
        copy_out_start_s=_column(log.copy_out_start_s, batches),
        copy_out_end_s=_column(log.copy_out_end_s, batches),
        solo_s=_column(recorder.solo_s, batches),
        expected_s=_column(recorder.expected_s, batches),
    )


def _column(buffer: array[Any] | NDArray[Any], count: int, absent: Any = _UNKNOWN) -> NDArray[Any]:
    """Return the first rows of a column, without a copy; of one that was not kept, the value that all have."""
    if not len(buffer) or not count:
        return np.broadcast_to(absent, count)
    return np.frombuffer(buffer, dtype=absent.dtype, count=count)


def _bytes_out(source: Workload, batch_of: NDArray[np.int32], batches: int) -> NDArray[np.int64]:
    """Return the size of each batch's outputs."""
    size_bytes = np.zeros(batches, dtype=np.int64)
    for rows in blocks(len(batch_of)):
        dispatched = batch_of[rows] >= 0
        add_members(size_bytes, batch_of[rows][dispatched], source.bytes_out[rows][dispatched])
    return size_bytes


def _copy_out(table: BatchTable, size_bytes: NDArray[np.int64], links: PrivateLinks | None) -> BatchTable:
    """Return the table with the copies of outputs: on each GPU one by one, in the order in which executions end."""
    end_s = table.execution_end_s
    if links is None:
        return replace(table, copy_out_start_s=end_s, copy_out_end_s=end_s)
    start_s, done_s = np.empty(len(table)), np.empty(len(table))
    # Stable: of those that end at the same time the one dispatched first is first.
    if links.gpus == 1:
        order, bounds = np.argsort(end_s, kind="stable"), [0, len(table)]
    else:
        order = np.lexsort((end_s, table.gpu))
        bounds = np.searchsorted(table.gpu[order], np.arange(links.gpus + 1)).tolist()
    for gpu, (first, last) in enumerate(pairwise(bounds)):
        for block in blocks(last - first):
            rows = order[first:last][block]
            start_s[rows], done_s[rows] = links.submit_all(gpu, Direction.D2H, end_s[rows], size_bytes[rows])
    return replace(table, copy_out_start_s=start_s, copy_out_end_s=done_s)


def _request_table(
    recorder: Recorder, source: Workload, batch_of: NDArray[np.int32], copy_out_end_s: NDArray[np.float64]
) -> RequestTable:
    count = len(batch_of)
    finish_s = np.empty(count)
    status = np.empty(count, dtype=np.int8)
    for rows in blocks(count):
        # Batch -1, never dispatched, would be the last one.
        done_s = np.where(batch_of[rows] >= 0, copy_out_end_s[batch_of[rows]], nan) if len(copy_out_end_s) else nan
        finish_s[rows] = done_s
        met = finish_s[rows] <= latest_finish_s(source.deadline_s[rows])
        status[rows] = np.where(np.isnan(done_s), Status.UNFINISHED, np.where(met, Status.MET, Status.LATE))
    dropped = np.array(recorder.dropped, dtype=np.int32)
    status[dropped] = Status.DROPPED
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
        dropped_s=RareColumn(count, dropped, np.array(recorder.dropped_s, dtype=np.float64), nan),
        reason=RareColumn(count, dropped, np.array(recorder.reason, dtype=np.int16), -1),
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
