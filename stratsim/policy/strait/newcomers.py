"""What a request would take that came to batches in flight, if it joined them as a batch of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from stratsim.model.tolerance import TIME_RTOL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stratsim.policy.strait.caution import CautiousRates
    from stratsim.predict import Active, Member

__all__ = ["Behind", "Newcomers"]


class Behind(NamedTuple):
    """The situation of a request that would follow batches in flight."""

    dispatch_s: float
    """When there is a place for it."""
    slot_s: float
    """When there is an execution slot for it."""
    copy_free_s: float
    """When the copy engine is through with those ahead."""
    beside: Active
    """Who still executes when it gets its slot."""
    ends_s: tuple[float, ...] = ()
    """When each of those is expected to end if nobody joins them, ascending."""

    def start_s(self, in_s: float) -> float:
        """Return when its execution could start if its copy-in takes `in_s` alone."""
        return max(self.slot_s, max(self.copy_free_s, self.dispatch_s) + in_s) if in_s else self.slot_s


class Newcomers:
    """Execution times of requests beside batches that are there, by a belief that is asked as seldom as can be.

    Args:
        belief: About interference, with the margin.
        latency_s: By model, seconds by batch size.
        slots: Batches that may execute at once on a GPU.
    """

    def __init__(self, belief: CautiousRates, latency_s: Mapping[str, Sequence[float]], slots: int) -> None:
        self._belief = belief
        self._slots = slots
        self._latency_s = latency_s
        self.expected: tuple[str, ...] = ()
        """Models of which requests may come."""
        self._singles: Active = ()
        self._rates: dict[Active, dict[str, float]] = {}
        self._hosts: dict[Member, dict[str, float]] = {}
        """What the belief has answered about a batch with one request beside it; until it learns."""

    def expect(self, model: str) -> None:
        """Count with requests of a model: one has come."""
        self.expected += (model,)
        self._singles += ((model, 1),)
        self.forget()

    def forget(self) -> None:
        """Forget what the belief has answered: it has changed."""
        self._rates.clear()
        self._hosts.clear()

    def execute_s(self, beside: Active) -> dict[str, float]:
        """Return, by expected model, what a batch of one takes beside these batches, if they stay."""
        return {model: self._latency_s[model][1] / rate for model, rate in self._rates_beside(beside).items()}

    def _rates_beside(self, beside: Active) -> dict[str, float]:
        """Return, by expected model, the estimated rate of a batch of one beside these batches."""
        found = self._rates.get(beside)
        if found is None:
            rates = self._belief.predict_newcomers(self._singles, beside)
            found = self._rates[beside] = dict(zip(self.expected, rates, strict=True))
        return found

    def fits(self, behind: Behind, model: str, start_s: float, longest_s: float) -> bool:
        """Whether a batch of one, started then in this situation, lasts no longer than this.

        First as if those beside it stayed all the way through, which is quick and pessimistic; if that is too long,
        by `lasts_s`.
        """
        if self._latency_s[model][1] / self._rates_beside(behind.beside)[model] <= longest_s:
            return True
        return len(behind.beside) > 0 and self.lasts_s(behind, model, start_s) <= longest_s

    def lasts_s(self, behind: Behind, model: str, start_s: float) -> float:
        """Return what a batch of one takes that starts at `start_s` in this situation, by a walk of its own.

        Those beside it go on until they have done what they have left, and then it has their share as well. What they
        have left is what they would have done until their ends, had nobody joined them.
        """
        solo_s = self._latency_s[model][1]
        if len(behind.beside) == 1:  # asked about by what is kept of one batch with one request beside it
            (other,), (end_s,) = behind.beside, behind.ends_s
            if end_s <= start_s:
                return solo_s
            other_rate, rate = self._host_rate(other, model), self._rates_beside(behind.beside)[model]
            beside_s = (end_s - start_s) / other_rate
            if solo_s <= beside_s * rate * (1.0 + TIME_RTOL):
                return min(solo_s / rate, beside_s)
            return beside_s + (solo_s - beside_s * rate)
        active = [*self._left(behind, start_s), ((model, 1), solo_s)]
        lasted_s = 0.0
        while True:
            rates = self._belief.predict(tuple([key for key, _ in active]))
            step_s = min([work_s / rate for (_, work_s), rate in zip(active, rates, strict=True)])
            lasted_s += step_s
            if active[-1][1] <= step_s * rates[-1] * (1.0 + TIME_RTOL):
                return lasted_s
            active = [
                (key, work_s - step_s * rate)
                for (key, work_s), rate in zip(active, rates, strict=True)
                if work_s > step_s * rate * (1.0 + TIME_RTOL)
            ]

    def late_for_s(self, other: Member, left_s: float, model: str, longest_s: float) -> float:
        """Return for how long a request that comes to one other batch would be late: none is that comes later.

        Args:
            other: The batch, alone on its GPU.
            left_s: How long it still takes if nobody joins it.
            model: The newcomer's, a batch of one.
            longest_s: How long it may take from its arrival, its copies aside.

        Returns:
            A time from now, within [0, `left_s`]; 0 for a request that would be late on an idle GPU as well.
        """
        solo_s = self._latency_s[model][1]
        spare_s = longest_s - solo_s
        if spare_s < 0.0:
            return 0.0
        if self._slots == 1:  # it waits for the other's end
            return min(max(left_s - spare_s, 0.0), left_s)
        rate = self._rates_beside((other,))[model]
        if solo_s <= longest_s * rate:  # beside it from beginning to end
            return 0.0
        beside_s = spare_s / (1.0 - rate)
        return min(max(left_s - beside_s * self._host_rate(other, model), 0.0), left_s)

    def _host_rate(self, other: Member, model: str) -> float:
        """Return the estimated rate of a batch with one request beside it."""
        found = self._hosts.get(other)
        if found is None:
            rates = self._belief.predict_hosts(other, self._singles)
            found = self._hosts[other] = dict(zip(self.expected, rates, strict=True))
        return found[model] / self._belief.divisor(other[0], (model,))

    def _left(self, behind: Behind, at_s: float) -> list[tuple[Member, float]]:
        """Return those beside a newcomer that are still there at that time, and the solo work that each has left."""
        keys = behind.beside
        left_s = [0.0] * len(keys)
        for first, end_s in enumerate(behind.ends_s):  # from one end to the next the rest run together
            if end_s > at_s:
                for index, rate in enumerate(self._belief.predict(keys[first:]), first):
                    left_s[index] += (end_s - at_s) * rate
                at_s = end_s
        return [(key, work_s) for key, work_s in zip(keys, left_s, strict=True) if work_s > 0.0]
