"""Symphony: deferred batching. A batch starts when one more request would not fit any more, not before."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from stratsim.model.tolerance import latest_finish_s
from stratsim.policy.arguments import batch_limits, batch_spans_s, whole
from stratsim.policy.base import Decision, Drop, Policy, SetTimer, Setting, Start, Wake
from stratsim.policy.strait.queues import DeadlineQueues

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stratsim.model.request import Request
    from stratsim.policy.view import GpuView, View

__all__ = ["Symphony", "staggered_batch"]


class _Candidate(NamedTuple):
    """The batch that a model would start: what is compared first comes first."""

    latest_s: float
    """Latest start at which its first request is in time."""
    model: str
    size: int
    frontrun_s: float
    """From when on it may start: one more request would not fit after this."""


class Symphony(Policy):
    """Deferred batching: every model holds its batch back until one more request would no longer fit.

    The candidate of a model is the longest prefix by deadline that meets the deadline d of its first request if started
    now. It may start from d - l(b + 1) on (its front-run time), or at once if it cannot grow: it is full, or the next
    request does not fit already. It must start by d - l(b). When a GPU is free, the lowest first, it gets the ready
    candidate that must start first. A request that cannot be in time even alone is dropped.

    Not work-conserving: GPUs idle while batches grow, which keeps GPUs out of step with each other and batches large.
    Made for one execution at a time (C = 1): a GPU counts as free while it has a free slot, nothing is placed ahead,
    and interference is not expected. l(b) is the solo latency with the copies of b of the model's usual requests.
    Classes are ignored, and so is the run's drop rule. A request without a deadline is not held back: our choice.

    Source: arXiv 2308.07470 (abstract); rules from memory and a third party's re-implementation; starting a full batch
    at once is our choice.

    Args:
        max_batch: Largest batch size; the run's setting by default.
    """

    wakes: ClassVar[frozenset[Wake]] = frozenset({Wake.ARRIVAL, Wake.EXECUTION_END})

    def __init__(self, *, max_batch: int | None = None) -> None:
        if max_batch is not None:
            whole("max_batch", max_batch, 1)
        self._max_batch = max_batch

    def prepare(self, setting: Setting) -> None:
        """Forget everything and take over the run's setting."""
        self._slots = setting.max_concurrency
        self._limit = batch_limits(setting, self._max_batch)
        self._span_s = batch_spans_s(setting.profile)
        self._queues = DeadlineQueues()
        self._timer_s = -inf

    def on_arrival(self, request: Request, view: View) -> None:  # noqa: ARG002
        """Queue the request."""
        self._queues.push(request)

    def decide(self, view: View) -> Iterator[Decision]:
        """Drop what is too late, start what is ready while GPUs are free, and wait for the rest to be."""
        now_s = view.now_s
        for model in self._queues.models():
            yield from self._expire(model, now_s)
        while (gpu := self._free_gpu(view)) is not None:
            candidates = [self._candidate(model, now_s) for model in self._queues.models()]
            ready = [candidate for candidate in candidates if candidate.frontrun_s <= now_s]
            if not ready:
                yield from self._wait(candidates, now_s)
                return
            best = min(ready)
            expected_s = now_s + self._span_s[best.model][best.size]
            yield Start(tuple(self._queues.take(best.model, best.size)), gpu.id, expected_s)

    def _free_gpu(self, view: View) -> GpuView | None:
        return next((gpu for gpu in view.gpus if gpu.in_flight < self._slots), None)

    def _expire(self, model: str, now_s: float) -> Iterator[Drop]:
        """Drop the first requests of a model as long as they would be late even alone."""
        while self._queues.waiting(model):
            head = self._queues.head(model)
            if now_s + self._span_s[model][1] <= latest_finish_s(head.deadline_s):
                return
            self._queues.take(model, 1)
            yield Drop(head, "expired" if now_s > head.deadline_s else "infeasible")

    def _candidate(self, model: str, now_s: float) -> _Candidate:
        """Return the batch that a model, all of whose requests can still be in time alone, would start now."""
        span_s, waiting, limit = self._span_s[model], self._queues.waiting(model), self._limit[model]
        due_s = self._queues.head(model).deadline_s
        size = 1
        while size < min(waiting, limit) and now_s + span_s[size + 1] <= latest_finish_s(due_s):
            size += 1
        may_grow = size < limit and size == waiting and due_s < inf
        return _Candidate(due_s - span_s[size], model, size, due_s - span_s[size + 1] if may_grow else -inf)

    def _wait(self, candidates: Sequence[_Candidate], now_s: float) -> Iterator[SetTimer]:
        """Ask to be woken at the next front-run time."""
        next_s = min([candidate.frontrun_s for candidate in candidates], default=inf)
        if next_s < inf and not now_s < self._timer_s <= next_s:
            self._timer_s = next_s
            yield SetTimer(next_s)


def staggered_batch(latency_s: Sequence[float], slo_s: float, gpus: int) -> int:
    """Return the largest batch size that identical GPUs, perfectly out of step, can sustain; 0 if there is none.

    A request that has just missed a batch waits for the next GPU, l(b) / N, and executes for l(b): l(b)(1 + 1/N) must
    not exceed its deadline. With one GPU that is the rule of Nexus and gpulet, 2 l(b) <= SLO.

    Args:
        latency_s: Solo latency by batch size; entry 0 is not used.
        slo_s: Deadline after arrival.
        gpus: N.
    """
    fits = [size for size, span_s in enumerate(latency_s) if size and span_s * (1 + 1 / gpus) <= latest_finish_s(slo_s)]
    return max(fits, default=0)
