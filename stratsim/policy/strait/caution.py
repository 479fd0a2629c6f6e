"""A belief with a margin: rates that are no better than those that co-located batches mostly had of late."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from stratsim.policy.strait.margins import Recent

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from stratsim.predict import Active, Member, Observation, Predictor

__all__ = ["CautiousRates"]

_WINDOW = 50
"""Batches that are remembered, per level."""
_DOUBT = 4.0
"""Batches that have to be known of a level before it counts as much as the more general one."""
_LEAST_SHARE = 0.1
"""Of a batch's time, that it has to spend with its main company to tell something about it."""
_LEAST_RATE = 0.02
"""That a batch is taken to have had at least."""

_Key = TypeVar("_Key")

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
        self._of_all: dict[int, _Level] = {}
        """What is known of all batches, by the number of co-runners."""
        self._of_models: dict[int, dict[str, _Level]] = {}
        """Of each model's, by that number."""
        self._of_pairs: dict[Company, dict[str, _Level]] = {}
        """Of each model's in each company."""
        self._divisors: dict[Company, dict[str, float]] = {}
        """Those that were asked for since the last lesson, by company and model."""
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

    def predict_hosts(self, target: Member, newcomers: Active) -> Sequence[float]:
        """Return the rates that a batch would have beside each of `newcomers` alone, without the margin."""
        return self._belief.predict_hosts(target, newcomers)

    def divisor(self, target: str, company: Company) -> float:
        """Return what the belief's rate of a model in this company is divided by, at least 1."""
        known = self._divisors.setdefault(company, {})
        if target not in known:
            known[target] = self._divisor(target, company)
        return known[target]

    def _divisor(self, target: str, company: Company) -> float:
        count, found = len(company), 1.0
        for level in (
            self._of_all.get(count),
            self._of_models.get(count, _NOBODY).get(target),
            self._of_pairs.get(company, _NOBODY).get(target),
        ):
            if level is not None:
                found = found**level.trust * level.factor
        return max(1.0, found)

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
        model, count = target[0], len(main)
        _note(self._of_all, count, ratio, self._quantile)
        _note(self._of_models.setdefault(count, {}), model, ratio, self._quantile)
        _note(self._of_pairs.setdefault(main, {}), model, ratio, self._quantile)


class _Level:
    """The last ratios of a group of batches, and what they make of what is known more generally.

    A divisor that is known more generally, g, becomes g ** trust * factor.
    """

    __slots__ = ("factor", "recent", "trust")

    def __init__(self) -> None:
        self.recent = Recent(_WINDOW)
        self.trust = 1.0
        """How much the more general counts."""
        self.factor = 1.0

    def add(self, ratio: float, quantile: float) -> None:
        """Take in a ratio; the divisor is that quantile of them."""
        self.recent.add(ratio)
        count = len(self.recent.ordered)
        share = count / (count + _DOUBT)
        self.trust = 1.0 - share
        self.factor = self.recent.quantile(quantile) ** share


def _note(levels: dict[_Key, _Level], key: _Key, ratio: float, quantile: float) -> None:
    level = levels.get(key)
    if level is None:
        level = levels[key] = _Level()
    level.add(ratio, quantile)


def _company(models: Iterable[str]) -> Company:
    return tuple(sorted(models))


_NOBODY: dict[str, _Level] = {}
"""Of a company that nothing is known of."""
