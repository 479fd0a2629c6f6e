"""Pair terms: what each pair of models deviates from what their features say."""

from __future__ import annotations

from math import exp2, inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratsim.predict.design import Pair

__all__ = ["PairTerms"]


class PairTerms:
    """One number per pair, shrunken to 0, each with its uncertainty.

    A term that nobody observes returns to its prior, mean 0 and `variance`: an Ornstein-Uhlenbeck process whose mean
    halves every `half_life_s`. An error that keeps a pair from ever being tried again is thus forgotten.

    Args:
        variance: Prior variance of a term, in units of the noise variance; 0 switches the terms off.
        half_life_s: Seconds without observation in which half of a term is forgotten; inf for never.
    """

    __slots__ = ("_state", "half_life_s", "variance")

    def __init__(self, variance: float, half_life_s: float = inf) -> None:
        self.variance = variance
        self.half_life_s = half_life_s
        self._state: dict[Pair, tuple[float, float, float]] = {}

    def __len__(self) -> int:
        return len(self._state)

    def at(self, pair: Pair, now_s: float) -> tuple[float, float]:
        """Return mean and variance of a term."""
        found = self._state.get(pair)
        if found is None:
            return 0.0, self.variance
        mean, variance, seen_s = found
        if self.half_life_s == inf or now_s <= seen_s:
            return mean, variance
        left = exp2((seen_s - now_s) / self.half_life_s)
        return left * mean, self.variance + left * left * (variance - self.variance)

    def put(self, pair: Pair, mean: float, variance: float, now_s: float) -> None:
        """Set a term that has been observed now; it never gets less sure than unobserved ones are."""
        self._state[pair] = (mean, min(variance, self.variance), now_s)

    def total(self, pairs: Sequence[tuple[Pair, float]], now_s: float) -> float:
        """Return the sum of the terms, each times its regressor."""
        total = 0.0
        state = self._state
        if state:
            for pair, weight in pairs:
                if pair in state:
                    total += weight * self.at(pair, now_s)[0]
        return total

    def spread(self, pairs: Sequence[tuple[Pair, float]], now_s: float) -> float:
        """Return the variance of that sum."""
        return sum([weight * weight * self.at(pair, now_s)[1] for pair, weight in pairs])

    def widen(self) -> None:
        """Forget how sure the terms are, not the terms."""
        self._state = {pair: (mean, self.variance, seen_s) for pair, (mean, _, seen_s) in self._state.items()}
