"""stratsim's fast engine on the queue by class and deadline: what `ours_by_class` does, compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from machines import DropMode, one_model, run

from queues import customers
from stratsim.model.cluster import Cluster

if TYPE_CHECKING:
    from queues import Times


def waits(gaps_s: Times) -> Times:
    """Return the waits."""
    cluster = Cluster(max_concurrency=1, prefetch=0, transfers=False)
    result = run("priority-edf", customers(gaps_s), one_model(noise_cv=0.0), cluster, DropMode.NEVER, fast=True)
    return result.batches.execution_start_s[result.requests.batch] - result.requests.arrival_s


waits(np.ones(2))  # compiled, or loaded, as it is imported
