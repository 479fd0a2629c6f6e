"""Writes the events of several runs into one file: a process per GPU, and one for the requests, of each policy."""

from __future__ import annotations

import json
from typing import IO, TYPE_CHECKING, Any

from stratsim.results.timeline.batches import Shown, gpu_events
from stratsim.results.timeline.events import named
from stratsim.results.timeline.requests import request_events
from stratsim.results.timeline.spans import Window, batches_in, choose_spans

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from stratsim.engine.result import Result
    from stratsim.results.timeline.events import Event
    from stratsim.results.timeline.spans import Span

__all__ = ["WHOLE", "Timeline", "read_window", "timeline_events"]

WHOLE = 5_000
"""Batches of a run that is written whole where no window is asked for."""
_HEAD_BYTES = 1_000_000


def timeline_events(result: Result, spans: Sequence[Span] | None = None) -> Iterator[Event]:
    """Yield the events of a run: per process its names, then what happened, by time.

    Processes are numbered from 1: the GPUs, then the requests, which are shown first.

    Args:
        result: The run.
        spans: The stretches of time to show, disjoint and in order; all by default.
    """
    if spans is None:
        spans, _ = choose_spans(result, None, len(result.batches))
    shown = Shown(result, batches_in(result, spans))
    for gpu in range(result.gpus):
        yield from _process(gpu + 1, gpu + 2, f"{result.policy}, GPU {gpu}")
        yield from gpu_events(shown, gpu, gpu + 1)
    yield from _process(result.gpus + 1, 1, f"{result.policy}, requests")
    yield from request_events(result, spans, result.gpus + 1)


def _process(pid: int, place: int, name: str) -> Iterator[Event]:
    yield named("process_name", pid, 0, name=name)
    yield named("process_sort_index", pid, 0, sort_index=place)


class Timeline:
    """Writes the timeline of one run after the other.

    Args:
        file: Where to, an event per line; open for text.
        window: What was asked for, of each run; None: all of a short run, else its busiest window and its worst
            requests.
        cap: The most batches of a short run.
    """

    def __init__(self, file: IO[str], window: Window | None = None, cap: int = WHOLE) -> None:
        self._file = file
        self._window = window
        self._cap = cap
        self._notes: list[str] = []
        self._events: list[str] = []
        """As text: some ten thousand per run, needed until the notes are complete, which come first."""
        self._processes = 0
        self._flows = 0

    def add(self, result: Result) -> None:
        """Take a run."""
        spans, note = choose_spans(result, self._window, self._cap)
        self._notes += [] if note is None else [note]
        for event in timeline_events(result, spans):
            event["pid"] += self._processes
            if event["name"] == "process_sort_index":
                event["args"]["sort_index"] += self._processes
            elif "id" in event:
                event["id"] += self._flows  # no two runs share an arrow
            self._events.append(json.dumps(event, allow_nan=False, separators=(",", ":")))
        self._processes += result.gpus + 1
        self._flows += len(result.batches)

    def close(self) -> None:
        """Write it."""
        about: dict[str, Any] = {"source": "stratsim", "notes": self._notes}
        if self._window is not None:
            about["window_s"] = list(self._window)
        self._file.write('{"displayTimeUnit": "ms",\n' + f'"otherData": {json.dumps(about)},\n"traceEvents": [')
        self._file.writelines((",\n" if number else "\n") + event for number, event in enumerate(self._events))
        self._file.write("\n]}\n")


def read_window(path: Path) -> Window | None:
    """Return the window that a timeline was asked to show; None where there was none, or the file is not ours."""
    try:
        with path.open(encoding="utf-8") as file:
            file.readline(_HEAD_BYTES)
            line = file.readline(_HEAD_BYTES).strip().removeprefix('"otherData": ').removesuffix(",")
        found = json.loads(line).get("window_s")
        return None if found is None else Window(*(None if at is None else float(at) for at in found)).checked()
    except (OSError, ValueError, TypeError, AttributeError, ArithmeticError, RecursionError):
        return None
