"""What Clockwork's controller keeps: durations, the queues of a model, and the outstanding work of a GPU."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from heapq import heapreplace
from math import ceil, inf, isnan
from typing import TYPE_CHECKING

from stratsim.model.tolerance import latest_finish_s

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stratsim.model.request import Request
    from stratsim.policy.view import GpuView, InFlight

__all__ = ["Durations", "Executor", "ModelQueues"]

Entry = tuple[float, "Request"]
"""Internal deadline and request."""


class Durations:
    """What executions of one model at one batch size lately took.

    Args:
        solo_s: What is expected before anything is measured; the first entry of the window.
        percentile: Which is expected, by nearest rank.
        window: How many are remembered.
    """

    def __init__(self, solo_s: float, percentile: float, window: int) -> None:
        self._percentile = percentile
        self._last_s = deque([solo_s], window)
        self.expected_s = solo_s

    def add(self, duration_s: float) -> None:
        """Take a measurement in; the oldest beyond the window is forgotten."""
        self._last_s.append(duration_s)
        ordered = sorted(self._last_s)
        self.expected_s = ordered[ceil(self._percentile * len(ordered)) - 1]


class ModelQueues:
    """One model's requests, in a queue per batch size: each holds them all, until it skips or serves them."""

    def __init__(self, sizes: list[int]) -> None:
        self.sizes = sizes
        self._queues: dict[int, deque[Entry]] = {size: deque() for size in sizes}

    def push(self, entry: Entry) -> None:
        """Queue a request under every batch size."""
        for queue in self._queues.values():
            queue.append(entry)

    def heads(self) -> Iterator[tuple[int, float, int]]:
        """Yield (batch size, internal deadline and number of the first request) of every queue that has one."""
        for size, queue in self._queues.items():
            if queue:
                yield size, queue[0][0], queue[0][1].id

    def skip(self, size: int, finish_s: float) -> None:
        """Forget the first requests under a batch size as long as they would be late."""
        queue = self._queues[size]
        while queue and latest_finish_s(queue[0][0]) < finish_s:
            queue.popleft()

    def largest(self) -> int:
        """Return the largest batch size that can be filled, scanning upward; 0 if none can."""
        found = 0
        for size, queue in self._queues.items():
            if len(queue) < size:
                break
            found = size
        return found

    def take(self, size: int) -> tuple[Request, ...]:
        """Return the first requests under a batch size; all up to the last of them leave all queues."""
        queue = self._queues[size]
        batch = tuple([queue.popleft()[1] for _ in range(size)])
        for other in self._queues.values():
            while other and other[0][1].id <= batch[-1].id:
                other.popleft()
        return batch

    def remove(self, entry: Entry) -> None:
        """Forget a request that was cancelled."""
        for queue in self._queues.values():
            with suppress(ValueError):  # skipped before
                queue.remove(entry)


class Executor:
    """What is known of one GPU: strategies for it, and when its outstanding work should end."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._outstanding: list[tuple[InFlight, float]] = []
        self.strategies: dict[str, list[tuple[float, int, float, int]]] = {}
        self.activated: dict[str, None] = {}
        """Models that have had arrivals since the last decision."""

    def follow(self, gpu: GpuView, duration_s: float) -> None:
        """Note a batch that has just been started."""
        batch = gpu.newest
        assert batch is not None  # noqa: S101 (it has just been started)
        self._outstanding.append((batch, duration_s))

    def ended(self) -> list[InFlight]:
        """Return, and forget, the batches whose execution has ended."""
        done = [batch for batch, _ in self._outstanding if not isnan(batch.execution_end_s)]
        if done:
            self._outstanding = [each for each in self._outstanding if isnan(each[0].execution_end_s)]
        return done

    def available_s(self, now_s: float, lag_s: float) -> float:
        """Return when a slot should be free, now at the earliest."""
        free_s = [-inf] * self._slots
        for batch, duration_s in self._outstanding:
            start_s = batch.execution_start_s
            if isnan(start_s):
                start_s = max(free_s[0], batch.dispatch_s)
            heapreplace(free_s, max(start_s + duration_s, now_s - lag_s))
        return max(free_s[0], now_s)
