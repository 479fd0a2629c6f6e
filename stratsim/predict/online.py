"""Beliefs that learn a linear model of the interference while the server runs: what they share, SGD and NLMS.

They learn the *loss of rate*, which is linear in time and so agrees with whoever integrates rates over intervals:

    solo / T = 1 - sum_k (dt_k / T) * (weights . x_k + terms of the pairs in k)

over the realised intervals k of constant co-runners. A regression of the slowdown on the share of overlapped time is
biased, because a batch that is slowed stays overlapped for longer; `form=slowdown` does it all the same, as an
ablation.

With more than one co-runner losses of rate do not add up, but on hardware whose kernels take turns the waits do: each
co-runner adds its part to the slowdown. `form=additive` has the slowdown of each interval linear,

    solo / T = sum_k (dt_k / T) / (1 + weights . x_k + terms of the pairs in k)

and learns it along the tangent at today's belief (an extended recursive least squares, where the learner is one): a
part of 1 + slowdown counts as its rate squared. With one co-runner both forms can say the same.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from math import exp2, inf
from operator import mul
from typing import TYPE_CHECKING, Any, NamedTuple

from stratsim.errors import SpecError
from stratsim.model.frozen import by_content
from stratsim.predict.base import FADING_STEPS, Observation, Predictor, parameter
from stratsim.predict.design import FORMS, DesignTable, Form
from stratsim.predict.features import FEATURES
from stratsim.predict.least_squares import RecursiveLeastSquares, dot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratsim.model.profile import SchedulerProfile
    from stratsim.predict.base import Active, Member

__all__ = ["Nlms", "OnlineLinear", "Sample", "Sgd"]


class Sample(NamedTuple):
    """One observation as a linear learner sees it: regressors averaged over the batch's execution, and their error."""

    values: Sequence[float]
    """Regressors of the shared weights."""
    terms: Sequence[tuple[int, float]]
    """Column and regressor of each pair term."""
    error: float
    """What it says, a loss of rate or an excess of the slowdown, beyond the prediction; terms have been faded."""


_MOST_KEPT = 32
"""Models up to which a fit to measured pairs is kept for the next run: half a megabyte."""
_MOST_MODELS = 512
"""Of a learner with terms of pairs: its covariance takes a gigabyte then."""


@dataclass(kw_only=True, eq=False, repr=False)
class OnlineLinear(Predictor):
    """A linear model of the loss of rate, starting from a static fit and corrected batch by batch.

    The regressors are described in `stratsim.predict.design`. The start is a ridge regression on the profile's measured
    pairs (those not held out); without pairs it is one slowdown for all.

    Args:
        features: Solo features to use: any of `compute`, `memory`, `l2`, `busy`, `batch`.
        form: `rate` learns the loss of rate; `additive` a slowdown to which each co-runner adds, interval by interval;
            `slowdown` the slowdown over the whole execution (biased; an ablation).
        min_rate: Smallest rate to believe in, within (0, 1].
        warm_start: Whether to start from the profile's measured pairs.
        prior_slowdown: Slowdown beside one other, at least 1, before anything is known.
        pair_variance: How much a pair of models may deviate from what its features say: prior variance of a pair term
            in units of the noise variance; 0 leaves the terms out.
        half_life_s: Seconds without observation in which half of a pair term is forgotten; inf for never.
    """

    features: Sequence[str] = ("compute", "memory", "batch")
    form: Form = "rate"
    min_rate: float = 0.02
    warm_start: bool = True
    prior_slowdown: float = 1.5
    pair_variance: float = 10.0
    half_life_s: float = inf

    def __post_init__(self) -> None:
        if isinstance(self.features, str) or not all(name in FEATURES for name in self.features):
            raise SpecError(f"features must be a list of names from {', '.join(FEATURES)}, got {self.features!r}")
        if self.form not in FORMS:
            raise SpecError(f"form must be one of {', '.join(FORMS)}, got {self.form!r}")
        parameter("min_rate", self.min_rate, 0, 1, closed="high")
        parameter("prior_slowdown", self.prior_slowdown, 1, inf, closed="low")
        parameter("pair_variance", self.pair_variance, 0, inf, closed="low")
        parameter("half_life_s", self.half_life_s, 0, inf, closed="high")

    def start(self) -> None:
        """Fit to the profile's measured pairs."""
        self.design = DesignTable(self.profile_, tuple(self.features), self.form, pairs=self.pair_variance > 0)
        self.names_ = self.design.names
        """What the weights weigh."""
        self._faded_s = 0.0
        self._stale_after_s = self.half_life_s / FADING_STEPS
        self.take_over(self._static_fit())

    def _static_fit(self) -> RecursiveLeastSquares:
        """Ridge regression: least squares without forgetting, one sample per measured pair."""
        models = len(self.profile_.models) if self.pair_variance > 0 else 0
        if models > _MOST_MODELS:
            raise SpecError(
                f"{models:,} models have {models * models:,} terms of pairs, whose covariance would take "
                f"{models**3 * 8 / 1e9:.0f} GB: give pair_variance=0, which leaves them out, "
                "or take the predictor ewma-pairs, which has no covariance"
            )
        known = (tuple(self.features), self.form, self.prior_slowdown, self.weight_variance(), self.pair_variance)
        if models > _MOST_KEPT:
            return _fit_to_pairs(self.profile_, self.warm_start, *known)
        found: RecursiveLeastSquares = pickle.loads(_kept_fit(self.profile_, self.warm_start, *known))  # noqa: S301 (ours)
        return found

    # What a learner defines.

    def correct(self, sample: Sample) -> None:
        """Move the weights after one sample."""
        raise NotImplementedError

    def take_over(self, fit: RecursiveLeastSquares) -> None:
        """Start from a static fit."""
        raise NotImplementedError

    def linear(self, values: Sequence[float], terms: Sequence[tuple[int, float]], kept: float = 1.0) -> float:
        """Return the weighted sum of regressors; `kept` is what is left of the pair terms."""
        raise NotImplementedError

    def fade(self, keep: float) -> None:
        """Leave this share of each pair term; called before a sample, if terms fade at all."""
        raise NotImplementedError

    def weight_variance(self) -> float:
        """Return the prior variance of each shared weight, in units of the noise variance."""
        return 100.0

    # What all share.

    def rate(self, target: Member, others: Active) -> float:
        """Return the believed rate."""
        values, terms = self.design(target, others)
        return self._as_rate(self.linear(values, terms, self._kept()))

    def _kept(self) -> float:
        """Return what is left of the pair terms since they were last faded."""
        elapsed_s = self.as_of_s_ - self._faded_s
        return 1.0 if elapsed_s < self._stale_after_s else float(exp2(-elapsed_s / self.half_life_s))

    def _as_rate(self, loss: float) -> float:
        """Return the rate for what the model says: the loss of rate, or the excess of the slowdown."""
        if loss <= 0.0:
            return 1.0
        rate = 1.0 - loss if self.form == "rate" else 1.0 / (1.0 + loss)
        return max(rate, self.min_rate)

    def learn(self, observation: Observation) -> None:
        """Make a sample of the batch and correct the model."""
        kept = self._kept()
        if kept < 1.0:
            self.fade(kept)
            self._faded_s = self.as_of_s_
        self.correct(self.sample(observation))

    def sample(self, observation: Observation) -> Sample:
        """Return the regressors of a batch, averaged over its realised intervals, and the error of the prediction.

        In the additive form intervals are weighted by the square of their believed rate besides: along the tangent at
        today's belief the error is that of the loss of rate, what was lost less what was believed to be.
        """
        target, solo_s, duration_s, intervals, _ = observation
        design, tangent = self.design, self.form == "additive"
        mean: Sequence[float] = ()
        terms: dict[int, float] = {}
        lost = 0.0
        for length_s, others in intervals:
            if not others:
                continue
            share = length_s / duration_s
            values, present = design(target, others)
            if tangent:
                rate = self._as_rate(self.linear(values, present))
                lost += share * (1.0 - rate)
                share *= rate * rate
            if mean:
                mean = [old + share * value for old, value in zip(mean, values, strict=True)]
                for column, value in present:
                    terms[column] = terms.get(column, 0.0) + share * value
            else:
                mean = [share * value for value in values]
                for column, value in present:
                    terms[column] = share * value
        explained = tuple(terms.items())
        y = duration_s / solo_s - 1.0 if self.form == "slowdown" else 1.0 - solo_s / duration_s
        return Sample(mean, explained, y - (lost if tangent else self.linear(mean, explained)))


def _fit_to_pairs(
    profile: SchedulerProfile,
    warm_start: bool,
    features: tuple[str, ...],
    form: Form,
    prior_slowdown: float,
    variance: float,
    pair_variance: float,
) -> RecursiveLeastSquares:
    design = DesignTable(profile, features, form, pairs=pair_variance > 0)
    fit = RecursiveLeastSquares(
        [_loss(form, prior_slowdown)] + [0.0] * (design.shared - 1),
        variance,
        leading=design.leading,
        models=len(profile.models) if pair_variance > 0 else 0,
        pair_variance=pair_variance,
    )
    for pair in profile.pairs if warm_start else ():
        if pair.held_out:
            continue
        values, present = design((pair.target, pair.target_batch), ((pair.other, pair.other_batch),))
        error = _loss(form, pair.slowdown) - fit.predict(values, present)
        fit.correct(fit.excite(values, present), error)
    return fit


@by_content
def _kept_fit(*arguments: Any) -> bytes:
    """Return a fit that every run of a process may start from, pickled: each gets a copy."""
    return pickle.dumps(_fit_to_pairs(*arguments))


def _loss(form: Form, slowdown: float) -> float:
    """Return what is taken to be linear: the loss of rate, or the excess of the slowdown."""
    return 1.0 - 1.0 / slowdown if form == "rate" else slowdown - 1.0


class _Gradient(OnlineLinear):
    """Steps along the error's gradient: weights and pair terms alike."""

    weights_: list[float]
    """Of the regressors, in the order of `names_`: the shared ones, then the pair terms."""

    def step(self, sample: Sample) -> float:
        """Return how far to go along the regressors."""
        raise NotImplementedError

    shrink: float = 1.0
    """By how much weights and terms shrink in a step."""

    def take_over(self, fit: RecursiveLeastSquares) -> None:
        """Keep the weights; how sure they are is no matter."""
        self.weights_ = fit.weights.tolist()

    def linear(self, values: Sequence[float], terms: Sequence[tuple[int, float]], kept: float = 1.0) -> float:
        """Return the weighted sum of regressors."""
        weights = self.weights_
        total = sum(map(mul, values, weights), 0.0)
        for column, value in terms:
            total += kept * weights[column] * value
        return total

    def fade(self, keep: float) -> None:
        """Leave this share of each pair term."""
        self.weights_ = [keep * w if i >= self.design.shared else w for i, w in enumerate(self.weights_)]

    def correct(self, sample: Sample) -> None:
        """Go one step."""
        step = self.step(sample)
        weights = self.weights_ if self.shrink == 1.0 else [self.shrink * weight for weight in self.weights_]
        for column, value in (*enumerate(sample.values), *sample.terms):
            weights[column] += step * value
        self.weights_ = weights


@dataclass(kw_only=True, eq=False, repr=False)
class Sgd(_Gradient):
    """Stochastic gradient descent on the loss of rate, from a static fit.

    Args:
        step_size: eta0 > 0: weights += eta * error * x.
        step_decay: t0 > 0: eta = eta0 / (1 + t / t0) at update t; inf for a constant step.
        weight_decay: L2 penalty, at least 0: weights shrink by 1 - eta * weight_decay per update.
        clip: Largest error to step along (Huber), in units of the rate; inf for none.

    Source: Zhao and Georgantas, arXiv 2512.18725, name SGD; the parameters are our choice.
    """

    step_size: float = 0.05
    step_decay: float = inf
    weight_decay: float = 0.0
    clip: float = inf

    def __post_init__(self) -> None:
        super().__post_init__()
        parameter("step_size", self.step_size, 0, inf, closed="neither")
        parameter("step_decay", self.step_decay, 0, inf, closed="high")
        parameter("weight_decay", self.weight_decay, 0, 1.0 / self.step_size)
        parameter("clip", self.clip, 0, inf, closed="high")

    def start(self) -> None:
        """Fit to the profile's measured pairs."""
        super().start()
        self.updates_ = 0

    def step(self, sample: Sample) -> float:
        """Return eta times the clipped error."""
        eta = self.step_size / (1.0 + self.updates_ / self.step_decay)
        self.updates_ += 1
        self.shrink = 1.0 - eta * self.weight_decay
        return eta * max(-self.clip, min(self.clip, sample.error))


@dataclass(kw_only=True, eq=False, repr=False)
class Nlms(_Gradient):
    """Normalised least mean squares: gradient steps that close a fixed share of each error.

    Args:
        share: mu within (0, 2): weights += mu * error * x / (epsilon + x.x).
        epsilon: Keeps the step finite for small x, at least 0.

    Source: textbook (Haykin, Adaptive Filter Theory); the parameters are our choice.
    """

    share: float = 0.2
    epsilon: float = 1e-6

    def __post_init__(self) -> None:
        super().__post_init__()
        parameter("share", self.share, 0, 2, closed="neither")
        parameter("epsilon", self.epsilon, 0, inf, closed="low")

    def step(self, sample: Sample) -> float:
        """Return the error's share, over the size of the regressors."""
        size = self.epsilon + dot(sample.values, sample.values) + sum([value * value for _, value in sample.terms])
        return self.share * sample.error / size if size > 0.0 else 0.0
