"""Collects what happens, in typed buffers, and turns it into a `Result`."""

from __future__ import annotations

import struct
from array import array
from math import nan
from operator import attrgetter
from typing import TYPE_CHECKING

import numpy as np

from stratsim.engine.result import BatchTable, RequestTable, Result
from stratsim.model.request import Request, Status
from stratsim.model.tolerance import TIME_RTOL

if TYPE_CHECKING:
    from stratsim.model.workload import Workload
    from stratsim.policy.view import InFlight

__all__ = ["Recorder"]

_ROW = struct.Struct("<4i8d")
_COLUMNS: tuple[str, ...] = ("gpu", "model", "size", "priority", "dispatch_s", "copy_in_start_s", "copy_in_end_s")
_COLUMNS += ("execution_start_s", "execution_end_s", "copy_out_start_s", "copy_out_end_s", "solo_s")
_STAGES = attrgetter(*(f"_{name}" for name in _COLUMNS[4:-1]))
_GROW = 8_192
"""Rows by which the batch buffer grows."""


class Recorder:
    """The log of one run.

    Args:
        workload: What is replayed. Its arrays become the request table, unless closed-loop clients add requests.
    """

    __slots__ = (
        "_arrived",
        "_batches_done",
        "_codes",
        "_dropped",
        "_reasons",
        "_rows",
        "_workload",
        "batch_of",
        "end_s",
    )

    def __init__(self, workload: Workload) -> None:
        self._workload = workload
        self._codes = {name: code for code, name in enumerate(workload.models)}
        self._rows = bytearray()
        self._batches_done = 0
        self._arrived: list[Request] | None = [] if workload.closed_loop else None
        self._dropped: list[tuple[int, float, int]] = []
        self._reasons: dict[str, int] = {}
        self.batch_of = array("q", [-1]) * (0 if workload.closed_loop else len(workload))
        """Batch by request id; -1 before dispatch."""
        self.end_s = float(workload.arrival_s[-1]) if len(workload) else 0.0

    def arrived(self, request: Request) -> None:
        """Note an arrival in a run with closed-loop clients."""
        assert self._arrived is not None  # noqa: S101 (the engine calls this only in such runs)
        self._arrived.append(request)
        self.batch_of.append(-1)
        self.end_s = max(self.end_s, request.arrival_s)

    def dropped(self, request: Request, now_s: float, reason: str) -> None:
        """Note a drop."""
        self._dropped.append((request.id, now_s, self._reasons.setdefault(reason, len(self._reasons))))
        self.end_s = max(self.end_s, now_s)

    def done(self, batch: InFlight, solo_s: float) -> None:
        """Note a finished batch: all its times are known."""
        offset = batch.id * _ROW.size
        while offset >= len(self._rows):
            self._rows.extend(bytes(_GROW * _ROW.size))
        self._batches_done += 1
        end_s = batch._copy_out_end_s
        _ROW.pack_into(
            self._rows,
            offset,
            batch.gpu,
            self._codes[batch.model],
            len(batch.requests),
            batch.priority,
            *_STAGES(batch),
            solo_s,
        )
        if end_s > self.end_s:
            self.end_s = end_s

    def result(self, policy: str, gpus: int, events: int, wall_s: float, notes: tuple[str, ...]) -> Result:
        """Return the tables."""
        batches = self._batches()
        requests, clients = self._requests(batches)
        return Result(
            policy=policy,
            requests=requests,
            batches=batches,
            models=self._workload.models,
            clients=clients,
            reasons=tuple(self._reasons),
            gpus=gpus,
            events=events,
            start_s=float(requests.arrival_s[0]) if len(requests) else 0.0,
            end_s=self.end_s,
            wall_s=wall_s,
            notes=notes,
        )

    def _batches(self) -> BatchTable:
        # Every dispatched batch ends before the run does, so the rows have no gaps.
        kinds = {"gpu": np.int32, "model": np.int32, "size": np.int32, "priority": np.int8}
        layout = np.dtype([(name, "<i4" if name in kinds else "<f8") for name in _COLUMNS])
        rows = np.frombuffer(self._rows, dtype=layout, count=self._batches_done)
        return BatchTable(**{name: rows[name].astype(kinds.get(name, np.float64)) for name in _COLUMNS})

    def _requests(self, batches: BatchTable) -> tuple[RequestTable, tuple[str, ...]]:
        workload = self._workload
        source, clients = (workload, workload.client_names) if self._arrived is None else self._columns(self._arrived)
        batch = np.frombuffer(self.batch_of, dtype=np.int64).copy()
        finish_s = np.full(len(batch), nan)
        finish_s[batch >= 0] = batches.copy_out_end_s[batch[batch >= 0]]
        status = np.full(len(batch), Status.UNFINISHED, dtype=np.int8)
        finished = ~np.isnan(finish_s)
        status[finished] = Status.LATE
        status[finish_s <= source.deadline_s * (1.0 + TIME_RTOL)] = Status.MET
        dropped_s = np.full(len(batch), nan)
        reason = np.full(len(batch), -1, dtype=np.int16)
        if self._dropped:
            ids, times, reasons = (np.array(column) for column in zip(*self._dropped, strict=True))
            status[ids] = Status.DROPPED
            dropped_s[ids] = times
            reason[ids] = reasons
        table = RequestTable(
            arrival_s=source.arrival_s,
            model=source.model,
            priority=source.priority,
            deadline_s=source.deadline_s,
            bytes_in=source.bytes_in,
            bytes_out=source.bytes_out,
            client=source.client,
            status=status,
            batch=batch,
            dropped_s=dropped_s,
            reason=reason,
            finish_s=finish_s,
        )
        return table, clients

    def _columns(self, arrived: list[Request]) -> tuple[Workload, tuple[str, ...]]:
        """Turn the requests of a run with closed-loop clients into columns."""
        from stratsim.model.workload import Workload

        names = tuple(dict.fromkeys(r.client for r in arrived if r.client is not None))
        code = {name: i for i, name in enumerate(names)}
        columns = Workload(
            models=self._workload.models,
            arrival_s=np.array([r.arrival_s for r in arrived], dtype=np.float64),
            model=np.array([self._codes[r.model] for r in arrived], dtype=np.int32),
            priority=np.array([r.priority for r in arrived], dtype=np.int8),
            deadline_s=np.array([r.deadline_s for r in arrived], dtype=np.float64),
            bytes_in=np.array([r.bytes_in for r in arrived], dtype=np.int64),
            bytes_out=np.array([r.bytes_out for r in arrived], dtype=np.int64),
            client=np.array([-1 if r.client is None else code[r.client] for r in arrived], dtype=np.int32),
            client_names=names,
        )
        return columns, names
