"""Recursive least squares with forgetting, of weights that all samples share and terms that few do.

A belief about interference has a term per ordered pair of models besides the weights of its features: with N models the
covariance of all is a matrix of N^4 numbers. But no sample has terms of two targets, so given the shared weights the
errors of different targets' terms are independent, and the covariance keeps this form for good:

    P            of the errors e of the shared weights, and for each target
    e_t = W e + r   the errors of its terms: what they follow from the shared ones, and a rest with a covariance R

A sample of one target touches P and that target's W and R, exactly as it would the whole matrix: the update adds c x x'
to the inverse of the covariance, and with z = the shared regressors + W' (those of the terms) the sample says

    x . (e, e_t) = z . e + (the terms' regressors) . r

of two independent errors. Memory grows with the cube of the models, time per sample with their square.

Only operations whose sums have a fixed order: results are the same to the last bit on every machine, which sums of a
BLAS are not. Outer products sum nothing.
"""

from __future__ import annotations

from math import inf, sqrt
from operator import mul
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Vector = NDArray[np.float64]

_TINY = 1e-150
"""In place of the root of a scale of 0, so that it can be divided by."""
_multiply, _add, _subtract, _add_up = np.multiply, np.add, np.subtract, np.add.reduce

__all__ = ["Image", "Parts", "RecursiveLeastSquares", "Stack", "dot"]


def _in_order(numbers: Vector) -> float:
    """Return the sum of all, one after the other, row after row."""
    return float(np.add.accumulate(numbers.ravel())[-1])


def dot(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the inner product."""
    return sum(map(mul, one, other), 0.0)


Image = tuple[float, float, "Vector", "Sequence[float]", "Vector", int]
"""What a filter makes of the regressors x of a sample before it is told the result.

    x.P.x: the variance of w.x in units of the noise variance
    the part of it that the errors of the shared weights have: z.P.z
    P.z, shape (leading,)
    z, and behind it the other numbers of `moved`, as plain numbers
    the target's table times the regressors of its terms, shape (leading + 1 + models,), with z in front; else z alone
    the target whose terms the sample has; -1: it has none
"""


class Stack(NamedTuple):
    """The regressors of many samples that are asked about again and again (`RecursiveLeastSquares.stack`)."""

    values: Vector
    """Those of the leading shared weights, shape (leading, samples)."""
    terms: tuple[tuple[NDArray[np.intp], float], ...]
    """Of each sample's first, second, ... term: where slopes and base are, shape (leading + 1, samples); and the
    regressor, which is the same for all."""


class Parts(NamedTuple):
    """What a filter knows, as it keeps it."""

    weights: Sequence[float]
    """The leading shared weights."""
    covariance: Vector
    """Theirs, shape (leading, leading)."""
    variance: Vector
    """Their prior's, shape (leading,)."""
    rest_variance: float
    """That of all other shared weights together."""
    terms: Vector
    """By target: slopes, base and rest, shape (models, leading + 1 + models, models)."""
    growth: float
    """What the covariance has been multiplied by since it was the prior's."""
    trace_bound: float
    """The trace is not larger."""


class RecursiveLeastSquares:
    """Weights w that explain samples y = w.x + noise, the recent ones best, kept up to date sample by sample.

    After samples i = 1..n they minimise

        sum_i forgetting^(n - i) (y_i - w.x_i)^2 + forgetting^n sum_j (w_j - weights_j)^2 / variance_j

    Columns are the shared weights, then the terms: that of target t and co-runner c is number s + t N + c, where s are
    the shared ones and N the models. A sample x is given by its leading values and by its terms, all of one target.

    Args:
        weights: Where the shared weights start, shape (s,). Terms start at 0.
        variance: delta > 0 per shared weight, shape (s,), or one for all: the covariance starts as this diagonal.
            Large: the start is soon forgotten.
        leading: How many of the shared weights samples have values for; the others stay as they are. All by default.
        models: N, for N x N terms; 0 for none.
        pair_variance: The same as `variance` of each term.
        forgetting: lambda in (0, 1]; the memory is about 1 / (1 - lambda) samples.
        directional: Forget only what the sample tells anew: the covariance grows along its image alone, so directions
            that no sample excites neither wind up nor, under a trace cap, stop all others from being forgotten. The
            criterion above is then no longer the one that is minimised, unless `forgetting` is 1.
        trace_cap: Largest trace of the covariance. Forgetting inflates it in directions that no sample excites
            (wind-up), unless it is stopped; it is scaled down to this trace.
        excitation: While the spread is below this, nothing is forgotten: the sample tells nothing new.

    Source: textbook (Haykin, Adaptive Filter Theory, chapter on RLS); directional forgetting as Hägglund and Kulhavý
    (from memory). The form of the covariance is that of a bordered block-diagonal system; our derivation.
    """

    __slots__ = (
        "_first",
        "_growth",
        "_known",
        "_leading",
        "_models",
        "_outer",
        "_pair_variance",
        "_rest",
        "_shared",
        "_terms",
        "_trace_bound",
        "_variance",
        "_wide",
        "directional",
        "excitation",
        "forgetting",
        "noise",
        "prior_trace",
        "shared_covariance",
        "trace_cap",
    )

    def __init__(
        self,
        weights: Sequence[float],
        variance: float | Sequence[float],
        *,
        leading: int | None = None,
        models: int = 0,
        pair_variance: float = 0.0,
        forgetting: float = 1.0,
        directional: bool = False,
        trace_cap: float = inf,
        excitation: float = 0.0,
    ) -> None:
        shared = len(weights)
        leading = shared if leading is None else leading
        self._shared, self._leading, self._models = shared, leading, models
        self._variance: Vector = np.broadcast_to(np.asarray(variance, dtype=np.float64), (shared,))
        self._pair_variance = pair_variance
        self.prior_trace = float(self._variance.sum()) + pair_variance * models * models
        """Trace of the covariance at the start."""
        self.forgetting = forgetting
        self.directional = directional
        self.noise = 1.0 if directional else forgetting
        """Variance of a sample's noise, in the units of P: textbooks forget while they update, or after it."""
        self.trace_cap = trace_cap
        self.excitation = excitation
        self._first = [float(weight) for weight in weights[:leading]]
        self._rest = [float(weight) for weight in weights[leading:]]
        # Arrays with a row per term's regressor are transposed: sums over the first axis add row after row.
        # By target: W' (leading rows), the terms less W w, R (a row per co-runner); a column per co-runner.
        self._terms: Vector = np.zeros((models, leading + 1 + models, models))
        self._known: dict[int, float] = {}
        """Terms that were asked for since the last sample, by column."""
        self._outer: Vector = np.empty((leading, leading))
        """Room for products, as below: an update allocates nothing that is large."""
        self._wide: Vector = np.empty((leading + 1 + models, models))
        self.reset()

    def reset(self) -> None:
        """Forget how sure the weights are, not the weights."""
        leading = self._leading
        self._terms[:, leading] = self._all_terms()
        self._terms[:, :leading] = 0.0
        self._terms[:, leading + 1 :] = np.diag(np.full(self._models, self._pair_variance))
        self.shared_covariance: Vector = np.diag(self._variance[:leading])
        """P of the leading shared weights, shape (leading, leading)."""
        self._growth = 1.0
        self._trace_bound = self.prior_trace

    # What is known --------------------------------------------------------------------------------------------------

    def predict(self, values: Sequence[float], terms: Sequence[tuple[int, float]] = (), kept: float = 1.0) -> float:
        """Return w.x; `kept` is what is left of the terms."""
        total = sum(map(mul, values, self._first), 0.0)
        for column, value in terms:
            total += kept * self.term(column) * value
        return total

    def term(self, column: int) -> float:
        """Return the weight of a term."""
        found = self._known.get(column)
        if found is None:
            target, co_runner = divmod(column - self._shared, self._models)
            table = self._terms[target][: self._leading + 1, co_runner].tolist()
            found = self._known[column] = table[-1] + sum(map(mul, self._first, table), 0.0)
        return found

    def stack(self, samples: Sequence[tuple[Sequence[float], Sequence[tuple[int, float]]]]) -> Stack:
        """Return the regressors of samples as `predict_many` takes them.

        Args:
            samples: Values and terms of each: all have as many, and the same regressors of terms.
        """
        rows = np.arange(self._leading + 1)[:, None] * self._models
        terms = []
        for term in zip(*[terms for _, terms in samples], strict=True):
            targets, co_runners = divmod(np.array([column for column, _ in term]) - self._shared, self._models)
            terms.append((targets * self._terms[0].size + rows + co_runners, term[0][1]))
        return Stack(np.ascontiguousarray(np.array([values for values, _ in samples]).T), tuple(terms))

    def predict_many(self, stack: Stack, kept: float = 1.0) -> Vector:
        """Return w.x of many samples, shape (samples,): what `predict` says of each."""
        first, terms = np.array(self._first)[:, None], self._terms.ravel()
        total: Vector = _add_up(_multiply(stack.values, first))
        for places, value in stack.terms:
            tables = terms.take(places)
            total += kept * (tables[-1] + _add_up(_multiply(tables[:-1], first))) * value
        return total

    def _all_terms(self) -> Vector:
        """Return the weights of all terms, shape (models, models)."""
        return self._terms[:, self._leading] + self._along(self._first)

    def _along(self, moves: Sequence[float]) -> Vector:
        """Return by how much all terms follow these moves of the shared weights, shape (models, models)."""
        total: Vector = np.zeros((self._models, self._models))
        for row, move in enumerate(moves):
            total += self._terms[:, row] * move
        return total

    @property
    def weights(self) -> Vector:
        """All weights, the shared ones first, shape (s + N^2,)."""
        return np.concatenate([self._first, self._rest, self._all_terms().ravel()])

    @property
    def covariance(self) -> Vector:
        """The whole covariance, shape (s + N^2, s + N^2): to look at; nothing here needs it."""
        leading, shared, models = self._leading, self._shared, self._models
        whole = np.zeros((shared + models * models,) * 2)
        whole[:leading, :leading] = own = self.shared_covariance
        unused = np.arange(leading, shared)
        whole[unused, unused] = self._variance[leading:] * self._growth
        for target, table in enumerate(self._terms):
            at = slice(shared + target * models, shared + (target + 1) * models)
            whole[at, :leading] = table[:leading].T @ own
            whole[:leading, at] = whole[at, :leading].T
        slopes = np.concatenate([table[:leading] for table in self._terms], 1) if models else np.empty((leading, 0))
        whole[shared:, shared:] = slopes.T @ own @ slopes
        for target, table in enumerate(self._terms):
            at = slice(shared + target * models, shared + (target + 1) * models)
            whole[at, at] += table[leading + 1 :]
        return whole

    @property
    def trace(self) -> float:
        """Trace of the whole covariance."""
        leading, own = self._leading, self.shared_covariance
        total = _in_order(own.diagonal()) + self._growth * float(self._variance[leading:].sum())
        for table in self._terms:
            slopes = table[:leading]
            total += _in_order(table[leading + 1 :].diagonal())
            total += _in_order((own[:, :, None] * slopes).sum(1) * slopes)
        return total

    def parts(self) -> Parts:
        """Return what is known, as it is kept: the arrays are the filter's own."""
        leading, variance = self._leading, self._variance
        rest = float(variance[leading:].sum())
        return Parts(
            self._first, self.shared_covariance, variance[:leading], rest, self._terms, self._growth, self._trace_bound
        )

    # Samples --------------------------------------------------------------------------------------------------------

    def update(self, x: Sequence[float], y: float) -> float:
        """Take in one sample of the shared weights, x of shape (s,), and return its error before the update."""
        error = y - self.predict(x)
        self.correct(self.excite(x), error)
        return error

    def image(self, values: Sequence[float], terms: Sequence[tuple[int, float]] = ()) -> Image:
        """Return what is believed of w.x, and how surely.

        Args:
            values: The regressors of the leading shared weights.
            terms: Column and regressor of the terms, all of one target; the others' are 0.
        """
        leading = self._leading
        if terms:
            column, value = terms[0]
            target = (column - self._shared) // self._models
            start = self._shared + target * self._models
            table = self._terms[target]
            moved = table[:, column - start] * value
            for column, value in terms[1:]:
                moved += table[:, column - start] * value
            z = moved[:leading]
            z += values
            listed = moved.tolist()
            start -= leading + 1
            rest = 0.0
            for column, value in terms:
                rest += value * listed[column - start]
        else:
            target, rest = -1, 0.0
            moved = z = np.array(values, np.float64)
            listed = values
        _multiply(self.shared_covariance, z[:, None], self._outer)
        image: Vector = _add_up(self._outer)
        shared = sum(map(mul, image.tolist(), listed), 0.0)
        return (shared + rest, shared, image, listed, moved, target)

    def excite(self, values: Sequence[float], terms: Sequence[tuple[int, float]] = ()) -> Image:
        """Return what `image` does, for `correct`; the covariance starts anew if rounding cost it its definiteness."""
        image = self.image(values, terms)
        if image[0] < 0.0:
            self.reset()
            return self.image(values, terms)
        return image

    def correct(self, image: Image, error: float) -> None:
        """Correct weights and covariance for one sample.

        Args:
            image: Of its regressors, as of now.
            error: What it said beyond what the weights say.
        """
        spread, shared, moves, listed, moved, target = image
        innovation = self.noise + spread
        step = error / innovation
        grow, forget = 0.0, 1.0 if spread < self.excitation else self.forgetting
        if self.directional:
            if spread > 0.0:
                grow = (1.0 / forget - 1.0) * (1.0 - spread / innovation) / spread
            forget = 1.0
        scale = 1.0 / innovation - grow
        self._first = first = [weight + step * move for weight, move in zip(self._first, moves.tolist(), strict=True)]
        self._known.clear()
        moves *= sqrt(abs(scale))
        _multiply(moves[:, None], moves, self._outer)
        (_subtract if scale >= 0.0 else _add)(self.shared_covariance, self._outer, self.shared_covariance)
        if target >= 0:
            # 1 - scale * shared, without a difference of nearly equal numbers
            scale /= (self.noise + spread - shared) / innovation + grow * shared
            step += scale * sum(map(mul, first, listed), 0.0)
            leading, table, half = self._leading, self._terms[target], sqrt(abs(scale)) or _TINY
            moved *= half
            moved[leading] = (-step if scale >= 0.0 else step) / half
            _multiply(moved[:, None], moved[leading + 1 :], self._wide)
            (_subtract if scale >= 0.0 else _add)(table, self._wide, table)
        if forget != 1.0:
            self._inflate(1.0 / forget)
        self._trace_bound /= self.forgetting
        if self._trace_bound > self.trace_cap:
            self._cap()

    def _inflate(self, factor: float) -> None:
        """Multiply the covariance."""
        self.shared_covariance *= factor
        self._terms[:, self._leading + 1 :] *= factor
        self._growth *= factor

    def _cap(self) -> None:
        trace = self.trace
        if trace > self.trace_cap:
            self._inflate(self.trace_cap / trace)
        self._trace_bound = min(trace, self.trace_cap)

    def fade(self, keep: float) -> None:
        """Let the terms return towards 0 and their prior variance.

        Args:
            keep: Share of their means that is left, within [0, 1].
        """
        leading = self._leading
        self._known.clear()
        self._terms[:, : leading + 1] *= keep
        rest = self._terms[:, leading + 1 :]
        rest *= keep * keep
        rest += (1.0 - keep * keep) * np.diag(np.full(self._models, self._pair_variance))
        self._trace_bound += self.prior_trace

    def raise_to_zero(self, guarded: NDArray[np.bool_]) -> None:
        """Set those of some leading shared weights that are negative to 0, and leave all terms as they are.

        Args:
            guarded: Which, shape (leading,).
        """
        before = np.array(self._first)
        raised = np.where(guarded & (before < 0.0), 0.0, before)
        self._known.clear()
        self._first = raised.tolist()
        self._terms[:, self._leading] -= self._along((raised - before).tolist())
