"""Waiting requests by model, earliest deadline first."""

from __future__ import annotations

from bisect import insort
from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stratsim.model.request import Request

__all__ = ["DeadlineQueues"]

Entry = tuple[float, int, "Request"]


class DeadlineQueues:
    """The waiting requests of one class: per model a list in the order of deadline, then of arrival.

    Lists rather than heaps: a batch is a prefix, and prefixes are looked at far more often than they are taken.
    """

    __slots__ = ("_queues", "_waiting", "count")

    def __init__(self) -> None:
        self._queues: dict[str, list[Entry]] = {}
        """Of all models seen, in the order in which they were."""
        self._waiting: dict[str, list[Entry]] = {}
        """Those of them that are not empty."""
        self.count = 0

    def push(self, request: Request, deadline_s: float | None = None) -> None:
        """Add a request; `deadline_s` ranks it otherwise than by its own."""
        model = request.model
        entry = (request.deadline_s if deadline_s is None else deadline_s, request.id, request)
        queue = self._queues.get(model)
        if queue is None:
            queue = self._queues[model] = []
        if queue:
            insort(queue, entry)
        else:
            queue.append(entry)
            self._waiting[model] = queue
        self.count += 1

    def models(self, until_s: Mapping[str, float] | None = None, now_s: float = inf) -> list[str]:
        """Return the models that have requests, by the deadline of their first.

        Args:
            until_s: Models to leave out before a time.
            now_s: The time.
        """
        waiting = self._waiting
        models = [model for model in waiting if now_s >= until_s.get(model, now_s)] if until_s else list(waiting)
        if len(models) > 1:
            models.sort(key=lambda model: waiting[model][0])
        return models

    def waiting(self, model: str) -> int:
        """Return how many requests of a model wait."""
        queue = self._queues.get(model)
        return len(queue) if queue else 0

    def head(self, model: str) -> Request:
        """Return a model's request with the earliest deadline; there must be one."""
        return self._queues[model][0][2]

    def heads(self) -> list[Request]:
        """Return the first request of every model that has one."""
        return [queue[0][2] for queue in self._queues.values() if queue]

    def first(self, model: str, count: int) -> list[Request]:
        """Return a model's first requests, at most `count`."""
        return [entry[2] for entry in self._queues.get(model, ())[:count]]

    def take(self, model: str, count: int) -> list[Request]:
        """Remove and return a model's first requests."""
        queue = self._queues[model]
        taken = [entry[2] for entry in queue[:count]]
        del queue[:count]
        if not queue:
            self._waiting.pop(model, None)
        self.count -= len(taken)
        return taken
