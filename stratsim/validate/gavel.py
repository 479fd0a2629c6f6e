"""Gavel's pairs of training jobs on a V100, and what a fit of `time-slicing` predicts of pairs that it has not seen.

Source: stanford-futuredata/gavel @ c4fa400 (MIT): iterations per second of 26 jobs alone and in pairs, each job a
process of its own, without MPS. The table is not part of stratsim. The fit is `stratsim.fit.slices`: of each job the
share of its time alone in which the GPU works for it, and the length of its bursts.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stratsim.errors import SpecError
from stratsim.fit.cells import Cell, Load
from stratsim.fit.slices import fit_slices

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["RESULTS", "Pairs", "left_out", "read_pairs"]

RESULTS = "colocated_v100.csv"


@dataclass(frozen=True)
class Pairs:
    """Pairs that ran together: shapes (k,), slowdowns (k, 2)."""

    jobs: tuple[str, ...]
    one: NDArray[np.int64]
    other: NDArray[np.int64]
    slowdown: Floats


def read_pairs(path: str | Path) -> Pairs:
    """Return the pairs of which both jobs made progress together; a slowdown is alone over together.

    Raises:
        SpecError: the file is not such a table.
    """
    with Path(path).open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))[1:]
    try:
        names = [(row[0], row[1]) for row in rows]
        rates = np.array([[float(row[column]) for column in range(2, 6)] for row in rows])
    except (IndexError, ValueError) as error:
        raise SpecError(f"{path}: is not a table of Gavel's pairs: {error}") from None
    whole = np.asarray((rates > 0).all(axis=1), dtype=np.bool_)
    kept = [name for name, good in zip(names, whole.tolist(), strict=True) if good]
    jobs = tuple(sorted({name for pair in kept for name in pair}))
    place = {name: at for at, name in enumerate(jobs)}
    one, other = (np.array([place[pair[side]] for pair in kept]) for side in (0, 1))
    return Pairs(jobs, one, other, rates[whole, :2] / rates[whole, 2:])


def left_out(pairs: Pairs, folds: int, seed: int = 0) -> Floats:
    """Return the slowdowns of all pairs, each as predicted by a fit to the pairs of the other folds; shape (k, 2).

    Both directions of a pair are left out together.
    """
    fold = np.random.default_rng(seed).permutation(len(pairs.one)) % folds
    cells = [
        Cell((Load(pairs.jobs[one], 1), Load(pairs.jobs[other], 1)), tuple(both))
        for one, other, both in zip(pairs.one.tolist(), pairs.other.tolist(), pairs.slowdown.tolist(), strict=True)
    ]
    found = np.empty_like(pairs.slowdown)
    for number in range(folds):
        own = np.flatnonzero(fold == number).tolist()
        slices = fit_slices([cells[at] for at in np.flatnonzero(fold != number)]).slices
        found[own] = slices.slowdowns([cells[at] for at in own])
    return found
