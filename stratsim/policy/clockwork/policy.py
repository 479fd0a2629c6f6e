"""Clockwork: predictable executions, planned one after the other, a few milliseconds ahead (INFER5)."""

from __future__ import annotations

from heapq import heappop, heappush
from math import inf
from typing import TYPE_CHECKING, ClassVar

from stratsim.model.tolerance import RANK_DIGITS, latest_finish_s
from stratsim.policy.arguments import batch_limits, number, whole
from stratsim.policy.base import Decision, Drop, Policy, SetTimer, Setting, Start, Wake
from stratsim.policy.clockwork.state import Durations, Executor, ModelQueues

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stratsim.model.request import Request
    from stratsim.policy.view import InFlight, View

__all__ = ["Clockwork"]

POLL_S = 10e-6
"""Period of the controller's polling threads: a decision that waits for time to pass is taken one period late."""


class Clockwork(Policy):
    """Clockwork's controller INFER5: the batch that must start first, while its GPU is free within `schedule_ahead_s`.

    Each model has one queue per batch size (powers of two), all holding the same requests. Every non-empty queue bids
    with the latest start of its first request, equal ones by batch size, internal deadline and arrival (our choice);
    the lowest bid is served with the largest batch size whose queue, and all smaller ones, are long enough. Only the
    first request of a queue is checked against its deadline. Estimates are a percentile of the last measured durations
    of the same model and batch size, the solo latency before there are any. A GPU is expected to be free `future_s`
    from now at the earliest. A request is given up at its internal deadline, which is `buffer_s` earlier than its own,
    but never less than `schedule_ahead_s + buffer_s` after its arrival: with deadlines shorter than that it is later
    than the real one. One that is given up stays in the queues until it is skipped, and counts for the batch size.

    Made for one execution at a time (C = 1). With more slots each GPU counts as C executors that do not interfere;
    interference then shows in the measured durations alone. Classes are ignored.

    Approximated: the polling threads are decisions at events, and at timers one period late. No more batches are sent
    ahead than the run's `prefetch` has places for. A request that is given up behind others in a queue is dropped when
    it has left the queues, or no longer has a live one before it; if a batch takes it along, it is answered late. The
    worker never refuses an action that is late, as a start cannot be taken back. Weights: every model counts as loaded
    on every GPU; where memory is limited, batches load them without a decision of this policy. The network, and clock
    frequencies, are left out. A request without a deadline has none here either; the run's drop rule does not apply.

    Source: Gujarati et al., OSDI 2020; the rules as read in a fork of clockwork (NeoLou/clockwork_fork),
    src/clockwork/controller/infer5/infer5_scheduler.cpp and controller/worker_tracker.h.

    Args:
        schedule_ahead_s: How long before a GPU is free its next batch is decided.
        buffer_s: How much earlier than the request's deadline its internal one is.
        percentile: Of the last measured durations, by linear interpolation.
        window: How many measured durations are remembered, per model and batch size.
        lag_s: An execution that is overdue by more than this is expected to have ended this long ago.
        future_s: How far from now a GPU is expected to be free at the earliest; at most half of `schedule_ahead_s`, as
            else nothing would be decided (ours).
        max_exec_s: Larger batch sizes that take longer than this alone are not used.
        max_batch: Largest batch size; the run's setting by default (8, as in the source).
    """

    wakes: ClassVar[frozenset[Wake]] = frozenset({Wake.ARRIVAL, Wake.EXECUTION_END})

    def __init__(
        self,
        *,
        schedule_ahead_s: float = 0.010,
        buffer_s: float = 0.005,
        percentile: float = 0.99,
        window: int = 10,
        lag_s: float = 0.010,
        future_s: float = 0.001,
        max_exec_s: float = 0.250,
        max_batch: int | None = None,
    ) -> None:
        times = {"schedule_ahead_s": schedule_ahead_s, "lag_s": lag_s, "max_exec_s": max_exec_s}
        for name, value in times.items():
            number(name, value, 0, inf, closed="neither")
        for name, value in {"buffer_s": buffer_s, "future_s": future_s}.items():
            number(name, value, 0, inf, closed="low")
        number("percentile", percentile, 0, 1, closed="high")
        whole("window", window, 1)
        if max_batch is not None:
            whole("max_batch", max_batch, 1)
        self._ahead_s = schedule_ahead_s
        self._buffer_s = buffer_s
        self._percentile = percentile
        self._window = window
        self._lag_s = lag_s
        self._future_s = min(future_s, schedule_ahead_s / 2)
        self._max_exec_s = max_exec_s
        self._max_batch = max_batch

    # The run --------------------------------------------------------------------------------------------------------

    def prepare(self, setting: Setting) -> None:
        """Forget everything and take over the run's setting."""
        models = setting.profile.models
        self._durations: dict[tuple[str, int], Durations] = {}
        self._queues: dict[str, ModelQueues] = {}
        for name, limit in batch_limits(setting, self._max_batch).items():
            solo_s = models[name].latency_s
            sizes = [size for size in _powers(limit) if size == 1 or solo_s[size] <= self._max_exec_s]
            self._queues[name] = ModelQueues(sizes)
            for size in sizes:
                self._durations[name, size] = Durations(solo_s[size], self._percentile, self._window)
        self._executors = [Executor(setting.max_concurrency) for _ in range(setting.gpus)]
        self._waiting: set[int] = set()
        self._queued: set[int] = set()
        """Those of them that are in a queue."""
        self._cancellations: list[tuple[float, int, Request]] = []
        """Waiting requests by internal deadline: a heap; some have been served meanwhile."""
        self._looked_at: dict[str, None] = {}
        """Models whose queues requests may have left."""
        self._timer_s = -inf

    def on_arrival(self, request: Request, view: View) -> None:  # noqa: ARG002
        """Queue the request under every batch size."""
        internal_s = self._internal_deadline_s(request)
        self._queues[request.model].push((internal_s, request))
        self._waiting.add(request.id)
        self._queued.add(request.id)
        heappush(self._cancellations, (internal_s, request.id, request))
        for executor in self._executors:
            executor.activated[request.model] = None

    def decide(self, view: View) -> Iterator[Decision]:
        """Cancel what is too late, then plan batches for every GPU that will soon be free."""
        now_s = view.now_s
        self._measure()
        yield from self._cancel(now_s)
        acted = True
        while acted:  # the GPUs take turns, as each has a thread of its own
            acted = False
            for gpu, executor in zip(view.gpus, self._executors, strict=True):
                requests = self._infer(executor, now_s) if gpu.free_places else None
                if requests:
                    acted = True
                    lasts_s = self._estimate_s(requests[0].model, len(requests))
                    yield Start(requests, gpu.id, executor.available_s(now_s, self._lag_s) + lasts_s)
                    executor.follow(gpu, lasts_s)
        yield from self._drain(now_s)
        yield from self._wake_up(view, now_s)

    def _internal_deadline_s(self, request: Request) -> float:
        slo_s = request.deadline_s - request.arrival_s
        return request.arrival_s + max(min(slo_s, slo_s - self._buffer_s), self._ahead_s + self._buffer_s)

    def _cancel(self, now_s: float) -> Iterator[Drop]:
        """Give up waiting requests whose internal deadline has come, but for those that a queue may still serve."""
        while self._cancellations and self._cancellations[0][0] <= now_s:
            _, request_id, request = heappop(self._cancellations)
            if request_id in self._queued:
                yield from self._drop(self._queues[request.model].hopeless(now_s))
            else:
                yield from self._drop([request])

    def _drain(self, now_s: float) -> Iterator[Drop]:
        """Take note of what has left all queues, and give up what is left of it, or of what they hold, too late."""
        for model in self._looked_at:
            left = self._queues[model].drain()
            self._queued.difference_update([request.id for request in left])
            yield from self._drop([request for request in left if self._internal_deadline_s(request) <= now_s])
            yield from self._drop(self._queues[model].hopeless(now_s))
        self._looked_at.clear()

    def _drop(self, requests: Sequence[Request]) -> Iterator[Drop]:
        """Give up those of the requests that still wait."""
        for request in requests:
            if request.id in self._waiting:
                self._waiting.remove(request.id)
                yield Drop(request, "timeout")

    def _wake_up(self, view: View, now_s: float) -> Iterator[SetTimer]:
        """Ask to be woken when the next batch may be decided, or the next request is to be cancelled."""
        while self._cancellations and self._cancellations[0][1] not in self._waiting:
            heappop(self._cancellations)
        next_s = self._cancellations[0][0] if self._cancellations else inf
        for gpu, executor in zip(view.gpus, self._executors, strict=True):
            if gpu.free_places and executor.strategies:
                next_s = min(next_s, self._free_s(executor, now_s) - self._ahead_s + POLL_S)
        next_s = latest_finish_s(next_s)  # within rounding not before what else happens at that instant
        if now_s < next_s < inf and not now_s < self._timer_s <= next_s:
            self._timer_s = next_s
            yield SetTimer(next_s)

    # INFER5 ---------------------------------------------------------------------------------------------------------

    def _infer(self, executor: Executor, now_s: float) -> tuple[Request, ...] | None:
        """Return the next batch for a GPU; None if it is busy too far ahead, or nothing is feasible."""
        for model in executor.activated:
            if model not in executor.strategies:
                self._bid(executor, model, inf)
        executor.activated.clear()
        free_s = self._free_s(executor, now_s)
        if latest_finish_s(free_s) >= now_s + self._ahead_s:
            return None
        strategies = executor.strategies
        while strategies:
            (_, size, *_), model = min((bid, model) for model, bids in strategies.items() for bid in bids)
            del strategies[model]
            self._looked_at[model] = None
            queues = self._queues[model]
            for batch_size in queues.sizes:
                queues.skip(batch_size, free_s + self._estimate_s(model, batch_size))
            found = queues.largest()
            if found < size:
                self._bid(executor, model, size - 1)
                continue
            batch = queues.take(found)
            self._waiting.difference_update([request.id for request in batch])
            self._bid(executor, model, inf)
            return batch
        return None

    def _bid(self, executor: Executor, model: str, largest: float) -> None:
        """Enter a model's strategies up to a batch size, each with what ranks it.

        That is the latest start of the first request, the batch size, and where they are equal (rounding decides
        nothing) the request's internal deadline and its place in the order of arrival.
        """
        bids = [
            (round(head_s - self._estimate_s(model, size), RANK_DIGITS), size, round(head_s, RANK_DIGITS), number)
            for size, head_s, number in self._queues[model].heads()
            if size <= largest
        ]
        if bids:
            executor.strategies[model] = bids

    def _free_s(self, executor: Executor, now_s: float) -> float:
        """Return when a GPU is expected to be free."""
        return executor.available_s(now_s, self._lag_s, self._future_s)

    def _estimate_s(self, model: str, size: int) -> float:
        """Return the expected duration of a model's batch."""
        return self._durations[model, size].expected_s

    def _measure(self) -> None:
        """Take over the durations of the executions that have ended, in that order."""
        ended: list[InFlight] = [batch for executor in self._executors for batch in executor.ended()]
        for batch in sorted(ended, key=lambda batch: batch.execution_end_s):
            self._durations[batch.model, batch.size].add(batch.execution_end_s - batch.execution_start_s)


def _powers(limit: int) -> list[int]:
    """Return the batch sizes that Clockwork compiles models for: powers of two."""
    return [1 << exponent for exponent in range(limit.bit_length())]
