"""Co-location cells as the fit sees them: who ran together, and how much slower than alone each one was."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import nan
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from stratsim.model.profile import Pair

__all__ = ["Cell", "Load", "Table", "cells_of", "loads_of", "tabulate"]


class Load(NamedTuple):
    """A model at a batch size."""

    model: str
    batch: int

    def __str__(self) -> str:
        return f"{self.model} x{self.batch}"


@dataclass(frozen=True, slots=True)
class Cell:
    """One co-location, every stream of which was kept busy.

    Args:
        loads: What each stream ran.
        slowdowns: Each stream's co-located execution time over its time alone, > 0; same order as `loads`; NaN where it
            was not timed.
        role: Why it was measured: `self`, `anchor`, `pair`, `triple`.
        name: How the samples call it.
        held_out: Whether it is for judging a fit only.
        power_capped: Whether a software power cap held the clock down meanwhile.
        clock: Clock of the multiprocessors during the cell, MHz; None when not known.
    """

    loads: tuple[Load, ...]
    slowdowns: tuple[float, ...]
    role: str = "pair"
    name: str = ""
    held_out: bool = False
    power_capped: bool = False
    clock: float | None = None

    @property
    def models(self) -> frozenset[str]:
        """The models that took part."""
        return frozenset(load.model for load in self.loads)

    @property
    def model_pairs(self) -> frozenset[frozenset[str]]:
        """The unordered pairs of different models that met: the groups that are held out together."""
        return frozenset(frozenset(pair) for pair in combinations(sorted(self.models), 2))


def cells_of(pairs: Iterable[Pair]) -> tuple[Cell, ...]:
    """Return measured pairs as cells of two streams, in the order in which they first occur.

    Both directions are one cell; where only one was measured, the other stream's slowdown is NaN.
    """
    found: dict[tuple[Load, Load], dict[Load, float]] = {}
    held_out = set()
    for pair in pairs:
        target, other = Load(pair.target, pair.target_batch), Load(pair.other, pair.other_batch)
        key = (min(target, other), max(target, other))
        found.setdefault(key, {})[target] = pair.slowdown
        if pair.held_out:
            held_out.add(key)
    return tuple(
        Cell(
            key,
            tuple(timed.get(load, nan) for load in key),
            "self" if key[0].model == key[1].model else "pair",
            " + ".join(map(str, key)),
            key in held_out,
        )
        for key, timed in found.items()
    )


def loads_of(cells: Iterable[Cell]) -> tuple[Load, ...]:
    """Return all loads that occur, sorted."""
    return tuple(sorted({load for cell in cells for load in cell.loads}))


@dataclass(frozen=True, slots=True)
class Table:
    """Cells as arrays, shape (cells, n), n being the most streams of any cell.

    Args:
        index: Position of each stream's load in the list of loads; 0 where `present` is false.
        present: False pads cells with fewer streams.
        log_slowdown: Logarithm of the measured slowdowns; 0 where `present` is false, NaN where it was not timed.
    """

    index: NDArray[np.int64]
    present: NDArray[np.bool_]
    log_slowdown: NDArray[np.float64]

    @property
    def rows(self) -> NDArray[np.intp]:
        """Positions, in the flattened arrays, of the streams that were timed."""
        return np.flatnonzero((self.present & ~np.isnan(self.log_slowdown)).ravel())


def tabulate(cells: Sequence[Cell], loads: Sequence[Load]) -> Table:
    """Return cells as arrays.

    Raises:
        KeyError: a cell has a load that `loads` lacks.
    """
    position = {load: at for at, load in enumerate(loads)}
    shape = (len(cells), max((len(cell.loads) for cell in cells), default=1))
    index, present, log_slowdown = np.zeros(shape, np.int64), np.zeros(shape, np.bool_), np.zeros(shape)
    for row, cell in enumerate(cells):
        count = len(cell.loads)
        index[row, :count] = [position[load] for load in cell.loads]
        present[row, :count] = True
        log_slowdown[row, :count] = np.log(cell.slowdowns)
    return Table(index, present, log_slowdown)
