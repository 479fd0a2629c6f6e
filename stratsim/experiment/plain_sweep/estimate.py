"""How long a sweep will take: from one short run of every policy."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from stratsim.experiment.plain_sweep import one

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stratsim.experiment.plain_sweep.plan import Plan

__all__ = ["seconds_of"]

_REQUESTS = 1500
"""Length of the run that is timed; the time of a longer one is taken as proportional."""


def seconds_of(plan: Plan) -> tuple[float, float]:
    """Return the time of the least and of the largest number of runs, one after the other, seconds.

    Raises:
        StratsimError: a policy fails.
    """
    one.install(plan.inputs)
    per_request: dict[str, float] = {}
    total_s = 0.0
    for cell in plan.cells:
        count = _requests(plan, cell.settings)
        for policy in cell.policies:
            if policy not in per_request:
                per_request[policy] = _seconds({**cell.settings, "policy": policy}, count)
            total_s += per_request[policy] * count
    options = plan.sweep.sweep
    return total_s * len(options.seeds), total_s * options.most()


def _requests(plan: Plan, settings: Mapping[str, Any]) -> int:
    """Return the length of a run, requests."""
    if settings["arrivals"] is not None:
        return int(settings["arrivals"]["requests"])
    return plan.requests(settings["trace_sha256"], settings["run"]["limit"])


def _seconds(settings: Mapping[str, Any], count: int) -> float:
    """Return what a request takes in a shorter run; the warm-up is left out of that, as it might leave nothing."""
    short = min(count, _REQUESTS)
    arrivals = settings["arrivals"]
    run = {**settings["run"], "warmup_s": None}
    shorter = {
        **settings,
        "seed": 0,
        "policy_sha256": None,
        "arrivals": None if arrivals is None else {**arrivals, "requests": short},
        "run": run if arrivals is not None else {**run, "limit": short},
    }
    began = time.perf_counter()
    one.run(shorter)
    return (time.perf_counter() - began) / max(1, short)
