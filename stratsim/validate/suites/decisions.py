"""Which request is served when: decision tables worked out by hand. Times in ms.

One GPU, one slot, no prefetch, no transfers, batches of 1.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from stratsim.engine import simulate
from stratsim.model.cluster import Cluster
from stratsim.model.request import Status
from stratsim.policy.queueing import Edf, Fifo, PriorityEdf, PriorityFifo
from stratsim.testing import make_profile, make_workload
from stratsim.validate.case import Check, Claim, Findings, Setting

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stratsim.policy import Policy

    Make = Callable[..., Policy]

__all__ = ["CHECKS", "Job", "Served", "serve"]

_TOLERANCE_MS = 1e-9


class Job(NamedTuple):
    """A request of its own length. Times in ms."""

    arrival: float
    length: float
    level: str
    deadline: float


class Served(NamedTuple):
    """What became of each job."""

    finish: list[float]
    """ms; NaN for one that was dropped."""
    status: list[Status]


def serve(policy: Policy, jobs: Sequence[Job | tuple[float, float, str, float]], **cluster: Any) -> Served:
    """Run jobs one at a time, or as `cluster` says."""
    table = [Job(*job) for job in jobs]
    profile = make_profile({f"j{i}": job.length / 1e3 for i, job in enumerate(table)})
    rows = [(job.arrival / 1e3, f"j{i}", job.level, job.deadline / 1e3) for i, job in enumerate(table)]
    one_at_a_time: dict[str, Any] = {"device_model": "exclusive", "max_concurrency": 1, "prefetch": 0}
    machine = Cluster(**(one_at_a_time | cluster))
    found = simulate(make_workload(rows, profile=profile), profile, policy, cluster=machine).requests
    order = found.model.argsort()
    return Served((found.finish_s[order] * 1e3).tolist(), [Status(value) for value in found.status[order].tolist()])


THREE = (Job(0, 4, "low", 20), Job(1, 3, "low", 9), Job(2, 2, "low", 6))
"""FIFO ends the third, due at 6, at 9; EDF takes it before the second and meets all."""
URGENT = (Job(0, 4, "low", 20), Job(1, 3, "low", 9), Job(2, 2, "high", 60))
"""The third is of the high class, and in no hurry."""
DOMINO = (Job(0, 10, "low", 12), Job(0, 10, "low", 19), Job(0, 10, "low", 27))
"""Without drops EDF serves what is late already, and makes the next late."""
DISCRIMINATING = (Job(0, 10, "high", 50), Job(0, 10, "low", 12))
"""Both can be met, if the low job goes first."""

_ORDER = "order of service by hand"


def _ends(what: str, make: Make, jobs: Sequence[Job], finish: Sequence[float]) -> Check:
    claims = tuple(
        Claim(f"{what}: end of job {i}", at, _TOLERANCE_MS, _ORDER, "ms") for i, at in enumerate(finish, start=1)
    )
    return Check(claims, partial(_measure_ends, make, jobs))


def _measure_ends(make: Make, jobs: Sequence[Job], _: Setting) -> Findings:
    return Findings(serve(make(drop="never"), jobs).finish)


def _met(what: str, make: Make, drop: str, jobs: Sequence[Job], count: int) -> Check:
    claim = Claim(f"{what}: deadlines met", count, 0, _ORDER)
    return Check((claim,), partial(_measure_met, make, drop, jobs))


def _measure_met(make: Make, drop: str, jobs: Sequence[Job], _: Setting) -> Findings:
    return Findings([serve(make(drop=drop), jobs).status.count(Status.MET)])


CHECKS = (
    _ends("FIFO, three jobs", Fifo, THREE, (4, 7, 9)),
    _ends("EDF, three jobs", Edf, THREE, (4, 9, 6)),
    _ends("priority-FIFO, urgent third", PriorityFifo, URGENT, (4, 9, 6)),
    _ends("priority-EDF, urgent third", PriorityEdf, URGENT, (4, 9, 6)),
    _met("FIFO, three jobs", Fifo, "never", THREE, 2),
    _met("EDF, three jobs", Edf, "never", THREE, 3),
    _met("EDF, domino, no drops", Edf, "never", DOMINO, 1),
    _met("EDF, domino, infeasible ones dropped", Edf, "infeasible", DOMINO, 2),
    _met("EDF, domino, expired ones dropped", Edf, "expired", DOMINO, 1),
    _met("EDF, high with time, low without", Edf, "never", DISCRIMINATING, 2),
    _met("priority-EDF, high with time, low without", PriorityEdf, "never", DISCRIMINATING, 1),
)
"""Orders of service and deadlines met."""
