"""Recursive least squares with forgetting, on plain floats: exact, small, and the same to the last bit everywhere."""

from __future__ import annotations

from math import sqrt
from operator import mul
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["RecursiveLeastSquares", "dot"]


def dot(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the inner product."""
    return sum(map(mul, one, other), 0.0)


class RecursiveLeastSquares:
    """Weights w that explain samples y = w.x + noise, the recent ones best, kept up to date in O(d^2) per sample.

    After samples i = 1..n they minimise

        sum_i forgetting^(n - i) (y_i - w.x_i)^2 + forgetting^n |w - weights|^2 / variance

    `covariance`, P, is the inverse of the information matrix, in units of the noise variance; it is symmetric by
    construction.

    Args:
        weights: Where to start, shape (d,).
        variance: delta > 0: P starts as this times the identity. Large: the start is soon forgotten.
        forgetting: lambda in (0, 1]; the memory is about 1 / (1 - lambda) updates.
        directional: Forget only what the sample tells anew: P grows along P.x alone, so directions that no sample
            excites neither wind up nor, under a trace cap, stop all others from being forgotten. The criterion above
            is then no longer the one that is minimised, unless `forgetting` is 1.
        trace_cap: Largest trace of P. Forgetting inflates P in directions that no sample excites (wind-up), for ever if
            nothing stops it; P is scaled down to this trace. None: nothing stops it.
        excitation: While x.P.x is below this, nothing is forgotten: the update tells nothing new.
        joseph: Use the Joseph form, (I - k x')P(I - k x')'/lambda + k k', which keeps P positive definite against
            rounding, at about twice the cost.

    Source: textbook (Haykin, Adaptive Filter Theory, chapter on RLS); directional forgetting as Hägglund and Kulhavý
    (from memory).
    """

    __slots__ = (
        "covariance",
        "directional",
        "excitation",
        "forgetting",
        "joseph",
        "noise",
        "trace_cap",
        "variance",
        "weights",
    )

    def __init__(
        self,
        weights: Sequence[float],
        variance: float,
        *,
        forgetting: float = 1.0,
        directional: bool = False,
        trace_cap: float | None = None,
        excitation: float = 0.0,
        joseph: bool = False,
    ) -> None:
        self.weights = list(weights)
        self.variance = variance
        self.forgetting = forgetting
        self.directional = directional
        self.noise = 1.0 if directional else forgetting
        """Variance of a sample's noise, in the units of P: textbooks forget while they update, or after it."""
        self.trace_cap = trace_cap
        self.excitation = excitation
        self.joseph = joseph
        self.reset()

    def reset(self) -> None:
        """Forget how sure the weights are, not the weights."""
        count = range(len(self.weights))
        self.covariance = [[self.variance if i == j else 0.0 for j in count] for i in count]

    def trace(self) -> float:
        """Return the trace of P."""
        return sum([row[i] for i, row in enumerate(self.covariance)])

    def spread(self, x: Sequence[float]) -> float:
        """Return x.P.x, the variance of w.x in units of the noise variance."""
        return dot([dot(row, x) for row in self.covariance], x)

    def update(self, x: Sequence[float], y: float) -> float:
        """Take one sample in and return its error before the update, y - w.x."""
        error = y - dot(self.weights, x)
        image, inner = self.image(x)
        self.correct(image, inner, self.noise + inner, error)
        return error

    def image(self, x: Sequence[float]) -> tuple[list[float], float]:
        """Return P.x and x.P.x, from which the caller gets the innovation's variance."""
        image = [dot(row, x) for row in self.covariance]
        inner = dot(image, x)
        if inner < 0.0:  # rounding has cost P its definiteness
            self.reset()
            image = [self.variance * value for value in x]
            inner = dot(image, x)
        return image, inner

    def correct(self, image: Sequence[float], inner: float, innovation: float, error: float) -> None:
        """Correct weights and P for one sample x.

        Args:
            image: P.x.
            inner: x.P.x.
            innovation: Variance of the error in units of the noise variance: `noise` + x.P.x, and what else is
                uncertain.
            error: What the sample said beyond the prediction.
        """
        step = error / innovation
        self.weights = [weight + step * value for weight, value in zip(self.weights, image, strict=True)]
        forget = 1.0 if inner < self.excitation else self.forgetting
        grow = 0.0
        if self.directional:
            grow = (1.0 / forget - 1.0) * (1.0 - inner / innovation) / inner if inner > 0.0 else 0.0
            forget = 1.0
        if self.joseph:
            self._shrink_joseph(image, innovation, inner, forget)
            self._shrink(image, -grow, 1.0)
        else:
            self._shrink(image, 1.0 / innovation - grow, forget)
        if self.trace_cap is not None:
            self._cap(self.trace_cap)

    def _shrink(self, image: Sequence[float], scale: float, forget: float) -> None:
        """P <- (P - scale image image') / forget."""
        root = sqrt(abs(scale))
        half = [root * value for value in image]
        other = half if scale >= 0.0 else [-value for value in half]
        grow = 1.0 / forget
        # a * b is b * a to the last bit: P stays symmetric.
        self.covariance = [
            [(p - a * b) * grow for p, b in zip(row, half, strict=True)]
            for row, a in zip(self.covariance, other, strict=True)
        ]

    def _shrink_joseph(self, image: Sequence[float], innovation: float, inner: float, forget: float) -> None:
        """P <- ((I - gain x')P(I - gain x')' + noise gain gain') / forget."""
        gain = [value / innovation for value in image]
        noise = innovation - inner  # all that is not due to P
        count = range(len(gain))
        left = [[self.covariance[i][j] - gain[i] * image[j] for j in count] for i in count]
        along = [image[i] - gain[i] * inner for i in count]
        full = [[left[i][j] - along[i] * gain[j] + noise * gain[i] * gain[j] for j in count] for i in count]
        self.covariance = [[0.5 * (full[i][j] + full[j][i]) / forget for j in count] for i in count]

    def _cap(self, cap: float) -> None:
        trace = self.trace()
        if trace > cap:
            scale = cap / trace
            self.covariance = [[scale * p for p in row] for row in self.covariance]
