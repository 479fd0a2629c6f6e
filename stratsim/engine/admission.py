"""Admission: each request goes into the queue when it arrives, and the policy is notified."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

from stratsim.engine import legality
from stratsim.engine.arrivals import open_loop
from stratsim.engine.retries import Retries
from stratsim.policy.base import Wake

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stratsim.engine.machine import Machine
    from stratsim.model.rejection import Rejection
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
        machine: Has the queue, the view of it and the clock.
        rejection: How clients take it that a request is dropped.
    """

    __slots__ = (
        "_clock",
        "_log",
        "_name",
        "_on_arrival",
        "_rejection",
        "_requests",
        "_retries",
        "_upcoming",
        "_view",
        "_waiting",
        "_wakes",
        "_workload",
        "announces",
    )

    def __init__(self, name: str, workload: Workload, policy: Policy, machine: Machine, rejection: Rejection) -> None:
        self._name = name
        self._workload = workload
        self._on_arrival = policy.on_arrival
        self._view = machine.view
        self._waiting = machine.state.waiting
        self._log = machine.recorder.log
        self._clock = machine.clock
        self._rejection = rejection
        self._retries = Retries(rejection, machine.clock, self._enter_again) if rejection.retries else None
        self._requests: Iterator[tuple[float, Request]]
        self._upcoming: Request
        """The next that the trace has; None at infinity."""
        self._wakes = Wake.ARRIVAL in policy.wakes
        self.announces = self._wakes
        """Whether policies are to be asked after every call of `admit`."""

    @property
    def over(self) -> bool:
        """Whether no request is to come any more."""
        return self._upcoming is None and not (self._retries and self._retries.pending)

    @property
    def attempts(self) -> dict[int, int] | None:
        """How often requests were sent, by id, where that is more than once; None if none is sent again."""
        return self._retries.attempts if self._retries else None

    @property
    def notes(self) -> list[str]:
        """What clients did that the user should know."""
        return []

    @property
    def busiest(self) -> str | None:
        """Which client sends again and again at the present instant, and how to stop it; None: no client does."""
        return None

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

    def rejected(self, request: Request, now_s: float) -> bool:
        """Take note that the policy drops a request; return whether it will be sent again, so that all is open."""
        if self._retries is None or self._rejection.retry_by != "all":
            return False
        return self._retries.again(request, now_s)

    def reply(self, request: Request) -> None:
        """Notify the client that waits for the reply to `request`; here no client waits."""

    def _enter_again(self, request: Request) -> bool:
        """Admit a further attempt, which arrives now."""
        self._log.now_s = self._clock._now
        self._notify(request)
        return self._wakes

    def _notify(self, request: Request) -> None:
        self._waiting[request.id] = request
        try:
            self._on_arrival(request, self._view)
        except Exception as error:
            raise legality.blame(error, self._name, self._log.now_s) from error
