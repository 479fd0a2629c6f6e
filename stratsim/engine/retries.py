"""Requests that are sent again after a drop: the same request, with the time of the attempt as its arrival.

A policy sees what a server sees: a request that arrives now, with the deadline that it always had. The record keeps the
first arrival.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from stratsim.engine.clock import Alarm, Order

if TYPE_CHECKING:
    from collections.abc import Callable

    from stratsim.engine.clock import Clock, Fired
    from stratsim.model.rejection import Rejection
    from stratsim.model.request import Request

__all__ = ["Retries"]


class Retries:
    """The clients' side of dropped requests.

    Args:
        rejection: How often, and when, a request is sent again.
        clock: The clock.
        enter: Takes an attempt that arrives now; returns whether policies are to be asked.

    Attributes:
        attempts: How often each request was sent, by its id, where that is more than once.
        pending: Requests that are about to be sent again.
    """

    __slots__ = ("_clock", "_enter", "_rejection", "attempts", "pending")

    def __init__(self, rejection: Rejection, clock: Clock, enter: Callable[[Request], bool]) -> None:
        self._rejection = rejection
        self._clock = clock
        self._enter = enter
        self.attempts: dict[int, int] = {}
        self.pending = 0

    def again(self, request: Request, now_s: float, stop_s: float = inf) -> bool:
        """Have a request that is dropped now sent again; return whether it is.

        Args:
            request: Its latest attempt.
            now_s: When it is dropped.
            stop_s: When its client ends.
        """
        attempt = self.attempts.get(request.id, 1)
        at_s = now_s + self._rejection.pause_s(attempt)
        if attempt > self._rejection.retries or at_s >= min(request.deadline_s, stop_s):
            return False
        self.pending += 1
        Alarm(self._clock, Order.CLIENT, self._on_attempt, request).arm(at_s)
        return True

    def _on_attempt(self, event: Fired) -> bool:
        request: Request = event.owner
        self.pending -= 1
        self.attempts[request.id] = self.attempts.get(request.id, 1) + 1
        return self._enter(request._replace(arrival_s=self._clock._now))
