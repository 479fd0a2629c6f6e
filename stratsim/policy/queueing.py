"""Policies that serve waiting requests in the order of a key: FIFO, EDF, and both with strict priority.

`QueuePolicy` does the rest: it takes the request with the smallest key, batches those of the same model that follow it
(the largest feasible prefix), and picks the GPU with the fewest batches in flight. A policy of this family is one line,
its key; a second method, `may_start`, can hold requests back.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from heapq import heapify, heappop, heappush, heapreplace
from math import inf
from typing import TYPE_CHECKING, ClassVar

from stratsim.errors import SpecError
from stratsim.model.request import Priority
from stratsim.model.tolerance import latest_finish_s
from stratsim.policy.base import Decision, Drop, DropMode, Policy, SetTimer, Setting, Start, Wake
from stratsim.policy.copy_times import CopyTimes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from stratsim.model.request import Request
    from stratsim.policy.view import GpuView, InFlight, View

__all__ = ["Edf", "Fifo", "PriorityEdf", "PriorityFifo", "QueuePolicy"]

Key = tuple[float, ...]
Entry = tuple[Key, int, "Request"]
Flow = tuple[str, Priority]
"""Model and class."""
Formed = tuple[tuple["Request", ...], "Sequence[Drop]"]
"""A batch, maybe empty, and a decision for each request that was given up."""


class QueuePolicy(Policy):
    """Serve the request with the smallest key first, with those of its model that fit behind it.

    Whenever a place is free, the batch is formed from one model's queue, in the order of the keys, as the longest
    prefix in which every request still meets its deadline by the *solo* estimate

        now + max(expected wait for a slot, copy-in) + l(b) + copy-out <= deadline

    A request that could not meet its deadline even alone does not constrain the batch; what happens to it is the drop
    mode's choice. Interference is ignored: this family believes in solo latencies.

    A subclass that holds requests back defines `may_start`. One that does not is never asked.

    Args:
        max_batch: Largest batch size; the run's setting by default. A model profiled up to less uses its own largest.
        drop: `never`, `expired` or `infeasible`; the run's setting by default.
    """

    wakes: ClassVar[frozenset[Wake]] = frozenset({Wake.ARRIVAL, Wake.EXECUTION_END})
    _asks: ClassVar[bool] = False
    """Whether there is a `may_start` to ask."""

    def __init_subclass__(cls) -> None:
        cls._asks = cls.may_start is not QueuePolicy.may_start
        if "may_start" in vars(cls) and "decide" not in vars(cls) and cls.decide is not QueuePolicy.decide:
            raise TypeError(f"{cls.__name__}: its base class decides by itself, and does not ask `may_start`")

    def __init__(self, *, max_batch: int | None = None, drop: str | None = None) -> None:
        if max_batch is not None and (type(max_batch) is not int or max_batch < 1):
            raise SpecError(f"max_batch must be a whole number, at least 1, got {max_batch!r}")
        known = [mode.value for mode in DropMode]
        if drop is not None and drop not in known:
            raise SpecError(f"drop must be one of {', '.join(known)}, got {drop!r}")
        self._max_batch = max_batch
        self._drop = drop

    def key(self, request: Request) -> Key:
        """Return the sort key of a request: the smallest is served first, the earliest arrival among equals."""
        raise NotImplementedError

    def may_start(self, request: Request, gpu: GpuView, view: View) -> bool | SetTimer:  # noqa: ARG002 (for subclasses)
        """Whether a batch that begins with this request may start on this GPU now; by default yes.

        Asked while the GPU has a free place, for the requests in the order of their keys; first for the GPU that the
        batch would go to, then for the others with a free place. A request that may not start waits, and so do those of
        its model and class behind it; others overtake it. Requests that fill the batch of another are not asked about:
        they take no place of their own.

        It is asked again at the policy's next moment (`wakes`: an arrival, the end of an execution). An answer that
        changes with time alone is a `SetTimer`: no, and to be asked again then at the latest. Whoever refuses a request
        on an idle machine without a timer leaves it waiting until the next arrival: `check_policy` finds that.
        """
        return True

    def prepare(self, setting: Setting) -> None:
        """Forget everything and take over the run's setting."""
        self.setting = setting
        self.profile = profile = setting.profile
        self.drop = DropMode(self._drop) if self._drop is not None else setting.drop
        limit = self._max_batch or setting.max_batch
        self._estimates = limit > 1 or self.drop is not DropMode.NEVER
        """Whether anything depends on an estimate: one by one, whatever the deadline, needs none."""
        self._limit = {name: min(limit, model.max_batch) for name, model in profile.models.items()}
        self._latency_s = {name: model.latency_s for name, model in profile.models.items()}
        self._copy_in_s, self._copy_out_s = CopyTimes(profile.h2d), CopyTimes(profile.d2h)
        self._slots = setting.max_concurrency
        self._expected_s: float | None = None
        """When the batch formed last is expected to be done; None as long as nothing is estimated."""
        self._flows: Counter[Flow] = Counter()
        """How many requests of each model and class wait; counted where `may_start` is asked."""
        self._timer_s = -inf
        """The timer that was set last."""
        self._queues: dict[str, list[Entry]] = {name: [] for name in profile.models}
        """The waiting requests of each model: heaps."""

    @property
    def largest(self) -> Mapping[str, int]:
        """The largest batch that it forms in this run, by model."""
        return self._limit

    @property
    def estimates(self) -> bool:
        """Whether anything that it does in this run depends on an estimate."""
        return self._estimates

    def on_arrival(self, request: Request, view: View) -> None:  # noqa: ARG002
        """Queue the request."""
        if self._asks:
            self._flows[request.model, request.priority] += 1
        heappush(self._queues[request.model], (self.key(request), request.id, request))

    def decide(self, view: View) -> Iterable[Decision]:
        """Start batches while there are both requests and places."""
        if view.least_loaded() is None:
            return ()
        return self._start_admitted(view) if self._asks else self._start_batches(view)

    def _start_batches(self, view: View) -> Iterator[Decision]:
        now_s, queues = view.now_s, self._queues.values()
        while any(queues) and (gpu := self._pick(view)) is not None:
            batch, drops = self._form(self._next_queue(gpu, now_s), gpu, now_s)
            yield from drops
            if batch:
                yield Start(batch, gpu.id, self._expected_s)

    def _start_admitted(self, view: View) -> Iterator[Decision]:
        """Start batches of requests that may start; those that may not are back in their queues afterwards."""
        aside: list[Entry] = []
        refused: set[Flow] = set()
        shelved: set[str] = set()
        """Models of which all that wait are refused."""
        again_s = inf
        while (gpu := self._pick(view)) is not None:
            queue = min([queue for model, queue in self._queues.items() if queue and model not in shelved], default=[])
            if not queue:
                break
            request = queue[0][2]
            flow = request.model, request.priority
            if flow not in refused:
                if drop := self._hopeless(request, gpu, view.now_s):
                    heappop(queue)
                    self._flows[flow] -= 1
                    yield drop
                    continue
                place, timer_s = self._admit(request, gpu, view)
                if place is not None:
                    yield from self._start_batch(queue, place, view)
                    continue
                refused.add(flow)
                again_s = min(again_s, timer_s)
            if refused.issuperset([(request.model, each) for each in Priority if self._flows[request.model, each]]):
                shelved.add(request.model)
            else:
                aside.append(heappop(queue))
        for entry in aside:
            heappush(self._queues[entry[2].model], entry)
        if view.now_s < again_s < inf and not view.now_s < self._timer_s <= again_s:
            self._timer_s = again_s
            yield SetTimer(again_s)

    def _admit(self, request: Request, gpu: GpuView, view: View) -> tuple[GpuView | None, float]:
        """Return where a request may start, and else when to ask again at the latest."""
        again_s = inf
        others = [each for each in view.gpus if each.free_places and each is not gpu]
        for place in (gpu, *sorted(others, key=lambda each: each.in_flight)):
            answer = self.may_start(request, place, view)
            if isinstance(answer, SetTimer):
                again_s = min(again_s, answer.at_s)
            elif answer:
                return place, again_s
        return None, again_s

    def _hopeless(self, request: Request, gpu: GpuView, now_s: float) -> Drop | None:
        """Return the decision to give a request up that is late by the estimate, even alone; None to keep it."""
        if self.drop is DropMode.NEVER:
            return None
        deadline_s = latest_finish_s(request.deadline_s)
        late = self._estimate(gpu, now_s)((request,)) > deadline_s and not self._is_worth_trying(request, now_s)
        reason = self._give_up(deadline_s, now_s) if late else None
        return None if reason is None else Drop(request, reason)

    def _start_batch(self, queue: list[Entry], gpu: GpuView, view: View) -> Iterator[Decision]:
        """Start the batch of the first request of a queue."""
        batch, drops = self._form(queue, gpu, view.now_s)
        for drop in drops:
            self._flows[drop.request.model, drop.request.priority] -= 1
            yield drop
        for request in batch:
            self._flows[request.model, request.priority] -= 1
        if batch:
            yield Start(batch, gpu.id, self._expected_s)

    def _pick(self, view: View) -> GpuView | None:
        """Return the GPU with the fewest batches; where all slots are taken, the one whose slot frees up first."""
        gpu = view.least_loaded()
        if gpu is None or not self._estimates or gpu.in_flight < self._slots:
            return gpu
        able = [each for each in view.gpus if each.free_places]
        return min(able, key=lambda each: self.expected_wait_s(each, view.now_s)) if len(able) > 1 else gpu

    def _first_queue(self) -> list[Entry]:
        """Return the queue of the waiting request with the smallest key; an empty one if none waits."""
        queues = self._queues.values()
        return min(filter(None, queues)) if any(queues) else []  # heaps: lists compare by their smallest

    def _first(self) -> Request | None:
        """Return the waiting request with the smallest key; None if none waits."""
        queue = self._first_queue()
        return queue[0][2] if queue else None

    def _next_queue(self, gpu: GpuView, now_s: float) -> list[Entry]:  # noqa: ARG002 (for keys that need them)
        """Return the queue that the next batch is formed from; some request waits."""
        return min(filter(None, self._queues.values()))

    def _form(self, queue: list[Entry], gpu: GpuView, now_s: float) -> Formed:
        """Take the largest feasible prefix out of a queue, and whoever is given up on the way."""
        if not self._estimates:
            return (heappop(queue)[2],), ()
        limit = self._limit[queue[0][2].model]
        finish_s = self._estimate(gpu, now_s)
        earliest_s = inf
        batch: list[Request] = []
        drops: list[Drop] = []
        while queue and len(batch) < limit:
            request = queue[0][2]
            alone_s = finish_s((request,))
            deadline_s = latest_finish_s(request.deadline_s)
            if alone_s > deadline_s:
                if self._is_worth_trying(request, now_s):
                    deadline_s = alone_s  # nobody may make it later still
                elif reason := self._give_up(deadline_s, now_s):
                    heappop(queue)
                    drops.append(Drop(request, reason))
                    if batch:
                        continue
                    break  # another model's request may be next in order now
                else:
                    deadline_s = inf  # hopeless: it must not hold the others back
            due_s = min(earliest_s, deadline_s)
            done_s = finish_s((*batch, request)) if batch else alone_s
            if batch and done_s > due_s:
                break
            earliest_s = due_s
            self._expected_s = done_s
            batch.append(heappop(queue)[2])
        return tuple(batch), drops

    def _is_worth_trying(self, request: Request, now_s: float) -> bool:  # noqa: ARG002 (for those who doubt themselves)
        """Whether a request that is late by the estimate, even alone, is served all the same, as if it could be met."""
        return False

    def _give_up(self, deadline_s: float, now_s: float) -> str | None:
        """Return the reason to drop a request that is late by the estimate, even alone; None to keep it."""
        if self.drop is DropMode.NEVER:
            return None
        if now_s > deadline_s:
            return "expired"
        return "infeasible" if self.drop is DropMode.INFEASIBLE else None

    def _estimate(self, gpu: GpuView, now_s: float) -> Callable[[Sequence[Request]], float]:
        """Return the function that says when requests of one model, started now as one batch, would be done."""
        return partial(self._finish_s, now_s, now_s + self.expected_wait_s(gpu, now_s))

    def _finish_s(self, now_s: float, slot_s: float, requests: Sequence[Request]) -> float:
        """Return when a batch started now would be done: its input copies while it waits for the slot."""
        bytes_in = bytes_out = 0
        for request in requests:
            bytes_in += request.bytes_in
            bytes_out += request.bytes_out
        execute_s = max(now_s + self._copy_in_s[bytes_in], slot_s)
        execute_s += self._latency_s[requests[0].model][len(requests)]
        return execute_s + self._copy_out_s[bytes_out]

    def expected_wait_s(self, gpu: GpuView, now_s: float) -> float:
        """Return how long a batch started now would wait for a slot, if all batches ran at solo speed."""
        if gpu.in_flight < self._slots:
            return 0.0
        return self._wait_s(gpu.executing_until(self._latency_s), gpu.staged, now_s)

    def _wait_s(self, free_s: list[float], staged: Sequence[InFlight], now_s: float) -> float:
        """Return how long a batch would wait behind those that execute, each until its `free_s`, and those staged."""
        free_s += [now_s] * (self.setting.max_concurrency - len(free_s))
        heapify(free_s)
        for batch in staged:  # in the order of dispatch, each takes the first slot that frees up
            ready_s = batch.dispatch_s + self._copy_in_s[sum([r.bytes_in for r in batch.requests])]
            start_s = max(now_s, ready_s, free_s[0])
            heapreplace(free_s, start_s + self._latency_s[batch.model][batch.size])
        return max(free_s[0] - now_s, 0.0)


class Fifo(QueuePolicy):
    """First in, first out, whatever the priority.

    Batches hold the head's model only and may overtake other models' requests, as per-model queues do.
    Source: textbook; the batching rule is our choice.
    """

    def key(self, request: Request) -> Key:
        """Order of arrival."""
        return (request.arrival_s,)


class PriorityFifo(QueuePolicy):
    """Strict priority between the classes, first in, first out within each; not preemptive.

    Low-priority requests of the same model fill a high-priority batch's free places if they fit.
    Source: textbook head-of-line priority (Cobham 1954); the batching rule is our choice.
    """

    def key(self, request: Request) -> Key:
        """Class, then order of arrival."""
        return (request.priority, request.arrival_s)


class Edf(QueuePolicy):
    """Earliest deadline first, whatever the priority; not preemptive.

    Source: Liu and Layland 1973 for the order; the batching rule is our choice.
    """

    def key(self, request: Request) -> Key:
        """Absolute deadline."""
        return (request.deadline_s,)


class PriorityEdf(QueuePolicy):
    """Strict priority between the classes, earliest deadline first within each; not preemptive.

    Low-priority requests of the same model fill a high-priority batch's free places if they fit.
    Source: lexicographic (class, deadline), our choice among the usual variants.
    """

    def key(self, request: Request) -> Key:
        """Class, then absolute deadline."""
        return (request.priority, request.deadline_s)
