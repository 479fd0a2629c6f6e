"""Beliefs that smooth: exponentially weighted moving averages of co-location, or of what it did to each pair."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, exp2, inf, sqrt
from typing import TYPE_CHECKING

from stratsim.errors import SpecError
from stratsim.predict.base import FADING_STEPS, Observation, Predictor, parameter
from stratsim.predict.static import FITTED, Gpulet, Utilisation

if TYPE_CHECKING:
    from stratsim.predict.base import Active, Member

__all__ = ["Ewma", "EwmaFeatures", "EwmaPairs", "Smoothing"]


@dataclass(frozen=True, slots=True)
class Smoothing:
    """How much a new value counts: by number or by time. Exactly one form is given.

    Args:
        alpha: Weight of a new value, within (0, 1].
        samples: N >= 1: alpha = 2 / (N + 1).
        tau_s: > 0: alpha = 1 - exp(-elapsed / tau), seconds; the first value counts in full.

    Source: the forms by number in gpulet's rate estimator (casys-kaist/glet, EWMA.cpp), by time in Nexus (metric.cpp).
    """

    alpha: float | None = None
    samples: float | None = None
    tau_s: float | None = None

    def __post_init__(self) -> None:
        given = {name: value for name in ("alpha", "samples", "tau_s") if (value := getattr(self, name)) is not None}
        if len(given) != 1:
            raise SpecError(f"exactly one of alpha, samples and tau_s must be given, got {', '.join(given) or 'none'}")
        if self.alpha is not None:
            parameter("alpha", self.alpha, 0, 1, closed="high")
        if self.samples is not None:
            parameter("samples", self.samples, 1, inf, closed="low")
        if self.tau_s is not None:
            parameter("tau_s", self.tau_s, 0, inf, closed="neither")

    def weight(self, elapsed_s: float) -> float:
        """Return alpha for a value that comes `elapsed_s` seconds after the last one."""
        if self.alpha is not None:
            return self.alpha
        if self.samples is not None:
            return 2.0 / (self.samples + 1.0)
        return 1.0 - exp(-elapsed_s / self.tau_s) if self.tau_s else 1.0


class Ewma:
    """z <- (1 - alpha) z + alpha x, together with the squares, for the spread.

    Args:
        smoothing: How alpha comes about.
        start: Where z starts. None: at the first value, which is then unbiased.
        debias: Divide by the weight that the values have had so far, 1 - (1 - alpha)^n: the start then counts for
            nothing. Only without a start other than 0.
    """

    __slots__ = ("_debias", "_smoothing", "_squares", "_value", "_weight", "seen_s")

    def __init__(self, smoothing: Smoothing, start: float | None = None, *, debias: bool = False) -> None:
        self._smoothing = smoothing
        self._value = start
        self._squares = 0.0 if start is None else start * start
        self._weight = 0.0
        self._debias = debias and not start
        self.seen_s = -inf
        """When the last value came."""

    def update(self, value: float, now_s: float = 0.0, share: float = 1.0) -> None:
        """Take in one value.

        Args:
            value: x.
            now_s: When, seconds; only the form by time needs it.
            share: How much of a sample it is: alpha is 1 - (1 - alpha)^share.
        """
        alpha = 1.0 - (1.0 - self._smoothing.weight(now_s - self.seen_s)) ** share
        self.seen_s = now_s
        if self._value is None:
            self._value, self._squares, self._weight = value, value * value, 1.0
            return
        self._value += alpha * (value - self._value)
        self._squares += alpha * (value * value - self._squares)
        self._weight += alpha * (1.0 - self._weight)

    @property
    def value(self) -> float | None:
        """The average; None before the first value, if nothing was given to start from."""
        if self._debias and self._weight and self._value is not None:
            return self._value / self._weight
        return self._value

    @property
    def deviation(self) -> float:
        """Standard deviation of the values about their average."""
        if self._value is None:
            return 0.0
        scale = self._weight if self._debias and self._weight else 1.0
        mean = self._value / scale
        return sqrt(max(self._squares / scale - mean * mean, 0.0))

    def move(self, value: float) -> None:
        """Let the average go on from another value, with the spread it has."""
        if self._value is not None:
            self._squares += value * value - self._value * self._value
            self._value = value


class EwmaFeatures(Predictor):
    """gpulet's regression, fed with a moving average of the co-runners' utilisation instead of one fixed co-runner.

    For each target model, x = sum_j (share of the batch's time beside j) * utilisation of j is averaged over the
    model's batches, and takes the place of the other's utilisation. The prediction thus tells of the company that the
    model has kept of late, not of the one that is asked about; before the first batch the present co-runners' sum
    counts.

    Args:
        coefficients: `fitted` to the profile's measured pairs, or published: `rtx2080ti`, `rtx3080` (see `gpulet`).
        alpha: Weight of a new value, within (0, 1]; 0.3 if no other form is given.
        samples: N >= 1: alpha = 2 / (N + 1).
        tau_s: > 0: alpha = 1 - exp(-elapsed / tau), seconds.

    Source: Zhao and Georgantas, arXiv 2512.18725, name the EWMA; what it smooths is not published: our choice.
    """

    def __init__(
        self,
        coefficients: str = FITTED,
        *,
        alpha: float | None = None,
        samples: float | None = None,
        tau_s: float | None = None,
    ) -> None:
        self.coefficients = coefficients
        self.alpha = alpha
        self.samples = samples
        self.tau_s = tau_s
        self._static = Gpulet(coefficients)
        self._smoothing = _smoothing(alpha, samples, tau_s)

    def start(self) -> None:
        """Fit the regression, forget the company."""
        self._static.fit(self.profile_)
        self._use = self._static.utilisation
        self.company_: dict[str, tuple[Ewma, Ewma]] = {}
        """Averages of the co-runners' L2 and DRAM utilisation, by target model."""

    def rate(self, target: Member, others: Active) -> float:
        """Return 1 over the slowdown beside the usual company."""
        return 1.0 / self._static.coefficients_.slowdown(self._use(target), self._company(target[0], others))

    def _company(self, model: str, others: Active) -> Utilisation:
        averages = self.company_.get(model)
        if averages is None:
            uses = [self._use(other) for other in others]
            return Utilisation(sum([use.l2 for use in uses]), sum([use.dram for use in uses]))
        return Utilisation(averages[0].value or 0.0, averages[1].value or 0.0)

    def learn(self, observation: Observation) -> None:
        """Take in whom the batch ran beside, and for how much of its time."""
        target, _, duration_s, intervals, end_s = observation
        l2 = dram = 0.0
        for length_s, others in intervals:
            for other in others:
                use = self._use(other)
                l2 += length_s / duration_s * use.l2
                dram += length_s / duration_s * use.dram
        averages = self.company_.get(target[0])
        if averages is None:
            averages = self.company_[target[0]] = (Ewma(self._smoothing), Ewma(self._smoothing))
        averages[0].update(l2, end_s)
        averages[1].update(dram, end_s)


@dataclass(slots=True)
class _Known:
    """What is known of all pairs that have something in common."""

    loss: float
    """Sum of their losses of rate, 1 - 1 / slowdown."""
    pairs: int
    seen_s: float
    """When the last of them was learned; 0 for what was measured before the run."""


def _alike(target: str, other: str) -> tuple[tuple[str, str], ...]:
    """Return what pairs may have in common with this one, "" for any model: both, the target, the co-runner, none."""
    return (target, other), (target, ""), ("", other), ("", "")


class EwmaPairs(Predictor):
    """A table: the observed slowdown of each (model, batch size) beside each model, smoothed.

    A batch's mean slowdown while it overlapped, solo / T = 1 - overlap * (1 - 1 / slowdown), is blamed on all its
    co-runners alike: each gets the excess over their mean number, with the weight of its share of the overlap. Beside
    several, excesses add up. An entry starts at the profile's measured pair, if there is one (the nearest batch sizes).
    Where there is none it starts at what measured pairs and observations say otherwise: of these two models at another
    batch size; else of the target beside others and of others beside the co-runner, half and half, or of the one that
    is known; else of all pairs. These are means of the loss of rate, 1 - 1 / slowdown. `prior_slowdown` is where an
    entry starts as long as nothing is known at all.

    Args:
        alpha: Weight of a new value, within (0, 1]; 0.3 if no other form is given.
        samples: N >= 1: alpha = 2 / (N + 1).
        tau_s: > 0: alpha = 1 - exp(-elapsed / tau), seconds.
        use_prior: Whether an entry starts at its prior; otherwise at its first observation, which then counts in full.
        prior_slowdown: Slowdown beside one other, at least 1, as long as nothing is known of any pair.
        half_life_s: Seconds without observation in which an entry goes half of the way back to `prior_slowdown`; inf
            for never.
        max_slowdown: Largest slowdown to believe in, at least 1.

    Source: our choice among the readings of the EWMA in arXiv 2512.18725. Half and half: leaving out random pairs of
    `asymmetric-six` and `h200-fp16`, it misses the slowdown of what was left out by 27 and 13 %, the target's mean by
    60 and 16 %, the co-runner's by 32 and 12 %, the mean over all pairs by 42 and 14 %.
    """

    def __init__(
        self,
        *,
        alpha: float | None = None,
        samples: float | None = None,
        tau_s: float | None = None,
        use_prior: bool = True,
        prior_slowdown: float = 1.5,
        half_life_s: float = inf,
        max_slowdown: float = 50.0,
    ) -> None:
        parameter("prior_slowdown", prior_slowdown, 1, inf, closed="low")
        parameter("half_life_s", half_life_s, 0, inf, closed="high")
        parameter("max_slowdown", max_slowdown, 1, inf, closed="low")
        self.alpha = alpha
        self.samples = samples
        self.tau_s = tau_s
        self.use_prior = use_prior
        self.prior_slowdown = prior_slowdown
        self.half_life_s = half_life_s
        self.max_slowdown = max_slowdown
        self._smoothing = _smoothing(alpha, samples, tau_s)

    def start(self) -> None:
        """Forget the table."""
        self._stale_after_s = self.half_life_s / FADING_STEPS
        self.table_: dict[tuple[Member, str], Ewma] = {}
        """Excess of the slowdown, slowdown - 1, by (model, batch size) and co-runner model; only what was observed."""
        self._measured: dict[tuple[str, str], dict[tuple[int, int], float]] = {}
        for pair in self.profile_.pairs:
            if not pair.held_out:
                entry = self._measured.setdefault((pair.target, pair.other), {})
                entry[pair.target_batch, pair.other_batch] = max(pair.slowdown - 1.0, 0.0)
        self._known: dict[tuple[str, str], _Known] = {}
        """By target and co-runner, either of them "" for any: what is known of such pairs."""
        for (target, other), sizes in self._measured.items():
            self._note(target, other, sum(sizes.values()) / len(sizes), 0.0)

    def rate(self, target: Member, others: Active) -> float:
        """Return 1 over 1 plus the excesses."""
        return self._rate(sum([self._excess(target, other) for other in others]))

    def rate_quantile(self, target: Member, others: Active, probability: float) -> float:
        """Return a quantile of the rate: normal excesses, with the spread of the pair's observations."""
        from statistics import NormalDist

        entries = [entry for name, _ in others if (entry := self.table_.get((target, name)))]
        spread = sqrt(sum([entry.deviation**2 for entry in entries]))
        excess = sum([self._excess(target, other) for other in others])
        return self._rate(excess - NormalDist().inv_cdf(probability) * spread)

    def _rate(self, excess: float) -> float:
        return 1.0 / min(1.0 + max(excess, 0.0), self.max_slowdown)

    def _excess(self, target: Member, other: Member) -> float:
        entry = self.table_.get((target, other[0]))
        if entry is not None and entry.value is not None:
            known, seen_s = entry.value, entry.seen_s
        else:
            known, seen_s = self._unobserved(target, other)
        if self.half_life_s == inf or self.as_of_s_ <= seen_s:
            return known
        prior = self.prior_slowdown - 1.0
        return prior + (known - prior) * exp2((seen_s - self.as_of_s_) / self.half_life_s)

    def _unobserved(self, target: Member, other: Member) -> tuple[float, float]:
        """Return the excess of a pair that was not observed, and as of when that is known."""
        measured = self._measured.get((target[0], other[0]))
        if measured:
            nearest = min(measured, key=lambda sizes: (abs(sizes[0] - target[1]) + abs(sizes[1] - other[1]), sizes))
            return measured[nearest], 0.0
        same, *sides, anything = [self._known.get(key) for key in _alike(target[0], other[0])]
        known = [same] if same else [side for side in sides if side] or ([anything] if anything else [])
        if not known:
            return self.prior_slowdown - 1.0, 0.0
        loss = sum([each.loss / each.pairs for each in known]) / len(known)
        return loss / (1.0 - loss), max([each.seen_s for each in known])

    def _note(self, target: str, other: str, excess: float, now_s: float) -> None:
        """Remember what is known of two models now, for pairs of which nothing is."""
        same, *wider = _alike(target, other)
        loss, before = excess / (1.0 + excess), self._known.get(same)
        for key in wider:
            known = self._known.setdefault(key, _Known(0.0, 0, now_s))
            known.loss += loss - (before.loss if before else 0.0)
            known.pairs += before is None
            known.seen_s = now_s
        self._known[same] = _Known(loss, 1, now_s)

    def learn(self, observation: Observation) -> None:
        """Blame the batch's co-runners."""
        target, solo_s, duration_s, intervals, end_s = observation
        overlap = crowd = 0.0
        beside: dict[Member, float] = {}
        for length_s, others in intervals:
            share = length_s / duration_s
            overlap += share if others else 0.0
            crowd += share * len(others)
            for other in others:
                beside[other] = beside.get(other, 0.0) + share
        # A loss beyond the overlap cannot be explained by it: it is noise, and the slowdown is cut.
        loss = min((1.0 - solo_s / duration_s) / overlap, 1.0 - 1.0 / self.max_slowdown)
        excess = (1.0 / (1.0 - loss) - 1.0) * overlap / crowd
        for other, share in beside.items():
            entry = self._entry(target, other)
            entry.update(excess, end_s, min(share / overlap, 1.0))
            if entry.value is not None:
                self._note(target[0], other[0], entry.value, end_s)

    def _entry(self, target: Member, other: Member) -> Ewma:
        """Return the entry to update; one that has faded goes on from where it has come to."""
        key = (target, other[0])
        entry = self.table_.get(key)
        if entry is None:
            entry = self.table_[key] = Ewma(self._smoothing, self._excess(target, other) if self.use_prior else None)
        elif self.half_life_s < inf:
            entry.move(self._excess(target, other))
        return entry


def _smoothing(alpha: float | None, samples: float | None, tau_s: float | None) -> Smoothing:
    """Return the form that is given; the default is alpha = 0.3."""
    if alpha is None and samples is None and tau_s is None:
        return Smoothing(alpha=0.3)
    return Smoothing(alpha, samples, tau_s)
