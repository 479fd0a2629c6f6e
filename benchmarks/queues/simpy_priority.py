"""SimPy, a process per customer, as its manual would write it: a priority resource and a timeout."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import simpy

from queues import SERVICE_S, customers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from queues import Times


def waits(gaps_s: Times) -> Times:
    """Return the waits."""
    env = simpy.Environment()
    server = simpy.PriorityResource(env, capacity=1)
    workload = customers(gaps_s)
    keys = zip(workload.priority.tolist(), workload.deadline_s.tolist(), strict=True)
    waited = np.empty(len(gaps_s))

    def customer(number: int, key: tuple[int, float]) -> Iterator[simpy.Event]:
        arrival_s = env.now
        with server.request(priority=key) as turn:
            yield turn
            waited[number] = env.now - arrival_s
            yield env.timeout(SERVICE_S)

    def source() -> Iterator[simpy.Event]:
        for number, (gap_s, key) in enumerate(zip(gaps_s.tolist(), keys, strict=True)):
            yield env.timeout(gap_s)
            env.process(customer(number, key))

    env.process(source())
    env.run()
    return waited
