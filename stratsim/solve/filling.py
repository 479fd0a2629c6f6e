"""Max-min fair rates of users that need several resources at once."""

from __future__ import annotations

from math import fsum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["max_min_demands"]


def max_min_demands(demands: Sequence[Sequence[float]], capacity: Sequence[float]) -> list[float]:
    """Return each user's rate: the max-min fair ones, by progressive filling.

    User i takes `rate * demands[i][j]` of resource j. All rates rise together from 0; when a resource is full, those
    who need it are fixed at the rate they have, and the others go on, up to full speed (rate 1).

    Args:
        demands: What each user takes of each resource at full speed, each >= 0, shape (n, k).
        capacity: Of each resource, > 0, shape (k,).

    Returns:
        Rates, shape (n,), each within (0, 1]: no resource is exceeded, and nobody could be faster without slowing
        somebody who is no faster than himself. Cost O(n k^2): each round fixes everybody who needs one resource.

    Source: Bertsekas and Gallager, Data Networks, section 6.5.2, with demands in place of routes.
    """
    rates = [1.0] * len(demands)
    fixed: list[int] = []
    rising = [i for i, row in enumerate(demands) if any(row)]
    while rising:
        level, full = _next_full(demands, capacity, rates, fixed, rising)
        if level >= 1.0:
            break
        for i in rising:
            if demands[i][full]:
                rates[i] = level
                fixed.append(i)
        rising = [i for i in rising if not demands[i][full]]
    return rates


def _next_full(
    demands: Sequence[Sequence[float]],
    capacity: Sequence[float],
    rates: Sequence[float],
    fixed: Sequence[int],
    rising: Sequence[int],
) -> tuple[float, int]:
    """Return the common rate of `rising` at which the next resource is full, and which resource that is.

    Sums are exactly rounded, so that no bit depends on the order of users.
    """
    found = (1.0, -1)
    for resource, limit in enumerate(capacity):
        pull = fsum([demands[i][resource] for i in rising])
        if pull:
            used = fsum([demands[i][resource] * rates[i] for i in fixed])
            found = min(found, ((limit - used) / pull, resource))
    return found
