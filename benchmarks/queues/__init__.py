"""One single-server queue, simulated by stratsim and by others: one module each.

Customers arrive at given gaps and are served in the order of arrival, `SERVICE_S` each. Every module has one function,
`waits`, from the gaps, seconds, shape (n,), to the waits of customers 0 to n - 1, seconds. It is all that is timed:
whatever a library has to set up and to collect belongs to it, importing does not.

Nobody draws a random number, so all waits are known: those of Lindley's recursion. Where customers have a class and a
deadline (`by_class`) they are those of `urgent_first`, and of the same mean: all services are equal.
"""

from __future__ import annotations

from heapq import heappop, heappush
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, NamedTuple

import machines
import numpy as np

from stratsim.rng import Streams

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stratsim.model.workload import Workload

    Times = NDArray[np.float64]

__all__ = [
    "LOAD",
    "OURS",
    "PLAIN",
    "QUEUES",
    "SERVICE_S",
    "Queue",
    "customers",
    "draw_gaps",
    "known_waits",
    "lindley",
    "load",
    "mean_wait_s",
    "urgent_first",
]

SERVICE_S = machines.SERVICE_S
LOAD = 0.7


class Queue(NamedTuple):
    """A module of this package."""

    label: str
    simulates: str
    """What it does for a customer: the same queue costs more where more is done for it."""
    needs: tuple[str, ...] = ()
    """Distributions that must be installed."""
    by_class: bool = False
    """Whether customers have a class and a deadline, and the most urgent is served first."""
    ours: bool = False

    @property
    def missing(self) -> list[str]:
        """Those that are not."""
        return [name for name in self.needs if not _installed(name)]


PLAIN, OURS = "simpy_process", "ours"
"""What all others are set beside, and stratsim."""
QUEUES = {
    "heap": Queue("heapq loop", "two events per customer, no framework"),
    "numba_fifo": Queue("numba loop", "the same two events for this queue alone, compiled", ("numba",)),
    "simpy_callback": Queue("SimPy, callbacks", "two timeouts with a callback per customer", ("simpy",)),
    OURS: Queue("stratsim, this queue", "one slot, no copies; a policy decides, every stage recorded", ours=True),
    "ours_by_class": Queue(
        "stratsim, priority-edf, this queue", "the same, by class and deadline", by_class=True, ours=True
    ),
    "ours_fast": Queue(
        "stratsim, fast, this queue", "what `stratsim, this queue` does, compiled", ("numba",), ours=True
    ),
    "ours_by_class_fast": Queue(
        "stratsim, fast, priority-edf, this queue",
        "the same, by class and deadline",
        ("numba",),
        by_class=True,
        ours=True,
    ),
    PLAIN: Queue("SimPy, processes", "a process per customer, a resource", ("simpy",)),
    "simpy_priority": Queue(
        "SimPy, priorities",
        "a process per customer, a priority resource: by class and deadline",
        ("simpy",),
        by_class=True,
    ),
    "ciw_node": Queue("Ciw", "a node of a queueing network, a record per customer", ("ciw",)),
    "sched_sim_fcfs": Queue(
        "sched-sim", "LLM serving: two iterations per request, cache blocks, records", ("sched-sim",)
    ),
    "salabim_clerk": Queue("salabim", "a component per customer, a clerk, a queue", ("salabim",)),
}


def draw_gaps(count: int, seed: int = 1) -> Times:
    """Return exponential gaps between arrivals at load 0.7, seconds, shape (count,)."""
    return Streams(seed).get("benchmark").exponential(SERVICE_S / LOAD, count)


def lindley(gaps_s: Times, service_s: float = SERVICE_S) -> Times:
    """Return the waits of a single-server queue, seconds, by Lindley's recursion.

    Written in absolute times, start(n) = max(arrival(n), start(n - 1) + service), as a simulator's clock has them: the
    recursion in waits alone rounds otherwise.
    """
    waits, free_s = [], 0.0
    for arrival_s in np.cumsum(gaps_s).tolist():
        start_s = max(arrival_s, free_s)
        waits.append(start_s - arrival_s)
        free_s = start_s + service_s
    return np.array(waits)


def customers(gaps_s: Times) -> Workload:
    """Return the customers with their classes, and their deadlines in multiples of a service."""
    return machines.with_classes(machines.make_requests(np.cumsum(gaps_s), machines.one_model()), SERVICE_S)


def urgent_first(gaps_s: Times, service_s: float = SERVICE_S) -> Times:
    """Return the waits, seconds, where whoever waits is served by class, then deadline, without preemption."""
    workload = customers(gaps_s)
    arrival_s = workload.arrival_s.tolist()
    keys = list(zip(workload.priority.tolist(), workload.deadline_s.tolist(), range(len(arrival_s)), strict=True))
    waits, waiting, arrived, free_s = np.empty(len(arrival_s)), [], 0, 0.0
    for _ in keys:
        if not waiting:
            free_s = max(free_s, arrival_s[arrived])
        while arrived < len(keys) and arrival_s[arrived] <= free_s:
            heappush(waiting, keys[arrived])
            arrived += 1
        _, _, served = heappop(waiting)
        waits[served] = free_s - arrival_s[served]
        free_s += service_s
    return waits


def known_waits(name: str, gaps_s: Times) -> Times:
    """Return what a module must find, seconds."""
    return urgent_first(gaps_s) if QUEUES[name].by_class else lindley(gaps_s)


def mean_wait_s(load: float = LOAD, service_s: float = SERVICE_S) -> float:
    """Return the mean wait of M/D/1, seconds: load * service / (2 (1 - load)) (Pollaczek and Khinchine)."""
    return load * service_s / (2 * (1 - load))


def load(name: str) -> Any:
    """Return a module of this package; importing it imports what it simulates with."""
    return import_module(f"queues.{name}")


def _installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True
