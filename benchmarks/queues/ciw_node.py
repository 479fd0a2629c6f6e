"""Ciw: a network of one node, the gaps as a sequence, deterministic service."""

from __future__ import annotations

from math import inf
from operator import attrgetter
from typing import TYPE_CHECKING

import ciw
import numpy as np

from queues import SERVICE_S

if TYPE_CHECKING:
    from queues import Times


def waits(gaps_s: Times) -> Times:
    """Return the waits."""
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Sequential([*gaps_s.tolist(), inf])],
        service_distributions=[ciw.dists.Deterministic(SERVICE_S)],
        number_of_servers=[1],
    )
    simulation = ciw.Simulation(network)
    simulation.simulate_until_max_customers(len(gaps_s), method="Finish")
    records = sorted(simulation.get_all_records(), key=attrgetter("id_number"))
    return np.array([record.waiting_time for record in records])
