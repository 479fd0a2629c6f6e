"""Clients that wait for replies: when each sends its next request."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from stratsim.engine.arrivals import ClosedLoopState, OneAtATimeState
from stratsim.engine.clock import Alarm, Order

if TYPE_CHECKING:
    from collections.abc import Callable

    from stratsim.engine.arrivals import Sender
    from stratsim.engine.clock import Clock, Fired
    from stratsim.model.request import Request
    from stratsim.model.workload import Workload

__all__ = ["Clients"]


class Clients:
    """All clients of a run that wait for replies.

    Args:
        workload: Says who they are.
        clock: The clock.
        send: Called when a client sends its next request, with the client; returns whether policies are to be asked.
    """

    __slots__ = ("_clock", "_closed", "_send", "_thinking", "asked_by", "one_at_a_time")

    def __init__(self, workload: Workload, clock: Clock, send: Callable[[Sender], bool]) -> None:
        self._clock = clock
        self._send = send
        self._closed = [ClosedLoopState(spec) for spec in workload.closed_loop]
        self._thinking = 0
        """Clients whose next request is scheduled."""
        self.one_at_a_time = {spec.id: OneAtATimeState(spec) for spec in workload.one_at_a_time}
        """By name: those whose requests the trace has, each held back until the last one is answered."""
        self.asked_by: dict[int, Sender] = {}
        """Who waits for the reply to a request, by its id."""

    @property
    def active(self) -> bool:
        """Whether more is to come of them: somebody thinks, or waits for a reply."""
        return bool(self.asked_by or self._thinking)

    @property
    def given_up(self) -> list[str]:
        """Who gave requests up that their next, or their end, overtook, and how many."""
        return [f"{client.id} {client.given_up}" for client in self.one_at_a_time.values() if client.given_up]

    def start(self) -> None:
        """Schedule the first requests."""
        for client in self._closed:
            self._schedule(client, client.first_s)

    def reply(self, request: Request) -> None:
        """Tell the client that waits for the reply to `request`, if one does."""
        client = self.asked_by.pop(request.id, None)
        if client is not None:
            self._schedule(client, client.replied(self._clock._now))

    def _schedule(self, client: Sender, at_s: float) -> None:
        if at_s < inf:
            self._thinking += 1
            Alarm(self._clock, Order.CLIENT, self._on_client, client).arm(at_s)

    def _on_client(self, event: Fired) -> bool:
        self._thinking -= 1
        return self._send(event.owner)
