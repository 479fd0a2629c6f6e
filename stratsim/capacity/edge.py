"""What binds where a target is just missed: what the latency of the requests that miss it is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.capacity.probe import inputs_of, missed
from stratsim.explain.parts import PARTS, parts_of
from stratsim.model.request import Status
from stratsim.policy.registry import make_policy
from stratsim.run.replay import run_policy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from stratsim.capacity.measure import Probe
    from stratsim.capacity.probe import Job
    from stratsim.capacity.target import Goal

__all__ = ["Edge", "binding", "look", "use"]

_LEAST = 1e-3
"""A goal that allows nothing counts as one that allows so much, where goals are compared. Our choice."""


@dataclass(frozen=True, slots=True)
class Edge:
    """A run to look into, and the goal that binds there.

    Args:
        job: The run.
        goal: The goal.
    """

    job: Job
    goal: Goal


def use(share: float, goal: Goal) -> float:
    """Return how much of what a goal allows is used: 1 where the share is just the largest."""
    return share / max(goal.share, _LEAST)


def binding(probe: Probe, goals: Sequence[Goal]) -> Goal:
    """Return the goal of which most is used, by the means."""
    return max(goals, key=lambda goal: use(probe.intervals[goal.name].mean, goal))


def look(edge: Edge) -> dict[str, Any]:
    """Return what the requests that missed a goal met: plain data.

    `missed` of `requests` missed it; `dropped` of those have no answer, and waited `dropped_wait_s` on average before
    they were dropped. `parts_s` are the mean parts of the latency of the others, in the order of
    `stratsim.explain.parts.PARTS`; where there are no others, those of the slowest 1 % of the requests that the goal is
    about (`slowest`: true), None where nothing was answered.

    Raises:
        StratsimError: whatever goes wrong.
    """
    inputs = inputs_of(edge.job)
    (call,) = inputs.policies
    result = run_policy(inputs, call)
    chosen, late = missed(result, edge.goal)
    requests = result.requests
    latency_s = requests.latency_s(np.ones(len(chosen), dtype=bool))
    answered = late & np.isfinite(latency_s)
    slowest = not answered.any()
    if slowest:
        answered = _slowest(latency_s, chosen)
    links = inputs.cluster.lone_links(inputs.profile.observable.pcie)
    parts = parts_of(result, links, getattr(make_policy(call), "preemption", None))[answered]
    waits_s = (requests.dropped_s - requests.arrival_s)[late & (requests.status == Status.DROPPED)]
    return {
        "goal": edge.goal.name,
        "requests": int(chosen.sum()),
        "missed": int(late.sum()),
        "dropped": int((late & ~np.isfinite(latency_s)).sum()),
        "dropped_wait_s": float(waits_s.mean()) if len(waits_s) else None,
        "slowest": slowest,
        "parts_s": {name: float(parts[name].mean()) for name in PARTS} if len(parts) else None,
    }


def _slowest(latency_s: NDArray[np.float64], chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which of the chosen requests are the slowest 1 % of those answered, at least one."""
    within = np.where(chosen, latency_s, np.nan)
    if not np.isfinite(within).any():
        return np.zeros(len(chosen), dtype=bool)
    return np.asarray(within >= np.nanquantile(within, 0.99))
