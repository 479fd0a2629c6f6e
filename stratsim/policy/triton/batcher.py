"""One model's queue in Triton, and how batches are taken from it.

Source: triton-inference-server core. What each part follows:

- `_form`, `_grow`, `_count`: `DynamicBatchScheduler::BatcherThread` and `GetDynamicBatch` (dynamic_batch_scheduler.cc)
- `_sleeps`: the end of `DynamicBatchScheduler::Enqueue` (there)
- `_Level`: `PriorityQueue::PolicyQueue` (scheduler_utils.cc)
- `_take`: `InstanceQueue::Dequeue` (instance_queue.cc), which merges batches
- the number of batches ahead: `RateLimiter::PayloadSlotAvailable` (rate_limiter.cc)
- `_reject_expired`: the wait for a free slot (pull request 333, `PolicyQueue::RejectTimeoutRequests`)
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from math import floor, inf
from typing import TYPE_CHECKING

from stratsim.model.request import Priority
from stratsim.model.tolerance import TIME_RTOL

if TYPE_CHECKING:
    from stratsim.model.request import Request
    from stratsim.policy.triton.config import ModelConfig, QueuePolicy

__all__ = ["LOOK_AGAIN_S", "Batcher", "tick_s"]

LOOK_AGAIN_S = 0.5
"""How often Triton looks for timed-out requests while no instance is free (`default_wait_microseconds` there)."""


def tick_s(at_s: float) -> float:
    """Return the step in which a time is looked at: Triton's clock counts nanoseconds.

    A request whose age equals its timeout is still served; it has timed out a tick later. After some minutes the tick
    is longer, so that a timer one tick later never falls together with the instant before.
    """
    return max(1e-9, 4 * TIME_RTOL * at_s)


def _reached(now_s: float, at_s: float) -> bool:
    """Whether it is `at_s` or later."""
    return now_s >= at_s - tick_s(now_s) / 2


def _passed(now_s: float, at_s: float) -> bool:
    """Whether it is later than `at_s`."""
    return now_s > at_s + tick_s(now_s) / 2


class Batcher:
    """One model's queue, and the batches formed from it ahead of time.

    Args:
        model: Its name.
        config: How it is served.
        limit: Largest batch size.
        instances: Its execution instances on all GPUs.
        prefetch: Whether batches are formed before an instance is free.
    """

    def __init__(self, model: str, config: ModelConfig, limit: int, instances: int, *, prefetch: bool) -> None:
        self.model = model
        self.expired: list[Request] = []
        """Rejected by timeout, to be dropped."""
        self.wake_s = inf
        """When to look again if nothing happens until then; set by `next_batch`."""
        self._limit = limit
        self._preferred = {size for size in config.preferred if size <= limit} or {limit}
        self._largest = max(self._preferred)
        self._delay_s = config.max_queue_delay_s
        self._most_ahead = 2 * instances if prefetch else 0
        numbers = {priority: config.level(priority) for priority in Priority}
        levels = {number: _Level(config.queue_at(number)) for number in sorted(set(numbers.values()))}
        self._level_of = {priority: levels[number] for priority, number in numbers.items()}
        self._levels = tuple(levels.values())
        self._rejects = any(
            level.policy.timeout_s and level.policy.timeout_action == "reject" for level in self._levels
        )
        self._wakes_always = config.variable_inputs
        self._ahead: deque[_Formed] = deque()
        self._current = _Formed()
        """What is being formed: the last of those ahead, or one that holds nothing yet."""
        self._woken = True
        self._sleeps_until_s = -inf
        self._waits_since_s: float | None = None
        """Since when requests have waited for a free instance; None while one is free."""

    def push(self, request: Request) -> bool:
        """Queue a request; False if its level's queue is full."""
        return self._level_of[request.priority].push(request)

    def oldest(self) -> tuple[float, float]:
        """Return arrival and id of the first to arrive among what heads the queues; infinite if nothing waits.

        Requests are numbered in the order of arrival, so that this order, of models as of requests, is total: it
        depends neither on the names of models nor on their order in the profile.
        """
        heads = [queue[0] for level in self._levels for queue in (level.fresh, level.delayed) if queue]
        if self._ahead:
            heads.append(self._ahead[0].requests[0])
        return min([(head.arrival_s, head.id) for head in heads], default=(inf, inf))

    def next_batch(self, now_s: float, *, free: bool) -> tuple[Request, ...]:
        """Return the batch for a free instance, empty if there is none yet; form batches ahead.

        Sets `wake_s`, and adds to `expired`.

        Args:
            now_s: The time.
            free: Whether an instance is free: it takes a batch as soon as one is formed.
        """
        self.wake_s = inf
        room = max(self._most_ahead, 1 if free else 0)
        if len(self._ahead) < room:
            self._waits_since_s = None
            while len(self._ahead) < room and self._form(now_s) and not (free and self._ahead):
                pass
        elif self._rejects:
            self._reject_expired(now_s)
        return self._take(now_s) if free and self._ahead else ()

    def _form(self, now_s: float) -> bool:
        """Let the batch that is being formed grow, or begin another; False if nothing changed."""
        if self._current.saturated:
            self._current = _Formed()
        current = self._current
        empty = not current.requests
        if not empty and self._sleeps(now_s):
            return False
        self._woken = self._grow(current, now_s)
        if not self._woken:
            self._sleeps_until_s = self.wake_s if self.wake_s < inf else now_s + LOOK_AGAIN_S
        if empty and current.requests:
            self._ahead.append(current)
        return self._woken

    def _sleeps(self, now_s: float) -> bool:
        """Whether nothing has woken Triton's thread since it last looked at a batch that it had formed; set `wake_s`.

        An arrival wakes it if the queue then holds what the batch wants for its next preferred size, or if shapes have
        to be compared; else what wakes it is that an instance takes a batch, or the end of its wait.
        """
        queued = sum(len(level.fresh) + len(level.delayed) for level in self._levels)
        awake = self._woken or self._wakes_always or queued >= self._current.wanted
        if awake or _reached(now_s, self._sleeps_until_s):
            return False
        self.wake_s = self._sleeps_until_s if queued else inf
        return True

    def _take(self, now_s: float) -> tuple[Request, ...]:
        """Return the batch that was formed first, with those behind it that have waited too long and still fit."""
        requests = self._next_ahead()
        while self._delay_s > 0 and self._ahead:
            behind = self._ahead[0]
            if not _passed(now_s, min([request.arrival_s for request in behind.requests]) + self._delay_s):
                break
            behind.saturated = True
            if len(requests) + len(behind.requests) > self._limit:
                break
            requests += self._next_ahead()
        return tuple(requests)

    def _next_ahead(self) -> list[Request]:
        """Remove the batch that was formed first and return its requests."""
        formed = self._ahead.popleft()
        formed.saturated = self._woken = True
        return formed.requests

    def _grow(self, formed: _Formed, now_s: float) -> bool:
        """Move what may go now from the queue into a batch; False if nothing changed: then `wake_s` is set.

        Of the requests walked, the last may be one more than fits: it shows that the batch cannot grow.
        """
        size = len(formed.requests)
        walked = self._walk(now_s, self._limit - size + 1)
        pending, best, full = self._count(formed, len(walked))
        if not pending:
            return formed.saturated
        due_s = min([request.arrival_s for request, _ in walked[:pending]]) + self._delay_s
        overdue = self._delay_s > 0 and _reached(now_s, due_s)
        if best and not overdue:
            pending = best
            formed.saturated |= self._delay_s == 0
        elif full or size + pending >= self._largest:
            formed.saturated = True
        elif not overdue and self._delay_s > 0:
            formed.wanted = min([wanted for wanted in self._preferred if wanted > size + pending]) - size
            if size == 0 or size in self._preferred:
                expires_s = min([expires_s for _, expires_s in walked])
                self.wake_s = min(due_s, expires_s + tick_s(expires_s))
                return False
        formed.requests += [self._pop() for _ in range(pending)]
        return True

    def _count(self, formed: _Formed, walked: int) -> tuple[int, int, bool]:
        """Return how many of those walked may join a batch, how many of them fill it best, and whether more remain.

        Best is the last preferred size on the way. Where the next request leads beyond all of them, and none was met,
        it is what has joined before; then the batch takes nobody later.
        """
        size, pending, best = len(formed.requests), 0, 0
        for _ in range(walked):
            total = size + pending
            if total >= self._largest and not best:
                best = pending
                formed.saturated = True
            if total >= self._limit:
                return pending, best, True
            pending += 1
            if size + pending in self._preferred:
                best = pending
        return pending, best, False

    def _walk(self, now_s: float, count: int) -> list[tuple[Request, float]]:
        """Return the first `count` requests in order, each with the time at which it expires.

        Those that have expired are passed: the timeout action is taken.
        """
        found: list[tuple[Request, float]] = []
        for level in self._levels:
            if level.fresh or level.delayed:
                found += level.walk(now_s, count - len(found), self.expired)
        return found

    def _pop(self) -> Request:
        """Remove and return the first request; there must be one."""
        queues = [queue for level in self._levels for queue in (level.fresh, level.delayed) if queue]
        return queues[0].popleft()

    def _reject_expired(self, now_s: float) -> None:
        """While no instance is free, reject every `LOOK_AGAIN_S` what has timed out by then; set `wake_s`.

        Counted from when the last free instance was taken. (Triton passes over the first of these looks if nothing
        waited then, so that it may answer later still.)
        """
        if self._waits_since_s is None:
            self._waits_since_s = now_s
        since_s = self._waits_since_s
        looks = floor((now_s + tick_s(now_s) / 2 - since_s) / LOOK_AGAIN_S)
        for level in self._levels:
            if level.policy.timeout_action == "reject":
                if looks:
                    level.reject(since_s + looks * LOOK_AGAIN_S, self.expired)
                self.wake_s = min(self.wake_s, level.closest_s)
        if self.wake_s < inf:
            after = floor((self.wake_s - since_s) / LOOK_AGAIN_S) + 1
            self.wake_s = since_s + max(after, looks + 1) * LOOK_AGAIN_S


class _Level:
    """One priority level: requests in time, and behind them those whose time is up but that are still served."""

    def __init__(self, policy: QueuePolicy) -> None:
        self.policy = policy
        self.fresh: deque[Request] = deque()
        self.delayed: deque[Request] = deque()
        self.closest_s = inf
        """No request in time expires before this."""

    def push(self, request: Request) -> bool:
        """Queue a request; False if the queue is full."""
        if 0 < self.policy.max_queue_size <= len(self.fresh) + len(self.delayed):
            return False
        self.fresh.append(request)
        if self.policy.timeout_s:
            self.closest_s = min(self.closest_s, self.policy.expires_s(request))
        return True

    def walk(self, now_s: float, count: int, expired: list[Request]) -> list[tuple[Request, float]]:
        """Return the first `count` requests, each with the time at which it expires; infinite for one that has.

        Those that have expired go behind all others on the way, or are rejected.
        """
        if not self.policy.timeout_s:
            return [(request, inf) for request in islice(self.fresh, count)]
        found: list[tuple[Request, float]] = []
        while len(found) < min(len(self.fresh), count):
            request = self.fresh[len(found)]
            expires_s = self.policy.expires_s(request)
            if not _passed(now_s, expires_s):
                found.append((request, expires_s))
                continue
            del self.fresh[len(found)]
            (expired if self.policy.timeout_action == "reject" else self.delayed).append(request)
        found += [(request, inf) for request in islice(self.delayed, count - len(found))]
        return found

    def reject(self, at_s: float, expired: list[Request]) -> None:
        """Reject what has expired at `at_s`, wherever in the queue it is."""
        if not _passed(at_s, self.closest_s):
            return
        left: deque[Request] = deque()
        self.closest_s = inf
        for request in self.fresh:
            expires_s = self.policy.expires_s(request)
            if _passed(at_s, expires_s):
                expired.append(request)
            else:
                left.append(request)
                self.closest_s = min(self.closest_s, expires_s)
        self.fresh = left


class _Formed:
    """A batch that has been formed; it grows until it is saturated."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.saturated = False
        self.wanted = 0
        """How many requests must be in the queue for an arrival to wake who lets it grow."""
