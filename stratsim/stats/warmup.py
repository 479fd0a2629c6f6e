"""Where a run's start ends: the warm-up, found from the figures themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["mser"]


def mser(values: ArrayLike, batch: int = 5) -> int | None:
    """Return how many values to cut from the start by MSER-5; None if the run is too short.

    The means of each 5 values are a series z of m; d of them are cut where what is left says most about its mean:

        d = argmin over d <= m / 2 of sum over i >= d of (z(i) - mean of those)^2 / (m - d)^2

    The smallest such d. A minimum at the last d that may be is none: the start goes on. Below 10 means nothing is said.

    Args:
        values: In order of time, shape (n,), finite.
        batch: Values of a mean; 5 is the rule that has proved itself.

    Source: White, "An effective truncation heuristic for bias reduction in simulation output", Simulation 69, 1997;
    White, Cobb and Spratt, "A comparison of five steady-state truncation heuristics for simulation", Winter Simulation
    Conference 2000.
    """
    x = np.asarray(values, dtype=np.float64)
    count = len(x) // batch
    if count < 10:
        return None
    z = x[: count * batch].reshape(count, batch).mean(axis=1)
    z = z - z.mean()  # the same sums, with less rounding
    left = np.arange(count, 0, -1)
    sums, squares = np.cumsum(z[::-1])[::-1], np.cumsum((z * z)[::-1])[::-1]
    error = (np.maximum(squares - sums * sums / left, 0.0) / np.square(left, dtype=np.float64))[: count // 2 + 1]
    best = int(np.flatnonzero(error <= error.min() + 1e-15 * error[0])[0])
    return None if best == count // 2 else best * batch
