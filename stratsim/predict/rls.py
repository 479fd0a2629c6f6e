"""Recursive least squares on the loss of rate, with the safeguards that keep it from running away."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, sqrt
from typing import TYPE_CHECKING

import numpy as np

from stratsim.predict.base import check_probability, parameter
from stratsim.predict.online import OnlineLinear, Sample

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stratsim.predict.base import Active, Member, Observation
    from stratsim.predict.least_squares import RecursiveLeastSquares, Stack

__all__ = ["Rls"]

_CUSUM_DRIFT = 0.5
"""Standard deviations of error per update that are no sign of change: half of the smallest shift to be found."""

_SCALE_MEMORY = 0.01
"""Least weight of one error in the running estimate of the noise: a memory of at most 100 batches."""


_MANY = 12
"""Targets from which on it is quicker to ask about all at once."""
_MOST_STACKS = 256
"""Regressors that are kept for that."""


@dataclass(kw_only=True, eq=False, repr=False)
class Rls(OnlineLinear):
    """Recursive least squares with forgetting on the loss of rate, from a static fit.

    Forgetting follows a slow change within about 1 / (1 - forgetting) batches of a kind; a sudden one is found by the
    errors that it makes (`change_threshold`). The belief knows how sure it is.

    Args:
        forgetting: lambda within (0, 1]; the memory is about 1 / (1 - lambda) batches.
        directional: Forget only in the direction that a batch tells of: batches of two models alone then leave what is
            known of the others as it is. Without it every batch forgets everything a little.
        variance: delta > 0: prior variance of each weight in units of the noise variance.
        trace_cap: Largest trace of the covariance, in units of its trace at the start; inf for none.
        excitation: Below this x.P.x a batch tells nothing new, and nothing is forgotten; 0 for never.
        noise: Standard deviation of the loss of rate of one batch, > 0, before any is known; then it is estimated, and
            never believed to be less than a tenth of this.
        outlier_gate: Errors are clipped to this many standard deviations; inf for none.
        nonnegative: Keep the weights of the co-runners' features at 0 or above: who is beside cannot speed up.
        change_threshold: Size of a CUSUM of the standardised errors, in standard deviations, at which the covariance
            returns to its prior, so that the next batches count as the first ones did; inf for never. Independent
            normal errors raise a false alarm about once in a billion batches at 20.

    Source: Zhao and Georgantas, arXiv 2512.18725, name RLS; safeguards are textbook, parameters and pair terms our
    choice.
    """

    forgetting: float = 0.99
    directional: bool = True
    variance: float = 100.0
    trace_cap: float = 10.0
    excitation: float = 0.0
    noise: float = 0.05
    outlier_gate: float = 4.0
    nonnegative: bool = False
    change_threshold: float = 20.0

    def __post_init__(self) -> None:
        super().__post_init__()
        parameter("forgetting", self.forgetting, 0, 1, closed="high")
        for name in ("variance", "noise"):
            parameter(name, getattr(self, name), 0, inf, closed="neither")
        for name in ("trace_cap", "outlier_gate", "change_threshold"):
            parameter(name, getattr(self, name), 0, inf, closed="high")
        parameter("excitation", self.excitation, 0, inf, closed="low")

    def start(self) -> None:
        """Fit to the profile's measured pairs."""
        super().start()
        self.noise_ = self.noise
        """Estimated standard deviation of the loss of rate of one batch."""
        self.changes_ = 0
        """How often a change was found."""
        self._drift = (0.0, 0.0)
        self._scale_share = max(1.0 - self.forgetting, _SCALE_MEMORY)
        self._guarded = np.array([name.startswith("others'") for name in self.names_[: self.design.leading]])

    def weight_variance(self) -> float:
        """Return delta."""
        return self.variance

    def take_over(self, fit: RecursiveLeastSquares) -> None:
        """Go on from a static fit, with its uncertainty."""
        self.filter_ = fit
        self._stacks: dict[object, Stack] = {}
        fit.forgetting = self.forgetting
        fit.directional = self.directional
        fit.noise = 1.0 if self.directional else self.forgetting
        fit.excitation = self.excitation
        fit.trace_cap = self.trace_cap * fit.prior_trace

    @property
    def weights_(self) -> list[float]:
        """Of the regressors, in the order of `names_`: the shared ones, then the pair terms."""
        return list(map(float, self.filter_.weights))

    def linear(self, values: Sequence[float], terms: Sequence[tuple[int, float]], kept: float = 1.0) -> float:
        """Return the weighted sum of regressors."""
        return self.filter_.predict(values, terms, kept)

    def predict_newcomers(self, targets: Active, others: Active) -> tuple[float, ...]:
        """Return the believed rate that each of `targets` would have if it alone joined others. Not remembered."""
        if len(targets) < _MANY or not others:
            return super().predict_newcomers(targets, others)
        beside = tuple(sorted(others))
        return self._rates_of_many((targets, beside), lambda: [(target, beside) for target in targets])

    def predict_hosts(self, target: Member, newcomers: Active) -> tuple[float, ...]:
        """Return the believed rates that `target` would have beside each of `newcomers` alone. Not remembered."""
        if len(newcomers) < _MANY:
            return super().predict_hosts(target, newcomers)
        return self._rates_of_many((target, newcomers), lambda: [(target, (newcomer,)) for newcomer in newcomers])

    def _rates_of_many(self, key: object, ask: Callable[[], list[tuple[Member, Active]]]) -> tuple[float, ...]:
        """Return what `rates` does, of questions that are asked again and again."""
        self._fitted()
        stack = self._stacks.get(key)
        if stack is None:
            questions = ask()
            for target, others in questions:
                self._require_known((target, *others))
            if len(self._stacks) >= _MOST_STACKS:
                self._stacks.clear()
            stack = self._stacks[key] = self.filter_.stack([self.design(*question) for question in questions])
        losses = np.maximum(self.filter_.predict_many(stack, self._kept()), 0.0)
        rates = 1.0 - losses if self.form == "rate" else 1.0 / (1.0 + losses)
        found: list[float] = np.maximum(rates, self.min_rate).tolist()
        return tuple(found)

    def fade(self, keep: float) -> None:
        """Leave this share of each pair term, and doubt it accordingly."""
        self.filter_.fade(keep)

    def correct(self, sample: Sample) -> None:
        """One guarded update."""
        filter_ = self.filter_
        image = filter_.excite(sample.values, sample.terms)
        changes = self.changes_
        filter_.correct(image, self._standardised(sample.error, sqrt(filter_.noise + image[0])))
        if self.changes_ > changes:  # only now: the image was that of the covariance before
            filter_.reset()
        if self.nonnegative:
            filter_.raise_to_zero(self._guarded)

    def _standardised(self, error: float, scale: float) -> float:
        """Clip the error, keep the noise estimate, look for a change."""
        deviation = self.noise_ * scale
        limit = self.outlier_gate * deviation
        if error > limit or error < -limit:
            error = limit if error > 0.0 else -limit
        if self.change_threshold < inf:
            self._look_for_change(error / deviation)
        part, share = error / scale, self._scale_share
        self.noise_ = max(sqrt((1.0 - share) * self.noise_ * self.noise_ + share * part * part), 0.1 * self.noise)
        return error

    def _look_for_change(self, surprise: float) -> None:
        """Page's two-sided CUSUM test."""
        up = max(0.0, self._drift[0] + surprise - _CUSUM_DRIFT)
        down = max(0.0, self._drift[1] - surprise - _CUSUM_DRIFT)
        if up > self.change_threshold or down > self.change_threshold:
            self.changes_ += 1
            up = down = 0.0
        self._drift = (up, down)

    def rate_quantile(self, target: Member, others: Active, probability: float) -> float:
        """Return a quantile of the believed rate: normal, from the uncertainty of weights and pair terms."""
        from statistics import NormalDist

        values, terms = self.design(target, others)
        kept = self._kept()
        spread = self.filter_.image(values, [(column, kept * value) for column, value in terms])[0]
        # What has faded since the last sample has gained the prior's doubt.
        spread += (1.0 - kept * kept) * self.pair_variance * sum([value * value for _, value in terms])
        centre = self.linear(values, terms, kept)
        return self._as_rate(centre - NormalDist().inv_cdf(probability) * self.noise_ * sqrt(max(spread, 0.0)))

    def duration_quantile_s(self, observation: Observation, probability: float) -> float:
        """Return the time that the batch would not exceed with this believed probability, by today's belief.

        Normal, from the uncertainty of weights and pair terms and the scatter of single batches (`noise_`), in what the
        form takes to be linear. Terms are as of the last observation. Errors as of the base class.
        """
        from statistics import NormalDist

        self._fitted()
        check_probability(probability)
        values, terms, error = self.sample(observation)
        if not values:
            return observation.solo_s
        spread = max(self.filter_.image(values, terms)[0], 0.0)
        reach = NormalDist().inv_cdf(probability) * self.noise_ * sqrt(self.filter_.noise + spread)
        slowdown = observation.duration_s / observation.solo_s
        if self.form == "slowdown":
            return observation.solo_s * max(slowdown - error + reach, self.min_rate)
        return observation.solo_s / max(1.0 / slowdown + error - reach, self.min_rate)
