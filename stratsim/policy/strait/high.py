"""Which high-priority batch starts next, and which low-priority request is rescued from it."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from stratsim.model.tolerance import RANK_DIGITS, latest_finish_s

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stratsim.model.request import Request
    from stratsim.policy.forecast import Planned
    from stratsim.policy.strait.estimates import Estimates
    from stratsim.policy.strait.guard import Guard
    from stratsim.policy.strait.harm import Harm
    from stratsim.policy.strait.queues import DeadlineQueues
    from stratsim.policy.view import GpuView

__all__ = ["HighPriority", "Option", "Taken"]

Option = tuple["GpuView", "Planned"]
"""Where to start what."""
Taken = tuple["GpuView", "Planned", "list[Request]"]
"""The same with its requests, which have left their queues."""


class HighPriority:
    """Chooses high-priority batches: the most urgent one that is in time and harms nobody.

    Args:
        estimates: When batches are expected to end.
        harm: What a candidate costs others.
        guard: For the high-priority requests that have not come yet.
        high: The high-priority requests that wait.
        low: The low-priority requests that wait.
        limit: Largest batch size by model.
        fill: Low-priority requests of the same model fill a batch's free places.
        rescue: A low-priority request that could not wait for a batch goes first.
    """

    def __init__(
        self,
        estimates: Estimates,
        harm: Harm,
        guard: Guard,
        high: DeadlineQueues,
        low: DeadlineQueues,
        limit: Mapping[str, int],
        *,
        fill: bool,
        rescue: bool,
    ) -> None:
        self._estimates = estimates
        self._harm = harm
        self._guard = guard
        self._high = high
        self._low = low
        self._limit = limit
        self._fill = fill
        self._rescue = rescue

    def take_next(self, gpus: Sequence[GpuView], now_s: float) -> Taken | None:
        """Take the next batch to start off the queues: high priority, or low that is rescued from it.

        Args:
            gpus: Those that have a place, at least one.
            now_s: The time.
        """
        option = self._choose(gpus, now_s)
        if option is None:
            return None
        if self._low.count:
            rescued = self._rescued(option, now_s) if self._rescue else None
            if rescued is not None:  # and look again
                return (*rescued, self._low.take(rescued[1].key[0], 1))
            return self._take_filled(option, now_s)
        return (*option, self._high.take(*option[1].key))

    def last_call_s(self, now_s: float) -> float:
        """Return when the first waiting request that still can wait cannot any longer; inf if there is none."""
        starts_s = [self._estimates.latest_start_s(head) for head in self._high.heads()]
        return min([at_s for at_s in starts_s if at_s > now_s], default=inf)

    def _choose(self, gpus: Sequence[GpuView], now_s: float) -> Option | None:
        """Return the next batch to start.

        The most urgent that is in time and harms nobody in flight, in the largest batch that harms nobody who waits;
        where every batch does, in the largest: somebody has to go first. A blocked model does not block the next.
        Failing that, one that cannot wait any longer.
        """
        models = self._high.models()
        for model in models:
            option = self._best(gpus, model, now_s)
            if option is not None:
                return option
        for model in models:
            option = self._last_call(gpus, model, now_s)
            if option is not None:
                return option
        return None

    def _best(self, gpus: Sequence[GpuView], model: str, now_s: float) -> Option | None:
        """Return where to start how many of a model's requests: most requests, then earliest end, then lowest GPU.

        In the largest batch that harms nobody who waits, or, where every batch does, in the largest.
        """
        unsparing: Option | None = None
        head = self._high.head(model)
        size = self._harm.largest_in_time(model, self._high.waiting(model), head, now_s)
        while size:
            requests = self._high.first(model, size)
            idle = self._on_idle(gpus, requests, now_s) if len(gpus) > 1 else None
            rivals = self._estimates.rivals(gpus, idle[1], now_s) if idle is not None else gpus
            if idle is not None and len(rivals) == 1:
                return idle
            sparing = found = None
            for gpu in rivals:
                candidate = self._estimates.plan(gpu.id, requests, now_s)
                batches = self._estimates.forecasts[gpu.id].walk(now_s, candidate)
                if not self._harm.spares_in_flight(gpu.id, batches, now_s):
                    continue
                ends_s = latest_finish_s(candidate.end_s)  # ahead of another only by more than rounding
                if found is None or ends_s < found[1].end_s:
                    found = gpu, candidate
                if (sparing is None or ends_s < sparing[1].end_s) and self._harm.spares_waiting(gpu.id, batches, now_s):
                    sparing = gpu, candidate
            if sparing is not None:
                return sparing
            unsparing = unsparing or found
            size = self._harm.largest_in_time(model, size - 1, head, now_s)
        return unsparing

    def _on_idle(self, gpus: Sequence[GpuView], requests: Sequence[Request], now_s: float) -> Option | None:
        """Return a batch on an idle GPU, if there is one and everybody is spared there."""
        estimates = self._estimates
        for gpu in gpus:
            if not estimates.in_flight[gpu.id]:
                candidate = estimates.plan(gpu.id, requests, now_s)
                batches = estimates.forecasts[gpu.id].walk(now_s, candidate)
                spared = not estimates.is_late(candidate, now_s) and self._harm.spares_waiting(gpu.id, batches, now_s)
                return (gpu, candidate) if spared else None
        return None

    def _last_call(self, gpus: Sequence[GpuView], model: str, now_s: float) -> Option | None:
        """Return the least harmful way to start a request that cannot wait any longer; None if it still can."""
        head = self._high.head(model)
        if self._estimates.latest_start_s(head) > now_s:
            return None
        options = []
        for gpu in gpus:
            candidate = self._estimates.plan(gpu.id, [head], now_s)
            batches = self._estimates.forecasts[gpu.id].walk(now_s, candidate)
            late = [planned.high for planned in batches if self._estimates.is_late(planned, now_s)]
            end_s = round(candidate.end_s, RANK_DIGITS)
            options.append((late.count(True), late.count(False), end_s, gpu.id, gpu, candidate))
        best = min(options, key=lambda option: option[:4])
        return best[4], best[5]

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
            if self._harm.largest_in_time(model, larger_size, more[0], now_s) < larger_size:
                continue
            larger = self._estimates.plan(gpu.id, [*requests, *more], now_s)
            if not self._harm.admits_high(gpu.id, larger, now_s):
                continue
            if self._estimates.finish_s(larger, now_s) > latest_finish_s(more[0].deadline_s):
                continue
            if self._guard.admits(gpu.id, self._in_flight_with(gpu, larger), now_s):
                return (gpu, larger), extra
        return (gpu, candidate), 0

    def _in_flight_with(self, gpu: GpuView, candidate: Planned) -> Sequence[Planned]:
        forecast = self._estimates.forecasts[gpu.id]
        return [*forecast.executing, *forecast.staged, candidate]

    def _rescued(self, option: Option, now_s: float) -> Option | None:
        """Return the most urgent low-priority request, as a batch, if only going before that of `option` saves it."""
        gpu, candidate = option
        estimates, forecast = self._estimates, self._estimates.forecasts[gpu.id]
        urgent = min(self._low.heads(), key=estimates.latest_start_s)
        if forecast.walked is not candidate:
            forecast.walk(now_s, candidate)
        behind = estimates.behind(gpu.id, self._in_flight_with(gpu, candidate), now_s)
        if estimates.follows_in_time(behind, urgent, now_s):
            return None
        rescued = estimates.plan(gpu.id, [urgent], now_s)
        batches = forecast.walk(now_s, rescued)
        saves = (
            not estimates.is_late(rescued, now_s)
            and not self._harm.harms(forecast, batches, now_s)
            and self._harm.backlog_in_time(gpu.id, batches, now_s)
            and self._guard.admits(gpu.id, batches, now_s)
        )
        return (gpu, rescued) if saves else None
