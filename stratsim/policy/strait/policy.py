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
from stratsim.policy.strait.queues import DeadlineQueues
from stratsim.predict import make_predictor, make_transfer_predictor

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from stratsim.model.request import Request
    from stratsim.policy.forecast import Forecast, Planned, Rates
    from stratsim.policy.view import GpuView, View
    from stratsim.predict import Active

__all__ = ["Strait"]

_HIGH = Priority.HIGH

Option = tuple["GpuView", "Planned"]
"""Where to start what."""
Taken = tuple["GpuView", "Planned", "list[Request]"]
"""The same with its requests, which have left their queues."""


class Strait(Policy):
    """Start a batch only if those who matter are believed to meet their deadlines with it in flight.

    High priority first, by deadline: the largest batch that meets its own deadline and makes no other high-priority
    request late, on the GPU where it ends first. Then low priority, by deadline: the largest batch that meets its own,
    makes no high-priority request late, costs fewer low-priority deadlines than it keeps, and passes the guard: a
    high-priority request that arrived now would still be in time. All of it is judged by a forecast that walks through
    who executes beside whom (`stratsim.policy.forecast`), at rates that the predictor learns from the batches that have
    ended, with a margin for how far forecasts have lately been off.

    Args:
        predictor: The belief about interference (`stratsim predictor list`).
        transfers: The belief about copies: `contended`, `alone` or `no-transfers`.
        margin: Quantile of recent relative errors by which forecasts are stretched; 0 for none.
        max_batch: Largest batch size; the run's setting by default.
        infeasible: What becomes of high-priority requests that could not be in time even alone: `drop`, or
            `best-effort` (served after all others).
        order: High-priority models are served by the `deadline` of their first request, or by its `latest-start`.
        fill: Low-priority requests of the same model fill a high-priority batch's free places.
        rescue_low: A low-priority request that could not wait for a high-priority batch goes first, if that batch and
            all others of its class can wait for it.
        harm_check: Refuse what makes a high-priority batch in flight, or one that waits, late.
        guard: Protects high-priority requests that have not come yet from whatever low priority starts:
            `hypothetical`, `slack-quantile` or `off`.
        guard_confidence: Share of those requests that must stay in time.
        reserve_slots: Places on every GPU that low priority leaves free.
        stage_low: Low-priority batches are started while all slots are taken, too, to wait on the GPU with their input.
            Otherwise only to rescue them: the next slot is then still to be had for a high-priority request.
        lp_placement: Low priority goes to the fullest GPU that admits it (`pack`), or to the emptiest (`spread`).
        explore: Probability of admitting a low-priority batch that is refused for predicted harm alone, if it passes at
            the belief's lower quartile of slowdown: what is never tried is never learned. 0 for never.
        floor: Least share of its solo work that an overdue batch is believed to have left.
        refresh: The belief learns from so many ended batches at a time; 1 is exact, and slower.

    Source: a reconstruction. arXiv 2604.28175 publishes the idea, not the algorithm: every rule here is our choice,
    and can be switched off.
    """

    wakes: ClassVar[frozenset[Wake]] = frozenset({Wake.ARRIVAL, Wake.EXECUTION_END})

    def __init__(
        self,
        *,
        predictor: str = "rls",
        transfers: str = "contended",
        margin: float = 0.9,
        max_batch: int | None = None,
        infeasible: str = "drop",
        order: str = "deadline",
        fill: bool = True,
        rescue_low: bool = True,
        harm_check: bool = True,
        guard: str = "hypothetical",
        guard_confidence: float = 0.95,
        reserve_slots: int = 0,
        stage_low: bool = False,
        lp_placement: str = "pack",
        explore: float = 0.02,
        floor: float = 0.05,
        refresh: int = 32,
    ) -> None:
        one_of("infeasible", infeasible, ("drop", "best-effort"))
        one_of("order", order, ("deadline", "latest-start"))
        one_of("guard", guard, tuple(GUARDS))
        one_of("lp_placement", lp_placement, ("pack", "spread"))
        shares = {"margin": margin, "guard_confidence": guard_confidence, "explore": explore, "floor": floor}
        for name, value in shares.items():
            number(name, value, 0, 1)
        self.belief = make_predictor(predictor)
        self._transfers = make_transfer_predictor(transfers)
        self._margin = margin
        self._max_batch = max_batch
        self._best_effort = infeasible == "best-effort"
        self._by_start = order == "latest-start"
        self._fill = fill
        self._rescue = rescue_low
        self._harm_check = harm_check
        self._guard_kind = GUARDS[guard]
        self._confidence = guard_confidence
        self._reserve_slots = reserve_slots
        self._stage_low = stage_low
        self._pack = lp_placement == "pack"
        self._explore = explore
        self._floor = floor
        whole("refresh", refresh, 1)
        self._refresh = refresh

    # The run --------------------------------------------------------------------------------------------------------

    def prepare(self, setting: Setting) -> None:
        """Forget everything and take over the run's setting."""
        profile = setting.profile
        self._limit = batch_limits(setting, self._max_batch)
        belief, transfers = self.belief.fit(profile), self._transfers.fit(profile)
        self._believed = Estimates(setting, belief, transfers, self._margin, self._floor, self._refresh)
        self._places = setting.max_concurrency + setting.prefetch
        self._reserve = max(self._reserve_slots, 0 if self._stage_low else setting.prefetch)
        """Places on every GPU that low priority leaves free."""
        self._guard = self._guard_kind(profile, self._believed, self._confidence)
        self._high = DeadlineQueues()
        self._low = DeadlineQueues()
        self._hopeless: deque[Request] = deque()
        """High-priority requests that are too late already, kept as best effort."""
        self._expires_s = inf
        """No waiting request is hopeless before."""
        self._timer_s = -inf
        self._expiry_timer_s = -inf
        self._random = setting.streams.get("explore")
        self._refused: dict[str, float] = {}
        """Low-priority models that were refused since a batch last ended: when to look again although none has."""
        self._refused_after = 0
        """How many had ended then."""

    def on_arrival(self, request: Request, view: View) -> None:  # noqa: ARG002
        """Queue the request."""
        believed, level = self._believed, request.priority
        if request.model not in believed.expected:
            believed.expect(request.model)
        if level is _HIGH:
            self._high.push(request)
            self._guard.note(request)
        else:
            self._low.push(request)
        hopeless_s = request.deadline_s - believed.alone_s(request)
        if hopeless_s < self._expires_s:
            self._expires_s = hopeless_s

    def decide(self, view: View) -> Iterable[Decision]:
        """Expire, then high priority, then low priority."""
        if view.now_s > self._expires_s:
            return self._expire_and_serve(view)
        return self._wake_to_expire(view) if self._is_settled(view) else self._serve(view)

    def _is_settled(self, view: View) -> bool:
        """Whether nothing can start, for want of places, or as all that waits was refused and nothing has changed."""
        emptiest = view.least_loaded()
        if emptiest is None:
            return True
        if self._high.count:
            return False
        if emptiest.free_places <= self._reserve:
            return True
        if self._hopeless or self._low_models(view.now_s):
            return False
        return [gpu.in_flight for gpu in view.gpus] == self._believed.in_flight  # or else a batch has ended

    def _expire_and_serve(self, view: View) -> Iterator[Decision]:
        yield from self._expire(view.now_s)
        yield from self._wake_to_expire(view) if self._is_settled(view) else self._serve(view)

    def _serve(self, view: View) -> Iterator[Decision]:
        now_s, believed = view.now_s, self._believed
        believed.update(view)
        while self._high.count:
            found = self._next_high(view, now_s)
            if found is None:
                yield from self._wake_for_last_call(view, now_s)
                break
            gpu, planned, requests = found
            yield Start(tuple(requests), gpu.id, believed.finish_s(planned, now_s))
            believed.started(gpu, planned, now_s)
        if self._low.count:
            yield from self._serve_low(view, now_s)
        if self._hopeless:
            yield from self._serve_hopeless(view, now_s)
        if self._low.count:
            yield from self._wake_to_expire(view)

    def _wake_to_expire(self, view: View) -> Sequence[SetTimer]:
        """Ask to be woken at a deadline where low priority is refused and no batch is there whose end would do so."""
        if not self._low.count:
            return ()
        for gpu in view.gpus:
            if gpu.in_flight:
                return ()
        now_s, next_s = view.now_s, min([head.deadline_s for head in self._low.heads()])
        if now_s < self._expiry_timer_s <= next_s or not now_s < next_s < inf:
            return ()
        self._expiry_timer_s = next_s
        return (SetTimer(next_s),)

    def _open(self, view: View, reserve: int = 0) -> list[GpuView]:
        """Return the GPUs with more free places than `reserve`; of the idle ones, which are all alike, the first."""
        in_flight, gpus = self._believed.in_flight, view.gpus
        most = self._places - reserve
        if len(gpus) == 1:
            return list(gpus) if in_flight[0] < most else []
        idle = in_flight.index(0) if 0 in in_flight and most > 0 else -1
        return [gpus[i] for i, count in enumerate(in_flight) if 0 < count < most or i == idle]

    def _expire(self, now_s: float) -> Iterator[Drop]:
        """Give up requests that could not be in time even alone on an idle GPU."""
        self._expires_s = inf
        for queues in (self._high, self._low):
            for model in queues.models():
                while queues.waiting(model):
                    request = queues.head(model)
                    alone_s = self._believed.alone_s(request)
                    if now_s + alone_s <= latest_finish_s(request.deadline_s):
                        self._expires_s = min(self._expires_s, request.deadline_s - alone_s)
                        break
                    queues.take(model, 1)
                    if self._best_effort and queues is self._high:
                        self._hopeless.append(request)
                    else:
                        yield Drop(request, "expired" if now_s > request.deadline_s else "infeasible")

    def _start(self, option: Option, requests: Sequence[Request], now_s: float) -> Iterator[Decision]:
        gpu, planned = option
        yield Start(tuple(requests), gpu.id, self._believed.finish_s(planned, now_s))
        self._believed.started(gpu, planned, now_s)

    # High priority --------------------------------------------------------------------------------------------------

    def _next_high(self, view: View, now_s: float) -> Taken | None:
        """Take the next batch to start off the queues: high priority, or low that is rescued from it."""
        gpus = self._open(view)
        if not gpus:
            return None
        if self._high.count == len(gpus) == 1 and not self._low.count:
            taken = self._take_only(gpus[0], now_s)
            if taken is not None:
                return taken
        option = self._choose_high(gpus, now_s)
        if option is None:
            return None
        if self._low.count:
            rescued = self._rescued(option, now_s) if self._rescue else None
            if rescued is not None:  # and look again
                return (*rescued, self._low.take(rescued[1].key[0], 1))
            return self._take_filled(option, now_s)
        return (*option, self._high.take(*option[1].key))

    def _take_only(self, gpu: GpuView, now_s: float) -> Taken | None:
        """Take the only request that waits if it is in time and harms nobody: all rules in the usual case, written out.

        None if that cannot be said so easily.
        """
        believed = self._believed
        requests = self._high.heads()
        model = requests[0].model
        candidate = believed.plan(gpu.id, requests, now_s)
        if now_s + candidate.solo_s * believed.stretch[model] > candidate.due_s:
            return None
        batches = believed.forecasts[gpu.id].walk(now_s, candidate)
        is_late, harm_check = believed.is_late, self._harm_check
        for planned in batches:
            if planned.high and (harm_check or planned is candidate) and is_late(planned, now_s):
                return None
        return gpu, candidate, self._high.take(model, 1)

    def _choose_high(self, gpus: Sequence[GpuView], now_s: float) -> Option | None:
        """Return the next batch to start.

        The most urgent that is in time and harms nobody in flight, in the largest batch that harms nobody who waits;
        where every batch does, in the largest: somebody has to go first. A blocked model does not block the next.
        Failing that, one that cannot wait any longer.
        """
        models = self._models_by_urgency()
        for model in models:
            option = self._best(gpus, model, now_s)
            if option is not None:
                return option
        for model in models:
            option = self._last_call(gpus, model, now_s)
            if option is not None:
                return option
        return None

    def _models_by_urgency(self) -> list[str]:
        models = self._high.models()
        if self._by_start:
            models.sort(key=lambda model: self._believed.latest_start_s(self._high.head(model)))
        return models

    def _best(self, gpus: Sequence[GpuView], model: str, now_s: float) -> Option | None:
        """Return where to start how many of a model's requests: most requests, then earliest end, then lowest GPU.

        In the largest batch that harms nobody who waits, or, where every batch does, in the largest.
        """
        unsparing: Option | None = None
        head = self._high.head(model)
        size = self._largest_in_time(model, self._high.waiting(model), head, now_s)
        while size:
            requests = self._high.first(model, size)
            idle = self._on_idle(gpus, requests, now_s) if len(gpus) > 1 else None
            rivals = self._believed.rivals(gpus, idle[1], now_s) if idle is not None else gpus
            if idle is not None and len(rivals) == 1:
                return idle
            sparing = found = None
            for gpu in rivals:
                candidate = self._believed.plan(gpu.id, requests, now_s)
                batches = self._believed.forecasts[gpu.id].walk(now_s, candidate)
                if not self._spares_in_flight(gpu.id, batches, now_s):
                    continue
                if found is None or candidate.end_s < found[1].end_s:
                    found = gpu, candidate
                if (sparing is None or candidate.end_s < sparing[1].end_s) and self._spares_waiting(
                    gpu.id, batches, now_s
                ):
                    sparing = gpu, candidate
            if sparing is not None:
                return sparing
            unsparing = unsparing or found
            size = self._largest_in_time(model, size - 1, head, now_s)
        return unsparing

    def _on_idle(self, gpus: Sequence[GpuView], requests: Sequence[Request], now_s: float) -> Option | None:
        """Return a high-priority batch on an idle GPU, if there is one and everybody is spared there."""
        believed = self._believed
        for gpu in gpus:
            if not believed.in_flight[gpu.id]:
                candidate = believed.plan(gpu.id, requests, now_s)
                batches = believed.forecasts[gpu.id].walk(now_s, candidate)
                spared = not believed.is_late(candidate, now_s) and self._spares_waiting(gpu.id, batches, now_s)
                return (gpu, candidate) if spared else None
        return None

    def _largest_in_time(self, model: str, most: int, head: Request, now_s: float) -> int:
        """Return the largest batch, of at most so many, with which `head` is in time if nobody is beside it; or 0."""
        latency_s, stretch = self._believed.latency_s[model], self._believed.stretch[model]
        latest_s = latest_finish_s(head.deadline_s)
        size = min(most, self._limit[model])
        while size and now_s + latency_s[size] * stretch > latest_s:
            size -= 1
        return size

    def _admits_high(self, gpu: int, candidate: Planned, now_s: float) -> bool:
        """Whether a high-priority candidate is in time and makes no other high-priority request late."""
        batches = self._believed.forecasts[gpu].walk(now_s, candidate)
        return self._spares_in_flight(gpu, batches, now_s) and self._spares_waiting(gpu, batches, now_s)

    def _spares_in_flight(self, gpu: int, batches: Sequence[Planned], now_s: float) -> bool:
        """Whether a high-priority candidate, the last of `batches`, is in time and harms nobody in flight."""
        if self._believed.is_late(batches[-1], now_s):
            return False
        return not self._harm_check or not self._harms(self._believed.forecasts[gpu], batches, now_s)

    def _spares_waiting(self, gpu: int, batches: Sequence[Planned], now_s: float) -> bool:
        return not self._harm_check or self._leaves_time(gpu, batches, now_s)

    def _harms(
        self, forecast: Forecast, batches: Sequence[Planned], now_s: float, rates_of: Rates | None = None
    ) -> bool:
        """Whether the last of `batches`, as walked, makes a high-priority one of the others late."""
        late = self._believed.late(batches, now_s, high=True)
        return bool(late) and self._in_time_without(forecast, batches, late, now_s, rates_of) > 0

    def _in_time_without(
        self,
        forecast: Forecast,
        batches: Sequence[Planned],
        late: Sequence[Planned],
        now_s: float,
        rates_of: Rates | None = None,
    ) -> int:
        """Return how many requests of `late` batches would be in time without the candidate, the last of `batches`."""
        ends_s = [planned.end_s for planned in batches]
        forecast.walk(now_s, None, rates_of)
        harmed = sum([planned.key[1] for planned in late if not self._believed.is_late(planned, now_s)])
        for planned, end_s in zip(batches, ends_s, strict=True):
            planned.end_s = end_s
        forecast.walked = batches[-1]
        return harmed

    def _leaves_time(self, gpu: int, batches: Sequence[Planned], now_s: float) -> bool:
        """Whether the first high-priority request of every other model could still follow a candidate in time."""
        candidate = batches[-1]
        waiting = self._high.count
        if not waiting or (candidate.high and self._high.waiting(candidate.key[0]) == waiting):
            return True
        heads = [head for head in self._high.heads() if not candidate.high or head.model != candidate.key[0]]
        believed = self._believed
        behind = believed.behind(gpu, batches, now_s)
        late = [head for head in heads if not believed.follows_in_time(behind, head, now_s)]
        if not late:
            return True
        without = believed.behind(gpu, batches[:-1], now_s)
        return not any(believed.follows_in_time(without, head, now_s) for head in late)

    def _take_filled(self, option: Option, now_s: float) -> Taken:
        """Take a batch off the queue, with its free places filled with low priority where nobody suffers."""
        gpu, candidate = option
        model, size = candidate.key
        room = min(self._limit[model] - size, self._low.waiting(model))
        if self._fill and room > 0 and self._high.waiting(model) == size:
            (gpu, candidate), more = self._filled(gpu, candidate, self._high.first(model, size), room, now_s)
            return gpu, candidate, self._high.take(model, size) + self._low.take(model, more)
        return gpu, candidate, self._high.take(model, size)

    def _filled(
        self, gpu: GpuView, candidate: Planned, requests: list[Request], room: int, now_s: float
    ) -> tuple[Option, int]:
        """Return the batch with low-priority requests in its free places, and how many: all, half, one or none."""
        model = candidate.key[0]
        for extra in dict.fromkeys((room, room // 2, 1)):
            if not extra:
                continue
            more = self._low.first(model, extra)
            larger_size = len(requests) + extra
            if self._largest_in_time(model, larger_size, more[0], now_s) < larger_size:
                continue
            larger = self._believed.plan(gpu.id, [*requests, *more], now_s)
            if not self._admits_high(gpu.id, larger, now_s):
                continue
            if self._believed.finish_s(larger, now_s) > latest_finish_s(more[0].deadline_s):
                continue
            if self._guard.admits(gpu.id, self._in_flight_with(gpu, larger), now_s):
                return (gpu, larger), extra
        return (gpu, candidate), 0

    def _in_flight_with(self, gpu: GpuView, candidate: Planned) -> Sequence[Planned]:
        forecast = self._believed.forecasts[gpu.id]
        return [*forecast.executing, *forecast.staged, candidate]

    def _last_call(self, gpus: Sequence[GpuView], model: str, now_s: float) -> Option | None:
        """Return the least harmful way to start a request that cannot wait any longer; None if it still can."""
        head = self._high.head(model)
        if self._believed.latest_start_s(head) > now_s:
            return None
        options = []
        for gpu in gpus:
            candidate = self._believed.plan(gpu.id, [head], now_s)
            batches = self._believed.forecasts[gpu.id].walk(now_s, candidate)
            late = [planned.high for planned in batches if self._believed.is_late(planned, now_s)]
            options.append((late.count(True), late.count(False), candidate.end_s, gpu.id, gpu, candidate))
        best = min(options, key=lambda option: option[:4])
        return best[4], best[5]

    def _wake_for_last_call(self, view: View, now_s: float) -> Iterator[SetTimer]:
        """Ask to be woken when the first waiting high-priority request cannot wait any longer, if there is a place."""
        if view.least_loaded() is None:
            return
        starts_s = [self._believed.latest_start_s(head) for head in self._high.heads()]
        next_s = min([at_s for at_s in starts_s if at_s > now_s], default=inf)
        if next_s < inf and not now_s < self._timer_s <= next_s:
            self._timer_s = next_s
            yield SetTimer(next_s)

    def _rescued(self, option: Option, now_s: float) -> Option | None:
        """Return the most urgent low-priority request, as a batch, if only going before that of `option` saves it."""
        gpu, candidate = option
        believed, forecast = self._believed, self._believed.forecasts[gpu.id]
        urgent = min(self._low.heads(), key=believed.latest_start_s)
        if forecast.walked is not candidate:
            forecast.walk(now_s, candidate)
        behind = believed.behind(gpu.id, self._in_flight_with(gpu, candidate), now_s)
        if believed.follows_in_time(behind, urgent, now_s):
            return None
        rescued = believed.plan(gpu.id, [urgent], now_s)
        batches = forecast.walk(now_s, rescued)
        saves = (
            not believed.is_late(rescued, now_s)
            and not self._harms(forecast, batches, now_s)
            and self._backlog_in_time(gpu.id, batches, now_s)
            and self._guard.admits(gpu.id, batches, now_s)
        )
        return (gpu, rescued) if saves else None

    def _backlog_in_time(self, gpu: int, batches: Sequence[Planned], now_s: float) -> bool:
        """Whether all waiting high-priority requests could follow in time behind `batches`.

        They are taken as full batches of one model each, one after the other by deadline: pessimistic where there are
        several slots, as co-located batches overlap.
        """
        believed = self._believed
        behind = believed.behind(gpu, batches, now_s)
        for model in self._high.models():
            head, size = self._high.head(model), min(self._high.waiting(model), self._limit[model])
            more_s = believed.latency_s[model][size] - believed.latency_s[model][1]
            if not believed.follows_in_time(behind, head._replace(deadline_s=head.deadline_s - more_s), now_s):
                return False
            behind = behind._replace(slot_s=behind.slot_s + believed.latency_s[model][size])
        return True

    # Low priority ---------------------------------------------------------------------------------------------------

    def _serve_low(self, view: View, now_s: float) -> Iterator[Decision]:
        """Start low-priority batches as long as one is acceptable."""
        if self._refused_after != self._believed.ended:
            self._refused_after = self._believed.ended
            self._refused.clear()
        while self._low.count:
            gpus = self._open(view, self._reserve)
            models = self._low_models(now_s) if gpus else ()
            if not models:
                return
            if len(gpus) > 1:
                gpus.sort(key=lambda gpu: (-gpu.in_flight if self._pack else gpu.in_flight, gpu.id))
            for model in models:
                option = self._best_low(gpus, model, now_s)
                if option is not None:
                    yield from self._start(option, self._low.take(model, option[1].key[1]), now_s)
                    break
                self._refused[model] = self._retry_s(now_s)
            else:
                return

    def _low_models(self, now_s: float) -> list[str]:
        """Return the low-priority models that wait and are not refused as yet, by the deadline of their first."""
        return self._low.models(self._refused, now_s)

    def _retry_s(self, now_s: float) -> float:
        """Return when to look at a refusal again if nothing happens: half-way to the next end that is expected."""
        ends_s = [planned.expected_s for forecast in self._believed.forecasts for planned in forecast.executing]
        return now_s + 0.5 * max(min(ends_s, default=inf) - now_s, 0.0)

    def _best_low(self, gpus: Sequence[GpuView], model: str, now_s: float) -> Option | None:
        """Return where to start how many of a model's requests, on the first GPU that admits one of them.

        The size is found by bisection: a larger batch is taken to be welcome only where a smaller one is.
        """
        size = self._largest_in_time(model, self._low.waiting(model), self._low.head(model), now_s)
        requests = self._low.first(model, size)
        for gpu in gpus:
            admitted, low, high = None, 1, len(requests)
            size = 1
            while low <= high:
                candidate = self._believed.plan(gpu.id, requests[:size], now_s)
                if self._admits_low(gpu.id, candidate, now_s):
                    admitted, low = candidate, size + 1
                else:
                    high = size - 1
                size = high if size == 1 else (low + high + 1) // 2
            if admitted is not None:
                return gpu, admitted
        return None

    def _admits_low(self, gpu: int, candidate: Planned, now_s: float) -> bool:
        """Whether a low-priority candidate is in time, and costs nobody more than it is worth."""
        forecast = self._believed.forecasts[gpu]
        batches = forecast.walk(now_s, candidate)
        if self._believed.is_late(candidate, now_s):
            return False
        if self._is_harmless(gpu, batches, now_s):
            return self._guard.admits(gpu, batches, now_s)
        if not self._explore or self._random.random() >= self._explore:
            return False
        batches = forecast.walk(now_s, candidate, self._optimistic)
        admitted = self._is_harmless(gpu, batches, now_s, self._optimistic)
        forecast.walked = None  # what is expected of it is what is believed, not what was hoped
        return admitted

    def _optimistic(self, active: Active) -> Sequence[float]:
        """Return rates whose slowdowns are the lower quartiles of what is believed."""
        return self.belief.predict_quantile(active, 0.75)

    def _is_harmless(self, gpu: int, batches: Sequence[Planned], now_s: float, rates_of: Rates | None = None) -> bool:
        """Whether a low-priority candidate, the last of `batches`, costs high priority nothing and low less than it."""
        forecast = self._believed.forecasts[gpu]
        late = self._believed.late(batches, now_s, high=False)
        if late and self._in_time_without(forecast, batches, late, now_s, rates_of) >= batches[-1].key[1]:
            return False
        if not self._harm_check:
            return True
        return not self._harms(forecast, batches, now_s, rates_of) and self._leaves_time(gpu, batches, now_s)

    def _serve_hopeless(self, view: View, now_s: float) -> Iterator[Decision]:
        """Serve what is too late already, one by one, where it makes nobody else late."""
        for gpu in self._open(view):
            while self._hopeless and gpu.free_places > self._reserve:
                candidate = self._believed.plan(gpu.id, [self._hopeless[0]], now_s)
                candidate.high, candidate.due_s = False, inf
                if not self._admits_low(gpu.id, candidate, now_s):
                    break
                yield from self._start((gpu, candidate), [self._hopeless.popleft()], now_s)
