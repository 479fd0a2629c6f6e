"""The oracle: a belief that is told the truth, for the bound that no scheduler can reach.

Nothing in this package knows the truth, so the oracle is a shell. By name it can be asked for like any other, and then
refuses to start, until an experiment that says in so many words that it wants an oracle has given it the device's
rates:

    belief = policy.belief                    made from `strait(belief=oracle)`
    if isinstance(belief, Oracle):
        belief.reveal(rates)                  a function that the experiment makes from the hardware's profile

A policy with an oracle knows the truth: label its results so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratsim.errors import SpecError
from stratsim.predict.base import Predictor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stratsim.predict.base import Active, Member

__all__ = ["Oracle"]


class Oracle(Predictor):
    """The true rates, as the simulated device has them: a bound, not a belief that a server could hold.

    It still does not know the noise of a run, nor what will arrive. Refused unless an experiment asks for it.

    Source: our choice.
    """

    def __init__(self) -> None:
        self._rates: Callable[[Active], Sequence[float]] | None = None

    def reveal(self, rates: Callable[[Active], Sequence[float]]) -> None:
        """Tell the truth.

        Args:
            rates: Pure; returns the rate of each batch of a co-located set, in order. Must be picklable if the policy
                is to be.
        """
        self._rates = rates
        self._memory = None

    def start(self) -> None:
        """Refuse to start without the truth."""
        if self._rates is None:
            raise SpecError("the oracle belief is the simulated device's truth: only an experiment can reveal it")

    def rate(self, target: Member, others: Active) -> float:
        """Return the true rate."""
        assert self._rates is not None  # noqa: S101 (`fit` came first)
        return self._rates((target, *others))[0]
