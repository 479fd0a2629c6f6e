"""The simulated machines of the benchmarks, and the requests for them; all figures are synthetic.

Every model takes 10 ms alone, so that a load means the same however many models, GPUs and slots there are. Inputs of
602,112 bytes and outputs of 4,000 cross a link of 12 GB/s; execution times vary by 0.3 %.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stratsim.engine import Result, simulate
from stratsim.engine.options import Options
from stratsim.model.parts import Link
from stratsim.model.profile import Profile, Sharing
from stratsim.model.request import Priority
from stratsim.model.workload import Workload
from stratsim.policy.base import DropMode
from stratsim.policy.registry import make_policy, parse_policies
from stratsim.rng import Streams
from stratsim.testing import make_profile
from stratsim.trace.spec import HIGH_SHARE, SLO_FACTORS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stratsim.model.cluster import Cluster

    Times = NDArray[np.float64]

__all__ = ["SERVICE_S", "DropMode", "longest_queue", "make_requests", "many_models", "one_model", "run", "with_classes"]

SERVICE_S, FURTHER_S = 0.010, 0.004
BYTES_IN, BYTES_OUT = 602_112, 4_000


def one_model(*, noise_cv: float = 0.003, demand: float = 1.0, largest: int = 1) -> Profile:
    """Return a profile of one model.

    Args:
        noise_cv: Coefficient of variation of its execution times.
        demand: The share of the GPU that one batch of it can use.
        largest: Its largest batch; each further request makes a batch take 4 ms longer.
    """
    return many_models(1, noise_cv=noise_cv, demand=demand, largest=largest)


def many_models(count: int, *, noise_cv: float = 0.003, demand: float = 1.0, largest: int = 1) -> Profile:
    """Return a profile of models that differ in what they take from others on the same GPU: weights from 1 to 9."""
    latency_s = {1: SERVICE_S, largest: SERVICE_S + FURTHER_S * (largest - 1)}
    link = Link(alpha_s=10e-6, bytes_per_s=12e9)
    names = [f"model-{number}" for number in range(count)]
    return make_profile(
        dict.fromkeys(names, latency_s),
        sharing={name: Sharing(demand, 1.0 + 8.0 * number / count) for number, name in enumerate(names)},
        h2d=link,
        d2h=link,
        bytes_in=BYTES_IN,
        bytes_out=BYTES_OUT,
        noise_cv=noise_cv,
    )


def make_requests(arrival_s: Times, profile: Profile) -> Workload:
    """Return requests of low priority without deadlines, of any model as often as of another.

    Args:
        arrival_s: In order, seconds, shape (n,).
        profile: Has the models.
    """
    count, models = len(arrival_s), tuple(profile.observable.models)
    return Workload(
        models=models,
        arrival_s=arrival_s,
        model=Streams(1).get("models").integers(0, len(models), count).astype(np.int32),
        priority=np.full(count, Priority.LOW, np.int8),
        deadline_s=np.full(count, np.inf),
        bytes_in=np.full(count, BYTES_IN),
        bytes_out=np.full(count, BYTES_OUT),
        client=np.full(count, -1, np.int32),
    )


def with_classes(workload: Workload, unit_s: float | None = None) -> Workload:
    """Return the same requests in two classes with deadlines, in the project's default shares and multiples.

    Args:
        workload: What `make_requests` returned.
        unit_s: What the deadlines are multiples of, seconds; the solo latency with its copies by default.
    """
    count, link = len(workload), Link(alpha_s=10e-6, bytes_per_s=12e9)
    alone_s = SERVICE_S + link.copy_s(BYTES_IN) + link.copy_s(BYTES_OUT)
    high = Streams(1).get("classes").random(count) < HIGH_SHARE
    priority = np.where(high, Priority.HIGH, Priority.LOW).astype(np.int8)
    slack = np.array([SLO_FACTORS[level] for level in Priority])
    return Workload(
        models=workload.models,
        arrival_s=workload.arrival_s,
        model=workload.model,
        priority=priority,
        deadline_s=workload.arrival_s + slack[priority] * (alone_s if unit_s is None else unit_s),
        bytes_in=workload.bytes_in,
        bytes_out=workload.bytes_out,
        client=workload.client,
    )


def run(
    policy: str,
    workload: Workload,
    profile: Profile,
    cluster: Cluster,
    drop: DropMode = DropMode.INFEASIBLE,
    *,
    fast: bool = False,
    max_batch: int = 1,
) -> Result:
    """Replay, in batches of one unless more may be, on the reference engine or on the fast one."""
    (call,) = parse_policies(policy)
    if fast:
        from stratsim.fast.run import simulate_fast  # imports numba

        options = Options(name=policy, cluster=cluster, max_batch=max_batch, drop=drop, seed=0)
        return simulate_fast(workload, profile, make_policy(call), options)
    return simulate(workload, profile, make_policy(call), cluster=cluster, max_batch=max_batch, drop=drop)


def longest_queue(result: Result) -> int:
    """Return how many requests waited for their dispatch at once, at most."""
    requests, dispatch_s = result.requests, result.batches.dispatch_s
    gone_s = np.where(requests.batch >= 0, dispatch_s[requests.batch], requests.dropped_s)
    gone_s.sort()
    waiting = np.arange(1, len(requests) + 1) - np.searchsorted(gone_s, requests.arrival_s)
    return int(waiting.max(initial=0))
