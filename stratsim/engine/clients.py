"""Requests of clients that wait for replies: when each sends its next one."""

from __future__ import annotations

from collections import Counter
from math import inf
from typing import TYPE_CHECKING

from stratsim.engine.admission import NONE_LEFT, Admission
from stratsim.engine.arrivals import ClosedLoopState, OneAtATimeState
from stratsim.engine.clock import Alarm, Order, announce

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from stratsim.engine.arrivals import NoiseFactors, Sender
    from stratsim.engine.clock import Fired
    from stratsim.engine.machine import Machine
    from stratsim.model.rejection import Rejection
    from stratsim.model.request import Request
    from stratsim.model.workload import Workload
    from stratsim.policy.base import Policy

__all__ = ["ClientAdmission", "client_notes"]


def client_notes(rejections: int, rejection: Rejection, clients: Iterable[OneAtATimeState]) -> list[str]:
    """Return what clients did that the user should know.

    Args:
        rejections: Drops that a client waited for.
        rejection: How clients take them.
        clients: Those that send one request at a time.
    """
    notes = []
    if rejections:
        retries = f"sent again {rejection.retries} times at most" if rejection.retries else "not sent again"
        notes.append(
            f"{rejections} drops of requests that a client waited for: it heard of each after "
            f"{1000 * rejection.reject_s:g} ms (reject_s); {retries} (retries)"
        )
    given_up = [f"{client.id} {client.given_up}" for client in clients if client.given_up]
    if given_up:
        notes.append("clients gave up requests that their next, or their end, overtook: " + ", ".join(given_up))
    return notes


class ClientAdmission(Admission):
    """Admits the requests of clients that wait for replies, and those of the trace that are not held back.

    Requests are not known before the run: ids follow the order of arrival.

    Args:
        name: What to call the policy.
        workload: What arrives, and who the clients are.
        policy: Is notified.
        machine: Has the queue, the view of it, the clock and the recorder.
        rejection: How clients take it that a request is dropped.
        noise: Draws for each request as it arrives.
    """

    __slots__ = (
        "_arrivals",
        "_asked_by",
        "_at_once",
        "_closed",
        "_noise",
        "_one_at_a_time",
        "_recorder",
        "_rejections",
        "_thinking",
    )

    def __init__(
        self,
        name: str,
        workload: Workload,
        policy: Policy,
        machine: Machine,
        rejection: Rejection,
        noise: NoiseFactors,
    ) -> None:
        super().__init__(name, workload, policy, machine, rejection)
        self._recorder = machine.recorder
        self._noise = noise
        self._closed = [ClosedLoopState(spec) for spec in workload.closed_loop]
        self._one_at_a_time = {spec.id: OneAtATimeState(spec) for spec in workload.one_at_a_time}
        """By name: those whose requests the trace has, each held back until the last one is answered."""
        self._asked_by: dict[int, Sender] = {}
        """Who waits for the reply to a request, by its id."""
        self._thinking = 0
        """Clients whose next request is scheduled."""
        self._arrivals = 0
        self._rejections = 0
        """Drops that a client waited for."""
        self._at_once: tuple[float, Counter[str]] = (-inf, Counter())
        """The present instant, and how many requests each client has sent at it."""
        # A request that is held back wakes no policy, so those admitted at the same instant announce themselves.
        self.announces = self._wakes and not self._one_at_a_time

    @property
    def over(self) -> bool:
        """Whether no request is to come any more: the trace has none, and no client thinks or waits for a reply."""
        return super().over and not self._asked_by and not self._thinking

    @property
    def notes(self) -> list[str]:
        """How drops were answered, and which clients gave requests up that their next, or their end, overtook."""
        return client_notes(self._rejections, self._rejection, self._one_at_a_time.values())

    @property
    def busiest(self) -> str | None:
        """Which client sends again and again at the present instant, and how to stop it."""
        at_s, sent = self._at_once
        if at_s != self._clock.until_s or not sent:
            return None
        client, count = sent.most_common(1)[0]
        return (
            f"client {client!r} sent {count} requests at this instant, each as soon as the last was dropped: "
            "give it a think_s, or the run a reject_s above 0"
        )

    def begin(self, progress: Callable[[int, int], None] | None) -> float:
        """Schedule the clients' first requests; return when the first of the trace is due."""
        first_s = super().begin(progress)
        for client in self._closed:
            self._schedule(client, client.first_s)
        return first_s

    def admit(self, now_s: float) -> float:
        """Admit of the requests that the trace has for this instant those that are sent."""
        self._log.now_s = now_s
        before = self._arrivals
        at_s, request = now_s, self._upcoming
        while at_s <= now_s:
            client = self._one_at_a_time.get(request.client) if request.client is not None else None
            if client is None or client.due(request):
                self._enter(request._replace(id=self._arrivals), client)
            at_s, request = next(self._requests, NONE_LEFT)
        self._upcoming = request
        if self._one_at_a_time and self._wakes and self._arrivals > before:
            Alarm(self._clock, Order.CLIENT, announce).arm(now_s)
        return at_s

    def rejected(self, request: Request, now_s: float) -> bool:
        """Take note of a drop: the client that waits hears of it after a while, or sends the request again."""
        client = self._asked_by.get(request.id)
        if client is None:
            return super().rejected(request, now_s)
        self._rejections += 1
        if self._retries is not None and self._retries.again(request, now_s, client.stop_s):
            return True
        Alarm(self._clock, Order.REPLY, self._on_rejection, request).arm(now_s + self._rejection.reject_s)
        return False

    def reply(self, request: Request) -> None:
        """Notify the client that waits for the reply to `request`, if one does."""
        client = self._asked_by.pop(request.id, None)
        if client is not None:
            self._schedule(client, client.replied(self._clock._now))

    def _on_rejection(self, event: Fired) -> bool:
        self.reply(event.owner)
        return False

    def _enter(self, request: Request, client: Sender | None) -> None:
        if client is not None:
            self._asked_by[request.id] = client
        self._arrivals += 1
        self._recorder.arrive(request)
        self._noise.arrived(request)
        self._notify(request)

    def _schedule(self, client: Sender, at_s: float) -> None:
        if at_s < inf:
            self._thinking += 1
            Alarm(self._clock, Order.CLIENT, self._on_client, client).arm(at_s)

    def _on_client(self, event: Fired) -> bool:
        self._thinking -= 1
        client: Sender = event.owner
        self._log.now_s = now_s = self._clock._now
        if self._at_once[0] != self._clock.until_s:
            self._at_once = (self._clock.until_s, Counter())
        self._at_once[1][client.id] += 1
        self._enter(client.send(self._arrivals, now_s), client)
        return self._wakes
