"""The predictors that study 1 judges, by the name that its tables give them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from stratsim.predict import Predictor, make_predictor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratsim.model.profile import SchedulerProfile
    from stratsim.predict import Active, Member, Observation

__all__ = ["FITTED", "LADDER", "LEARNERS", "PairMean", "Taught", "make_ladder"]


class PairMean(Predictor):
    """One slowdown for all pairs, that of the mean loss of rate of the pairs that were measured; 1.5 without any.

    The constant that knows as much as the others: what it errs by is what knowing who is co-located can gain.
    """

    def start(self) -> None:
        """Average the losses of rate, 1 - 1 / slowdown."""
        losses = [1.0 - 1.0 / max(pair.slowdown, 1.0) for pair in self.profile_.pairs if not pair.held_out]
        self.rate_ = 1.0 - sum(losses) / len(losses) if losses else 1.0 / 1.5

    def rate(self, target: Member, others: Active) -> float:  # noqa: ARG002
        """Return the mean rate."""
        return self.rate_


class Taught(Predictor):
    """A belief that has seen other batches before, and goes on learning or not.

    Args:
        belief: The belief.
        earlier: What it has seen, in the order of their ends.
        learns: Whether it learns from what it sees.
    """

    def __init__(self, belief: Predictor, earlier: Sequence[Observation], *, learns: bool = True) -> None:
        self.belief = belief
        self.earlier = earlier
        self.learns = learns

    def fit(self, profile: SchedulerProfile) -> Self:
        """Fit the belief, and let it see what was before."""
        self.belief.fit(profile)
        for each in self.earlier:
            self.belief.observe(each)
        return self

    def predict(self, active: Active) -> tuple[float, ...]:
        """Return what the belief says."""
        return self.belief.predict(active)

    def observe(self, observation: Observation) -> None:
        """Let the belief learn, if it may."""
        if self.learns:
            self.belief.observe(observation)

    def expected_duration_s(self, observation: Observation) -> float:
        """Return what the belief says."""
        return self.belief.expected_duration_s(observation)

    @property
    def has_quantiles(self) -> bool:
        """Whether the belief has."""
        return self.belief.has_quantiles

    def duration_quantile_s(self, observation: Observation, probability: float) -> float:
        """Return what the belief says."""
        return self.belief.duration_quantile_s(observation, probability)


LADDER: dict[str, str] = {
    "solo": "solo",
    "constant-1.5": "constant(slowdown=1.5)",
    "gpulet": "gpulet",
    "ewma-features": "ewma-features",
    "ewma-pairs": "ewma-pairs",
    "static-pairs": "sgd(step_size=1e-12)",
    "sgd": "sgd",
    "rls": "rls",
}
"""As `make_predictor` reads them; `FITTED` comes besides. `static-pairs` is the start of all online learners, and never
learns: it tells what learning adds to what a finer static model has."""

LEARNERS = ("ewma-pairs", "sgd", "rls")
"""Those that learn what happened, and can do so without any pairs."""

FITTED = "constant-fitted"
"""What `PairMean` is called."""


def make_ladder() -> dict[str, Predictor]:
    """Return every predictor anew, by name."""
    found = {name: make_predictor(text) for name, text in LADDER.items()}
    return {"solo": found.pop("solo"), "constant-1.5": found.pop("constant-1.5"), FITTED: PairMean(), **found}
