"""Gavel's pairs of training jobs on a V100, and the fit of the execution model `time-slicing` to them.

Source: stanford-futuredata/gavel @ c4fa400 (MIT): iterations per second of 26 jobs alone and in pairs, each job a
process of its own, without MPS. The table is not part of stratsim.

Each job has two numbers: the share of its time alone in which the GPU works for it, and the length of its bursts in
slices. Both are fitted to slowdowns alone, by least squares on their logarithms; a weak prior (the logit of the share
about 0 and the logarithm of the burst about 0, each known to 30) only keeps numbers that no pair tells from running
away.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import least_squares

from stratsim.errors import SpecError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["RESULTS", "Pairs", "left_out", "read_pairs", "slowdowns"]

RESULTS = "colocated_v100.csv"
_PRIOR = 0.03
_STEPS = 30


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


def slowdowns(busy: Floats, burst: Floats, one: NDArray[np.int64], other: NDArray[np.int64]) -> Floats:
    """Return the slowdowns of pairs under `stratsim.solve.time_slices`, all at once; shape (k, 2).

    Args:
        busy: By job.
        burst: By job, in slices.
        one: The first job of each pair.
        other: The second.
    """
    share = np.stack([busy[one], busy[other]], axis=1)
    length = np.stack([burst[one], burst[other]], axis=1)
    cycle, turns, held = length / share, np.maximum(1.0, length), np.minimum(1.0, length)
    rates = np.full(share.shape, 0.5)
    for _ in range(_STEPS):
        works = (1.0 - rates * (1.0 - share)) * held
        rates = (rates + cycle / (cycle + turns * works[:, ::-1])) / 2.0
    found: Floats = 1.0 / rates
    return found


def left_out(pairs: Pairs, folds: int, seed: int = 0) -> Floats:
    """Return the slowdowns of all pairs, each as predicted by a fit to the pairs of the other folds; shape (k, 2).

    Both directions of a pair are left out together.
    """
    fold = np.random.default_rng(seed).permutation(len(pairs.one)) % folds
    found = np.empty_like(pairs.slowdown)
    for number in range(folds):
        own = fold == number
        busy, burst = _fit(pairs, ~own)
        found[own] = slowdowns(busy, burst, pairs.one[own], pairs.other[own])
    return found


def _fit(pairs: Pairs, chosen: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    count = len(pairs.jobs)
    one, other, measured = pairs.one[chosen], pairs.other[chosen], np.log(pairs.slowdown[chosen])

    def numbers(x: Floats) -> tuple[Floats, Floats]:
        return 1.0 / (1.0 + np.exp(-x[:count])), np.exp(x[count:])

    def residuals(x: Floats) -> Floats:
        misfit = np.log(slowdowns(*numbers(x), one, other)) - measured
        return np.concatenate([misfit.ravel(), _PRIOR * x])

    start = np.concatenate([np.ones(count), np.zeros(count)])
    return numbers(least_squares(residuals, start, max_nfev=20).x)
