"""Trace events as plain values.

The format is described in "Trace Event Format" (Google, 2016). Times are microseconds, to the nanosecond.
"""

from __future__ import annotations

from typing import Any

__all__ = ["complete", "counter", "flow", "instant", "microseconds", "named", "order"]

Event = dict[str, Any]


def named(kind: str, pid: int, tid: int, **args: object) -> Event:
    """Return what a process or a row is called (`..._name`), or where it stands (`..._sort_index`)."""
    return {"name": kind, "ph": "M", "pid": pid, "tid": tid, "args": args}


def complete(name: str, category: str, pid: int, tid: int, start_s: float, end_s: float, args: Event) -> Event:
    """Return something that took time; rounding its ends, not its duration, keeps neighbours apart."""
    start, end = microseconds(start_s), microseconds(end_s)
    place = {"cat": category, "ph": "X", "pid": pid, "tid": tid}
    return {"name": name, **place, "ts": start, "dur": round(end - start, 3), "args": args}


def instant(name: str, category: str, pid: int, tid: int, at_s: float, args: Event) -> Event:
    """Return something that happened at a moment, on one row (scope `t`)."""
    place = {"cat": category, "ph": "i", "s": "t", "pid": pid, "tid": tid}
    return {"name": name, **place, "ts": microseconds(at_s), "args": args}


def counter(name: str, pid: int, at_s: float, values: dict[str, int]) -> Event:
    """Return the values of a counter's series from a moment on."""
    return {"name": name, "cat": "queue", "ph": "C", "pid": pid, "tid": 0, "ts": microseconds(at_s), "args": values}


def flow(phase: str, number: int, box: Event) -> Event:
    """Return a part of an arrow, bound to the box that encloses it: `s` its start, `t` on the way, `f` its end."""
    ends = {"bp": "e"} if phase == "f" else {}
    place = {"cat": "batch", "ph": phase, "id": number, "pid": box["pid"], "tid": box["tid"], "ts": box["ts"]}
    return {"name": "batch", **place, **ends, "args": {}}


def microseconds(at_s: float) -> float:
    """Return a time in microseconds, rounded to nanoseconds."""
    return round(at_s * 1e6, 3)


def order(event: Event) -> tuple[float, int, bool]:
    """Return where an event comes in the file: by time, then row; a box before what is bound to it."""
    return event["ts"], event["tid"], event["ph"] != "X"
