"""Which pairs to measure first: a greedy D-optimal order.

To first order, a saturated pair (i, j) tells two things: how the weights of i and j compare, log w_i - log w_j, and how
large their demands are together, s_i + s_j. Cells of several copies of one model show its demand, cells with the
heaviest its demand and its weight against the heaviest's. Greedily, each next pair is the one that adds most to the
logarithm of the information matrix's determinant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["d_optimal_order"]

_PRIOR = 0.01
"""Information on every parameter before any cell: keeps the matrix regular."""


def d_optimal_order(count: int, heaviest: int, pairs: Sequence[tuple[int, int]]) -> list[int]:
    """Return the order in which to measure pairs, as positions in `pairs`.

    Args:
        count: How many loads there are.
        heaviest: Which of them the others were co-located with; it fixes the scale of the weights.
        pairs: Loads that can be paired.
    """
    inverse = np.asarray(np.linalg.inv(_before(count, heaviest)), dtype=np.float64)
    rows = [_pair_rows(count, i, j) for i, j in pairs]
    left, order = set(range(len(pairs))), []
    while left:
        best = max(sorted(left), key=lambda index: _gain(inverse, rows[index]))
        inverse = _updated(inverse, rows[best])
        order.append(best)
        left.remove(best)
    return order


def _before(count: int, heaviest: int) -> NDArray[np.float64]:
    """Return the information of the cells that every plan has: copies of each load, and each with the heaviest."""
    information = _PRIOR * np.eye(2 * count)
    for load in range(count):
        information[load, load] += 1.0
        if load != heaviest:
            row = _pair_rows(count, load, heaviest)
            information += row.T @ row
    return information


def _pair_rows(count: int, i: int, j: int) -> NDArray[np.float64]:
    """Return what a pair tells: one row on the demands, one on the weights; shape (2, 2 * count)."""
    rows = np.zeros((2, 2 * count))
    rows[0, [i, j]] = 1.0
    rows[1, count + i], rows[1, count + j] = 1.0, -1.0
    return rows


def _gain(inverse: NDArray[np.float64], rows: NDArray[np.float64]) -> float:
    """Return how much rows add to the log-determinant, by the matrix determinant lemma."""
    return float(np.linalg.slogdet(np.eye(2) + rows @ inverse @ rows.T)[1])


def _updated(inverse: NDArray[np.float64], rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the inverse with rows added, by Woodbury's identity."""
    spread = inverse @ rows.T
    return inverse - spread @ np.linalg.inv(np.eye(2) + rows @ spread) @ spread.T
