"""SimPy without processes: an event and a callback for each arrival and each end of service."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np
import simpy

from queues import SERVICE_S

if TYPE_CHECKING:
    from queues import Times


def waits(gaps_s: Times) -> Times:
    """Return the waits."""
    env = simpy.Environment()
    gaps = iter(gaps_s.tolist())
    queue: deque[float] = deque()
    waited: list[float] = []
    busy = False

    def wake_after(delay_s: float, callback: object) -> None:
        env.timeout(delay_s).callbacks.append(callback)

    def serve() -> None:
        nonlocal busy
        busy = bool(queue)
        if busy:
            waited.append(env.now - queue.popleft())
            wake_after(SERVICE_S, ended)

    def arrived(_: simpy.Event) -> None:
        queue.append(env.now)
        await_next()
        if not busy:
            serve()

    def ended(_: simpy.Event) -> None:
        serve()

    def await_next() -> None:
        if (gap_s := next(gaps, None)) is not None:
            wake_after(gap_s, arrived)

    await_next()
    env.run()
    return np.array(waited)
