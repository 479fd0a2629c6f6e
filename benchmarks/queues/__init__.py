"""One single-server queue, simulated by stratsim and by others: one module each.

Customers arrive at given gaps and are served in the order of arrival, `SERVICE_S` each. Every module has one function,
`waits`, from the gaps, seconds, shape (n,), to the waits of customers 0 to n - 1, seconds. It is all that is timed:
whatever a library has to set up and to collect belongs to it, importing does not.

Nobody draws a random number, so all waits are known: those of Lindley's recursion.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from stratsim.rng import Streams

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Times = NDArray[np.float64]

__all__ = ["LOAD", "OURS", "PLAIN", "QUEUES", "SERVICE_S", "Queue", "draw_gaps", "lindley", "load", "mean_wait_s"]

SERVICE_S = 0.010
LOAD = 0.7


class Queue(NamedTuple):
    """A module of this package."""

    label: str
    simulates: str
    """What it does for a customer: the same queue costs more where more is done for it."""
    needs: tuple[str, ...] = ()
    """Distributions that must be installed."""

    @property
    def missing(self) -> list[str]:
        """Those that are not."""
        return [name for name in self.needs if not _installed(name)]


PLAIN, OURS = "simpy_process", "ours"
"""What all others are set beside, and stratsim."""
QUEUES = {
    "heap": Queue("heapq loop", "two events per customer, no framework"),
    "simpy_callback": Queue("SimPy, callbacks", "two timeouts with a callback per customer", ("simpy",)),
    OURS: Queue("stratsim, this queue", "one slot, no copies; a policy decides, every stage recorded"),
    PLAIN: Queue("SimPy, processes", "a process per customer, a resource", ("simpy",)),
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
