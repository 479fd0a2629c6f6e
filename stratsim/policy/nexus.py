"""Nexus: batches of a planned size in turn, and requests dropped early so that those behind them can fill one."""

from __future__ import annotations

from math import ceil, inf
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from stratsim.errors import SpecError
from stratsim.model.tolerance import latest_finish_s
from stratsim.policy.arguments import batch_limits, batch_spans_s, number, one_of, whole
from stratsim.policy.base import Decision, Drop, Policy, Setting, Start, Wake
from stratsim.policy.strait.queues import DeadlineQueues

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stratsim.model.request import Request
    from stratsim.policy.view import View

__all__ = ["Nexus", "Session", "pack"]


class Nexus(Policy):
    """Nexus' backend: the models take turns with one batch each, requests are dropped early by a sliding window.

    `window`: a batch of the planned size is expected to end at now + l(b). Requests are taken by deadline; one that
    would be late in such a batch is dropped, although a smaller one might have served it; where too few remain to fill
    the batch, it shrinks to what remains. `head`: first requests that would be late even alone are dropped, and the
    first one's deadline decides how many go with it, up to the planned size.

    The planned size is the largest with 2 l(b) <= the model's shortest deadline seen so far, less `network_s`, or
    `batch`. l(b) is the solo latency with the copies of b of the model's usual requests.

    Approximated: no epochs. Every GPU serves every model, instead of those that the planner (`pack`) would give it;
    planned sizes do not follow rates. Turns follow the order in which the models were first requested, the earlier
    request in the trace first (ours; there it is the order in which the planner loaded them). Nexus plans
    with mean plus standard deviation, profiles hold means. Made for one execution at a time (C = 1): with more slots,
    batches start while one is free. Classes are ignored, and so is the run's drop rule. Queries of several models are
    out of scope.

    Source: Nexus (SOSP 2019), uwsampl/nexus, backend_delegate.cpp and model_exec.cpp: `head` is backend_batch_policy 1.
    `window` is the form that shrinks, of earlier commits (02ec95b, 19e82b6); with backend_batch_policy 0 of the last
    one the window keeps the planned size however few wait.

    Args:
        batching: `window` (Nexus' default) or `head`.
        batch: Planned batch size of all models; by default from their deadlines.
        network_s: Time kept for the network when sizes are planned.
        max_batch: Largest batch size; the run's setting by default.
    """

    wakes: ClassVar[frozenset[Wake]] = frozenset({Wake.ARRIVAL, Wake.EXECUTION_END})

    def __init__(
        self,
        *,
        batching: str = "window",
        batch: int | None = None,
        network_s: float = 0.002,
        max_batch: int | None = None,
    ) -> None:
        one_of("batching", batching, ("window", "head"))
        number("network_s", network_s, 0, inf, closed="low")
        for name, value in (("batch", batch), ("max_batch", max_batch)):
            if value is not None:
                whole(name, value, 1)
        self._form = self._by_window if batching == "window" else self._by_head
        self._batch = batch
        self._network_s = network_s
        self._max_batch = max_batch

    def prepare(self, setting: Setting) -> None:
        """Forget everything and take over the run's setting."""
        self._slots = setting.max_concurrency
        self._limit = batch_limits(setting, self._max_batch)
        self._span_s = batch_spans_s(setting.profile)
        self._planned = {name: min(self._batch or limit, limit) for name, limit in self._limit.items()}
        self._slo_s = dict.fromkeys(self._limit, inf)
        self._queues = DeadlineQueues()
        self._order: dict[str, None] = {}
        """The models in the order in which they were first requested."""
        self._turn = [0] * setting.gpus
        """By GPU: the place in that order of the model whose turn is next; one past its end: of a newcomer."""

    def on_arrival(self, request: Request, view: View) -> None:  # noqa: ARG002
        """Queue the request; a shorter deadline than any before makes the planned size smaller."""
        self._queues.push(request)
        self._order.setdefault(request.model)
        model, slo_s = request.model, request.deadline_s - request.arrival_s
        if slo_s < self._slo_s[model]:
            self._slo_s[model] = slo_s
            if self._batch is None:
                spans_s = self._span_s[model][: self._limit[model] + 1]
                self._planned[model] = max(largest_batch(spans_s, (slo_s - self._network_s) / 2), 1)

    def decide(self, view: View) -> Iterator[Decision]:
        """Give free GPUs the next batch in turn."""
        now_s, models = view.now_s, list(self._order)
        for gpu in view.gpus:
            tried = 0
            while tried < len(models) and gpu.in_flight < self._slots:
                place = self._turn[gpu.id] % len(models)
                model = models[place]
                self._turn[gpu.id] = place + 1
                batch: list[Request] = []
                yield from self._form(model, now_s, batch)
                tried = 0 if batch else tried + 1
                if batch:
                    yield Start(tuple(batch), gpu.id, now_s + self._span_s[model][len(batch)])

    def _by_window(self, model: str, now_s: float, batch: list[Request]) -> Iterator[Drop]:
        """Fill `batch` up to the planned size, dropping what would be late in it."""
        span_s, queues = self._span_s[model], self._queues
        size = min(self._planned[model], queues.waiting(model))
        while len(batch) < size:
            (request,) = queues.take(model, 1)
            if now_s + span_s[size] <= latest_finish_s(request.deadline_s):
                batch.append(request)
                continue
            yield Drop(request, "early drop")
            size = min(size, len(batch) + queues.waiting(model))

    def _by_head(self, model: str, now_s: float, batch: list[Request]) -> Iterator[Drop]:
        """Fill `batch` up to the planned size, as the deadline of the first one allows; drop heads that are late."""
        span_s, queues = self._span_s[model], self._queues
        while queues.waiting(model):
            head = queues.head(model)
            most = min(queues.waiting(model), self._planned[model])
            size = largest_batch(span_s[: most + 1], latest_finish_s(head.deadline_s) - now_s)
            if size:
                batch += queues.take(model, size)
                return
            queues.take(model, 1)
            yield Drop(head, "infeasible")


def largest_batch(spans_s: Sequence[float], limit_s: float) -> int:
    """Return the largest batch size, an index, that takes no longer than this; 0 if even one request does."""
    limit_s = latest_finish_s(limit_s)
    return max([size for size, span_s in enumerate(spans_s) if size and span_s <= limit_s], default=0)


# The planner --------------------------------------------------------------------------------------------------------


class Session(NamedTuple):
    """A model and the load on it, for `pack`."""

    name: str
    rate_per_s: float
    slo_s: float
    latency_s: Sequence[float]
    """By batch size; entry 0 is not used."""

    @property
    def max_batch(self) -> int:
        """Largest batch size with 2 l(b) <= SLO."""
        return largest_batch(self.latency_s, self.slo_s / 2)

    @property
    def duty_s(self) -> float:
        """Longest cycle in which its load, less than a GPU's worth, can be served in time."""
        gather_s = [(size - 1) / self.rate_per_s + span_s for size, span_s in enumerate(self.latency_s)]
        size = largest_batch(gather_s[: self.max_batch + 1], self.slo_s)
        return min(self.slo_s - self.latency_s[size], size / self.rate_per_s)


def pack(sessions: Sequence[Session]) -> list[dict[str, int]]:
    """Return the batch size of each session on each GPU: Nexus' squishy bin packing.

    A session takes whole GPUs for what saturates them. The rest of its load goes, the session with the highest request
    rate first, to the GPU that is fullest with it, or to a new one: all sessions of a GPU are served once per cycle, as
    long as the shortest among them allows, and their executions must fit into it.

    Source: Nexus (SOSP 2019), uwsampl/nexus, backend_delegate.cpp, and for the order AllocateUnassignedWorkloads in
    scheduler.cpp; equal rates stay in the order given (ours), and loads that fit on no GPU in use are not split.

    Raises:
        SpecError: a session whose deadline is too short for any batch.
    """
    full: list[dict[str, int]] = []
    rest: list[Session] = []
    for session in sessions:
        size = session.max_batch
        if not size:
            raise SpecError(f"session {session.name!r}: twice its latency exceeds its deadline of {session.slo_s} s")
        capacity_per_s = size / session.latency_s[size]
        count = int(session.rate_per_s / capacity_per_s)
        full += [{session.name: size}] * count
        rate_per_s = session.rate_per_s - count * capacity_per_s
        if rate_per_s > _EPSILON * session.rate_per_s:
            rest.append(session._replace(rate_per_s=rate_per_s))
    shared: list[list[Session]] = []
    rates_per_s = {session.name: session.rate_per_s for session in sessions}
    for session in sorted(rest, key=lambda session: -rates_per_s[session.name]):
        fullest = max(shared, key=lambda gpu: _occupancy([*gpu, session]), default=[])
        if fullest and _occupancy([*fullest, session]) > 0:
            fullest.append(session)
        else:
            shared.append([session])
    return full + [_batches(gpu) for gpu in shared]


_EPSILON = 1e-3
"""Rounding allowed when a cycle's requests are counted, as in Nexus."""


def _batches(gpu: Sequence[Session]) -> dict[str, int]:
    """Return how many requests of each session come in a cycle."""
    duty_s = min([session.duty_s for session in gpu])
    return {session.name: max(ceil(duty_s * session.rate_per_s - _EPSILON), 1) for session in gpu}


def _occupancy(gpu: Sequence[Session]) -> float:
    """Return the share of a cycle that executions take; 0 if they do not fit into it."""
    duty_s, batches = min([session.duty_s for session in gpu]), _batches(gpu)
    if any(batches[session.name] > session.max_batch for session in gpu):
        return 0.0
    busy_s = sum([session.latency_s[batches[session.name]] for session in gpu])
    return busy_s / duty_s if busy_s <= latest_finish_s(duty_s) else 0.0
