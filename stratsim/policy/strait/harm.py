"""What a candidate would cost the high-priority requests that are there, in flight or waiting."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratsim.model.tolerance import latest_finish_s

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stratsim.model.request import Request
    from stratsim.policy.forecast import Forecast, Planned, Rates
    from stratsim.policy.strait.estimates import Estimates
    from stratsim.policy.strait.queues import DeadlineQueues

__all__ = ["Harm"]


class Harm:
    """Judges candidates by what becomes of the others.

    `batches` are always those of a walk: the batches in flight on a GPU and, last, the candidate.

    Args:
        estimates: When batches are expected to end.
        high: The high-priority requests that wait.
        limit: Largest batch size by model.
        check: Whether harm to others matters at all; without it a candidate has only its own deadline to meet.
    """

    def __init__(self, estimates: Estimates, high: DeadlineQueues, limit: Mapping[str, int], *, check: bool) -> None:
        self._estimates = estimates
        self._high = high
        self._limit = limit
        self.check = check

    def largest_in_time(self, model: str, most: int, head: Request, now_s: float) -> int:
        """Return the largest batch, of at most so many, with which `head` is in time if nobody is beside it; or 0."""
        latency_s, stretch = self._estimates.latency_s[model], self._estimates.stretch[model]
        latest_s = latest_finish_s(head.deadline_s)
        size = min(most, self._limit[model])
        while size and now_s + latency_s[size] * stretch > latest_s:
            size -= 1
        return size

    def admits_high(self, gpu: int, candidate: Planned, now_s: float) -> bool:
        """Whether a high-priority candidate is in time and makes no other high-priority request late."""
        batches = self._estimates.forecasts[gpu].walk(now_s, candidate)
        return self.spares_in_flight(gpu, batches, now_s) and self.spares_waiting(gpu, batches, now_s)

    def spares_in_flight(self, gpu: int, batches: Sequence[Planned], now_s: float) -> bool:
        """Whether a high-priority candidate, the last of `batches`, is in time and harms nobody in flight."""
        if self._estimates.is_late(batches[-1], now_s):
            return False
        return not self.check or not self.harms(self._estimates.forecasts[gpu], batches, now_s)

    def spares_waiting(self, gpu: int, batches: Sequence[Planned], now_s: float) -> bool:
        """Whether a candidate makes no high-priority request late that waits."""
        return not self.check or self._leaves_time(gpu, batches, now_s)

    def harms(
        self, forecast: Forecast, batches: Sequence[Planned], now_s: float, rates_of: Rates | None = None
    ) -> bool:
        """Whether the last of `batches`, as walked, makes a high-priority one of the others late."""
        late = self._estimates.late(batches, now_s, high=True)
        return bool(late) and self._in_time_without(forecast, batches, late, now_s, rates_of) > 0

    def costs_low(
        self, forecast: Forecast, batches: Sequence[Planned], now_s: float, rates_of: Rates | None = None
    ) -> int:
        """Return how many low-priority requests in flight the last of `batches`, as walked, makes late."""
        late = self._estimates.late(batches, now_s, high=False)
        return self._in_time_without(forecast, batches, late, now_s, rates_of) if late else 0

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
        harmed = sum([planned.key[1] for planned in late if not self._estimates.is_late(planned, now_s)])
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
        estimates = self._estimates
        behind = estimates.behind(gpu, batches, now_s)
        late = [head for head in heads if not estimates.follows_in_time(behind, head, now_s)]
        if not late:
            return True
        without = estimates.behind(gpu, batches[:-1], now_s)
        return not any(estimates.follows_in_time(without, head, now_s) for head in late)

    def backlog_in_time(self, gpu: int, batches: Sequence[Planned], now_s: float) -> bool:
        """Whether all waiting high-priority requests could follow in time behind `batches`.

        They are taken as full batches of one model each, one after the other by deadline: pessimistic where there are
        several slots, as co-located batches overlap.
        """
        estimates = self._estimates
        behind = estimates.behind(gpu, batches, now_s)
        for model in self._high.models():
            head, size = self._high.head(model), min(self._high.waiting(model), self._limit[model])
            more_s = estimates.latency_s[model][size] - estimates.latency_s[model][1]
            if not estimates.follows_in_time(behind, head._replace(deadline_s=head.deadline_s - more_s), now_s):
                return False
            behind = behind._replace(slot_s=behind.slot_s + estimates.latency_s[model][size])
        return True
