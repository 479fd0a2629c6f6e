"""Capped weighted sharing of one resource."""

from __future__ import annotations

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
        Rates, shape (n,), each within (0, 1]. Cost O(n log n).

    Source: our choice of default sharing rule; reduces to processor sharing for demand 1 and equal weights.
    """
    if sum(demand) <= 1.0:
        return [1.0] * len(demand)
    # The heaviest reach full speed first. Sorting by value makes the sums, to the last bit, independent of the order
    # in which users are given.
    order = sorted(range(len(demand)), key=lambda i: (-weight[i], demand[i]))
    rates = [1.0] * len(demand)
    left = 1.0
    pull = sum(demand[i] * weight[i] for i in order)
    for position, i in enumerate(order):
        level = left / pull
        if level * weight[i] <= 1.0:
            for j in order[position:]:
                rates[j] = level * weight[j]
            break
        left -= demand[i]
        pull = sum(demand[j] * weight[j] for j in order[position + 1 :])
    return rates
