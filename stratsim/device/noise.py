"""Run-to-run variation of a batch's solo execution time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["LogNormal", "Noise"]


class Noise(Protocol):
    """Draws the factors by which batches take longer or shorter than the profile says."""

    def factors(self, rng: np.random.Generator, count: int) -> NDArray[np.float64]:
        """Return `count` factors > 0. Drawing twice must continue the sequence: f(a) + f(b) = f(a + b)."""
        ...


@dataclass(frozen=True, slots=True)
class LogNormal:
    """Multiplicative log-normal noise with mean 1: a profile's latencies are means.

    Args:
        cv: Coefficient of variation; 0 for none. Published run-to-run values are 0.1 to 0.6 % (Clockwork's sample).
    """

    cv: float

    def factors(self, rng: np.random.Generator, count: int) -> NDArray[np.float64]:
        """Return log-normal factors, shape (count,)."""
        import numpy as np

        if self.cv == 0:
            return np.ones(count)
        variance = math.log1p(self.cv**2)
        return np.exp(math.sqrt(variance) * rng.standard_normal(count) - variance / 2)
