"""The rows of a GPU: execution slots, copy engines, inputs that wait, loads of weights, stops; arrows along a batch.

Names are `model xN`; details are in the arguments of an event. A batch that was stopped has several executions.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.engine.result import Stretches
from stratsim.engine.rows import blocks
from stratsim.model.request import Priority
from stratsim.results.timeline.events import complete, flow, named, order
from stratsim.stats.occupancy import assign_lanes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from stratsim.engine.result import Result
    from stratsim.results.timeline.events import Event

__all__ = ["Shown", "gpu_events"]

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
_LINKED = ("copy-in", "execution", "copy-out")
"""What arrows lead along, in this order."""


class Shown:
    """The batches of a run that the timeline holds, and what it says of each.

    Args:
        result: The run.
        rows: The batches, ascending.
    """

    def __init__(self, result: Result, rows: NDArray[np.int64]) -> None:
        self.result = result.of_batches(rows)
        self.rows = rows
        self._executed_s = self.result.executed_s
        batch, chosen = result.requests.batch, np.zeros(len(result.batches) + 1, dtype=bool)
        chosen[rows] = True  # the last one, which -1 leads to, stays false
        found = [block.start + np.flatnonzero(chosen[batch[block]]) for block in blocks(len(batch))]
        members = np.concatenate([np.empty(0, dtype=np.int64), *found])
        self._members = members[np.argsort(batch[members], kind="stable")]
        self._begin = np.searchsorted(batch[self._members], np.append(rows, len(result.batches)))

    def name(self, place: int) -> str:
        """Return what a batch is called; `place` counts those that are shown."""
        batches = self.result.batches
        return f"{self.result.models[batches.model[place]]} x{batches.size[place]}"

    def arguments(self, place: int) -> dict[str, Any]:
        """Return the details of a batch."""
        requests, batches = self.result.requests, self.result.batches
        members = self._members[self._begin[place] : self._begin[place + 1]]
        slack = float((requests.deadline_s[members] - requests.finish_s[members]).min(initial=np.inf))
        executed = float(self._executed_s[place])
        return {
            "batch": int(self.rows[place]),
            "class": Priority(int(batches.priority[place])).label,
            "requests": members.tolist(),
            "deadline_slack_ms": round(slack * 1e3, 6) if np.isfinite(slack) else None,
            "slowdown": round(executed / float(batches.solo_s[place]), 6) if executed > 0 else None,
        }


def gpu_events(shown: Shown, gpu: int, pid: int) -> Iterator[Event]:
    """Yield the rows of a GPU, then its batches and their arrows, by time."""
    events: list[Event] = []
    boxes: dict[int, list[Event]] = {}
    for kind, (label, category, start, end) in enumerate(_ROWS):
        place, begun, ended = _drawn(shown.result, gpu, _spans(shown.result, start, end))
        lanes = assign_lanes(begun, ended)
        for lane in range(max(lanes, default=-1) + 1):
            tid = kind * _ROWS_PER_KIND + lane + 1
            yield named("thread_name", pid, tid, name=f"{label} {lane}" if kind == 0 or lane else label)
            yield named("thread_sort_index", pid, tid, sort_index=tid)
        for row, start_s, end_s, lane in zip(place.tolist(), begun.tolist(), ended.tolist(), lanes, strict=True):
            tid = kind * _ROWS_PER_KIND + lane + 1
            box = complete(shown.name(row), category, pid, tid, start_s, end_s, shown.arguments(row))
            events.append(box)
            if category in _LINKED:
                boxes.setdefault(row, []).append(box)
    arrows = chain.from_iterable(_arrow(int(shown.rows[place]), own) for place, own in boxes.items())
    yield from sorted([*events, *arrows], key=order)


def _arrow(number: int, boxes: list[Event]) -> Iterator[Event]:
    """Yield the arrow from a batch's copy-in by its executions to its copy-out; nothing where there is one box."""
    along = sorted(boxes, key=lambda box: (box["ts"], _LINKED.index(box["cat"])))
    if len(along) > 1:
        phases = ["s", *["t"] * (len(along) - 2), "f"]
        yield from (flow(phase, number, box) for phase, box in zip(phases, along, strict=True))


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
