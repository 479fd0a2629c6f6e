"""The Strait policy: what to start now, so that high priority meets its deadlines and low priority gets the rest."""

from __future__ import annotations

from collections import deque
from math import inf
from typing import TYPE_CHECKING, ClassVar

from stratsim.model.request import Priority
from stratsim.model.tolerance import latest_finish_s
from stratsim.policy.arguments import batch_limits, number, one_of, whole
from stratsim.policy.base import Decision, Drop, Policy, SetTimer, Setting, Start, Wake
from stratsim.policy.strait.estimates import Estimates
from stratsim.policy.strait.guard import GUARDS
from stratsim.policy.strait.harm import Harm
from stratsim.policy.strait.high import HighPriority
from stratsim.policy.strait.low import LowPriority
from stratsim.policy.strait.queues import DeadlineQueues
from stratsim.predict import make_predictor, make_transfer_predictor

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from stratsim.model.request import Request
    from stratsim.policy.strait.high import Taken
    from stratsim.policy.view import GpuView, View

__all__ = ["Strait"]

_HIGH = Priority.HIGH

_FLOOR = 0.05
"""Least share of its solo work that an overdue batch is estimated to have left."""


class Strait(Policy):
    """Start a batch only if those who matter are believed to meet their deadlines with it in flight.

    High priority first, by deadline: the largest batch that meets its own deadline and makes no other high-priority
    request late, on the GPU where it ends first. Then low priority, by deadline: the largest batch that meets its own,
    makes no high-priority request late, costs fewer low-priority deadlines than it keeps, and passes the guard: a
    high-priority request that arrived now would still be in time, or, on an idle GPU, is unlikely to come. It is not
    started while all slots are taken, unless to rescue it: the next slot is then still to be had for a high-priority
    request. All of it is judged by a forecast that walks through who executes beside whom (`stratsim.policy.forecast`),
    at rates that the predictor learns from the batches that have ended, with a margin for how far forecasts have lately
    been off.

    Args:
        predictor: The belief about interference (`stratsim predictor list`).
        transfers: The belief about copies: `contended`, `alone` or `no-transfers`.
        margin: Quantile of recent errors that forecasts allow for, by company of models; 0 for none.
        max_batch: Largest batch size; the run's setting by default.
        infeasible: What becomes of high-priority requests that could not be in time even alone: `drop`, or
            `best-effort` (served after all others).
        fill: Low-priority requests of the same model fill a high-priority batch's free places.
        rescue_low: A low-priority request that could not wait for a high-priority batch goes first, if that batch and
            all others of its class can wait for it.
        harm_check: Refuse what makes a high-priority batch in flight, or one that waits, late.
        guard: Protects high-priority requests that have not come yet from whatever low priority starts:
            `hypothetical` or `off`.
        guard_confidence: Share of those requests that must stay in time.
        reserve_slots: Places on every GPU that low priority leaves free, all but one at most.
        explore: Probability of admitting a low-priority batch that is refused for predicted harm alone, if it passes at
            the belief's lower quartile of slowdown: what is never tried is never learned. 0 for never.
        refresh: The belief learns from so many ended batches at a time; 1 is exact, and slower.

    Source: a reconstruction. arXiv 2604.28175 publishes the idea, not the algorithm: every rule here is our choice,
    and can be switched off.
    """

    wakes: ClassVar[frozenset[Wake]] = frozenset({Wake.ARRIVAL, Wake.EXECUTION_END})

    def __init__(
        self,
        *,
        predictor: str = "rls(form=additive)",
        transfers: str = "contended",
        margin: float = 0.9,
        max_batch: int | None = None,
        infeasible: str = "drop",
        fill: bool = True,
        rescue_low: bool = True,
        harm_check: bool = True,
        guard: str = "hypothetical",
        guard_confidence: float = 0.95,
        reserve_slots: int = 0,
        explore: float = 0.02,
        refresh: int = 8,
    ) -> None:
        one_of("infeasible", infeasible, ("drop", "best-effort"))
        one_of("guard", guard, tuple(GUARDS))
        for name, value in {"margin": margin, "guard_confidence": guard_confidence, "explore": explore}.items():
            number(name, value, 0, 1)
        self.belief = make_predictor(predictor)
        self._transfers = make_transfer_predictor(transfers)
        self._margin = margin
        self._max_batch = max_batch
        self._best_effort = infeasible == "best-effort"
        self._fill = fill
        self._rescue = rescue_low
        self._harm_check = harm_check
        self._guard_kind = GUARDS[guard]
        self._confidence = guard_confidence
        self._reserve_slots = reserve_slots
        self._explore = explore
        whole("refresh", refresh, 1)
        self._refresh = refresh

    # The run --------------------------------------------------------------------------------------------------------

    def prepare(self, setting: Setting) -> None:
        """Forget everything and take over the run's setting."""
        limit = batch_limits(setting, self._max_batch)
        belief, transfers = self.belief.fit(setting.profile), self._transfers.fit(setting.profile)
        self._estimates = estimates = Estimates(setting, belief, transfers, self._margin, _FLOOR, self._refresh)
        self._places = setting.max_concurrency + setting.prefetch
        self._reserve = min(max(self._reserve_slots, setting.prefetch), self._places - 1)
        """Places on every GPU that low priority leaves free; an idle GPU is open to it all the same."""
        self._guard = self._guard_kind(estimates, self._confidence)
        self._high = DeadlineQueues()
        self._low = DeadlineQueues()
        self._harm = harm = Harm(estimates, self._high, limit, check=self._harm_check)
        self._high_choice = HighPriority(
            estimates, harm, self._guard, self._high, self._low, limit, fill=self._fill, rescue=self._rescue
        )
        explore, random = self._explore, setting.streams.get("explore")
        self._low_choice = LowPriority(belief, estimates, harm, self._guard, self._low, explore, random)
        self._hopeless: deque[Request] = deque()
        """High-priority requests that are too late already, kept as best effort."""
        self._expires_s = inf
        """No waiting request is hopeless before."""
        self._timer_s = -inf
        self._low_timer_s = -inf
        self._hopeless_again_s = inf
        """When to look at what is hopeless again, though nothing has happened."""

    def on_arrival(self, request: Request, view: View) -> None:  # noqa: ARG002
        """Queue the request."""
        estimates = self._estimates
        if request.model not in estimates.newcomers.expected:
            estimates.newcomers.expect(request.model)
        if request.priority is _HIGH:
            self._high.push(request)
            self._guard.note(request)
        else:
            self._low.push(request)
        hopeless_s = request.deadline_s - estimates.alone_s(request)
        if hopeless_s < self._expires_s:
            self._expires_s = hopeless_s

    def decide(self, view: View) -> Iterable[Decision]:
        """Expire, then high priority, then low priority."""
        if view.now_s > self._expires_s:
            return self._expire_and_serve(view)
        return self._wake_for_low(view) if self._is_settled(view) else self._serve(view)

    def _is_settled(self, view: View) -> bool:
        """Whether nothing can start, as no slot is free, or as all that waits was refused and nothing has changed."""
        emptiest = view.least_loaded()
        if emptiest is None:
            return True
        if self._high.count:
            return False
        if emptiest.free_places <= self._reserve:
            return True
        if self._hopeless or self._low_choice.models(view.now_s):
            return False
        return not self._estimates.has_ended(view)

    def _expire_and_serve(self, view: View) -> Iterator[Decision]:
        yield from self._expire(view.now_s)
        yield from self._wake_for_low(view) if self._is_settled(view) else self._serve(view)

    def _serve(self, view: View) -> Iterator[Decision]:
        self._estimates.update(view)
        if self._high.count:
            yield from self._serve_high(view)
        if self._low.count:
            yield from self._serve_low(view)
        if self._hopeless:
            yield from self._serve_hopeless(view)
        if self._low.count or self._hopeless:
            yield from self._wake_for_low(view)

    def _serve_high(self, view: View) -> Iterator[Decision]:
        """Start high-priority batches, and what is rescued from them, as long as one is acceptable."""
        while self._high.count:
            gpus = self._open(view)
            taken = self._high_choice.take_next(gpus, view.now_s) if gpus else None
            if taken is None:
                yield from self._wake_for_last_call(view)
                return
            yield from self._start(taken, view.now_s)

    def _serve_low(self, view: View) -> Iterator[Decision]:
        """Start low-priority batches as long as one is acceptable, on the fullest GPU that admits it."""
        self._low_choice.forget_refusals()
        while self._low.count and (gpus := self._open(view, self._reserve)):
            gpus.sort(key=lambda gpu: (-gpu.in_flight, gpu.id))
            taken = self._low_choice.take_next(gpus, view.now_s)
            if taken is None:
                return
            yield from self._start(taken, view.now_s)

    def _serve_hopeless(self, view: View) -> Iterator[Decision]:
        """Serve what is too late already, one by one, where it makes nobody else late."""
        now_s, self._low_choice.again_s = view.now_s, inf
        for gpu in self._open(view):
            while self._hopeless and gpu.free_places > self._reserve:
                candidate = self._estimates.plan(gpu.id, [self._hopeless[0]], now_s)
                candidate.high, candidate.due_s = False, inf
                if not self._low_choice.admits(gpu.id, candidate, now_s):
                    break
                yield from self._start((gpu, candidate, [self._hopeless.popleft()]), now_s)
        self._hopeless_again_s = self._low_choice.again_s

    def _start(self, taken: Taken, now_s: float) -> Iterator[Decision]:
        gpu, planned, requests = taken
        yield Start(tuple(requests), gpu.id, self._estimates.finish_s(planned, now_s))
        self._estimates.started(gpu, planned, now_s)

    def _open(self, view: View, reserve: int = 0) -> list[GpuView]:
        """Return the GPUs with more free places than `reserve`; of the idle ones, which are all alike, the first."""
        in_flight, gpus = self._estimates.in_flight, view.gpus
        most = self._places - reserve
        idle = in_flight.index(0) if 0 in in_flight and most > 0 else -1
        return [gpus[i] for i, count in enumerate(in_flight) if 0 < count < most or i == idle]

    def _expire(self, now_s: float) -> Iterator[Drop]:
        """Give up requests that could not be in time even alone on an idle GPU."""
        self._expires_s = inf
        for queues in (self._high, self._low):
            for model in queues.models():
                while queues.waiting(model):
                    request = queues.head(model)
                    alone_s = self._estimates.alone_s(request)
                    if now_s + alone_s <= latest_finish_s(request.deadline_s):
                        self._expires_s = min(self._expires_s, request.deadline_s - alone_s)
                        break
                    queues.take(model, 1)
                    if self._best_effort and queues is self._high:
                        self._hopeless.append(request)
                    else:
                        yield Drop(request, "expired" if now_s > request.deadline_s else "infeasible")

    # Timers ---------------------------------------------------------------------------------------------------------

    def _wake_for_last_call(self, view: View) -> Iterator[SetTimer]:
        """Ask to be woken when the first waiting high-priority request cannot wait any longer, if there is a place."""
        if view.least_loaded() is None:
            return
        now_s = view.now_s
        next_s = self._high_choice.last_call_s(now_s)
        if next_s < inf and not now_s < self._timer_s <= next_s:
            self._timer_s = next_s
            yield SetTimer(next_s)

    def _wake_for_low(self, view: View) -> Sequence[SetTimer]:
        """Ask to be woken where low priority is refused and no batch is there whose end would do so.

        That is when it is to be looked at again, and at its deadline, to give it up. What is hopeless counts as low.
        """
        if not (self._low.count or self._hopeless) or any(gpu.in_flight for gpu in view.gpus):
            return ()
        now_s, next_s = view.now_s, self._low_choice.look_again_s()
        if self._low.count:
            next_s = min(next_s, *[head.deadline_s for head in self._low.heads()])
        if self._hopeless:
            next_s = min(next_s, self._hopeless_again_s)
        if now_s < self._low_timer_s <= next_s or not now_s < next_s < inf:
            return ()
        self._low_timer_s = next_s
        return (SetTimer(next_s),)
