"""Which parameters the measurements determine: profile-likelihood intervals and singular values.

The profile likelihood of a parameter is the best fit of all the others with this one held at a value. Its 95 %
interval is where the sum of squares stays within `F(0.95; 1, n - p)` residual variances of the optimum. Unlike
standard errors it shows one-sided and flat directions: a weight that is only known to be large enough, or a demand
below which nothing changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import fdtri

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from stratsim.fit.cells import Load
    from stratsim.fit.problem import Optimum, Problem

    Floats = NDArray[np.float64]
    Fit = Optimum[Problem]

__all__ = ["WEIGHT_RATIO", "WIDTH", "Interval", "intervals", "local_intervals", "singular_values"]

WIDTH = 0.25
"""A parameter whose interval is wider is flagged as not identified: demands, holds, terms, gaps in microseconds."""
WEIGHT_RATIO = 3.0
"""A weight or a burst whose upper limit is more than this times its lower one is flagged as not identified."""
_LOGARITHMS = ("weight", "burst")
"""Parameters that are fitted as logarithms."""

_LEVEL = 0.95
_FIRST_STEP = 0.02
_BISECTIONS = 5
_FLAT = 1e-6
"""Of a Jacobian's singular values, relative to the largest: below it nothing changes along that direction."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A parameter, its 95 % profile-likelihood interval, and whether that is narrow enough to speak of a value.

    Args:
        kind: `demand`, `weight`, `sub_saturation` or `thrash`; `hold`, `residual` or `gap` (microseconds); `busy` or
            `burst` (time slices).
        load: Whose; None for a global term.
        value: The fitted value; weights relative to the anchor's.
        low: Lower limit; the bound of the search where the likelihood does not fall.
        high: Upper limit, likewise.
        identified: False if the interval is too wide (`WIDTH`, `WEIGHT_RATIO`).
    """

    kind: str
    load: Load | None
    value: float
    low: float
    high: float
    identified: bool


def intervals(fit: Fit) -> tuple[Interval, ...]:
    """Return the interval of every parameter that no convention fixes, in the order of the parameters."""
    problem = fit.problem
    best = problem.normalised(fit.values)
    limit = _limit(fit)
    found = []
    for at, (kind, load) in enumerate(problem.names()):
        if at == problem.gauge:
            continue
        low, high = (_edge(fit, best, at, side, limit) for side in (-1, 1))
        found.append(_interval(kind, load, float(best[at]), low, high))
    return tuple(found)


def local_intervals(fit: Fit) -> tuple[Interval, ...]:
    """Return what `intervals` does, from the curvature at the optimum alone: quick, where parameters are many.

    Within the bounds of the search. They know nothing of kinks and one-sided directions: a parameter that nothing moves
    at the optimum goes from bound to bound.
    """
    problem = fit.problem
    best = problem.normalised(fit.values)
    free = [at for at in range(problem.size) if at != problem.gauge]
    jacobian = problem.jacobian(fit.values)[:, free]
    _, singular, directions = np.linalg.svd(jacobian, full_matrices=False)
    flat = singular <= _FLAT * singular.max()
    variance = np.sum((directions[~flat] / singular[~flat, None]) ** 2, axis=0)
    variance[np.any(np.abs(directions[flat]) > _FIRST_STEP, axis=0)] = np.inf
    freedom = max(1, len(fit.residuals) - problem.free)
    reach = np.sqrt(fdtri(1, freedom, _LEVEL) * variance) * max(fit.sigma, 1e-6)
    names = problem.names()
    return tuple(
        _interval(
            *names[at],
            float(best[at]),
            max(float(problem.lower[at]), float(best[at] - width)),
            min(float(problem.upper[at]), float(best[at] + width)),
        )
        for at, width in zip(free, reach, strict=True)
    )


def singular_values(fit: Fit) -> tuple[float, ...]:
    """Return the singular values of the Jacobian at the optimum, descending, without what a convention fixes.

    Scaled by the residuals' deviation: below about 1 the data say nothing along that direction.
    """
    gauge = fit.problem.gauge
    jacobian = np.delete(fit.problem.jacobian(fit.values), [] if gauge is None else gauge, axis=1)
    return tuple((np.linalg.svd(jacobian, compute_uv=False) / max(fit.sigma, 1e-9)).tolist())


def _limit(fit: Fit) -> float:
    """Return the sum of squares at which a parameter leaves its interval."""
    freedom = max(1, len(fit.residuals) - fit.problem.free)
    return float(np.sum(fit.residuals**2)) + float(fdtri(1, freedom, _LEVEL)) * max(fit.sigma, 1e-6) ** 2


def _edge(fit: Fit, best: Floats, at: int, side: int, limit: float) -> float:
    """Return where the profile likelihood of parameter `at` crosses the limit, going down or up from the optimum."""
    problem = fit.problem
    bound = float(problem.lower[at] if side < 0 else problem.upper[at])
    fixed = {} if problem.gauge is None else {problem.gauge: 0.0}
    last = best.copy()

    def inside(value: float) -> bool:
        nonlocal last
        reached, cost = problem.minimise(last, {at: value, **fixed})
        if cost <= limit:
            last = reached
        return cost <= limit

    return _search(inside, float(best[at]), bound)


def _search(inside: Callable[[float], bool], start: float, bound: float) -> float:
    """Return the edge between `start`, inside, and `bound`: steps that double, then bisection."""
    known, step = start, _FIRST_STEP
    while known != bound:
        tried = bound if abs(bound - known) <= step else known + np.copysign(step, bound - known)
        if not inside(tried):
            break
        known, step = tried, 2 * step
    else:
        return bound
    outside = tried
    for _ in range(_BISECTIONS):
        middle = (known + outside) / 2
        if inside(middle):
            known = middle
        else:
            outside = middle
    return float((known + outside) / 2)


def _interval(kind: str, load: Load | None, value: float, low: float, high: float) -> Interval:
    if kind in _LOGARITHMS:
        value, low, high = (float(np.exp(number)) for number in (value, low, high))
        return Interval(kind, load, value, low, high, high <= WEIGHT_RATIO * low)
    return Interval(kind, load, value, low, high, high - low <= WIDTH)
