"""stratsim's fast engine on the same queue: what `ours` does, compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from machines import DropMode, make_requests, one_model, run

from stratsim.model.cluster import Cluster

if TYPE_CHECKING:
    from queues import Times


def waits(gaps_s: Times) -> Times:
    """Return the waits."""
    arrival_s = np.cumsum(gaps_s)
    cluster = Cluster(max_concurrency=1, prefetch=0, transfers=False)
    profile = one_model(noise_cv=0.0)
    result = run("fifo", make_requests(arrival_s, profile), profile, cluster, DropMode.NEVER, fast=True)
    return result.batches.execution_start_s[result.requests.batch] - result.requests.arrival_s


waits(np.ones(2))  # compiled, or loaded, as it is imported
