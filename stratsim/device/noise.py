"""Run-to-run variation of a batch's solo execution time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["ByModel", "LogNormal", "Noise", "of_model", "profile_noise"]


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


@dataclass(frozen=True, slots=True)
class ByModel:
    """Log-normal noise that differs from model to model.

    Args:
        cv: Coefficient of variation of models that `cvs` lacks.
        cvs: Of the others.
    """

    cv: float
    cvs: Mapping[str, float]

    def factors(self, rng: np.random.Generator, count: int) -> NDArray[np.float64]:
        """Return factors of a model that `cvs` lacks."""
        return LogNormal(self.cv).factors(rng, count)

    def of(self, model: str) -> Noise:
        """Return the noise of a model."""
        return LogNormal(self.cvs.get(model, self.cv))


def of_model(noise: Noise, model: str) -> Noise:
    """Return a model's own noise: `noise` itself unless it differs from model to model."""
    return noise.of(model) if isinstance(noise, ByModel) else noise


def profile_noise(cv: float, cvs: Mapping[str, float]) -> Noise:
    """Return the noise of a profile with `truth.noise_cv` and `truth.noise_cvs`."""
    return ByModel(cv, cvs) if cvs else LogNormal(cv)
