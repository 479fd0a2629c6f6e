"""A loop over a binary heap, written for this one queue: how little a discrete-event simulation can cost in Python."""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush
from math import inf
from typing import TYPE_CHECKING

import numpy as np

from queues import SERVICE_S

if TYPE_CHECKING:
    from queues import Times

_ARRIVAL, _END = 0, 1


def waits(gaps_s: Times) -> Times:
    """Return the waits."""
    arrivals = iter(np.cumsum(gaps_s).tolist())
    events = [(next(arrivals, inf), _ARRIVAL)]
    queue: deque[float] = deque()
    busy, waited = False, []
    while events[0][0] < inf:
        now_s, kind = heappop(events)
        if kind == _ARRIVAL:
            queue.append(now_s)
            heappush(events, (next(arrivals, inf), _ARRIVAL))
        else:
            busy = False
        if queue and not busy:
            busy = True
            waited.append(now_s - queue.popleft())
            heappush(events, (now_s + SERVICE_S, _END))
    return np.array(waited)
