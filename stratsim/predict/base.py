"""What a belief about interference is: at which rate each of several co-located batches progresses.

A batch at rate 1 progresses at its solo speed, at rate 0.5 it takes twice as long. One predictor serves one policy:

    predictor.fit(profile)            a run starts: forget everything, learn what was measured beforehand
    predictor.predict(active)         the believed rate of every batch of a co-located set; changes nothing
    predictor.observe(observation)    a batch has ended: learn from what really happened to it

`active` holds one `(model, batch size)` per batch. Rates of a whole set are asked for at once, as whoever plans walks
through intervals of constant co-location and needs them all. A batch alone has rate 1 by definition of solo time, so
that question is answered here and never reaches a predictor.

The conventions are scikit-learn's: constructor arguments are kept unchanged under their names, `fit` returns the
predictor, what is learned ends in an underscore, and asking before `fit` is a `NotFittedError`.

Nothing here reads a clock: the predictor's time is the end of the last batch that it was told of.
"""

from __future__ import annotations

import inspect
from math import inf, isfinite
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from stratsim.errors import NotFittedError, SpecError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratsim.model.profile import SchedulerProfile

__all__ = [
    "FADING_STEPS",
    "Active",
    "Interval",
    "Member",
    "Observation",
    "Predictor",
    "check_probability",
    "get_params",
    "parameter",
    "shown",
]

Member = tuple[str, int]
"""One batch: its model and its size."""

Active = tuple[Member, ...]
"""Batches that execute at once on one GPU; equal ones may occur several times. A tuple: it is a cache's key."""

Interval = tuple[float, Active]
"""A stretch of a batch's execution: its length in seconds, and who else executed all through it."""

SHARE_RTOL = 1e-6
"""By how much the intervals of an observation may miss its duration: sums of differences of times, not more."""

FADING_STEPS = 64
"""Steps per half-life in which what fades with time does so: predictions hold in between, to 1 percent."""

_CACHE_LIMIT = 65_536


class Observation(NamedTuple):
    """What happened to one batch, from the server's own log."""

    target: Member
    """The batch."""
    solo_s: float
    """How long it would have taken alone, as the server believes: l(b), seconds."""
    duration_s: float
    """How long its execution took, seconds."""
    intervals: Sequence[Interval]
    """Who executed beside it, for how long, in order; the lengths sum to `duration_s`."""
    end_s: float
    """When it ended, by the server's clock, seconds."""


class Predictor:
    """A belief about interference. Subclass it and define `rate`; also `start` and `learn` if there is what to learn.

    `fit`, `predict` and `observe` are for callers and do what is common to all: they check, remember predictions until
    something new is learned, and leave out what teaches nothing (a batch that overlapped nobody ran at rate 1 by
    definition). Batches that end are observed in that order.
    """

    profile_: SchedulerProfile
    """What is known of the hardware; set by `fit`."""
    now_s_: float
    """End of the last observed batch, seconds; minus infinity before the first."""
    as_of_s_: float
    """The time that predictions refer to, seconds: that of the last change of version. A run starts at 0."""
    version_: int
    """Grows whenever predictions may have changed: what was derived from them holds while it stays."""
    adapts: bool
    """Whether observations can change anything. If not, a caller may save itself the work."""

    _memory: dict[Active, tuple[float, ...]] | None = None
    _stale_after_s: float = inf
    """For beliefs that fade with time: predictions are made anew after this much of it."""

    # What a predictor defines.

    def start(self) -> None:
        """Forget everything and learn what `self.profile_` tells. Called by `fit`."""

    def rate(self, target: Member, others: Active) -> float:
        """Return the rate of `target` beside `others`, within (0, 1].

        Args:
            target: A batch that the profile knows.
            others: The other batches, at least one, all known to the profile, sorted.
        """
        raise NotImplementedError

    def rates(self, questions: Sequence[tuple[Member, Active]]) -> tuple[float, ...]:
        """Return the rates of several batches, each beside its others. Define it where that is cheaper than one by one.

        Args:
            questions: What `rate` would be asked for each batch of a co-located set, or for several that may join one.
        """
        return tuple([self.rate(target, others) for target, others in questions])

    def learn(self, observation: Observation) -> None:
        """Learn from a batch that overlapped somebody. Called by `observe`."""

    def rate_quantile(self, target: Member, others: Active, probability: float) -> float:  # noqa: ARG002
        """Return the rate that the true one does not exceed with this believed probability.

        The default is for beliefs that do not know how sure they are: the rate itself.
        """
        return self.rate(target, others)

    # What a caller uses.

    def fit(self, profile: SchedulerProfile) -> Self:
        """Start a run: forget everything, learn what was measured beforehand.

        Raises:
            ProfileError: the profile lacks what the predictor is made from.
        """
        self.profile_ = profile
        self.now_s_ = -inf
        self.version_ = 0
        self.adapts = type(self).learn is not Predictor.learn
        self.as_of_s_ = 0.0
        self._memory = {}
        self.start()
        return self

    def predict(self, active: Active) -> tuple[float, ...]:
        """Return the believed rate of each batch while exactly these execute together.

        Costs a dictionary look-up unless something has been learned since the same question was asked.

        Args:
            active: `(model, batch size)` of each batch, a tuple.

        Returns:
            Rates within (0, 1], in the order of `active`. They do not depend on that order.

        Raises:
            NotFittedError: `fit` comes first.
            OutsideProfileError: a model or batch size that the profile does not cover.
        """
        memory = self._memory
        if memory is None:
            memory = self._fitted()
        found = memory.get(active)
        if found is None:
            found = self._ask(active)
            if len(memory) >= _CACHE_LIMIT:
                memory.clear()
            memory[active] = found
        return found

    def predict_newcomers(self, targets: Active, others: Active) -> tuple[float, ...]:
        """Return the believed rate that each of `targets` would have if it alone joined others. Not remembered.

        Cheaper than to `predict` one set after the other, which says how those that are there would fare as well.

        Raises:
            NotFittedError: `fit` comes first.
            OutsideProfileError: a model or batch size that the profile does not cover.
        """
        self._fitted()
        self._require_known((*targets, *others))
        if not others:
            return (1.0,) * len(targets)
        beside = tuple(sorted(others))
        return self.rates([(target, beside) for target in targets])

    def predict_hosts(self, target: Member, newcomers: Active) -> tuple[float, ...]:
        """Return the believed rates that `target` would have beside each of `newcomers` alone. Not remembered.

        Raises:
            NotFittedError: `fit` comes first.
            OutsideProfileError: a model or batch size that the profile does not cover.
        """
        self._fitted()
        self._require_known((target, *newcomers))
        return self.rates([(target, (newcomer,)) for newcomer in newcomers])

    def predict_quantile(self, active: Active, probability: float) -> tuple[float, ...]:
        """Return, for each batch, the rate that the true one does not exceed with this believed probability.

        0.75 gives the optimistic rate whose slowdown is the lower quartile. Not remembered between calls.

        Raises:
            NotFittedError: `fit` comes first.
            OutsideProfileError: a model or batch size that the profile does not cover.
        """
        self._fitted()
        check_probability(probability)
        self._require_known(active)
        if len(active) < 2:
            return (1.0,) * len(active)
        return tuple([self.rate_quantile(each, _others(active, i), probability) for i, each in enumerate(active)])

    def observe(self, observation: Observation) -> None:
        """Learn from a batch that has ended. Batches are observed in the order of their ends.

        Raises:
            NotFittedError: `fit` comes first.
            OutsideProfileError: a model or batch size that the profile does not cover.
            SpecError: an observation out of order, or one whose figures cannot be.
        """
        memory = self._fitted()
        end_s = observation.end_s
        if not end_s >= self.now_s_:
            raise SpecError(f"observations come in the order of their ends: {end_s!r} s after {self.now_s_!r} s")
        if not self.adapts:
            self.now_s_ = end_s
            return
        overlapped = self._check(observation)
        self.now_s_ = end_s
        if overlapped or end_s - self.as_of_s_ >= self._stale_after_s:
            self.as_of_s_ = end_s
            self.version_ += 1
            memory.clear()
        if overlapped:
            self.learn(observation)

    def expected_duration_s(self, observation: Observation) -> float:
        """Return how long the batch would have taken, by today's belief, beside those who really were there.

        The realised shares of time beside each set of co-runners are taken as given: solo / sum(dt / T * rate).
        """
        target = observation.target
        progress = sum([length_s * self.predict((target, *others))[0] for length_s, others in observation.intervals])
        return observation.solo_s * observation.duration_s / progress

    @property
    def has_quantiles(self) -> bool:
        """Whether the belief says how sure it is; the quantiles of all others are their expected figures."""
        return type(self).rate_quantile is not Predictor.rate_quantile

    def duration_quantile_s(self, observation: Observation, probability: float) -> float:
        """Return the time that the batch would not exceed with this believed probability, by today's belief.

        The realised shares of time beside each set of co-runners are taken as given, as in `expected_duration_s`. The
        default takes the quantile of the rate in each interval; a belief that knows how much batches of one kind differ
        says so too.

        Raises:
            NotFittedError: `fit` comes first.
            OutsideProfileError: a model or batch size that the profile does not cover.
            SpecError: a probability outside (0, 1).
        """
        self._fitted()
        check_probability(probability)
        if not self.has_quantiles:
            return self.expected_duration_s(observation)
        target, solo_s, duration_s, intervals, _ = observation
        self._require_known((target, *[other for _, others in intervals for other in others]))
        progress = 0.0
        for length_s, others in intervals:
            beside = tuple(sorted(others))
            progress += length_s * (self.rate_quantile(target, beside, 1.0 - probability) if beside else 1.0)
        return solo_s * duration_s / progress

    def get_params(self) -> dict[str, Any]:
        """Return the constructor's arguments by name."""
        return get_params(self)

    def __repr__(self) -> str:
        return shown(self)

    # Common work.

    def _fitted(self) -> dict[Active, tuple[float, ...]]:
        if self._memory is None:
            raise NotFittedError(f"{type(self).__name__} is not fitted yet: call fit(profile) first")
        return self._memory

    def _ask(self, active: Active) -> tuple[float, ...]:
        self._require_known(active)
        if len(active) < 2:
            return (1.0,) * len(active)
        return self.rates([(each, _others(active, i)) for i, each in enumerate(active)])

    def _require_known(self, active: Active) -> None:
        for model, batch in active:
            self.profile_.latency_s(model, batch)

    def _check(self, observation: Observation) -> bool:
        """Refuse figures that cannot be; return whether the batch overlapped anybody."""
        target, solo_s, duration_s, intervals, end_s = observation
        covered_s, overlapped = 0.0, False
        for length_s, others in intervals:
            covered_s += length_s
            overlapped = overlapped or bool(others)
        if not (0 < solo_s < inf and 0 < duration_s < inf and isfinite(end_s)):
            raise SpecError(f"an observation needs positive, finite times, got {observation!r}")
        if not abs(covered_s - duration_s) <= SHARE_RTOL * duration_s:
            raise SpecError(f"the intervals of {target!r} cover {covered_s!r} s of an execution of {duration_s!r} s")
        return overlapped


def check_probability(value: float) -> None:
    """Refuse a probability that no quantile has: SpecError."""
    if not 0 < value < 1:
        raise SpecError(f"probability must be within (0, 1), got {value!r}")


def _others(active: Active, position: int) -> Active:
    """Return all but one, sorted: sums over them are then the same, to the last bit, in whatever order they came."""
    others = active[:position] + active[position + 1 :]
    return others if len(others) == 1 else tuple(sorted(others))


def get_params(made: object) -> dict[str, Any]:
    """Return an object's constructor arguments by name, as it keeps them."""
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    parameters = inspect.signature(type(made)).parameters.items()
    return {name: getattr(made, name) for name, each in parameters if each.kind in kinds}


def shown(made: object) -> str:
    """Return an object as the call that makes it."""
    return f"{type(made).__name__}({', '.join(f'{key}={value!r}' for key, value in get_params(made).items())})"


def parameter(name: str, value: object, low: float, high: float, *, closed: str = "both") -> None:
    """Require a parameter to be a number within bounds.

    Args:
        name: Of the parameter, for the message.
        value: What was given.
        low: Lower bound.
        high: Upper bound.
        closed: Which bounds are legal values: `both`, `low`, `high` or `neither`.

    Raises:
        SpecError: says what would be legal.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        above = value >= low if closed in ("both", "low") else value > low
        legal = above and (value <= high if closed in ("both", "high") else value < high)
    else:
        legal = False
    if not legal:
        left = "[" if closed in ("both", "low") else "("
        right = "]" if closed in ("both", "high") else ")"
        raise SpecError(f"{name} must be a number within {left}{low:g}, {high:g}{right}, got {value!r}")
