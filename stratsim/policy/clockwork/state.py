"""What Clockwork's controller keeps: durations, the queues of a model, and the outstanding work of a GPU."""

from __future__ import annotations

from collections import deque
from heapq import heapreplace
from math import floor, inf, isnan
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
        solo_s: What is expected before anything is measured.
        percentile: Which is expected, by linear interpolation between the measurements.
        window: How many are remembered.
    """

    def __init__(self, solo_s: float, percentile: float, window: int) -> None:
        self._percentile = percentile
        self._last_s: deque[float] = deque(maxlen=window)
        self.expected_s = solo_s

    def add(self, duration_s: float) -> None:
        """Take a measurement in; the oldest beyond the window is forgotten."""
        self._last_s.append(duration_s)
        ordered = sorted(self._last_s)
        position = self._percentile * (len(ordered) - 1)
        below = floor(position)
        above = ordered[min(below + 1, len(ordered) - 1)]
        self.expected_s = ordered[below] + (above - ordered[below]) * (position - below)


class ModelQueues:
    """One model's requests, in a queue per batch size: each holds them all, until it skips or serves them.

    As nothing leaves a queue but from its front, each is a suffix of the requests in the order of arrival.
    """

    def __init__(self, sizes: list[int]) -> None:
        self.sizes = sizes
        self._entries: deque[Entry] = deque()
        """What is in any queue."""
        self._skipped = dict.fromkeys(sizes, 0)
        """How many of them have left the queue of a batch size."""
        self._hopeless = 0
        """How many of the first are known to be skipped by all queues."""

    def push(self, entry: Entry) -> None:
        """Queue a request under every batch size."""
        self._entries.append(entry)

    def heads(self) -> Iterator[tuple[int, float, int]]:
        """Yield (batch size, internal deadline and number of the first request) of every queue that has one."""
        for size, skipped in self._skipped.items():
            if skipped < len(self._entries):
                deadline_s, request = self._entries[skipped]
                yield size, deadline_s, request.id

    def skip(self, size: int, finish_s: float) -> None:
        """Forget the first requests under a batch size as long as they would be late."""
        skipped = self._skipped[size]
        while skipped < len(self._entries) and latest_finish_s(self._entries[skipped][0]) < finish_s:
            skipped += 1
        self._skipped[size] = skipped

    def largest(self) -> int:
        """Return the largest batch size that can be filled, scanning upward; 0 if there is none.

        Whether the smallest can be filled itself counts only if no larger one can, as in the source.
        """
        found = self.sizes[0]
        for size in self.sizes[1:]:
            if not self._fills(size):
                break
            found = size
        return found if self._fills(found) else 0

    def _fills(self, size: int) -> bool:
        return len(self._entries) - self._skipped[size] >= size

    def take(self, size: int) -> tuple[Request, ...]:
        """Return the first requests under a batch size; all up to the last of them leave all queues."""
        first = self._skipped[size]
        batch = tuple([self._entries[i][1] for i in range(first, first + size)])
        for other, skipped in self._skipped.items():
            self._skipped[other] = max(skipped, first + size)
        return batch

    def hopeless(self, now_s: float) -> list[Request]:
        """Return, each once, the first requests whose deadline has come: no queue will serve them."""
        first = self._hopeless
        while self._hopeless < len(self._entries) and self._entries[self._hopeless][0] <= now_s:
            self._hopeless += 1
        return [self._entries[i][1] for i in range(first, self._hopeless)]

    def drain(self) -> list[Request]:
        """Forget, and return, what has left all queues, served or not."""
        gone = min(self._skipped.values())
        for size in self._skipped:
            self._skipped[size] -= gone
        self._hopeless = max(self._hopeless - gone, 0)
        return [self._entries.popleft()[1] for _ in range(gone)]


class Executor:
    """What is known of one GPU: strategies for it, and when its outstanding work should end."""

    def __init__(self, slots: int) -> None:
        self._freed_s = [-inf] * slots
        """When the slots were last known to be free: a heap."""
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
            for batch in done:
                heapreplace(self._freed_s, batch.execution_end_s)
        return done

    def available_s(self, now_s: float, lag_s: float, future_s: float = 0.0) -> float:
        """Return when a slot should be free, `future_s` from now at the earliest.

        What waits behind others is expected to take its time after theirs, even where it was sent when they were
        overdue, as in the source.
        """
        free_s = self._freed_s.copy()
        for ahead, (batch, duration_s) in enumerate(self._outstanding):
            start_s = batch.execution_start_s
            if isnan(start_s):
                start_s = free_s[0] if ahead >= len(free_s) else max(free_s[0], batch.dispatch_s)
            heapreplace(free_s, max(start_s + duration_s, now_s - lag_s))
        return max(free_s[0], now_s + future_s)
