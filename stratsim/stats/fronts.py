"""Two figures at once: Pareto fronts, and policies compared at the same value of one of them.

A policy that protects high priority better and serves less of low priority is neither better nor worse than another. It
can be compared with what the other's settings can do at the same protection: a server that switches at random between
two settings, for long enough, has any mixture of their figures, so that all points between them can be had, and the
lower left convex hull of a policy's settings is the best that it offers.

Figures are violations or the like: less is better, of both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stratsim.errors import SpecError
from stratsim.stats.intervals import Interval, mean_interval

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

__all__ = ["Deficit", "Matched", "compare_matched", "deficit", "hull", "pareto"]


class Matched(NamedTuple):
    """One policy against another's settings, where both have the same first figure."""

    where: str
    """`within`: the other's settings reach the first figure, and `difference` is there; `below`: all of them have more
    of it; `above`: its setting with the least second figure has less of the first."""
    difference: Interval | None
    """Of the second figures, own less the other's."""
    settings: tuple[int, ...]
    """The other's settings that are mixed, or the nearest one."""
    share: float
    """Of the first of them in the mixture."""


class Deficit(NamedTuple):
    """How far a policy is off the front that others make."""

    by: int
    """Which of the others is better for both figures by most, or else nearest to it."""
    interval: Interval
    """By how much that one is better for both: the lesser of the two differences; above 0, it is better for both."""


def pareto(points: ArrayLike) -> list[int]:
    """Return which points no other is better than, by their first figure.

    Args:
        points: Shape (k, 2). Of equal points the first counts.
    """
    values = _points(points)
    found: list[int] = []
    least = np.inf
    for index in np.lexsort((values[:, 1], values[:, 0])):
        if values[index, 1] < least:
            least = values[index, 1]
            found.append(int(index))
    return found


def hull(points: ArrayLike) -> list[int]:
    """Return the corners of the lower left convex hull, by their first figure: what mixtures of points can do best.

    Args:
        points: Shape (k, 2).
    """
    values = _points(points)
    found: list[int] = []
    for index in pareto(values):
        while len(found) >= 2 and _turns_left(values[found[-2]], values[found[-1]], values[index]) <= 0:
            found.pop()
        found.append(index)
    return found


def compare_matched(own: ArrayLike, others: ArrayLike, level: float = 0.95) -> Matched:
    """Compare a policy's second figure with the best that another's settings offer at the same first figure.

    The two settings that are mixed are found from all replications; the interval is that of the jackknife over
    replications for these two. It is never extrapolated: beyond the ends of the hull there is no difference.

    Args:
        own: Two figures per replication, shape (n, 2), n >= 2.
        others: The same of each of the other's settings, shape (k, n, 2), k >= 1.
        level: Confidence level within (0, 1).

    Raises:
        SpecError: other shapes, or a figure that is not finite.

    Source: our choice; the jackknife: Efron, "The jackknife, the bootstrap and other resampling plans", 1982.
    """
    mine, theirs = _figures(own, others)
    means = theirs.mean(axis=1)
    corners = hull(means)
    first = float(mine[:, 0].mean())
    if first < means[corners[0], 0]:
        return Matched("below", None, (corners[0],), 1.0)
    if first > means[corners[-1], 0]:
        return Matched("above", None, (corners[-1],), 1.0)
    right = next((at for at, corner in enumerate(corners) if means[corner, 0] >= first))
    low, high = corners[max(right - 1, 0)], corners[right]

    def difference(kept: NDArray[np.intp]) -> float:
        (x, y), (x0, y0), (x1, y1) = (each[kept].mean(axis=0) for each in (mine, theirs[low], theirs[high]))
        return float(y - y1 if x1 == x0 else y - (y0 + (x - x0) / (x1 - x0) * (y1 - y0)))

    x0, x1 = means[low, 0], means[high, 0]
    share = 1.0 if x1 == x0 else float((x1 - first) / (x1 - x0))
    settings = (low,) if low == high else (low, high)
    return Matched("within", _jackknife(difference, len(mine), level), settings, share)


def deficit(own: ArrayLike, others: ArrayLike, level: float = 0.95) -> Deficit:
    """Return by how much the best of others is better than a policy for both figures.

    Args:
        own: Two figures per replication, shape (n, 2), n >= 2.
        others: The same of every other policy, shape (k, n, 2), k >= 1.
        level: Of the interval, which is that of the jackknife for the one that is found.

    Raises:
        SpecError: other shapes, or a figure that is not finite.
    """
    mine, theirs = _figures(own, others)
    gains = (mine.mean(axis=0) - theirs.mean(axis=1)).min(axis=1)
    by = int(np.argmax(gains))

    def lesser(kept: NDArray[np.intp]) -> float:
        return float((mine[kept].mean(axis=0) - theirs[by][kept].mean(axis=0)).min())

    return Deficit(by, _jackknife(lesser, len(mine), level))


def _jackknife(estimate: Callable[[NDArray[np.intp]], float], count: int, level: float) -> Interval:
    """Return the interval of an estimate by its pseudo-values, about the estimate from all replications."""
    everything = np.arange(count)
    whole = estimate(everything)
    pseudo = [count * whole - (count - 1) * estimate(np.delete(everything, left_out)) for left_out in everything]
    half = mean_interval(pseudo, level).half_width
    return Interval(whole, whole - half, whole + half, count, level)


def _figures(own: ArrayLike, others: ArrayLike) -> tuple[Floats, Floats]:
    """Return the figures of a policy, shape (n, 2), and of those that it is compared with, shape (k, n, 2)."""
    mine, theirs = np.asarray(own, dtype=np.float64), np.asarray(others, dtype=np.float64)
    if mine.ndim != 2 or theirs.ndim != 3 or theirs.shape[1:] != mine.shape or mine.shape[1] != 2 or not len(theirs):
        raise SpecError(f"figures of shapes (n, 2) and (k, n, 2) are compared, got {mine.shape} and {theirs.shape}")
    if not (np.isfinite(mine).all() and np.isfinite(theirs).all()):
        raise SpecError("figures that are compared must be finite: leave out a policy or a class that has none")
    return mine, theirs


def _points(points: ArrayLike) -> Floats:
    values = np.asarray(points, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != 2 or not len(values):
        raise SpecError(f"points need the shape (k, 2), k >= 1, got {values.shape}")
    if np.isnan(values).any():
        raise SpecError("points must be numbers: of one that is not known, nobody can say what is better")
    return values


def _turns_left(start: Sequence[float] | Floats, corner: Sequence[float] | Floats, end: Floats) -> float:
    """Return how far the path turns left at the corner: above 0 where the corner lies below the straight line."""
    return float((corner[0] - start[0]) * (end[1] - start[1]) - (corner[1] - start[1]) * (end[0] - start[0]))
