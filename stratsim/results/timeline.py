"""The timeline of a run as Chrome trace events, for https://ui.perfetto.dev or chrome://tracing.

One process per policy and GPU. Its rows: the execution slots (a batch takes the lowest that is free), the two copy
engines, inputs that wait on the GPU for a slot, loads of weights, which the h2d engine carries too, and batches that
were stopped until they go on. A batch that was stopped has several executions. Names are `model xN`; details are in the
arguments of an event. The format is described in "Trace Event Format" (Google, 2016);
timestamps are in microseconds, to the nanosecond.
"""

from __future__ import annotations

import json
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from stratsim.engine.result import Stretches
from stratsim.model.request import Priority
from stratsim.stats.occupancy import assign_lanes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stratsim.engine.result import Result

__all__ = ["Timeline", "timeline_events"]

_ROWS = (
    ("slot", "execution", "execution_start_s", "execution_end_s"),
    ("h2d", "copy-in", "copy_in_start_s", "copy_in_end_s"),
    ("d2h", "copy-out", "copy_out_start_s", "copy_out_end_s"),
    ("waiting input", "wait", "copy_in_end_s", "execution_start_s"),
    ("weights", "load", "load_start_s", "load_end_s"),
    ("stopped", "pause", "stopped_s", "restart_s"),
)
_ROWS_PER_KIND = 1000
"""Thread ids: the kind's position times this, plus the lane."""


def timeline_events(results: Sequence[Result], cap: int = 5_000) -> Iterator[dict[str, Any]]:
    """Yield the events: per process its names, then its batches by time.

    Args:
        results: The runs.
        cap: The most batches per run, from the first dispatched on.
    """
    process = 0
    for result in results:
        first = result.first_batches(cap)
        details = _Details(first)
        for gpu in range(result.gpus):
            process += 1
            yield from _process(first, details, gpu, process)


class Timeline:
    """Writes the timeline of one run after the other.

    Args:
        file: Where to, an event per line; open for text.
        cap: The most batches per run.
    """

    def __init__(self, file: IO[str], cap: int = 5_000) -> None:
        self._file = file
        self._cap = cap
        self._notes: list[str] = []
        self._events: list[str] = []
        """As text: some thousand per run, needed until the notes are complete, which come first."""
        self._processes = 0

    def add(self, result: Result) -> None:
        """Take a run."""
        if len(result.batches) > self._cap:
            self._notes.append(f"{result.policy}: the first {self._cap} of {len(result.batches)} batches")
        for event in timeline_events([result], self._cap):
            event["pid"] += self._processes
            if event["name"] == "process_sort_index":
                event["args"]["sort_index"] += self._processes
            self._events.append(json.dumps(event, allow_nan=False, separators=(",", ":")))
        self._processes += result.gpus

    def close(self) -> None:
        """Write it."""
        about = json.dumps({"source": "stratsim", "notes": self._notes})
        self._file.write('{"displayTimeUnit": "ms",\n' + f'"otherData": {about},\n"traceEvents": [')
        self._file.writelines((",\n" if number else "\n") + event for number, event in enumerate(self._events))
        self._file.write("\n]}\n")


def _process(result: Result, details: _Details, gpu: int, pid: int) -> Iterator[dict[str, Any]]:
    yield _metadata("process_name", pid, 0, name=f"{result.policy}, GPU {gpu}")
    yield _metadata("process_sort_index", pid, 0, sort_index=pid)
    events: list[dict[str, Any]] = []
    for kind, (label, category, start, end) in enumerate(_ROWS):
        batch, begun, ended = _drawn(result, gpu, _spans(result, start, end))
        lanes = assign_lanes(begun, ended)
        for lane in range(max(lanes, default=-1) + 1):
            tid = kind * _ROWS_PER_KIND + lane + 1
            yield _metadata("thread_name", pid, tid, name=f"{label} {lane}" if kind == 0 or lane else label)
            yield _metadata("thread_sort_index", pid, tid, sort_index=tid)
        for row, *span, lane in zip(batch.tolist(), begun.tolist(), ended.tolist(), lanes, strict=True):
            place = {"cat": category, "ph": "X", "pid": pid, "tid": kind * _ROWS_PER_KIND + lane + 1}
            events.append({"name": details.name(row), **place, **_time(*span), "args": details.arguments(row)})
    yield from sorted(events, key=lambda event: (event["ts"], event["tid"]))


def _spans(result: Result, start: str, end: str) -> Stretches:
    """Return the intervals between two stages, by batch."""
    loads, pauses = result.loads, result.pauses
    if start == "execution_start_s":
        return result.stretches()
    if start == "stopped_s":
        nothing = np.empty(0)
        if pauses is None:
            return Stretches(nothing.astype(np.int64), nothing, nothing)
        return Stretches(pauses.batch, pauses.stopped_s, pauses.restart_s)
    batches = len(result.batches)
    if start != "load_start_s":
        return Stretches(np.arange(batches), getattr(result.batches, start), getattr(result.batches, end))
    if loads is None:
        return Stretches(np.arange(batches), *[np.full(batches, np.nan)] * 2)
    return Stretches(np.arange(batches), loads.by_batch(loads.start_s, batches), loads.by_batch(loads.end_s, batches))


def _drawn(result: Result, gpu: int, spans: Stretches) -> Stretches:
    """Return the intervals that took any time on one GPU."""
    batch, start_s, end_s = spans
    drawn = (end_s > start_s) & (result.batches.gpu[batch] == gpu)
    return Stretches(batch[drawn], start_s[drawn], end_s[drawn])


def _metadata(kind: str, pid: int, tid: int, **args: object) -> dict[str, Any]:
    return {"name": kind, "ph": "M", "pid": pid, "tid": tid, "args": args}


def _time(start_s: float, end_s: float) -> dict[str, float]:
    """Return start and duration in microseconds; rounding the ends, not the duration, keeps neighbours apart."""
    start, end = round(start_s * 1e6, 3), round(end_s * 1e6, 3)
    return {"ts": start, "dur": round(end - start, 3)}


class _Details:
    """What the timeline says of a batch."""

    def __init__(self, result: Result) -> None:
        self._result = result
        self._executed_s = result.executed_s
        batch, batches = result.requests.batch, len(result.batches)
        shown = np.flatnonzero((batch >= 0) & (batch < batches))
        self._members = shown[np.argsort(batch[shown], kind="stable")]
        self._begin = np.searchsorted(batch[self._members], np.arange(batches + 1))

    def name(self, row: int) -> str:
        batches = self._result.batches
        return f"{self._result.models[batches.model[row]]} x{batches.size[row]}"

    def arguments(self, row: int) -> dict[str, Any]:
        requests, batches = self._result.requests, self._result.batches
        members = self._members[self._begin[row] : self._begin[row + 1]]
        slack = float((requests.deadline_s[members] - requests.finish_s[members]).min(initial=np.inf))
        executed = float(self._executed_s[row])
        return {
            "batch": row,
            "class": Priority(int(batches.priority[row])).label,
            "requests": members.tolist(),
            "deadline_slack_ms": round(slack * 1e3, 6) if np.isfinite(slack) else None,
            "slowdown": round(executed / float(batches.solo_s[row]), 6) if executed > 0 else None,
        }
