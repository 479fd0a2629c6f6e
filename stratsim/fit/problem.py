"""What all fits to co-locations have in common: least squares on the logarithm of the slowdown, from several starts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
from scipy.optimize import least_squares

from stratsim.errors import ProfileError
from stratsim.fit.cells import Load, loads_of, tabulate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from stratsim.fit.cells import Cell

    Floats = NDArray[np.float64]

__all__ = ["Optimum", "Problem", "solve"]

_RIDGE = 1e-2
"""Pull of relative logarithms to their mean, as a residual per unit: far below any noise, it only decides where nothing
else does (a number on which no cell depends, and what is common to all)."""
_INSET = 1e-9
"""How far from its bounds a search begins."""


class Problem(ABC):
    """The least-squares problem of a set of cells; a subclass sets the bounds, and says what its parameters predict.

    Args:
        cells: The cells to fit.
        what: What cannot be known without cells, for the message.

    Raises:
        ProfileError: there is no cell.
    """

    gauge: int | None = None
    """A parameter that is fixed by convention."""
    relative: slice = slice(0, 0)
    """Logarithms of which only the differences count: the convention takes that at `gauge` for 0."""
    lower: Floats
    """Bounds of the parameters; with `upper`."""
    upper: Floats

    def __init__(self, cells: Sequence[Cell], what: str) -> None:
        if not cells:
            raise ProfileError(f"no co-location cell to fit: {what} cannot be known")
        self.cells = tuple(cells)
        self.loads = loads_of(cells)
        self.table = tabulate(cells, self.loads)
        self.rows = self.table.rows
        self.measured = self.table.log_slowdown.ravel()[self.rows]

    @property
    def size(self) -> int:
        """The number of parameters."""
        return len(self.lower)

    @property
    def free(self) -> int:
        """The number of parameters that no convention fixes."""
        return self.size - (self.gauge is not None)

    @abstractmethod
    def names(self) -> tuple[tuple[str, Load | None], ...]:
        """Return what each parameter is: its kind and its load, None for those of the device."""

    @abstractmethod
    def log_rates(self, values: Floats) -> Floats:
        """Return the logarithm of the rate of each stream of each cell, shape (cells, n)."""

    @abstractmethod
    def jacobian(self, values: Floats) -> Floats:
        """Return the derivatives of `residuals`, shape (streams, parameters)."""

    def normalised(self, values: Floats) -> Floats:
        """Return the parameters as the convention has them."""
        found = values.copy()
        if self.gauge is not None:
            found[self.relative] -= values[self.gauge]
        return found

    def ridge(self, some: NDArray[np.intp]) -> Floats:
        """Return rows that are added to the problem, times the parameters `some`; shape (rows, len(some))."""
        pulled = (some >= self.relative.start) & (some < self.relative.stop)
        return np.asarray(np.diag(_RIDGE * pulled)[pulled])

    def slope(self, values: Floats) -> Floats:
        """Return the derivatives that the search takes, if it takes others than `jacobian`."""
        return self.jacobian(values)

    def residuals(self, values: Floats) -> Floats:
        """Return the log of measured over predicted slowdown, one per stream that was timed."""
        return np.asarray(self.measured + self.log_rates(values).ravel()[self.rows])

    def sum_of_squares(self, values: Floats) -> float:
        """Return the sum of squared residuals."""
        return float(np.sum(self.residuals(values) ** 2))

    def spread(self, *blocks: Floats) -> Floats:
        """Return derivatives by the numbers of each stream as a Jacobian by those of each load.

        Args:
            blocks: Per kind of number, shape (cells, n, n): of stream i's log rate by stream j's number.

        Returns:
            Shape (streams that were timed, kinds * loads).
        """
        cells, n = self.table.index.shape
        row = np.broadcast_to(np.arange(cells * n).reshape(cells, n)[:, :, None], (cells, n, n))
        column = np.broadcast_to(self.table.index[:, None, :], (cells, n, n))
        found = np.zeros((cells * n, len(blocks) * len(self.loads)))
        for at, block in enumerate(blocks):
            np.add.at(found, (row, column + at * len(self.loads)), block)
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
        some = np.array([at for at in range(self.size) if at not in (fixed or {})], dtype=np.intp)
        if not some.size:
            return values, self.sum_of_squares(values)
        ridge = self.ridge(some)

        def whole(own: Floats) -> Floats:
            full = values.copy()
            full[some] = own
            return full

        def residuals(own: Floats) -> Floats:
            return np.concatenate([self.residuals(whole(own)), ridge @ own])

        def jacobian(own: Floats) -> Floats:
            slope = self.slope(whole(own))[:, some]
            return np.vstack([slope, ridge]) if len(ridge) else np.asfortranarray(slope)

        solution = least_squares(
            residuals,
            np.clip(values[some], self.lower[some] + _INSET, self.upper[some] - _INSET),
            jac=jacobian,
            bounds=(self.lower[some], self.upper[some]),
            method="trf",
            xtol=1e-6,
            ftol=1e-6,
            gtol=1e-9,
            max_nfev=60,
        )
        found = whole(np.asarray(solution.x))
        return found, self.sum_of_squares(found)


P_co = TypeVar("P_co", bound=Problem, covariant=True)


@dataclass(frozen=True, slots=True)
class Optimum(Generic[P_co]):
    """The outcome of a fit.

    Args:
        problem: What was minimised.
        loads: All fitted loads, sorted: the order of their parameters in `values`.
        values: The parameters at the optimum, in the order of `problem.names()`.
        residuals: Log of measured over predicted slowdown, one per stream that was timed.
        sigma: Standard deviation of the residuals, degrees of freedom taken off.
        starts: Sum of squares reached from each start, ascending.
    """

    problem: P_co
    loads: tuple[Load, ...]
    values: Floats
    residuals: Floats
    sigma: float
    starts: tuple[float, ...]


O = TypeVar("O", bound=Optimum[Any])  # noqa: E741 (what a fit returns)


def solve(kind: type[O], problem: Problem, starts: Iterable[Floats]) -> O:
    """Return the best of the minima that the starts lead to."""
    reached = [problem.minimise(start) for start in starts]
    best, _ = min(reached, key=lambda found: found[1])
    residuals = problem.residuals(best)
    freedom = max(1, len(residuals) - problem.free)
    return kind(
        problem=problem,
        loads=problem.loads,
        values=best,
        residuals=residuals,
        sigma=float(np.sqrt(np.sum(residuals**2) / freedom)),
        starts=tuple(sorted(cost for _, cost in reached)),
    )
