"""Recursive least squares with forgetting.

Only operations whose sums have a fixed order: results are the same to the last bit on every machine, which sums of a
BLAS are not. Outer products are left to it, as they sum nothing.
"""

from __future__ import annotations

from math import inf, sqrt
from operator import mul
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Vector = NDArray[np.float64]

__all__ = ["RecursiveLeastSquares", "dot"]

_MANY = 256
"""Parameters from which on numpy's own outer product is the faster one."""


def dot(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the inner product."""
    return sum(map(mul, one, other), 0.0)


class RecursiveLeastSquares:
    """Weights w that explain samples y = w.x + noise, the recent ones best, kept up to date in O(d^2) per sample.

    After samples i = 1..n they minimise

        sum_i forgetting^(n - i) (y_i - w.x_i)^2 + forgetting^n sum_j (w_j - weights_j)^2 / variance_j

    `covariance`, P, shape (d, d), is the inverse of the information matrix, in units of the noise variance; it is
    symmetric by construction. A sample x is given by its leading values and, after those, by what is not 0.

    Args:
        weights: Where to start, shape (d,).
        variance: delta > 0 per weight, shape (d,), or one for all: P starts as this diagonal. Large: the start is soon
            forgotten.
        forgetting: lambda in (0, 1]; the memory is about 1 / (1 - lambda) samples.
        directional: Forget only what the sample tells anew: P grows along P.x alone, so directions that no sample
            excites neither wind up nor, under a trace cap, stop all others from being forgotten. The criterion above
            is then no longer the one that is minimised, unless `forgetting` is 1.
        trace_cap: Largest trace of P. Forgetting inflates P in directions that no sample excites (wind-up), unless
            it is stopped; P is scaled down to this trace.
        excitation: While x.P.x is below this, nothing is forgotten: the sample tells nothing new.

    Source: textbook (Haykin, Adaptive Filter Theory, chapter on RLS); directional forgetting as Hägglund and Kulhavý
    (from memory).
    """

    __slots__ = (
        "_half",
        "_outer",
        "_prior",
        "_regressors",
        "_rows",
        "_trace_bound",
        "covariance",
        "directional",
        "excitation",
        "forgetting",
        "noise",
        "trace_cap",
        "weights",
    )

    def __init__(
        self,
        weights: Sequence[float],
        variance: float | Sequence[float],
        *,
        forgetting: float = 1.0,
        directional: bool = False,
        trace_cap: float = inf,
        excitation: float = 0.0,
    ) -> None:
        self.weights: Vector = np.array(weights, dtype=np.float64)
        self._prior: Vector = np.broadcast_to(np.asarray(variance, dtype=np.float64), self.weights.shape)
        self.forgetting = forgetting
        self.directional = directional
        self.noise = 1.0 if directional else forgetting
        """Variance of a sample's noise, in the units of P: textbooks forget while they update, or after it."""
        self.trace_cap = trace_cap
        self.excitation = excitation
        self._outer: Vector = np.empty((len(self.weights), len(self.weights)))
        """Room for products, as below: an update allocates nothing that is large."""
        self._half: Vector = np.empty((1, len(self.weights)))
        self._regressors: Vector = np.empty((0, 1))
        self._rows: Vector = self._outer[:0]
        self.reset()

    @property
    def prior_trace(self) -> float:
        """Trace of P at the start."""
        return float(self._prior.sum())

    def reset(self) -> None:
        """Forget how sure the weights are, not the weights."""
        self.covariance: Vector = np.diag(self._prior)
        self._trace_bound = self.prior_trace

    def update(self, x: Sequence[float], y: float) -> float:
        """Take one sample in, x of shape (d,), and return its error before the update, y - w.x."""
        error = y - dot(self.weights.tolist(), x)
        image, inner = self.excite(x)
        self.correct(image, inner, self.noise + inner, error)
        return error

    def image(self, values: Sequence[float], terms: Sequence[tuple[int, float]] = ()) -> tuple[Vector, float]:
        """Return P.x and x.P.x: the variance of w.x in units of the noise variance.

        Args:
            values: The first entries of x.
            terms: Column and value of further entries; the others are 0.
        """
        leading, covariance = len(values), self.covariance
        if leading != len(self._rows):
            self._regressors, self._rows = np.empty((leading, 1)), self._outer[:leading]
        self._regressors[:, 0] = values
        np.multiply(covariance[:leading], self._regressors, self._rows)
        # A sum over the first axis adds row after row.
        image: Vector = np.add.reduce(self._rows)
        for column, value in terms:
            image += covariance[column] * value
        inner = dot(image[:leading].tolist(), values)
        for column, value in terms:
            inner += value * image.item(column)
        return image, inner

    def excite(self, values: Sequence[float], terms: Sequence[tuple[int, float]] = ()) -> tuple[Vector, float]:
        """Return what `image` does, for `correct`; P starts anew if rounding has cost it its definiteness."""
        image, inner = self.image(values, terms)
        if inner < 0.0:
            self.reset()
            return self.image(values, terms)
        return image, inner

    def correct(self, image: Vector, inner: float, innovation: float, error: float) -> None:
        """Correct weights and P for one sample x.

        Args:
            image: P.x.
            inner: x.P.x.
            innovation: Variance of the error in units of the noise variance, `noise` + x.P.x.
            error: What the sample said beyond the prediction.
        """
        self.weights += image * (error / innovation)
        forget = 1.0 if inner < self.excitation else self.forgetting
        grow = 0.0
        if self.directional:
            grow = (1.0 / forget - 1.0) * (1.0 - inner / innovation) / inner if inner > 0.0 else 0.0
            forget = 1.0
        self._deflate(image, 1.0 / innovation - grow)
        if forget != 1.0:
            self.covariance *= 1.0 / forget
        self._trace_bound /= self.forgetting
        if self._trace_bound > self.trace_cap:
            self._cap()

    def _deflate(self, image: Vector, scale: float) -> None:
        """P <- P - scale image image'."""
        half, outer = self._half, self._outer
        np.multiply(image, sqrt(abs(scale)), half[0])
        # A product of two numbers does not depend on their order, to the last bit: P stays symmetric.
        if len(image) < _MANY:
            np.dot(half.T, half, outer)
        else:  # to the same bits: the BLAS is quicker to call, and slower to do this
            np.multiply(half.T, half, outer)
        if scale >= 0.0:
            np.subtract(self.covariance, outer, self.covariance)
        else:
            np.add(self.covariance, outer, self.covariance)

    def _cap(self) -> None:
        trace = float(self.covariance.trace())
        if trace > self.trace_cap:
            self.covariance *= self.trace_cap / trace
        self._trace_bound = min(trace, self.trace_cap)

    def fade(self, first: int, keep: float) -> None:
        """Let the weights from column `first` on return towards 0 and their prior variance.

        Args:
            first: The first of them.
            keep: Share of their means that is left, within [0, 1].
        """
        self.weights[first:] *= keep
        self.covariance[first:] *= keep
        self.covariance[:, first:] *= keep
        rows = np.arange(first, len(self.weights))
        self.covariance[rows, rows] += (1.0 - keep * keep) * self._prior[first:]
        self._trace_bound += self.prior_trace
