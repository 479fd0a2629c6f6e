"""A belief with a margin: rates that are no better than those that co-located batches mostly had of late."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratsim.policy.strait.margins import Recent

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from stratsim.predict import Active, Observation, Predictor

__all__ = ["CautiousRates"]

_WINDOW = 50
"""Batches that are remembered, per level."""
_DOUBT = 4.0
"""Batches that have to be known of a level before it counts as much as the more general one."""
_LEAST_SHARE = 0.1
"""Of a batch's time, that it has to spend with its main company to tell something about it."""
_LEAST_RATE = 0.02
"""That a batch is taken to have had at least."""

Company = tuple[str, ...]
"""Models of the co-runners, sorted."""


class CautiousRates:
    """The rates of a belief, each divided by how much the belief lately overestimated it in that company.

    The ratio of a batch is the progress that the belief says it made beside its co-runners over what it must have made,
    as it has ended: 1 where the belief is right, 2 where it is twice too fast. It is put down to the company, that is
    the models of the co-runners, that the batch was in for most of its time. The divisor of a target model in a company
    is a quantile of the last ratios, never below 1, and shrunk by evidence: from all batches with so many co-runners,
    to those of this model with so many, to those of this model in this company. n ratios count n / (n + 4) against what
    is known more generally, on a logarithmic scale.

    Why the company, and not the model alone: a belief that is linear in the co-runners can be right about pairs and off
    by a factor of three where two strong models meet a weak one. One quantile for all companies would then be that
    factor everywhere, and refuse what does no harm.

    Answers change with `learn_from` only, so that they can be kept in between.

    Args:
        belief: About interference, fitted.
        quantile: Which quantile, within (0, 1]; 0 for the belief as it is.

    Source: our choice.
    """

    def __init__(self, belief: Predictor, quantile: float) -> None:
        self._belief = belief
        self._quantile = quantile
        self._ratios: dict[tuple[object, ...], Recent] = {}
        self._divisors: dict[tuple[str, Company], float] = {}
        self._rates: dict[Active, Sequence[float]] = {}

    def predict(self, active: Active) -> Sequence[float]:
        """Return the rate of each batch while exactly these execute together, within (0, 1], in their order."""
        if not self._quantile or len(active) < 2:
            return self._belief.predict(active)
        found = self._rates.get(active)
        if found is None:
            rates, models = self._belief.predict(active), [model for model, _ in active]
            found = self._rates[active] = tuple(
                [
                    rate / self.divisor(model, _company(models[:i] + models[i + 1 :]))
                    for i, (model, rate) in enumerate(zip(models, rates, strict=True))
                ]
            )
        return found

    def predict_newcomers(self, targets: Active, others: Active) -> Sequence[float]:
        """Return the rate that each of `targets` would have if it alone joined others."""
        rates = self._belief.predict_newcomers(targets, others)
        if not self._quantile or not others:
            return rates
        company = _company([model for model, _ in others])
        return tuple([rate / self.divisor(model, company) for (model, _), rate in zip(targets, rates, strict=True)])

    def divisor(self, target: str, company: Company) -> float:
        """Return what the belief's rate of a model in this company is divided by, at least 1."""
        found = self._divisors.get((target, company))
        if found is None:
            found = 1.0
            for level in _from_general_to_specific(target, company):
                recent = self._ratios.get(level)
                if recent is not None:
                    count = len(recent.ordered)
                    share = count / (count + _DOUBT)
                    found = found ** (1.0 - share) * recent.quantile(self._quantile) ** share
            found = self._divisors[target, company] = max(found, 1.0)
        return found

    def learn_from(self, observations: Iterable[Observation]) -> None:
        """Take in batches that have ended, before the belief learns from them."""
        if self._quantile:
            for observation in observations:
                self._take_in(observation)
            self._divisors.clear()
        self._rates.clear()

    def _take_in(self, observation: Observation) -> None:
        """Put down how far the belief was off about a batch to its main company; the other intervals count as known."""
        target, solo_s, duration_s, intervals, _ = observation
        beside_s: dict[Company, float] = {}
        believed_s: dict[Company, float] = {}
        made_s = solo_s
        for length_s, others in intervals:
            if not others:
                made_s -= length_s
                continue
            company = _company([model for model, _ in others])
            beside_s[company] = beside_s.get(company, 0.0) + length_s
            progress_s = length_s * self._belief.predict((target, *others))[0]
            believed_s[company] = believed_s.get(company, 0.0) + progress_s
        main = max(beside_s, key=beside_s.__getitem__, default=())
        if not main or beside_s[main] < _LEAST_SHARE * duration_s:
            return
        made_s -= sum([believed_s[each] / self.divisor(target[0], each) for each in believed_s if each != main])
        ratio = believed_s[main] / max(made_s, _LEAST_RATE * beside_s[main])
        for level in _from_general_to_specific(target[0], main):
            recent = self._ratios.get(level)
            if recent is None:
                recent = self._ratios[level] = Recent(_WINDOW)
            recent.add(ratio)


def _company(models: Iterable[str]) -> Company:
    return tuple(sorted(models))


def _from_general_to_specific(target: str, company: Company) -> tuple[tuple[object, ...], ...]:
    """Return what batches are grouped by, the largest groups first."""
    return (len(company),), (target, len(company)), (target, company)
