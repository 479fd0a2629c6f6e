"""Admission: each request goes into the queue when it arrives, and the policy is notified."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

from stratsim.engine import legality
from stratsim.engine.arrivals import open_loop
from stratsim.policy.base import Wake

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stratsim.engine.machine import Machine
    from stratsim.model.request import Request
    from stratsim.model.workload import Workload
    from stratsim.policy.base import Policy

__all__ = ["NONE_LEFT", "Admission"]

NONE_LEFT: tuple[float, Any] = (inf, None)
"""The arrival time of the next request, and the request, where there is none."""


class Admission:
    """Admits the requests of a workload in which no client waits for replies.

    Args:
        name: What to call the policy.
        workload: What arrives.
        policy: Is notified.
        machine: Has the queue, and the view of it.
    """

    __slots__ = (
        "_log",
        "_name",
        "_on_arrival",
        "_requests",
        "_upcoming",
        "_view",
        "_waiting",
        "_workload",
        "announces",
    )

    def __init__(self, name: str, workload: Workload, policy: Policy, machine: Machine) -> None:
        self._name = name
        self._workload = workload
        self._on_arrival = policy.on_arrival
        self._view = machine.view
        self._waiting = machine.state.waiting
        self._log = machine.recorder.log
        self._requests: Iterator[tuple[float, Request]]
        self._upcoming: Request
        """The next that the trace has; None at infinity."""
        self.announces = Wake.ARRIVAL in policy.wakes
        """Whether policies are to be asked after every call of `admit`."""

    @property
    def over(self) -> bool:
        """Whether no request is to come any more."""
        return self._upcoming is None

    @property
    def given_up(self) -> list[str]:
        """Which clients gave requests up that their next, or their end, overtook, and how many."""
        return []

    def begin(self, progress: Callable[[int, int], None] | None) -> float:
        """Return when the first request of the trace is due; `progress` as for `open_loop`."""
        self._requests = open_loop(self._workload, progress)
        first_s, self._upcoming = next(self._requests, NONE_LEFT)
        return first_s

    def admit(self, now_s: float) -> float:
        """Admit the requests that the trace has for this instant; return when the next is due."""
        self._log.now_s = now_s
        at_s, request = now_s, self._upcoming
        while at_s <= now_s:
            self._waiting[request.id] = request
            try:
                self._on_arrival(request, self._view)
            except Exception as error:
                raise legality.blame(error, self._name, now_s) from error
            at_s, request = next(self._requests, NONE_LEFT)
        self._upcoming = request
        return at_s

    def reply(self, request: Request) -> None:
        """Notify the client that waits for the reply to `request`; here no client waits."""
