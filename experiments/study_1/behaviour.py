"""A policy whose only purpose is to bring about all sorts of co-locations, for beliefs to be judged on."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, ClassVar

from stratsim.policy.arguments import batch_limits, number
from stratsim.policy.base import Decision, Policy, Setting, Start, Wake

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stratsim.model.request import Request
    from stratsim.policy.view import View

__all__ = ["RandomAdmission"]


class RandomAdmission(Policy):
    """Start a random number of the requests of a random waiting model, or wait for the next event, at random.

    What runs beside what then depends on no estimate and little on the load: co-locations that a sensible policy
    rarely brings about are there too. An idle GPU always gets a batch. Deadlines and classes are ignored.

    Source: our choice.

    Args:
        wait: Probability of leaving a free place empty until the next arrival or end of an execution.
        max_batch: Largest batch size; the run's setting by default.
    """

    wakes: ClassVar[frozenset[Wake]] = frozenset({Wake.ARRIVAL, Wake.EXECUTION_END})

    def __init__(self, *, wait: float = 0.3, max_batch: int | None = None) -> None:
        number("wait", wait, 0, 1)
        self._wait = wait
        self._max_batch = max_batch

    def prepare(self, setting: Setting) -> None:
        """Forget everything and take over the run's setting."""
        self._limit = batch_limits(setting, self._max_batch)
        self._queues: dict[str, deque[Request]] = {name: deque() for name in setting.profile.models}
        self._random = setting.streams.get("random-admission")

    def on_arrival(self, request: Request, view: View) -> None:  # noqa: ARG002
        """Queue the request."""
        self._queues[request.model].append(request)

    def decide(self, view: View) -> Iterator[Decision]:
        """Fill free places until chance says to wait."""
        while (gpu := view.least_loaded()) is not None:
            waiting = [queue for queue in self._queues.values() if queue]
            if not waiting or (gpu.in_flight and self._random.random() < self._wait):
                return
            queue = waiting[int(self._random.integers(len(waiting)))]
            most = min(len(queue), self._limit[queue[0].model])
            size = int(self._random.integers(1, most + 1))
            yield Start(tuple([queue.popleft() for _ in range(size)]), gpu.id)
