"""Fits demand and weight of every load, and the optional global terms, to measured slowdowns.

Least squares on the logarithm of the slowdown, from several starts: the sum of squares has kinks (where a cell becomes
saturated, where a stream reaches full speed) and more than one minimum. The first start takes the demands from cells
with copies of one load, which alone determine them; the others draw weights at random.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import least_squares

from stratsim.errors import ProfileError
from stratsim.fit.cells import Cell, Load, Table, loads_of, tabulate
from stratsim.fit.shares import log_rates, log_rates_and_blocks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Shares", "SharingFit", "Terms", "fit_sharing", "least_demand"]

_LEAST_DEMAND = 0.01
_WEIGHT_BOUND = 9.0
"""Bound of |log weight|: a ratio of 1 : 8000 is as good as infinite."""
_TERM_BOUND = 1.0
_RIDGE = 1e-2
"""Pull of the log weights to their mean, as a residual per unit: far below any noise, it only decides where nothing
else does (a weight on which no cell depends, and the common factor of all)."""


@dataclass(frozen=True, slots=True)
class Terms:
    """The two global terms of `stratsim.fit.shares`; 0 is plain capped weighted sharing."""

    sub_saturation: float = 0.0
    thrash: float = 0.0


@dataclass(frozen=True, slots=True)
class Shares:
    """A contention model: it predicts slowdowns of any cell whose loads it knows.

    Args:
        demand: By load, within (0, 1].
        weight: By load, > 0; the anchor's is 1.
        terms: The global terms.
    """

    demand: Mapping[Load, float]
    weight: Mapping[Load, float]
    terms: Terms = Terms()

    def slowdowns(self, cells: Sequence[Cell]) -> list[tuple[float, ...]]:
        """Return the steady-state slowdown of each stream of each cell."""
        if not cells:
            return []
        loads = loads_of(cells)
        table = tabulate(cells, loads)
        demand = np.array([self.demand[load] for load in loads])[table.index]
        weight = np.array([self.weight[load] for load in loads])[table.index]
        found = np.exp(-log_rates(demand, weight, table.present, self.terms.sub_saturation, self.terms.thrash))
        return [tuple(row[: len(cell.loads)].tolist()) for row, cell in zip(found, cells, strict=True)]

    def rates(self, loads: Sequence[Load]) -> tuple[float, ...]:
        """Return the rate of each of the loads that run together."""
        cell = Cell(tuple(loads), (1.0,) * len(loads))
        return tuple(1.0 / slowdown for slowdown in self.slowdowns([cell])[0])


@dataclass(frozen=True, slots=True)
class SharingFit:
    """The outcome of `fit_sharing`.

    Args:
        shares: The fitted model.
        anchor: The load whose weight is 1 by definition.
        loads: All loads, sorted: the order of the parameters.
        values: The parameters at the optimum: demands, log weights, then the terms that were fitted.
        residuals: Log of measured over predicted slowdown, one per stream and cell.
        sigma: Standard deviation of the residuals, degrees of freedom taken off.
        starts: Sum of squares reached from each start, ascending.
        problem: What was minimised.
    """

    shares: Shares
    anchor: Load
    loads: tuple[Load, ...]
    values: Floats
    residuals: Floats
    sigma: float
    starts: tuple[float, ...]
    problem: Problem


class Problem:
    """The least-squares problem of a set of cells.

    Args:
        cells: The cells to fit.
        anchor: Load whose weight is 1.
        terms: Names of the global terms to fit, of `sub_saturation` and `thrash`.
    """

    def __init__(self, cells: Sequence[Cell], anchor: Load | None = None, terms: Sequence[str] = ()) -> None:
        if not cells:
            raise ProfileError("no co-location cell to fit: demand and weight cannot be known")
        self.cells = tuple(cells)
        self.loads = loads_of(cells)
        self.anchor = anchor if anchor is not None else choose_anchor(cells)
        self.terms = tuple(terms)
        self.table: Table = tabulate(cells, self.loads)
        self.rows = self.table.rows
        self.measured = self.table.log_slowdown.ravel()[self.rows]
        count = len(self.loads)
        self.size = 2 * count + len(self.terms)
        self.gauge: int | None = count + self.loads.index(self.anchor)
        """The anchor's weight: 1 by convention."""
        self.free = self.size - 1
        self.lower = np.concatenate(
            [np.full(count, _LEAST_DEMAND), np.full(count, -_WEIGHT_BOUND), np.zeros(len(self.terms))]
        )
        self.upper = np.concatenate(
            [np.ones(count), np.full(count, _WEIGHT_BOUND), np.full(len(self.terms), _TERM_BOUND)]
        )

    def names(self) -> tuple[tuple[str, Load | None], ...]:
        """Return what each parameter is: (`demand` | `weight`, load) or (term, None)."""
        named = [(kind, load) for kind in ("demand", "weight") for load in self.loads]
        return (*named, *((term, None) for term in self.terms))

    def normalised(self, values: Floats) -> Floats:
        """Return the parameters with the anchor's weight at 1."""
        found, count = values.copy(), len(self.loads)
        found[count : 2 * count] -= values[count + self.loads.index(self.anchor)]
        return found

    def _unpack(self, values: Floats) -> tuple[Floats, Floats, dict[str, float]]:
        count = len(self.loads)
        demand, weight = values[:count][self.table.index], np.exp(values[count : 2 * count])[self.table.index]
        return demand, weight, dict(zip(self.terms, values[2 * count :].tolist(), strict=True))

    def residuals(self, values: Floats) -> Floats:
        """Return the log of measured over predicted slowdown, one per stream."""
        demand, weight, terms = self._unpack(values)
        rates = log_rates(demand, weight, self.table.present, **terms)
        return np.asarray(self.measured + rates.ravel()[self.rows])

    def jacobian(self, values: Floats) -> Floats:
        """Return the derivatives of `residuals`, shape (streams, parameters)."""
        demand, weight, terms = self._unpack(values)
        _, blocks = log_rates_and_blocks(demand, weight, self.table.present, **terms)
        cells, n = self.table.index.shape
        count = len(self.loads)
        found = np.zeros((cells * n, self.size))
        row = np.broadcast_to(np.arange(cells * n).reshape(cells, n)[:, :, None], (cells, n, n))
        column = np.broadcast_to(self.table.index[:, None, :], (cells, n, n))
        np.add.at(found, (row, column), blocks.demand)
        np.add.at(found, (row, column + count), blocks.log_weight)
        for at, term in enumerate(self.terms):
            found[:, 2 * count + at] = getattr(blocks, term).ravel()
        return found[self.rows]

    def minimise(self, start: Floats, fixed: Mapping[int, float] | None = None) -> tuple[Floats, float]:
        """Return the minimum reached from `start`, and its sum of squares.

        Args:
            start: All parameters.
            fixed: Parameters, by position, that are held at a value.
        """
        values = np.clip(start, self.lower, self.upper)
        for at, value in (fixed or {}).items():
            values[at] = value
        open_ = np.array([at for at in range(self.size) if at not in (fixed or {})], dtype=np.intp)
        if not open_.size:
            return values, self.sum_of_squares(values)
        weights = (open_ >= len(self.loads)) & (open_ < 2 * len(self.loads))
        ridge = np.diag(_RIDGE * weights)[weights]

        def all_values(some: Floats) -> Floats:
            full = values.copy()
            full[open_] = some
            return full

        def residuals(some: Floats) -> Floats:
            return np.concatenate([self.residuals(all_values(some)), ridge @ some])

        def jacobian(some: Floats) -> Floats:
            return np.vstack([self.jacobian(all_values(some))[:, open_], ridge])

        solution = least_squares(
            residuals,
            np.clip(values[open_], self.lower[open_] + 1e-9, self.upper[open_] - 1e-9),
            jac=jacobian,
            bounds=(self.lower[open_], self.upper[open_]),
            method="trf",
            xtol=1e-6,
            ftol=1e-6,
            gtol=1e-9,
            max_nfev=60,
        )
        found = all_values(np.asarray(solution.x))
        return found, self.sum_of_squares(found)

    def sum_of_squares(self, values: Floats) -> float:
        """Return the sum of squared residuals."""
        return float(np.sum(self.residuals(values) ** 2))

    def shares(self, values: Floats) -> Shares:
        """Return the model that the parameters stand for."""
        count = len(self.loads)
        at = self.loads.index(self.anchor)
        weight = np.exp(values[count : 2 * count] - values[count + at])
        return Shares(
            dict(zip(self.loads, values[:count].tolist(), strict=True)),
            dict(zip(self.loads, weight.tolist(), strict=True)),
            Terms(**dict(zip(self.terms, values[2 * count :].tolist(), strict=True))),
        )


def fit_sharing(
    cells: Sequence[Cell],
    *,
    anchor: Load | None = None,
    terms: Sequence[str] = (),
    starts: int = 8,
    seed: int = 0,
) -> SharingFit:
    """Fit demands and weights to cells.

    Args:
        cells: Cells to fit; those with copies of one load determine its demand best.
        anchor: Load whose weight is 1; by default the one that most `anchor` cells have in common.
        terms: Global terms to fit too: `sub_saturation`, `thrash`.
        starts: Number of starting points.
        seed: Of the random starting points.

    Raises:
        ProfileError: there is no cell.
    """
    problem = Problem(cells, anchor, terms)
    reached = [problem.minimise(start) for start in _starts(problem, starts, seed)]
    best, _ = min(reached, key=lambda found: found[1])
    residuals = problem.residuals(best)
    freedom = max(1, len(residuals) - problem.free)
    return SharingFit(
        shares=problem.shares(best),
        anchor=problem.anchor,
        loads=problem.loads,
        values=best,
        residuals=residuals,
        sigma=float(np.sqrt(np.sum(residuals**2) / freedom)),
        starts=tuple(sorted(cost for _, cost in reached)),
        problem=problem,
    )


def choose_anchor(cells: Sequence[Cell]) -> Load:
    """Return the load that most anchor cells contain, else most cells; the first by name among equals."""
    preferred = [cell for cell in cells if cell.role == "anchor"] or list(cells)
    counts = {load: sum(load in cell.loads for cell in preferred) for load in loads_of(preferred)}
    return max(counts, key=lambda load: counts[load])


def least_demand(cells: Sequence[Cell], load: Load) -> float | None:
    """Return the demand that cells with copies of one load alone show: n copies slow down by max(1, n * demand).

    None without such a cell. Where no cell is saturated it is an upper bound, not an estimate.
    """
    copies = [cell for cell in cells if set(cell.loads) == {load}]
    if not copies:
        return None
    most = max(copies, key=lambda cell: len(cell.loads))
    return float(np.clip(np.mean(most.slowdowns) / len(most.loads), _LEAST_DEMAND, 1.0))


def _starts(problem: Problem, count: int, seed: int) -> list[Floats]:
    known = [least_demand(problem.cells, load) for load in problem.loads]
    demand = np.array([0.8 if value is None else value for value in known])
    terms = np.zeros(len(problem.terms))
    random = np.random.Generator(np.random.PCG64DXSM(seed))
    starts = [np.concatenate([demand, np.zeros(len(demand)), terms])]
    while len(starts) < count:
        drawn = demand * np.exp(random.normal(0.0, 0.2, len(demand)))
        starts.append(np.concatenate([drawn, random.normal(0.0, 1.0, len(demand)), terms]))
    return starts
