"""What becomes of requests: instants for arrivals, deadlines and drops, and how many wait, by class and model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from stratsim.engine.rows import blocks
from stratsim.model.request import Priority, Status
from stratsim.results.timeline.events import complete, counter, instant, named, order

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from stratsim.engine.result import Result
    from stratsim.results.timeline.events import Event
    from stratsim.results.timeline.spans import Span

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

__all__ = ["request_events"]

_ROWS = ("in this file", "arrivals", "deadlines", "drops")


def request_events(result: Result, spans: Sequence[Span], pid: int) -> Iterator[Event]:
    """Yield the rows of a run's requests, then what happens to these within the spans, by time."""
    for tid, name in enumerate(_ROWS, start=1):
        yield named("thread_name", pid, tid, name=name)
        yield named("thread_sort_index", pid, tid, sort_index=tid)
    events: list[Event] = []
    for span, here in zip(spans, _within(result, spans), strict=True):
        events.append(complete(span.why, "stretch", pid, 1, span.from_s, span.to_s, {"arrivals": len(here.arriving)}))
        events += _instants(result, here, pid)
        events += _counters(result, here, span, pid)
    yield from sorted(events, key=order)


class _Here(NamedTuple):
    """Requests that have to do with a span; rows of the request table, ascending."""

    arriving: Integers
    deadline: Integers
    """Those whose deadline lies in it."""
    dropped: Integers
    waiting: Integers
    """Those that wait at its start or later in it."""
    left_s: Floats
    """When each of those stops to wait; infinite: it waits until the end."""


def _within(result: Result, spans: Sequence[Span]) -> list[_Here]:
    """Find the requests of each span; reads the table once, in pieces."""
    requests = result.requests
    found: list[dict[str, list[Any]]] = [
        {name: [np.empty(0, dtype=np.int64)] for name in _Here._fields} | {"left_s": [np.empty(0)]} for _ in spans
    ]
    for block in blocks(len(requests)):
        arrival_s, deadline_s = requests.arrival_s[block], requests.deadline_s[block]
        dropped_s = np.asarray(requests.dropped_s[block])
        left_s = _left_s(result, block, dropped_s)
        for (from_s, to_s, _), here in zip(spans, found, strict=True):
            masks = {
                "arriving": (arrival_s >= from_s) & (arrival_s <= to_s),
                "deadline": (deadline_s >= from_s) & (deadline_s <= to_s),
                "dropped": (dropped_s >= from_s) & (dropped_s <= to_s),
                "waiting": (arrival_s <= to_s) & (left_s >= from_s),
            }
            for name, mask in masks.items():
                here[name].append(block.start + np.flatnonzero(mask))
            here["left_s"].append(left_s[masks["waiting"]])
    return [_Here(**{name: np.concatenate(parts) for name, parts in here.items()}) for here in found]


def _left_s(result: Result, block: slice, dropped_s: Floats) -> Floats:
    """Return when requests were dispatched or given up; infinite where neither happened."""
    batch = result.requests.batch[block]
    dispatch_s = result.batches.dispatch_s
    left_s = np.where(np.isnan(dropped_s), np.inf, dropped_s)
    sent = batch >= 0
    left_s[sent] = dispatch_s[batch[sent]]
    return left_s


def _instants(result: Result, here: _Here, pid: int) -> Iterator[Event]:
    requests, (_, arrivals, deadlines, drops) = result.requests, range(1, 1 + len(_ROWS))
    for row in here.arriving.tolist():
        about = _about(result, row)
        slo_s = float(requests.deadline_s[row] - requests.arrival_s[row])
        about["deadline_after_ms"] = round(slo_s * 1e3, 6) if np.isfinite(slo_s) else None
        yield instant(about["model"], "arrival", pid, arrivals, float(requests.arrival_s[row]), about)
    for row in here.deadline.tolist():
        status = Status(int(requests.status[row])).label
        yield instant(status, "deadline", pid, deadlines, float(requests.deadline_s[row]), _about(result, row))
    for row in here.dropped.tolist():
        reason = int(requests.reason[row])
        name = result.reasons[reason] if reason >= 0 else "dropped"
        yield instant(name, "drop", pid, drops, float(requests.dropped_s[row]), _about(result, row))


def _about(result: Result, row: int) -> dict[str, Any]:
    requests = result.requests
    batch = int(requests.batch[row])
    return {
        "request": row,
        "model": result.models[requests.model[row]],
        "class": Priority(int(requests.priority[row])).label,
        "batch": batch if batch >= 0 else None,
    }


def _counters(result: Result, here: _Here, span: Span, pid: int) -> Iterator[Event]:
    """Yield how many requests wait for dispatch: of all models, and of each that has any."""
    requests = result.requests
    model, priority = requests.model[here.waiting], requests.priority[here.waiting]
    came_s = np.maximum(requests.arrival_s[here.waiting], span.from_s)
    yield from _steps("waiting", came_s, here.left_s, priority, span, pid)
    for number in np.unique(model).tolist():
        own = model == number
        name = f"waiting: {result.models[number]}"
        yield from _steps(name, came_s[own], here.left_s[own], priority[own], span, pid)


def _steps(
    name: str, came_s: Floats, left_s: Floats, priority: NDArray[np.int8], span: Span, pid: int
) -> Iterator[Event]:
    """Yield a counter with a series per class wherever it changes, and at the start of the span."""
    at_s = np.unique(np.concatenate([[span.from_s], came_s, left_s]))
    at_s = at_s[at_s <= span.to_s]
    counts = []
    for each in Priority:
        own = priority == each
        came = np.searchsorted(np.sort(came_s[own]), at_s, side="right")
        counts.append((came - np.searchsorted(np.sort(left_s[own]), at_s, side="right")).tolist())
    labels = [each.label for each in Priority]
    for moment, *values in zip(at_s.tolist(), *counts, strict=True):
        yield counter(name, pid, moment, dict(zip(labels, values, strict=True)))
