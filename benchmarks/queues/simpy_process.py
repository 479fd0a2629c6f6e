"""SimPy, a process per customer, as its manual would write it: a resource and a timeout."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import simpy

from queues import SERVICE_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from queues import Times


def waits(gaps_s: Times) -> Times:
    """Return the waits."""
    env = simpy.Environment()
    server = simpy.Resource(env, capacity=1)
    waited = []

    def customer() -> Iterator[simpy.Event]:
        arrival_s = env.now
        with server.request() as turn:
            yield turn
            waited.append(env.now - arrival_s)
            yield env.timeout(SERVICE_S)

    def source() -> Iterator[simpy.Event]:
        for gap_s in gaps_s.tolist():
            yield env.timeout(gap_s)
            env.process(customer())

    env.process(source())
    env.run()
    return np.array(waited)
