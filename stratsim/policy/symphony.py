"""Symphony: deferred batching. A batch starts when one more request would not fit any more, not before."""

from __future__ import annotations

from bisect import insort
from collections import deque
from itertools import accumulate
from math import inf
from typing import TYPE_CHECKING, ClassVar

from stratsim.model.tolerance import RANK_DIGITS, TIME_RTOL, latest_finish_s
from stratsim.policy.arguments import batch_limits, batch_spans_s, number, one_of, whole
from stratsim.policy.base import Decision, Drop, Policy, SetTimer, Setting, Start, Wake

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from stratsim.model.request import Request
    from stratsim.policy.view import GpuView, View

__all__ = ["Symphony", "staggered_batch", "target_batch"]

_METER_S, _METER_WINDOW = 0.050, 100
"""How long arrivals are counted for one sample of the rate, and how many samples count. Source: rankmt/common.h."""

_PASSED_S = 1e-6
"""How long after the last instant of a candidate it is looked at again (ours; there the clock runs on by itself)."""


class Symphony(Policy):
    """Deferred batching: every model holds its batch back until one more request would no longer fit.

    A model's candidate has the target size or more, as many as meet the deadline d of its first request if started now.
    It may start from d - l(b + 1) on (its front-run time), or at once if it cannot grow: it is full, or the next
    request does not fit already. It must start by d - l(b). Whenever a GPU is free, the one that has been so for
    longest first, it gets the ready candidate that must start first; of equal ones that whose first request is due
    first, then that whose first request comes first in the trace (ours; there the order of equal ones is not defined).

    `window`: a request is dropped if a batch of the target size, or of as many as wait and could be met together, would
    make it late, although a smaller batch might have served it. The target is the largest size with 2 l(b) <= SLO, and
    once arrivals have been counted for 50 ms the largest that GPUs out of step sustain at their rate (`target_batch`),
    by the shortest deadline seen so far. `timeout`: the target is 1, so that a request is dropped only if it would be
    late even alone.

    Not work-conserving: GPUs idle while batches grow, which keeps GPUs out of step with each other and batches large.
    Made for one execution at a time (C = 1): a GPU counts as free while it has a free slot, nothing is placed ahead,
    and interference is not expected. l(b) is the solo latency with the copies of b of the model's usual requests, and
    no less than that of a smaller batch. Classes are ignored, and so is the run's drop rule. Ours: a batch that is full
    starts at once, a request without a deadline is not held back, and what would be late even alone is dropped at once
    (there with the next arrival).

    Approximated: Symphony plans with mean plus standard deviation, times 1.15 by default; profiles hold means.

    Source: arXiv 2308.07470 (abstract); rules: Symphony's own code, abcdabcd987/nexuslb, src/nexus/dispatcher:
    batch_policy.cpp, batch_size_estimator.cpp, rankmt/model_thread.cpp and rank_thread.cpp.

    Args:
        drop: `window` (Symphony's default) or `timeout`.
        target: Target size of all models; by default from their deadlines and rates.
        response_s: Time kept for an answer's way back; 2 ms in Symphony. Like the next three, it makes the policy plan
            ahead, and costs no time in the simulated server.
        control_s: Time from a decision until the GPU has it; 100 us in Symphony.
        data_s: Time to fetch one request's input; 50 us in Symphony.
        jitter_s: How much earlier a batch starts for timers that are late; 100 us in Symphony.
        max_batch: Largest batch size; the run's setting by default.
    """

    wakes: ClassVar[frozenset[Wake]] = frozenset({Wake.ARRIVAL, Wake.EXECUTION_END})

    def __init__(
        self,
        *,
        drop: str = "window",
        target: int | None = None,
        response_s: float = 0.0,
        control_s: float = 0.0,
        data_s: float = 0.0,
        jitter_s: float = 0.0,
        max_batch: int | None = None,
    ) -> None:
        one_of("drop", drop, ("window", "timeout"))
        delays = {"response_s": response_s, "control_s": control_s, "data_s": data_s, "jitter_s": jitter_s}
        for name, delay_s in delays.items():
            number(name, delay_s, 0, inf, closed="low")
        for name, size in (("target", target), ("max_batch", max_batch)):
            if size is not None:
                whole(name, size, 1)
        self._target = 1 if drop == "timeout" else target
        self._response_s, self._control_s, self._data_s, self._jitter_s = delays.values()
        self._max_batch = max_batch

    def prepare(self, setting: Setting) -> None:
        """Forget everything and take over the run's setting."""
        self._slots = setting.max_concurrency
        spans_s = batch_spans_s(setting.profile)
        self._takes_s: dict[str, list[float]] = {}
        """From the decision to the end of an execution, by model and batch size."""
        self._targets: dict[str, _Target] = {}
        for model, limit in batch_limits(setting, self._max_batch).items():
            # A larger batch takes no less, as in the source.
            span_s = list(accumulate(spans_s[model][: limit + 1], max))
            self._takes_s[model] = [self._control_s + size * self._data_s + each for size, each in enumerate(span_s)]
            self._targets[model] = _Target(span_s, self._control_s + self._response_s, self._data_s, self._target)
        self._windows: dict[str, _Window] = {}
        """Of the models seen."""
        self._free_s = [0.0] * setting.gpus
        """When each GPU's last batch was planned to end."""
        self._timer_s = -inf

    def on_arrival(self, request: Request, view: View) -> None:
        """Queue the request."""
        model = request.model
        self._windows.setdefault(model, _Window()).push(request, request.deadline_s - self._response_s)
        self._targets[model].count(request, view.now_s)

    def decide(self, view: View) -> Iterator[Decision]:
        """Drop what is too late, start what is ready while GPUs are free, and wait for the rest to be."""
        now_s = view.now_s
        for model, window in self._windows.items():
            if window.changed or now_s + self._takes_s[model][window.size] > latest_finish_s(window.due_s):
                yield from self._look(model, now_s)
        gpu = self._free_gpu(view)
        while gpu is not None:
            ready = [model for model in self._windows if self._frontrun_s(model) <= now_s]
            if not ready:
                break
            model = self._most_urgent(ready)
            yield from self._look(model, now_s)  # the rate may say otherwise now
            batch = self._windows[model].take()
            if batch:
                self._free_s[gpu.id] = now_s + self._takes_s[model][len(batch)]
                yield Start(batch, gpu.id, self._free_s[gpu.id])
                yield from self._look(model, now_s)
            gpu = self._free_gpu(view)
        yield from self._wait(gpu is not None, now_s)

    def _free_gpu(self, view: View) -> GpuView | None:
        """Return the GPU that has been free for longest, by what was planned; None if none is."""
        free = [gpu for gpu in view.gpus if gpu.in_flight < self._slots]
        return min(free, key=lambda gpu: (round(self._free_s[gpu.id], RANK_DIGITS), gpu.id), default=None)

    def _look(self, model: str, now_s: float) -> Iterator[Drop]:
        """Form a model's candidate anew; drop the requests that it gives up."""
        takes_s = self._takes_s[model]
        target = self._targets[model].size(now_s)
        for request in self._windows[model].form(target, len(takes_s) - 1, lambda size: now_s + takes_s[size]):
            if now_s > request.deadline_s:
                yield Drop(request, "expired")
            else:
                alone = now_s + takes_s[1] <= latest_finish_s(request.deadline_s - self._response_s)
                yield Drop(request, "early drop" if alone else "infeasible")

    def _frontrun_s(self, model: str) -> float:
        """Return from when on a model's candidate may start; `inf` if it has none."""
        window, takes_s = self._windows[model], self._takes_s[model]
        if not window.size:
            return inf
        if window.size == len(takes_s) - 1 or window.due_s == inf:
            return -inf
        return window.due_s - self._jitter_s - takes_s[window.size + 1]

    def _latest_s(self, model: str) -> float:
        """Return the latest start at which the first request of a model's candidate is in time."""
        window = self._windows[model]
        return window.due_s - self._takes_s[model][window.size]

    def _most_urgent(self, ready: Sequence[str]) -> str:
        """Return the model whose candidate must start first; within rounding, the one whose first request is due first.

        Further ties go to the request that comes first in the trace.
        """
        first_s = min([self._latest_s(model) for model in ready])
        within_s = first_s + TIME_RTOL * abs(first_s)
        return min([model for model in ready if self._latest_s(model) <= within_s], key=self._first_place)

    def _first_place(self, model: str) -> tuple[float, int]:
        return self._windows[model].first_place

    def _wait(self, free: bool, now_s: float) -> Iterator[SetTimer]:
        """Ask to be woken at the next front-run time, if there is a GPU, or when a candidate cannot be met any more."""
        times_s = [self._latest_s(model) + _PASSED_S for model, window in self._windows.items() if window.size]
        if free:
            times_s += [self._frontrun_s(model) for model in self._windows]
        # Within rounding not before what comes at the same instant.
        next_s = latest_finish_s(min([at_s for at_s in times_s if at_s > now_s], default=inf))
        if next_s < inf and not now_s < self._timer_s <= next_s:
            self._timer_s = next_s
            yield SetTimer(next_s)


class _Window:
    """The waiting requests of a model, by deadline, and its candidate: the first `size` of them.

    The suffix could be served now as one batch; the prefix before it is kept as long as a batch of the candidate's size
    would not make it late.
    """

    def __init__(self) -> None:
        self._prefix: list[_Entry] = []
        self._suffix: list[_Entry] = []
        self.size = 0
        self.due_s = inf
        """Deadline of the candidate's first request."""
        self.changed = False
        """Whether requests have come since the candidate was formed."""

    def push(self, request: Request, due_s: float) -> None:
        """Add a request."""
        entry = (due_s, request.id, request)
        insort(self._prefix if self._prefix and entry < self._prefix[-1] else self._suffix, entry)
        self.changed = True

    def form(self, target: int, limit: int, finish_s: Callable[[int], float]) -> list[Request]:
        """Form the candidate anew and return the requests that are given up.

        Args:
            target: Size from which on a batch may grow further, but makes nobody late.
            limit: Largest size.
            finish_s: When a batch of a size would be done if it were decided now.
        """
        prefix, suffix = self._prefix, self._suffix
        moved = max(len(suffix) - limit, 0)
        while moved < len(suffix) and finish_s(len(suffix) - moved) > latest_finish_s(suffix[moved][0]):
            moved += 1
        prefix += suffix[:moved]
        del suffix[:moved]
        size = min(target, limit, len(suffix))
        late = len(prefix)
        if size:
            done_s = finish_s(size)
            late = next((i for i, entry in enumerate(prefix) if latest_finish_s(entry[0]) >= done_s), late)
        given_up = [request for *_, request in prefix[:late]]
        del prefix[:late]
        self.due_s = (prefix or suffix)[0][0] if size else inf
        while size and size < min(limit, len(prefix) + len(suffix)):
            if finish_s(size + 1) > latest_finish_s(self.due_s):
                break
            size += 1
        self.size, self.changed = size, False
        return given_up

    @property
    def first_place(self) -> tuple[float, int]:
        """Deadline and id of the candidate's first request; there must be a candidate."""
        due_s, number, _ = (self._prefix or self._suffix)[0]
        return due_s, number

    def take(self) -> tuple[Request, ...]:
        """Remove and return the candidate."""
        taken = (self._prefix + self._suffix)[: self.size]
        from_suffix = max(self.size - len(self._prefix), 0)
        del self._prefix[: self.size]
        del self._suffix[:from_suffix]
        self.size, self.due_s = 0, inf
        return tuple([request for *_, request in taken])


_Entry = tuple[float, int, "Request"]
"""Deadline less the way back of the answer, id, request."""


class _Target:
    """The target size of one model, by its shortest deadline and its rate of arrivals.

    Args:
        span_s: Latency by batch size, up to the largest.
        kept_s: Time kept for control messages and answers.
        data_s: Time to fetch one request's input.
        fixed: The size, if it does not depend on anything.
    """

    def __init__(self, span_s: Sequence[float], kept_s: float, data_s: float, fixed: int | None) -> None:
        self._span_s, self._kept_s, self._data_s, self._fixed = span_s, kept_s, data_s, fixed
        self._slo_s = inf
        self._counts: deque[int] = deque(maxlen=_METER_WINDOW)
        self._arrived = self._sealed = 0
        """Requests since the last sample, and the number of samples' worth of time that has passed."""
        self._size: int | None = fixed

    def count(self, request: Request, now_s: float) -> None:
        """Take an arrival into account."""
        self._seal(now_s)
        self._arrived += 1
        slo_s = request.deadline_s - request.arrival_s
        if slo_s < self._slo_s:
            self._slo_s, self._size = slo_s, self._fixed

    def size(self, now_s: float) -> int:
        """Return the target size."""
        self._seal(now_s)
        if self._size is None:
            self._size = self._estimate()
        return self._size

    def _estimate(self) -> int:
        if self._slo_s == inf:
            return 1
        if not self._counts:
            return staggered_batch(self._span_s, self._slo_s, 1) or 1
        rate_per_s = sum(self._counts) / len(self._counts) / _METER_S
        return target_batch(self._span_s, self._slo_s - self._kept_s, rate_per_s, self._data_s)

    def _seal(self, now_s: float) -> None:
        """Close the samples that are over; those before the first arrival do not count."""
        over = int(now_s / _METER_S * (1.0 + TIME_RTOL)) - self._sealed
        if not over:
            return
        self._sealed += over
        if self._counts or self._arrived:
            self._counts.extend([self._arrived, *[0] * (min(over, _METER_WINDOW + 1) - 1)])
            self._arrived, self._size = 0, self._fixed


def target_batch(latency_s: Sequence[float], budget_s: float, rate_per_s: float, data_s: float = 0.0) -> int:
    """Return the target batch size of a model at a rate of arrivals, 1 at least.

    At batch size b the rate keeps n = rate l(b) / b GPUs busy. If more than one: the largest b that n GPUs out of step
    sustain, l(b)(1 + 1/n) <= budget. Else the largest b that one GPU can gather and serve, b / rate + l(b) <= budget.

    Source: abcdabcd987/nexuslb, src/nexus/dispatcher/batch_size_estimator.cpp; sizes beyond the table are ours to end
    at: there the profile is extrapolated.

    Args:
        latency_s: Latency by batch size, seconds; entry 0 is not used.
        budget_s: Deadline after arrival, less what is kept for messages.
        rate_per_s: Arrivals per second.
        data_s: Time to fetch one request's input, seconds.
    """
    sizes = range(1, len(latency_s))
    gpus = 0.0
    for size in sizes:
        gpus = rate_per_s * latency_s[size] / size
        if latency_s[size] * (1 + 1 / max(gpus, 1.0)) > latest_finish_s(budget_s - data_s * size):
            if gpus > 1:
                return max(size - 1, 1)
            break
    else:
        if gpus > 1:
            return sizes[-1]
    for size in sizes[1:]:
        gather_s = size / rate_per_s if rate_per_s else inf
        if gather_s + latency_s[size] + data_s * size > latest_finish_s(budget_s):
            return size - 1
    return sizes[-1]


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
