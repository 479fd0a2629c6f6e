"""How evenly requests, models or clients are served.

Standard definitions of the field (source: Jain, Chiu and Hawe 1984 for the index; Eyerman and Eeckhout 2008 for
normalised progress and the average normalised turnaround time).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stratsim.errors import SpecError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["jain_index", "max_slowdown", "mean_slowdown", "normalised_progress"]


def jain_index(values: ArrayLike) -> float:
    """Return (sum x)^2 / (n sum x^2): 1 if all are equal, 1/n if one has everything.

    Args:
        values: What each party got, shape (n,), n >= 1, not negative. All zero counts as equal: 1.

    Raises:
        SpecError: no value, or one that is negative or not finite.
    """
    x = np.asarray(values, dtype=np.float64)
    if x.size == 0 or not (np.isfinite(x) & (x >= 0)).all():
        raise SpecError(f"Jain's index needs values >= 0, got {x.tolist()}")
    largest = x.max()
    if largest == 0:
        return 1.0
    x = x / largest  # squares of tiny or huge values would leave the range of floats
    return float(x.sum() ** 2 / (x.size * np.square(x).sum()))


def normalised_progress(solo_s: ArrayLike, shared_s: ArrayLike) -> NDArray[np.float64]:
    """Return T_solo / T_shared of each: 1 is undisturbed, smaller is slower.

    Args:
        solo_s: Time taken alone, shape (n,), > 0 seconds.
        shared_s: Time taken beside others, shape (n,), > 0 seconds.
    """
    solo, shared = np.asarray(solo_s, dtype=np.float64), np.asarray(shared_s, dtype=np.float64)
    if not ((solo > 0) & (shared > 0)).all():
        raise SpecError("normalised progress needs times > 0 seconds")
    return solo / shared


def max_slowdown(solo_s: ArrayLike, shared_s: ArrayLike) -> float:
    """Return the largest T_shared / T_solo; arguments as for `normalised_progress`, n >= 1."""
    return float(_slowdown(solo_s, shared_s).max())


def mean_slowdown(solo_s: ArrayLike, shared_s: ArrayLike) -> float:
    """Return the mean of T_shared / T_solo, also known as ANTT; arguments as for `normalised_progress`, n >= 1."""
    return float(_slowdown(solo_s, shared_s).mean())


def _slowdown(solo_s: ArrayLike, shared_s: ArrayLike) -> NDArray[np.float64]:
    progress = normalised_progress(solo_s, shared_s)
    return np.divide(1.0, progress, out=progress)
