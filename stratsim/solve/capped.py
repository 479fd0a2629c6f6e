"""Capped weighted sharing of one resource."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["capped_weighted"]


def capped_weighted(demand: Sequence[float], weight: Sequence[float]) -> list[float]:
    """Return each user's rate when users share a resource of capacity 1.

    User i occupies `demand[i]` of the resource at full speed (rate 1). If all fit, all run at rate 1. Otherwise rates
    are `min(1, lambda * weight[i])` with lambda such that `sum(demand * rate) = 1`: progressive filling, where users
    that reach full speed are fixed and the rest share what remains.

    Args:
        demand: Shape (n,), each within (0, 1].
        weight: Shape (n,), each > 0; only ratios matter.

    Returns:
        Rates, shape (n,), each within (0, 1]. Cost O(n log n): one sort, then one pass.

    Source: our choice of default sharing rule; reduces to processor sharing for demand 1 and equal weights.
    """
    if sum(demand) <= 1.0:
        return [1.0] * len(demand)
    # The heaviest reach full speed first. Sorting by value makes the sums, to the last bit, independent of the order
    # in which users are given.
    order = sorted(range(len(demand)), key=lambda i: (-weight[i], demand[i]))
    # How strongly the users from each place on pull together, summed from the lightest.
    pulls = list(accumulate([demand[i] * weight[i] for i in reversed(order)]))[::-1]
    rates = [1.0] * len(demand)
    left = 1.0
    for position, i in enumerate(order):
        level = left / pulls[position]
        if level * weight[i] <= 1.0:
            for j in order[position:]:
                rates[j] = level * weight[j]
            break
        left -= demand[i]
    return rates
