"""Fits the execution model `kernel-queue`: for how long the kernels of every load hold the block scheduler.

The mean duration of a load's kernels is not fitted: it is the solo time over the number of kernels, both measured. What
is fitted is the share of it for which a kernel keeps those of other streams from being placed, one number per load, and
two for the device: how much of a hold is left on average when another kernel comes, and what a launch takes longer when
other streams are active (`stratsim.solve.kernel_queue` has the rule).

Least squares on the logarithm of the slowdown, from several starts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from stratsim.fit.problem import Optimum, Problem, solve
from stratsim.solve import kernel_queue

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from stratsim.fit.cells import Cell, Load

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

__all__ = ["Queue", "QueueFit", "fit_queue", "log_rates"]

_US = 1e-6
"""Lengths are in microseconds here: the optimiser likes numbers near 1."""
_MOST_GAP_US = 10.0
_STEPS = 40
_STEP = 1e-6
"""Of the differences that the Jacobian is made of."""
_ROOT_EPS = float(np.finfo(np.float64).eps) ** 0.5
_AT_ONCE = 1 << 20
"""Streams that are solved at once: bounds the memory."""


@dataclass(frozen=True, slots=True)
class Queue:
    """The fitted rule: it predicts slowdowns of any cell of whose loads it knows the kernels.

    Args:
        length_s: Mean duration of a kernel by load, seconds: of all loads that ran alone, fitted or not.
        hold: By load, the share of a kernel's duration for which it holds the block scheduler, within [0, 1].
        residual: As in `stratsim.solve.kernel_queue`.
        gap_s: Likewise, seconds.
    """

    length_s: Mapping[Load, float]
    hold: Mapping[Load, float]
    residual: float = 1.0
    gap_s: float = 0.0

    def complete(self, loads: Iterable[Load]) -> Queue:
        """Return a rule that has a hold for `loads` too.

        Kernels grow with the batch, and hold the scheduler for longer when they do: the hold of another batch size lies
        on the line through those of the smallest and the largest fitted one over the logarithm of the kernels' length,
        within [0, 1]. One batch size alone stands for all; a model of which none was fitted has the median hold.
        """
        hold = {load: self.hold_of(load) for load in loads}
        return replace(self, hold={**self.hold, **hold})

    def hold_of(self, load: Load) -> float:
        """Return the hold of a load, fitted or not; see `complete`."""
        if load in self.hold:
            return self.hold[load]
        known = sorted(other for other in self.hold if other.model == load.model)
        if not known:
            return median(self.hold.values())
        first, last = known[0], known[-1]
        x0, x1, x = (log(self.length_s[one]) for one in (first, last, load))
        if x1 <= x0:
            return self.hold[min(known, key=lambda other: abs(other.batch - load.batch))]
        slope = (self.hold[last] - self.hold[first]) / (x1 - x0)
        return float(np.clip(self.hold[first] + slope * (x - x0), 0.0, 1.0))

    def rates(self, loads: Sequence[Load]) -> tuple[float, ...]:
        """Return the rate of each of the loads that run together."""
        length = [self.length_s[load] for load in loads]
        hold = [self.hold_of(load) * one for load, one in zip(loads, length, strict=True)]
        return tuple(kernel_queue(length, hold, self.residual, self.gap_s))

    def slowdowns(self, cells: Sequence[Cell]) -> list[tuple[float, ...]]:
        """Return the steady-state slowdown of each stream of each cell."""
        return [tuple(1.0 / rate for rate in self.rates(cell.loads)) for cell in cells]


class QueueProblem(Problem):
    """The least-squares problem of a set of cells: holds, the residual, the gap in microseconds.

    Args:
        cells: The cells to fit.
        length_s: Mean duration of a kernel by load.
    """

    def __init__(self, cells: Sequence[Cell], length_s: Mapping[Load, float]) -> None:
        super().__init__(cells, "holds")
        self.length_s = length_s
        self.length = np.array([length_s[load] / _US for load in self.loads])[self.table.index]
        count = len(self.loads)
        self.lower = np.array([0.0] * count + [0.5, 0.0])
        self.upper = np.array([1.0] * count + [1.0, _MOST_GAP_US])

    def names(self) -> tuple[tuple[str, Load | None], ...]:
        """Return what each parameter is."""
        return (*(("hold", load) for load in self.loads), ("residual", None), ("gap", None))

    def log_rates(self, values: Floats) -> Floats:
        """Return the logarithm of each stream's rate, shape (cells, n)."""
        hold = values[: len(self.loads)][self.table.index] * self.length
        return log_rates(self.length, hold, self.table.present, float(values[-2]), float(values[-1]))

    def slope(self, values: Floats) -> Floats:
        """Return forward differences, all parameters at once, by the steps that `scipy.optimize` would take."""
        step = _ROOT_EPS * np.where(values >= 0, 1.0, -1.0) * np.maximum(1.0, np.abs(values))
        step = np.where((values + step < self.lower) | (values + step > self.upper), -step, step)
        return np.asarray(self._moved(values, step) / ((values + step) - values)[:, None]).T

    def jacobian(self, values: Floats) -> Floats:
        """Return the derivatives of `residuals`, by differences into the bounds; shape (streams, parameters)."""
        step = np.where(values + _STEP <= self.upper, _STEP, -_STEP)
        return np.asarray(self._moved(values, step) / step[:, None]).T

    def _moved(self, values: Floats, step: Floats) -> Floats:
        """Return by how much the residuals change if one parameter after the other is moved; (parameters, streams)."""
        count, base = len(self.loads), self.residuals(values)
        many = max(1, _AT_ONCE // max(1, self.length.size))
        parts = []
        for first in range(0, self.size, many):
            own = np.arange(first, min(first + many, self.size))
            moved = np.repeat(values[None], len(own), axis=0)
            moved[np.arange(len(own)), own] += step[own]
            hold = moved[:, :count][:, self.table.index] * self.length
            shared = (moved[:, at, None, None] for at in (-2, -1))
            rates = log_rates(self.length, hold, self.table.present, *shared)
            parts.append(self.measured + rates.reshape(len(own), -1)[:, self.rows] - base)
        return np.concatenate(parts)

    def queue(self, values: Floats) -> Queue:
        """Return the rule that the parameters stand for."""
        hold = dict(zip(self.loads, values[: len(self.loads)].tolist(), strict=True))
        return Queue(self.length_s, hold, float(values[-2]), float(values[-1]) * _US)


class QueueFit(Optimum[QueueProblem]):
    """The outcome of `fit_queue`."""

    __slots__ = ()

    @property
    def queue(self) -> Queue:
        """The fitted rule."""
        return self.problem.queue(self.values)


def fit_queue(cells: Sequence[Cell], length_s: Mapping[Load, float], *, starts: int = 4, seed: int = 0) -> QueueFit:
    """Fit holds, residual and gap to cells.

    Args:
        cells: Cells to fit.
        length_s: Mean duration of a kernel by load: of all loads in `cells`, and of those to be predicted.
        starts: Number of starting points.
        seed: Of the random ones.

    Raises:
        ProfileError: there is no cell.
    """
    problem = QueueProblem(cells, length_s)
    return solve(QueueFit, problem, _starts(problem, starts, seed))


def _starts(problem: QueueProblem, count: int, seed: int) -> list[Floats]:
    random = np.random.Generator(np.random.PCG64DXSM(seed))
    first = np.array([0.5] * len(problem.loads) + [0.75, 0.5])
    rest = [random.uniform(problem.lower, np.minimum(problem.upper, 1.0)) for _ in range(count - 1)]
    return [first, *rest]


def log_rates(length: Floats, hold: Floats, present: Bools, residual: Floats | float, gap: Floats | float) -> Floats:
    """Return the logarithm of each stream's rate in many cells at once, shape (..., cells, n); 0 where not present.

    `stratsim.solve.kernel_queue` is the rule, one cell at a time; a test holds the two to each other. Leading axes are
    problems of their own: each is what it would be alone, to the bit.

    Args:
        length: Shape (cells, n), > 0.
        hold: Shape (..., cells, n), within [0, length].
        present: Shape (cells, n): cells with fewer than n streams are padded.
        residual: Within [0.5, 1]; one number, or shape (..., 1, 1).
        gap: Not negative, in the unit of `length`; likewise.
    """
    beside = present.sum(axis=-1, keepdims=True) > 1
    hold = np.where(present & beside, hold, 0.0)
    cycle = length + np.where(beside, gap, 0.0)
    total = hold.sum(axis=-1, keepdims=True)
    for _ in range(_STEPS):
        wait = _waits(total, cycle, hold, residual)
        whole = cycle + wait
        share = hold * (wait + residual * hold) / whole
        slope = hold * (cycle - residual * hold) / (whole * whole)
        excess = share.sum(axis=-1, keepdims=True) - total
        solved = np.all(excess >= -1e-12 * total, axis=(-2, -1), keepdims=True)
        if solved.all():
            break
        fall = np.minimum(excess, 0.0) / (1.0 - (slope / (1.0 + slope)).sum(axis=-1, keepdims=True))
        total = np.where(solved, total, total + fall)
    wait = _waits(total, cycle, hold, residual)
    return np.where(present, np.log(length) - np.log(cycle + wait), 0.0)


def _waits(total: Floats, cycle: Floats, hold: Floats, residual: Floats | float) -> Floats:
    linear = total - cycle - hold
    root = np.sqrt(linear * linear + 4.0 * np.maximum(0.0, total * cycle - residual * hold * hold))
    return np.maximum(0.0, (linear + root) / 2.0)
