"""Level 2: what requests and the device saw, a live run against the simulator left to itself on the same arrivals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.engine import simulate
from stratsim.fidelity.levels.stages import relative_errors
from stratsim.fidelity.record import workload_of
from stratsim.model.request import Priority, Status
from stratsim.policy.base import DropMode
from stratsim.policy.registry import make_policy, parse_policies
from stratsim.stats.deadlines import violation
from stratsim.stats.latency import latency_figures
from stratsim.stats.occupancy import busy_s

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stratsim.engine import Result
    from stratsim.fidelity.record import Recorded
    from stratsim.model.profile import Profile

    Mask = NDArray[np.bool_]

__all__ = ["CLASSES", "LATENCIES", "figures", "free_replay", "request_errors"]

LATENCIES = ("p50", "p95", "p99", "mean")
CLASSES = ("all", *(priority.label for priority in Priority))


def free_replay(run: Recorded, profile: Profile) -> Result:
    """Replay a run's arrivals through the same policy with the same settings.

    Args:
        run: Says which, by its manifest.
        profile: The device.
    """
    (call,) = parse_policies(run.policy)
    return simulate(
        workload_of(run.result),
        profile,
        make_policy(call),
        cluster=run.spec.cluster(),
        max_batch=run.spec.max_batch,
        drop=DropMode(run.spec.drop),
        seed=run.spec.seed,
        name=call.text,
    )


def figures(result: Result, chosen: Mask) -> dict[str, Any]:
    """Return the figures of a run.

    Args:
        result: The run.
        chosen: Which requests count, shape (n,).

    Returns:
        By class (`all`, `high`, `low`): `p50`, `p95`, `p99`, `mean` latency, seconds, and `violation`, a share; None
        where nothing is known. `busy_s`: time during which a GPU executed anything, all GPUs together;
        `utilization`: that over the span; `mean_batch_size`.
    """
    requests, batches = result.requests, result.batches
    found: dict[str, Any] = {}
    for label in CLASSES:
        own = chosen if label == "all" else chosen & (requests.priority == _LEVEL[label])
        met = int(np.count_nonzero(requests.status[own] == Status.MET))
        judged = bool(np.isfinite(requests.deadline_s[own]).any())
        found[label] = {
            **latency_figures((requests.finish_s - requests.arrival_s)[own]),
            "violation": violation(met, int(own.sum())) if judged else None,
        }
    executed = ~np.isnan(batches.execution_end_s)
    busy = sum(
        busy_s(batches.execution_start_s[rows], batches.execution_end_s[rows])
        for rows in (executed & (batches.gpu == gpu) for gpu in range(result.gpus))
    )
    span_s = (result.end_s - result.start_s) * result.gpus
    return {
        **found,
        "busy_s": float(busy),
        "utilization": float(busy / span_s) if span_s else None,
        "mean_batch_size": float(batches.size.mean()) if len(batches) else None,
    }


_LEVEL = {priority.label: priority for priority in Priority}


def request_errors(live: Result, simulated: Result, chosen: Mask) -> dict[str, Any]:
    """Return how far single requests are off: `median` and `p90` of |simulated / live - 1| of their latencies.

    `n` requests were answered in both runs, `one_sided` in one of them only.
    """
    both = [(result.requests.finish_s - result.requests.arrival_s)[chosen] for result in (live, simulated)]
    known = [~np.isnan(latency) for latency in both]
    shared = known[0] & known[1]
    error = np.abs(relative_errors(both[0][shared], both[1][shared]))
    return {
        "n": int(shared.sum()),
        "one_sided": int((known[0] ^ known[1]).sum()),
        "median": float(np.median(error)) if len(error) else None,
        "p90": float(np.quantile(error, 0.9)) if len(error) else None,
    }
