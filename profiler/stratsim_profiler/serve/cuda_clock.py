"""When a CUDA event was, on the host's clock.

Events only know the time between each other, and the GPU's clock runs a little faster or slower than the host's. So an
*anchor* is taken again and again: an event, recorded on an idle stream, whose time on the host lies between the moments
before its recording and after it was seen. Several such brackets, of some 10 us, give the offset and the rate.

An event is timed from the anchor before the latest: that one is older than any event that is seen in time, and not much
older, so that the times between them, which CUDA gives as 32-bit floats of milliseconds, are good to 0.1 us.
"""

from __future__ import annotations

import time
from typing import NamedTuple

import torch

__all__ = ["DeviceClock"]

_TRIES = 50
"""Brackets at the start, of which the narrowest counts."""

_PERIOD_S = 0.25
_RETRY_S = 0.02
_PATIENCE_S = 0.0001
"""How long an anchor may take while the GPU works; one that takes longer is dropped, and tried again later."""

_PATIENCE_AT_START_S = 0.1
_WIDEST_S = 40e-6
"""Wider brackets tell nothing and are dropped."""

_RATE_AFTER_S = 1.0
"""How long the clocks are watched before their rates are compared: earlier, brackets say more than the drift does."""


class _Anchor(NamedTuple):
    """An event and when it was.

    Args:
        event: The event.
        before_s: The host's clock before it was recorded.
        after_s: The host's clock when it was seen.
        host_s: Its estimated time: between the two.
        gpu_s: When it was by the GPU's clock, since the first anchor.
    """

    event: torch.cuda.Event
    before_s: float
    after_s: float
    host_s: float
    gpu_s: float

    @property
    def middle_s(self) -> float:
        return (self.before_s + self.after_s) / 2


class DeviceClock:
    """Puts events on a timeline of the host whose zero is `start`.

    Args:
        stream: A stream on which nothing else runs.
    """

    def __init__(self, stream: torch.cuda.Stream) -> None:
        self._stream = stream
        self._zero_s = time.perf_counter()
        self._first: _Anchor | None = None
        self._base: _Anchor | None = None
        self._latest: _Anchor | None = None
        self._rate = 1.0
        self._next_s = 0.0
        self.uncertainty_s = 0.0
        """How far a time may be off: half the widest bracket, or what an anchor had to be moved by, so far."""

        self.anchors = 0
        self.dropped = 0

    @property
    def drift(self) -> float:
        """By how much the GPU's second is longer than the host's, as a share; 0 before it is known."""
        return self._rate - 1.0

    def start(self) -> None:
        """Set the zero; the GPU must be idle.

        The first call begins to watch the clocks. A later one knows their rates: it waits until a second has passed.

        Raises:
            RuntimeError: the GPU does not answer.
        """
        if self._first is not None:
            time.sleep(max(0.0, self._first.middle_s + _RATE_AFTER_S - time.perf_counter()))
        best = self._best()
        if self._first is None:
            self._first = best
        else:
            best = best._replace(gpu_s=float(self._first.event.elapsed_time(best.event)) / 1e3)
            self._rate = (best.middle_s - self._first.middle_s) / best.gpu_s
        self._base = self._latest = best
        self.uncertainty_s = (best.after_s - best.before_s) / 2
        self.anchors, self.dropped = 1, 0
        self._zero_s = time.perf_counter()
        self._next_s = self._zero_s + _PERIOD_S

    def now_s(self) -> float:
        """Return the time since the zero, seconds."""
        return time.perf_counter() - self._zero_s

    def time_s(self, event: torch.cuda.Event) -> float:
        """Return when an event was that is done, seconds since the zero."""
        return self._host_s(event) - self._zero_s

    def tick(self) -> None:
        """Take an anchor if it is time."""
        if self._latest is None or time.perf_counter() < self._next_s:
            return
        found = self._look(_PATIENCE_S)
        if found is None or found.after_s - found.before_s > _WIDEST_S:
            self.dropped += 1
            self._next_s = time.perf_counter() + _RETRY_S
            return
        self._accept(found)
        self._next_s = time.perf_counter() + _PERIOD_S

    def _accept(self, found: _Anchor) -> None:
        """Believe the GPU's clock as far as the bracket allows, so that times do not jump by the width of brackets."""
        assert self._latest is not None  # noqa: S101 (tick looks)
        assert self._first is not None  # noqa: S101
        expected_s = self._host_s(found.event)
        host_s = min(max(expected_s, found.before_s), found.after_s)
        gpu_s = self._latest.gpu_s + self._latest.event.elapsed_time(found.event) / 1e3
        off_s = max(abs(host_s - expected_s), (found.after_s - found.before_s) / 2)
        self.uncertainty_s = max(self.uncertainty_s, off_s)
        self._base, self._latest = self._latest, found._replace(host_s=host_s, gpu_s=gpu_s)
        self.anchors += 1
        if gpu_s >= _RATE_AFTER_S:
            self._rate = (found.middle_s - self._first.middle_s) / gpu_s

    def _best(self) -> _Anchor:
        """Return the narrowest of many brackets."""
        found = [self._look(_PATIENCE_AT_START_S) for _ in range(_TRIES)]
        good = [anchor for anchor in found if anchor is not None]
        if not good:
            raise RuntimeError(f"the GPU records no event within {_PATIENCE_AT_START_S:g} s")
        return min(good, key=lambda anchor: anchor.after_s - anchor.before_s)

    def _host_s(self, event: torch.cuda.Event) -> float:
        base = self._base
        if base is None:
            raise RuntimeError("the clock has not been started")
        return base.host_s + float(base.event.elapsed_time(event)) / 1e3 * self._rate

    def _look(self, patience_s: float) -> _Anchor | None:
        """Return a bracket; None where the event was not seen in time."""
        event = torch.cuda.Event(enable_timing=True)
        before = time.perf_counter()
        event.record(self._stream)
        while not event.query():
            if time.perf_counter() > before + patience_s:
                return None
        after = time.perf_counter()
        return _Anchor(event, before, after, (before + after) / 2, 0.0)
