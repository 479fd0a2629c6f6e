"""A loop for this one queue alone, compiled by numba: the limit of what one that keeps a record of waits can do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numba
import numpy as np

from queues import SERVICE_S

if TYPE_CHECKING:
    from queues import Times


@numba.njit
def _run(arrival_s: Any, service_s: float) -> Any:
    waits = np.empty(len(arrival_s))
    served = arrived = 0
    end_s = np.inf
    while served < len(arrival_s):  # two events per customer: its arrival, its end
        if arrived < len(arrival_s) and arrival_s[arrived] <= end_s:
            now_s = arrival_s[arrived]
            arrived += 1
        else:
            now_s, end_s = end_s, np.inf
        if end_s == np.inf and served < arrived:
            waits[served] = now_s - arrival_s[served]
            served += 1
            end_s = now_s + service_s
    return waits


def waits(gaps_s: Times) -> Times:
    """Return the waits."""
    return _run(np.cumsum(gaps_s), SERVICE_S)


waits(np.ones(2))  # compiled as it is imported
