"""SimPy with absolute times and re-armable alarms: the one module that imports it.

**Event order.** Events happen in the order (time, `Order`, sequence), the sequence counting all events of the run as
they are scheduled. Policies are asked for decisions once per instant, after its last event.

SimPy schedules by delay, and `now + (t - now)` need not be `t` in floating point; arrivals and computed ends must
happen exactly when the trace and the device models say. So `Clock` pushes onto SimPy's queue itself. Callbacks, not a
process per request: measured at seven times the events per second.
"""

from __future__ import annotations

from enum import IntEnum
from heapq import heappop, heappush
from math import inf
from typing import TYPE_CHECKING, Any

from simpy import Environment, Event

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Alarm", "Clock", "Fired", "Order"]


class Order(IntEnum):
    """Order of events at one instant. After the last of them, policies are asked for decisions."""

    DEVICE = 0
    """A copy or an execution ends: resources are freed first."""
    REPLY = 1
    """A client has its outputs."""
    ARRIVAL = 2
    TIMER = 3
    """A policy's own timer."""


class Clock(Environment):
    """A SimPy environment that counts its events and knows when an instant is over."""

    def run_instants(self, at_end: Callable[[float], None]) -> None:
        """Process all events; after the last one of each instant, call `at_end(now)`, which may schedule more.

        This is `Environment.run` with `step` written out (a third of the loop's own time), less its handling of failed
        events: an alarm cannot fail.
        """
        queue = self._queue
        while queue:
            self._now = now_s = queue[0][0]
            while queue and queue[0][0] <= now_s:
                event = heappop(queue)[3]
                callbacks = event.callbacks
                event.callbacks = None  # type: ignore[assignment]
                for callback in callbacks:
                    callback(event)
            at_end(now_s)

    @property
    def scheduled(self) -> int:
        """Number of events scheduled so far. Takes a sequence number: call it once, at the end."""
        return next(self._eid)


class Fired(Event):
    """The SimPy event behind an alarm. Class attributes keep the constructor short."""

    _ok = True
    _value = None
    callbacks: list[Callable[[Any], None]] | None  # type: ignore[assignment]

    def __init__(self, clock: Clock, owner: Any) -> None:
        self.env = clock
        self.callbacks = None  # as SimPy marks an event that is not scheduled
        self.owner = owner
        """Whatever the callback needs."""


class Alarm:
    """One pending wake-up at most; it can be moved.

    Moving an armed alarm leaves a dead event, without callbacks, in SimPy's queue: SimPy cannot cancel.

    Args:
        clock: The clock.
        order: Its place within an instant.
        callback: Called with the `Fired` event, whose `owner` is the alarm's.
        owner: Anything the callback needs.
    """

    __slots__ = ("_at_s", "_callbacks", "_clock", "_event", "_order")

    def __init__(
        self,
        clock: Clock,
        order: Order,
        callback: Callable[[Fired], None],
        owner: Any = None,
    ) -> None:
        self._clock = clock
        self._order = int(order)
        self._callbacks = [callback]
        self._event = Fired(clock, owner)
        self._at_s = inf

    def arm(self, at_s: float) -> None:
        """Go off at exactly `at_s` (not in the past), and not when it was to go off before; `inf` disarms."""
        event = self._event
        if event.callbacks is not None:  # armed
            if at_s == self._at_s:
                return
            event.callbacks = []
            event = self._event = Fired(self._clock, event.owner)
        if at_s != inf:
            self._at_s = at_s
            event.callbacks = self._callbacks
            clock = self._clock
            heappush(clock._queue, (at_s, self._order, next(clock._eid), event))  # type: ignore[misc]
