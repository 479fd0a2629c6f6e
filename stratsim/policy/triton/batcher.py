"""One model's queue in Triton, and how batches are taken from it."""

from __future__ import annotations

from collections import deque
from math import inf
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stratsim.model.request import Request

__all__ = ["Batcher", "Queueing"]


class Queueing(NamedTuple):
    """How requests queue: see `Triton` for what each field means."""

    levels: int
    timeout_s: float
    rejects: bool
    allow_override: bool
    max_size: int

    def expires_s(self, request: Request) -> float:
        """Return when a request's time in the queue is up."""
        timeout_s = self.timeout_s or inf
        if self.allow_override and 0 < request.deadline_s - request.arrival_s < self.timeout_s:
            return request.deadline_s
        return request.arrival_s + timeout_s


class Batcher:
    """One model's queue, and the batches formed from it ahead of time.

    Args:
        model: Its name.
        queueing: How requests queue.
        limit: Largest batch size.
        preferred: Preferred batch sizes; the limit if none of them is within it.
        delay_s: How long a request may be held back for a preferred size.
    """

    def __init__(self, model: str, queueing: Queueing, limit: int, preferred: Iterable[int], delay_s: float) -> None:
        self.model = model
        self.expired: list[Request] = []
        """Rejected by timeout, to be dropped."""
        self._queueing = queueing
        self._limit = limit
        self._preferred = {size for size in preferred if size <= limit} or {limit}
        self._largest = max(self._preferred)
        self._delay_s = delay_s
        self._levels = [_Level() for _ in range(queueing.levels)]
        self._ahead: deque[_Formed] = deque()

    def push(self, request: Request) -> bool:
        """Queue a request; False if its level's queue is full."""
        level = self._levels[min(request.priority, len(self._levels) - 1)]
        if 0 < self._queueing.max_size <= len(level.fresh) + len(level.delayed):
            return False
        level.fresh.append(request)
        return True

    def oldest_s(self) -> float:
        """Return the earliest arrival among what heads the queues; infinite if nothing waits."""
        queues = [queue for level in self._levels for queue in (level.fresh, level.delayed) if queue]
        heads_s = [queue[0].arrival_s for queue in queues]
        if self._ahead:
            heads_s.append(self._ahead[0].requests[0].arrival_s)
        return min(heads_s, default=inf)

    def next_batch(self, now_s: float) -> tuple[tuple[Request, ...], float]:
        """Return the batch for a free instance, empty if there is none yet; and when to look again."""
        formed = self._ahead.popleft() if self._ahead else _Formed()
        wake_s = inf if formed.saturated else self._grow(formed, now_s)
        return tuple(formed.requests), wake_s

    def form_ahead(self, now_s: float, most: int) -> float:
        """Form up to `most` batches although no instance is free; return when to look again."""
        while True:
            if self._ahead and not self._ahead[-1].saturated:
                return self._grow(self._ahead[-1], now_s)
            if len(self._ahead) == most:
                return inf
            formed = _Formed()
            wake_s = self._grow(formed, now_s)
            if not formed.requests:
                return wake_s
            self._ahead.append(formed)

    def _grow(self, formed: _Formed, now_s: float) -> float:
        """Move what may go now from the queue into a batch; return when to look again if nothing may, else infinity."""
        size = len(formed.requests)
        walked = self._walk(now_s, self._limit - size + 1)
        if not walked:
            return inf
        pending, best, cannot_grow = self._count(size, len(walked))
        due_s = min([request.arrival_s for request in walked]) + self._delay_s
        overdue = self._delay_s > 0 and now_s >= due_s
        if best and not overdue:
            pending = best
            formed.saturated = self._delay_s == 0
        elif cannot_grow or pending >= self._largest or overdue or self._delay_s == 0:
            formed.saturated = cannot_grow or pending >= self._largest
        else:
            return min([due_s, *[self._queueing.expires_s(request) for request in walked]])
        formed.requests += [self._pop() for _ in range(pending - size)]
        return inf

    def _count(self, size: int, walked: int) -> tuple[int, int, bool]:
        """Return how many requests a batch of `size` would hold with those walked, the best size, if more remain."""
        pending, best = size, 0
        for _ in range(walked):
            if pending >= self._largest and not best:
                best = pending  # it cannot grow to any preferred size
            if pending >= self._limit:
                return pending, best, True
            pending += 1
            if pending in self._preferred:
                best = pending
        return pending, best, False

    def _walk(self, now_s: float, count: int) -> list[Request]:
        """Return the first `count` requests in order; take the timeout action for those passed that have expired."""
        found: list[Request] = []
        for level in self._levels:
            at = 0
            while at < len(level.fresh) and len(found) < count:
                request = level.fresh[at]
                if now_s < self._queueing.expires_s(request):
                    found.append(request)
                    at += 1
                    continue
                del level.fresh[at]
                (self.expired if self._queueing.rejects else level.delayed).append(request)
            found += list(level.delayed)[: count - len(found)]
        return found

    def _pop(self) -> Request:
        """Remove and return the first request; there must be one."""
        queues = [queue for level in self._levels for queue in (level.fresh, level.delayed) if queue]
        return queues[0].popleft()


class _Level:
    """One priority level: requests in time, and behind them those whose time is up but that are still served."""

    def __init__(self) -> None:
        self.fresh: deque[Request] = deque()
        self.delayed: deque[Request] = deque()


class _Formed:
    """A batch that has been formed; it grows until it is saturated."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.saturated = False
