"""Fits demand and weight of every load, and the optional global terms, to measured slowdowns.

Least squares on the logarithm of the slowdown, from several starts: the sum of squares has kinks (where a cell becomes
saturated, where a stream reaches full speed) and more than one minimum. The first start takes the demands from cells
with copies of one load, which alone determine them; the others draw weights at random.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from stratsim.fit.cells import Cell, Load, loads_of, tabulate
from stratsim.fit.problem import Optimum, Problem, solve
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


class SharingProblem(Problem):
    """The least-squares problem of a set of cells: demands, log weights, then the terms.

    Args:
        cells: The cells to fit.
        anchor: Load whose weight is 1.
        terms: Names of the global terms to fit, of `sub_saturation` and `thrash`.
    """

    def __init__(self, cells: Sequence[Cell], anchor: Load | None = None, terms: Sequence[str] = ()) -> None:
        super().__init__(cells, "demand and weight")
        self.anchor = anchor if anchor is not None else choose_anchor(cells)
        self.terms = tuple(terms)
        count = len(self.loads)
        self.relative = slice(count, 2 * count)
        self.gauge = count + self.loads.index(self.anchor)  # the anchor's weight: 1 by convention
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

    def _unpack(self, values: Floats) -> tuple[Floats, Floats, dict[str, float]]:
        count = len(self.loads)
        demand, weight = values[:count][self.table.index], np.exp(values[count : 2 * count])[self.table.index]
        return demand, weight, dict(zip(self.terms, values[2 * count :].tolist(), strict=True))

    def log_rates(self, values: Floats) -> Floats:
        """Return the logarithm of each stream's rate, shape (cells, n)."""
        demand, weight, terms = self._unpack(values)
        return log_rates(demand, weight, self.table.present, **terms)

    def jacobian(self, values: Floats) -> Floats:
        """Return the derivatives of `residuals`, shape (streams, parameters)."""
        demand, weight, terms = self._unpack(values)
        _, blocks = log_rates_and_blocks(demand, weight, self.table.present, **terms)
        found = self.spread(blocks.demand, blocks.log_weight)
        terms_ = [getattr(blocks, term).ravel()[self.rows, None] for term in self.terms]
        return np.concatenate([found, *terms_], axis=1)

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


class SharingFit(Optimum[SharingProblem]):
    """The outcome of `fit_sharing`."""

    __slots__ = ()

    @property
    def shares(self) -> Shares:
        """The fitted model."""
        return self.problem.shares(self.values)

    @property
    def anchor(self) -> Load:
        """The load whose weight is 1 by definition."""
        return self.problem.anchor


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
    problem = SharingProblem(cells, anchor, terms)
    return solve(SharingFit, problem, _starts(problem, starts, seed))


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


def _starts(problem: SharingProblem, count: int, seed: int) -> list[Floats]:
    known = [least_demand(problem.cells, load) for load in problem.loads]
    demand = np.array([0.8 if value is None else value for value in known])
    terms = np.zeros(len(problem.terms))
    random = np.random.Generator(np.random.PCG64DXSM(seed))
    starts = [np.concatenate([demand, np.zeros(len(demand)), terms])]
    while len(starts) < count:
        drawn = demand * np.exp(random.normal(0.0, 0.2, len(demand)))
        starts.append(np.concatenate([drawn, random.normal(0.0, 1.0, len(demand)), terms]))
    return starts
