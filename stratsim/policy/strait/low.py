"""Which low-priority batch starts next: one that costs high priority nothing, and low priority less than it gains."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.random import Generator

    from stratsim.policy.forecast import Planned, Rates
    from stratsim.policy.strait.estimates import Estimates
    from stratsim.policy.strait.guard import Guard
    from stratsim.policy.strait.harm import Harm
    from stratsim.policy.strait.high import Option, Taken
    from stratsim.policy.strait.queues import DeadlineQueues
    from stratsim.policy.view import GpuView
    from stratsim.predict import Active, Predictor

__all__ = ["LowPriority"]


class LowPriority:
    """Chooses low-priority batches, and remembers which models were refused, until something has changed.

    Args:
        belief: About interference; asked for optimistic rates where a batch is admitted for the sake of learning.
        estimates: When batches are expected to end.
        harm: What a candidate costs others.
        guard: For the high-priority requests that have not come yet.
        low: The low-priority requests that wait.
        explore: Probability of looking at a refusal for harm with optimistic rates.
        random: For that.
    """

    def __init__(
        self,
        belief: Predictor,
        estimates: Estimates,
        harm: Harm,
        guard: Guard,
        low: DeadlineQueues,
        explore: float,
        random: Generator,
    ) -> None:
        self._belief = belief
        self._estimates = estimates
        self._harm = harm
        self._guard = guard
        self._low = low
        self._explore = explore
        self._random = random
        self._refused: dict[str, float] = {}
        """Models that were refused since a batch last ended: when to look again although none has."""
        self._refused_after = 0
        """How many had ended then."""
        self.again_s = inf
        """When the guard may admit what was refused last, though no batch ends until then."""

    def forget_refusals(self) -> None:
        """Look at everything again if a batch has ended since it was refused."""
        if self._refused_after != self._estimates.ended:
            self._refused_after = self._estimates.ended
            self._refused.clear()

    def models(self, now_s: float) -> list[str]:
        """Return the models that wait and are not refused as yet, by the deadline of their first."""
        return self._low.models(self._refused, now_s)

    def take_next(self, gpus: Sequence[GpuView], now_s: float) -> Taken | None:
        """Take the next batch to start off the queue; None if all that waits is refused.

        Args:
            gpus: Those that have a place for low priority, in the order in which they are tried.
            now_s: The time.
        """
        for model in self.models(now_s):
            option = self._best(gpus, model, now_s)
            if option is not None:
                return (*option, self._low.take(model, option[1].key[1]))
            self._refused[model] = self._retry_s(now_s)
        return None

    def _retry_s(self, now_s: float) -> float:
        """Return when to look at a refusal again if nothing happens.

        Half-way to the next end that is expected, or as soon as the guard may think otherwise.
        """
        ends_s = [planned.expected_s for forecast in self._estimates.forecasts for planned in forecast.executing]
        half_way_s = now_s + 0.5 * max(min(ends_s, default=inf) - now_s, 0.0)
        return min(half_way_s, self.again_s)

    def look_again_s(self) -> float:
        """Return when to look at the first of the refusals again if nothing happens; inf if there is none."""
        return min(self._refused.values(), default=inf)

    def _best(self, gpus: Sequence[GpuView], model: str, now_s: float) -> Option | None:
        """Return where to start how many of a model's requests, on the first GPU that admits one of them.

        The size is found by bisection: a larger batch is taken to be welcome only where a smaller one is.
        """
        size = self._harm.largest_in_time(model, self._low.waiting(model), self._low.head(model), now_s)
        requests = self._low.first(model, size)
        self.again_s = inf
        for gpu in gpus:
            admitted, low, high = None, 1, len(requests)
            size = 1
            while low <= high:
                candidate = self._estimates.plan(gpu.id, requests[:size], now_s)
                if self.admits(gpu.id, candidate, now_s):
                    admitted, low = candidate, size + 1
                else:
                    high = size - 1
                size = high if size == 1 else (low + high + 1) // 2
            if admitted is not None:
                return gpu, admitted
        return self._but_for_the_margin(gpus, model, now_s)

    def _but_for_the_margin(self, gpus: Sequence[GpuView], model: str, now_s: float) -> Option | None:
        """Return a model's first request on an idle GPU, if it is in time there: it will be no surer later."""
        for gpu in gpus:
            if self._estimates.in_flight[gpu.id]:
                continue
            candidate = self._estimates.plan(gpu.id, [self._low.head(model)], now_s)
            batches = self._estimates.forecasts[gpu.id].walk(now_s, candidate)
            in_time = candidate.end_s + candidate.out_s <= candidate.due_s
            late = self._estimates.is_late(candidate, now_s)
            if in_time and late and self._is_harmless(gpu.id, batches, now_s) and self._passes(gpu.id, batches, now_s):
                return gpu, candidate
        return None

    def _passes(self, gpu: int, batches: Sequence[Planned], now_s: float) -> bool:
        """Whether the guard admits the last of `batches`; if not, note when it may."""
        admitted = self._guard.admits(gpu, batches, now_s)
        self.again_s = min(self.again_s, self._guard.look_again_s)
        return admitted

    def admits(self, gpu: int, candidate: Planned, now_s: float) -> bool:
        """Whether a low-priority candidate is in time, and costs nobody more than it is worth."""
        forecast = self._estimates.forecasts[gpu]
        batches = forecast.walk(now_s, candidate)
        if self._estimates.is_late(candidate, now_s):
            return False
        if self._is_harmless(gpu, batches, now_s):
            return self._passes(gpu, batches, now_s)
        if not self._explore or self._random.random() >= self._explore or not self._passes(gpu, batches, now_s):
            return False
        batches = forecast.walk(now_s, candidate, self._optimistic)
        admitted = self._is_harmless(gpu, batches, now_s, self._optimistic)
        forecast.walked = None  # what is expected of it is what is believed, not what was hoped
        return admitted

    def _optimistic(self, active: Active) -> Sequence[float]:
        """Return rates whose slowdowns are the lower quartiles of what is believed."""
        return self._belief.predict_quantile(active, 0.75)

    def _is_harmless(self, gpu: int, batches: Sequence[Planned], now_s: float, rates_of: Rates | None = None) -> bool:
        """Whether a low-priority candidate, the last of `batches`, costs high priority nothing and low less than it."""
        forecast = self._estimates.forecasts[gpu]
        if self._harm.costs_low(forecast, batches, now_s, rates_of) >= batches[-1].key[1]:
            return False
        if not self._harm.check:
            return True
        harms = self._harm.harms(forecast, batches, now_s, rates_of)
        return not harms and self._harm.spares_waiting(gpu, batches, now_s)
