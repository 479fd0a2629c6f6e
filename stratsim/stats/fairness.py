"""How evenly requests, models or clients are served.

Standard definitions of the field (source: Jain, Chiu and Hawe 1984 for the index; Eyerman and Eeckhout 2008 for
normalised progress and the average normalised turnaround time).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

import numpy as np

from stratsim.errors import SpecError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["SlowdownFigures", "jain_index", "normalised_progress", "slowdown_figures"]


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
        shared_s: Time taken with others, shape (n,), > 0 seconds.
    """
    solo, shared = np.asarray(solo_s, dtype=np.float64), np.asarray(shared_s, dtype=np.float64)
    if not ((solo > 0) & (shared > 0)).all():
        raise SpecError("normalised progress needs times > 0 seconds")
    return np.divide(solo, shared)


class SlowdownFigures(TypedDict):
    """Slowdown T_shared / T_solo; None where nothing ran."""

    mean: float | None
    """Also known as ANTT."""
    max: float | None
    progress: float | None
    """Mean of T_solo / T_shared."""


def slowdown_figures(progress: NDArray[np.float64]) -> SlowdownFigures:
    """Return mean and maximum of the slowdown, and the mean progress.

    Args:
        progress: T_solo / T_shared of each, shape (n,), > 0; is overwritten.
    """
    if not len(progress):
        return {"mean": None, "max": None, "progress": None}
    mean_progress = float(progress.mean())
    slowdown = np.divide(1.0, progress, out=progress)
    return {"mean": float(slowdown.mean()), "max": float(slowdown.max()), "progress": mean_progress}
