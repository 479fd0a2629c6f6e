"""Max-min fair rates of flows over links."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["max_min"]


def max_min(paths: Sequence[Sequence[int]], capacity: Sequence[float]) -> list[float]:
    """Return the max-min fair rate of each flow, by progressive filling.

    All rates rise together until a link is full; the flows that use it are fixed there, the others go on.

    Args:
        paths: For each flow, the links it uses (indices into `capacity`). A flow without links gets rate infinity.
        capacity: Capacity of each link, > 0.

    Returns:
        Rates, shape (len(paths),): no link is exceeded, and no flow could get more without taking from one that has
        no more than itself.

    Source: Bertsekas and Gallager, Data Networks, section 6.5.2.
    """
    rates = [inf] * len(paths)
    left = list(capacity)
    users: dict[int, set[int]] = {}
    for flow, path in enumerate(paths):
        for link in path:
            users.setdefault(link, set()).add(flow)
    while users:
        link = min(users, key=lambda j: (left[j] / len(users[j]), j))
        share = left[link] / len(users[link])
        for flow in users.pop(link):
            rates[flow] = share
            for other in paths[flow]:
                members = users.get(other)
                if members is not None:
                    members.discard(flow)
                    # Rounding must not leave a link a little below nothing.
                    left[other] = max(left[other] - share, 0.0)
                    if not members:
                        del users[other]
    return rates
