"""DISB workloads (SJTU-IPADS/disb, Apache-2.0): two-priority clients, open-loop streams beside closed loops.

An id that ends in `_rt` is real time (high priority), `_be` best effort (low). `load.type` alone says how a client
sends: `periodic`, `poisson` or `trace` (open loop), or `continuous` (closed loop: the next request when the reply is
in). Requests are issued until `time`. The benchmark has no deadlines.

As its load generator (src/load.cpp @ d61059f) has it, an open-loop client sends one request at a time, and when it is
late the newest only: it gives up what its next one has overtaken. Periodic clients whose frequencies have the same
whole part, and no `priority` above 0, start one after the other: each later by the solo latencies of those before it in
the file. Two things differ, by one request per client: here a Poisson client starts after its first gap, there with a
request at 0; and here nothing is sent from `time` on, there a request that is late and not overtaken still is.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from stratsim.model.request import Priority
from stratsim.rng import Streams
from stratsim.trace.flat import in_order
from stratsim.trace.readers.clients import waiting_notes
from stratsim.trace.registry import reader
from stratsim.trace.schema import ClientSpec, Names, OneAtATimeSpec, Trace

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stratsim.trace.source import Source

__all__ = ["read"]


class _Load(msgspec.Struct, frozen=True):
    type: str
    frequency: float | None = None
    priority: int | None = None
    trace: list[float] | None = None

    def __post_init__(self) -> None:
        known = ("periodic", "poisson", "trace", "continuous")
        if self.type not in known:
            raise ValueError(f"type must be one of {', '.join(known)}, got {self.type!r}")
        if self.type in {"periodic", "poisson"} and not (self.frequency and 0 < self.frequency < math.inf):
            raise ValueError(f"frequency must be > 0 requests per second, got {self.frequency!r}")
        if self.type == "trace" and self.trace is None:
            raise ValueError("trace is missing")
        if any(not 0 <= stamp < math.inf for stamp in self.trace or ()):
            raise ValueError("trace must hold finite milliseconds >= 0")


class _Client(msgspec.Struct, frozen=True):
    model_name: str
    batch_size: int = 1

    def __post_init__(self) -> None:
        if self.batch_size != 1:
            raise ValueError(f"batch_size must be 1 (policies batch, clients do not), got {self.batch_size}")


class _Task(msgspec.Struct, frozen=True):
    id: str
    load: _Load
    client: _Client

    @property
    def priority(self) -> Priority | None:
        if self.id.endswith("_rt"):
            return Priority.HIGH
        return Priority.LOW if self.id.endswith("_be") else None


class _Workload(msgspec.Struct, frozen=True):
    time: float
    tasks: list[_Task]

    def __post_init__(self) -> None:
        if not 0 < self.time < math.inf:
            raise ValueError(f"time must be > 0 seconds, got {self.time}")
        if not self.tasks:
            raise ValueError("tasks is empty")
        ids = [task.id for task in self.tasks]
        for name in ids:
            if ids.count(name) > 1:
                raise ValueError(f"id {name!r} occurs twice")


def _has_tasks(source: Source) -> bool:
    tasks = bytes((source.document or {}).get("tasks", b""))
    return tasks[:1] == b"[" and tasks[1:].lstrip()[:1] in (b"{", b"]")


@reader("DISB workloads", keys=("tasks",), check=_has_tasks, recognised="`tasks`, a list of objects",
        unit="seconds, listed traces milliseconds",
        left_out="requests listed at or after `time`, counted")  # fmt: skip
def read(source: Source) -> Trace:
    """Read a DISB workload. Each Poisson client has a random stream of its own."""
    try:
        workload = msgspec.json.decode(source.data.removeprefix(b"\xef\xbb\xbf"), type=_Workload)
    except msgspec.DecodeError as error:
        raise source.error(f"is not a DISB workload: {error}") from None
    streams = Streams(source.seed)
    open_loop = [task for task in workload.tasks if task.load.type != "continuous"]
    arrivals = [_arrivals(task, workload.time, streams) for task in open_loop]
    counts = [len(stamps) for stamps in arrivals]
    trace = Trace(
        arrival_s=np.concatenate(arrivals) if arrivals else np.empty(0),
        model=_repeat([task.client.model_name for task in open_loop], counts),
        priority=_priorities(open_loop, counts),
        client=_repeat([task.id for task in open_loop], counts),
        closed_loop=tuple(_closed(task, workload.time) for task in workload.tasks if task.load.type == "continuous"),
        one_at_a_time=_one_at_a_time(open_loop, workload.time),
        deadline_free=True,
        source=source.file,
        notes=_notes(open_loop, arrivals, workload),
    )
    return in_order(trace, quiet=True)


def _arrivals(task: _Task, until_s: float, streams: Streams) -> NDArray[np.float64]:
    """Return when the requests of an open-loop client are due before `until_s`, if it starts after no other."""
    if task.load.trace is not None and task.load.type == "trace":
        listed = np.sort(np.asarray(task.load.trace, dtype=np.float64)) / 1e3
        return listed[listed < until_s]
    period = 1.0 / (task.load.frequency or math.nan)
    if task.load.type == "periodic":
        beats = np.arange(math.ceil(until_s / period) + 1, dtype=np.float64) * period
        return beats[beats < until_s]
    rng = streams.get("disb", task.id)
    stamps: NDArray[np.float64] = np.empty(0)
    last = 0.0
    while last < until_s:
        stamps = np.append(stamps, last + np.cumsum(rng.exponential(period, 1024)))
        last = float(stamps[-1])
    return stamps[stamps < until_s]


def _closed(task: _Task, until_s: float) -> ClientSpec:
    return ClientSpec(task.id, task.client.model_name, task.priority, slo_s=None, stop_s=until_s)


def _one_at_a_time(tasks: list[_Task], until_s: float) -> tuple[OneAtATimeSpec, ...]:
    """Return the open-loop clients; a periodic one starts after those of its frequency that come before it."""
    before: dict[int, list[str]] = {}
    specs = []
    for task in tasks:
        started: list[str] = []
        if task.load.type == "periodic" and (task.load.priority or 0) <= 0:
            started = before.setdefault(int(task.load.frequency or 0), [])
        specs.append(OneAtATimeSpec(task.id, until_s, tuple(started)))
        started.append(task.client.model_name)
    return tuple(specs)


def _repeat(names: list[str], counts: list[int]) -> Names | None:
    if not sum(counts):
        return None
    distinct = Names.encode(names)
    return Names(distinct.names, np.repeat(distinct.codes, counts))


def _priorities(tasks: list[_Task], counts: list[int]) -> NDArray[np.int8] | None:
    """Return the classes; None (left to the rule) unless every open-loop client's id says which."""
    classes = [task.priority for task in tasks]
    if not classes or None in classes:
        return None
    return np.repeat(np.asarray(classes, dtype=np.int8), counts)


def _notes(tasks: list[_Task], arrivals: list[NDArray[np.float64]], workload: _Workload) -> tuple[str, ...]:
    notes = ["times in seconds, those of listed traces in milliseconds"]
    if any(spec.after for spec in _one_at_a_time(tasks, workload.time)):
        notes.append("periodic clients of one frequency start one after the other, by their solo latencies")
    if any(task.load.type == "poisson" for task in tasks):
        notes.append("Poisson clients draw seeded gaps")
    late = sum(len(task.load.trace or ()) - len(stamps) for task, stamps in zip(tasks, arrivals, strict=True)
               if task.load.type == "trace")  # fmt: skip
    if late:
        notes.append(f"{late} listed requests lie at or after the end of the workload, {workload.time:g} s: left out")
    notes += waiting_notes(any(task.load.type == "continuous" for task in workload.tasks), bool(tasks))
    return tuple(notes)
