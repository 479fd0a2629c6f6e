"""Max-min fair rates of flows over links."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["max_min"]


def max_min(
    paths: Sequence[Sequence[int]], capacity: Sequence[float], weights: Sequence[float] | None = None
) -> list[float]:
    """Return the weighted max-min fair rate of each flow, by progressive filling.

    All rates rise together, each in proportion to its weight, until a link is full; the flows that use it are fixed
    there, the others go on. Flows of weight 0 share evenly what the others leave.

    Args:
        paths: For each flow, the links it uses (indices into `capacity`). A flow without links gets rate infinity.
        capacity: Capacity of each link, > 0.
        weights: For each flow, >= 0; all equal by default. Only ratios matter.

    Returns:
        Rates, shape (len(paths),): no link is exceeded, and no flow could get more without taking from one that has
        no more, per weight, than itself. A flow of weight 0 may get nothing.

    Source: Bertsekas and Gallager, Data Networks, section 6.5.2.
    """
    rates = [inf] * len(paths)
    left = list(capacity)
    if weights is None:
        _fill(range(len(paths)), paths, [1.0] * len(paths), left, rates)
        return rates
    _fill([flow for flow, weight in enumerate(weights) if weight > 0], paths, weights, left, rates)
    last = [flow for flow, weight in enumerate(weights) if weight == 0]
    if last:
        _fill(last, paths, [1.0] * len(paths), left, rates)
    return rates


def _fill(
    flows: Sequence[int],
    paths: Sequence[Sequence[int]],
    weights: Sequence[float],
    left: list[float],
    rates: list[float],
) -> None:
    """Give `flows` their rates and take them off what the links have left."""
    users: dict[int, set[int]] = {}
    for flow in flows:
        for link in paths[flow]:
            users.setdefault(link, set()).add(flow)
    while users:
        levels = {link: left[link] / _total(weights, members) for link, members in users.items()}
        level = min(levels.values())
        # Links that fill up together are one round: symmetric networks, the usual ones, take few.
        for link in [link for link in users if levels[link] == level]:
            for flow in sorted(users.pop(link, ())):
                rates[flow] = level * weights[flow]
                _take(flow, paths[flow], rates[flow], left, users)


def _take(flow: int, path: Sequence[int], rate: float, left: list[float], users: dict[int, set[int]]) -> None:
    """Take a flow's rate off its links."""
    for link in path:
        if left[link] < inf:
            left[link] = max(left[link] - rate, 0.0)  # rounding must not leave it a little below nothing
        members = users.get(link)
        if members is not None:
            members.discard(flow)
            if not members:
                del users[link]


def _total(weights: Sequence[float], flows: set[int]) -> float:
    """Return the sum of the flows' weights, whatever their order in the set."""
    return sum(sorted([weights[flow] for flow in flows]))
