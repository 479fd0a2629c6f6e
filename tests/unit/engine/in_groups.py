"""Runs of groups of GPUs and of all GPUs on one clock, and whether they are equal."""

from dataclasses import fields

import numpy as np

from stratsim import simulate
from stratsim.engine.groups import simulate_groups
from stratsim.model.cluster import Cluster
from stratsim.model.groups import Groups
from stratsim.model.parts import Link
from stratsim.model.profile import Sharing
from stratsim.policy.base import DropMode
from stratsim.policy.queueing import Fifo
from stratsim.results import invariants
from stratsim.testing import make_profile

MS, KB = 1e-3, 1000


LINK = Link(20e-6, 1e9)


PROFILE = make_profile(
    {
        "a": {1: 5 * MS, 2: 7 * MS, 4: 11 * MS},
        "b": {1: 3 * MS, 2: 5 * MS, 4: 9 * MS},
        "c": {1: 8 * MS, 2: 12 * MS, 4: 20 * MS},
    },
    sharing={"a": Sharing(0.9, 3.0), "b": Sharing(0.4, 1.0), "c": Sharing(0.7, 2.0)},
    h2d=LINK,
    d2h=LINK,
    bytes_in={"a": 600 * KB, "b": 900 * KB, "c": 150 * KB},
    bytes_out={"a": 4 * KB, "b": 300 * KB, "c": 80 * KB},
    noise_cv=0.05,
    kernels=40,
)


PLAIN = make_profile({"a": 3.0, "b": 1.0, "c": 2.0, "d": 2.0})
"""Seconds, exact in binary floating point; copies cost nothing."""


def rows(count, rate_per_s, *, clients=0, slo_s=0.04, models="abc"):
    """Poisson arrivals of all models and both classes; every fourth request has no client."""
    draw = np.random.default_rng(7)
    found = []
    for number, at_s in enumerate(np.cumsum(draw.exponential(1 / rate_per_s, count))):
        client = f"client-{draw.integers(clients)}" if clients and number % 4 else None
        priority = "high" if draw.random() < 0.3 else "low"
        found.append((at_s, str(draw.choice(list(models))), priority, at_s + slo_s, None, None, client))
    return found


def in_groups(workload, policy=Fifo, groups=2, deal="round-robin", *, profile=PROFILE, jobs=1, seed=5, **cluster):
    """Replay on 4 GPUs unless said otherwise, and check the result."""
    machine = Cluster(**{"gpus": 4, "device_model": "streams", **cluster})
    result = simulate_groups(
        workload,
        profile,
        policy,
        Groups(groups, deal),
        cluster=machine,
        name="mine",
        max_batch=4,
        drop=DropMode.INFEASIBLE,
        seed=seed,
        jobs=jobs,
    )
    assert invariants(result, result.max_concurrency) == []
    return result


def on_one_clock(workload, policy, *, profile=PROFILE, seed=5, **cluster):
    machine = Cluster(**{"gpus": 4, "device_model": "streams", **cluster})
    result = simulate(workload, profile, policy, cluster=machine, max_batch=4, drop=DropMode.INFEASIBLE, seed=seed)
    assert invariants(result, result.max_concurrency) == []
    return result


def columns(table):
    return {field.name: np.asarray(getattr(table, field.name)) for field in fields(table)}


def assert_same(one, other, *, of=slice(None), but=()):
    """Whether two tables are equal, to the bit."""
    theirs = columns(other)
    for name, column in columns(one).items():
        if name not in but:
            np.testing.assert_array_equal(column[of] if column.ndim else column, theirs[name], name)


def group_of(result, each=2):
    """The group that served each request."""
    assert (result.requests.batch >= 0).all()
    return (result.batches.gpu[result.requests.batch] // each).tolist()
