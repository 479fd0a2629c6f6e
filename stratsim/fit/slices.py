"""Fits the execution model `time-slicing`: processes that share a GPU without MPS and take turns on it.

Every load has two numbers: the share of its time alone in which the GPU works for it, and for how long it works at a
stretch, in time slices (`stratsim.solve.time_slices` has the rule). Least squares on the logarithm of the slowdown,
from several starts. Nothing depends on by how much a burst is longer than a slice, and where none is, slowdowns depend
on ratios of bursts alone: the longest is taken for a slice, as nothing but its length could say otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean, median
from typing import TYPE_CHECKING

import numpy as np

from stratsim.fit.batches import at_batch
from stratsim.fit.problem import Optimum, Problem, solve
from stratsim.fit.sharing import choose_anchor
from stratsim.solve import time_slices

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from stratsim.fit.cells import Cell, Load

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

__all__ = ["Slices", "SlicesFit", "fit_slices", "log_rates", "log_rates_and_blocks"]

_LEAST_BUSY = 0.01
_BURST_BOUND = 9.0
"""Bound of |log burst|, relative to that of the anchor: a ratio of 1 : 8000 is as good as infinite."""
_STEPS = 200
_ENOUGH = 1e-12


@dataclass(frozen=True, slots=True)
class Slices:
    """The fitted rule.

    Args:
        busy: By load, the share of its time alone in which the GPU works for it, within (0, 1].
        burst: By load, for how long it works at a stretch, in slices, within (0, 1]; the longest is 1.
    """

    busy: Mapping[Load, float]
    burst: Mapping[Load, float]

    def rates(self, loads: Sequence[Load]) -> tuple[float, ...]:
        """Return the rate of each of the loads that run together.

        Other batch sizes of a fitted model lie on the line between those that were fitted; a model of which nothing is
        known has the median share and the geometric mean of the bursts.
        """
        typical = median(self.busy.values()), float(np.exp(fmean(np.log(list(self.burst.values())))))
        busy = [at_batch(self.busy, load, "linear", typical[0]) for load in loads]
        burst = [at_batch(self.burst, load, "linear", typical[1]) for load in loads]
        return tuple(time_slices(busy, burst))

    def slowdowns(self, cells: Sequence[Cell]) -> list[tuple[float, ...]]:
        """Return the steady-state slowdown of each stream of each cell."""
        return [tuple(1.0 / rate for rate in self.rates(cell.loads)) for cell in cells]


class SlicesProblem(Problem):
    """The least-squares problem of a set of cells: busy shares, then the logarithms of the bursts, up to a factor."""

    def __init__(self, cells: Sequence[Cell]) -> None:
        super().__init__(cells, "busy shares and bursts")
        count = len(self.loads)
        self.relative = slice(count, 2 * count)
        self.gauge = count + self.loads.index(choose_anchor(cells))
        self.lower = np.concatenate([np.full(count, _LEAST_BUSY), np.full(count, -_BURST_BOUND)])
        self.upper = np.concatenate([np.ones(count), np.full(count, _BURST_BOUND)])

    def names(self) -> tuple[tuple[str, Load | None], ...]:
        """Return what each parameter is: (`busy` | `burst`, load)."""
        return tuple((kind, load) for kind in ("busy", "burst") for load in self.loads)

    def _unpack(self, values: Floats) -> tuple[Floats, Floats]:
        count = len(self.loads)
        return values[:count][self.table.index], np.exp(values[count:])[self.table.index]

    def log_rates(self, values: Floats) -> Floats:
        """Return the logarithm of each stream's rate, shape (cells, n)."""
        return log_rates(*self._unpack(values), self.table.present)

    def jacobian(self, values: Floats) -> Floats:
        """Return the derivatives of `residuals`, shape (streams, parameters)."""
        _, by_busy, by_burst = log_rates_and_blocks(*self._unpack(values), self.table.present)
        return self.spread(by_busy, by_burst)

    def slices(self, values: Floats) -> Slices:
        """Return the rule that the parameters stand for."""
        count = len(self.loads)
        busy, burst = values[:count].tolist(), np.exp(values[count:] - values[count:].max()).tolist()
        return Slices(dict(zip(self.loads, busy, strict=True)), dict(zip(self.loads, burst, strict=True)))


class SlicesFit(Optimum[SlicesProblem]):
    """The outcome of `fit_slices`."""

    __slots__ = ()

    @property
    def slices(self) -> Slices:
        """The fitted rule."""
        return self.problem.slices(self.values)


def fit_slices(cells: Sequence[Cell], *, starts: int = 4, seed: int = 0) -> SlicesFit:
    """Fit busy shares and bursts to cells.

    Args:
        cells: Cells to fit.
        starts: Number of starting points.
        seed: Of the random ones.

    Raises:
        ProfileError: there is no cell.
    """
    problem = SlicesProblem(cells)
    return solve(SlicesFit, problem, _starts(problem, starts, seed))


def _starts(problem: SlicesProblem, count: int, seed: int) -> list[Floats]:
    random = np.random.Generator(np.random.PCG64DXSM(seed))
    loads = len(problem.loads)
    first = np.concatenate([np.full(loads, 0.75), np.zeros(loads)])
    drawn = [np.concatenate([random.uniform(0.2, 1.0, loads), random.normal(0.0, 1.0, loads)]) for _ in range(count)]
    return [first, *drawn][:count]


def log_rates(busy: Floats, burst: Floats, present: Bools) -> Floats:
    """Return the logarithm of each stream's rate in many cells at once, shape (cells, n); 0 where not present.

    `stratsim.solve.time_slices` is the rule, one cell at a time; a test holds the two to each other. A factor common to
    all bursts changes nothing here.

    Args:
        busy: Shape (cells, n), within (0, 1].
        burst: Shape (cells, n), > 0: in units of any length that is a slice at most.
        present: Shape (cells, n): cells with fewer than n streams are padded.
    """
    rates, _, _ = _fixed_point(busy, burst, present)
    return np.where(present, np.log(rates), 0.0)


def log_rates_and_blocks(busy: Floats, burst: Floats, present: Bools) -> tuple[Floats, Floats, Floats]:
    """Return `log_rates` and its derivatives by the busy share and by the log burst of each stream.

    The derivatives have shape (cells, n, n): entry [c, i, j] is that of stream i's log rate by stream j's number. Those
    of the fixed point, by the implicit function theorem.
    """
    rates, cycle, works = _fixed_point(busy, burst, present)
    whole = cycle / rates  # what a burst, its pause and the turns of others take
    same = np.eye(rates.shape[1], dtype=bool)[None]
    both = present[:, :, None] & present[:, None, :]
    others = both & ~same
    drag = (rates / whole)[:, :, None]  # of a rate, per unit of others' work
    own = np.where(same & both, ((whole - cycle) / whole**2)[:, :, None], 0.0)  # of a rate, per unit of its own cycle
    system = same - np.where(others, drag * ((1.0 - busy) * burst)[:, None, :], 0.0)
    by_busy = own * (-cycle / busy)[:, None, :] - np.where(others, drag * (rates * burst)[:, None, :], 0.0)
    by_burst = own * cycle[:, None, :] - np.where(others, drag * works[:, None, :], 0.0)
    moved = np.linalg.solve(system, np.concatenate([by_busy, by_burst], axis=2)) / rates[:, :, None]
    count = rates.shape[1]
    return np.where(present, np.log(rates), 0.0), moved[:, :, :count], moved[:, :, count:]


def _fixed_point(busy: Floats, burst: Floats, present: Bools) -> tuple[Floats, Floats, Floats]:
    """Return rates, cycles (burst and pause alone), and each stream's work in the way of others."""
    cycle = burst / busy
    rates = np.where(present, 1.0 / present.sum(axis=1, keepdims=True), 1.0)
    works = np.zeros_like(rates)
    for _ in range(_STEPS):
        works = np.where(present, (1.0 - rates * (1.0 - busy)) * burst, 0.0)
        turns = np.maximum(works.sum(axis=1, keepdims=True) - works, 0.0)
        found = np.where(present, cycle / (cycle + turns), 1.0)
        moved = float(np.abs(found - rates).max(initial=0.0))
        rates = (found + rates) / 2.0
        if moved < _ENOUGH:
            break
    return rates, cycle, works
