"""A compiled `aware-edf` decides what the reference decides: random runs, every column equal to the byte.

A short run here, uncompiled; `make test-slow` compiles. `STRATSIM_ENGINES=1000 pytest
tests/property/test_compiled_aware.py` makes so many.
"""

import os
import subprocess
import sys
from dataclasses import replace
from math import inf

import numpy as np
import pytest

from stratsim.engine.options import Options
from stratsim.engine.simulation import simulate_with
from stratsim.model.cluster import Cluster
from stratsim.model.profile import Sharing
from stratsim.model.rejection import Rejection
from stratsim.model.request import Priority
from stratsim.model.workload import ClosedLoopClient, OneAtATimeClient
from stratsim.policy.base import DropMode
from stratsim.rng import Streams
from stratsim.testing import make_profile, make_workload
from tests.property.drawn_runs import CASES, FIRST, differences, made, random_belief, random_pairs, random_run

COMPILES = pytest.mark.slow
"""For a minute, where nothing is in the cache."""


def random_policy(draws, profile, slots, *, many):
    """An `aware-edf` with some arguments other than the default ones."""
    arguments = {
        "transfers": ["contended", "contended", "alone", "no-transfers"],
        "margin": [0.9, 0.9, 0.5],
        "infeasible": ["here", "alone"],
        "order": ["priority", "deadline"],
        "floor": [0.05, 0.5, 1],
        "refresh": [1, 3, 32],
        "max_batch": [1, 2, 8],
        "drop": ["never", "expired", "infeasible"],
    }
    chosen = {name: draws.choice(values) for name, values in arguments.items() if draws.random() < 0.5}
    given = "".join(f", {name}={value}" for name, value in chosen.items())
    pairs = draws.random() < 0.3 and not many
    belief = random_pairs(draws) if pairs else random_belief(draws, profile, slots, many=many)
    return f"aware-edf(predictor={belief}{given})"


def with_clients(draws, workload):
    """Return the same requests with clients that wait for replies, and those of some clients one at a time."""
    closed_loop = [
        ClosedLoopClient(
            f"own-{number}",
            str(draws.choice(workload.models)),
            Priority(int(draws.integers(2))),
            bytes_in=int(draws.choice([0, 600_000])),
            bytes_out=int(draws.choice([0, 4_000])),
            slo_s=float(draws.choice([0.005, 0.05, inf])),
            think_s=float(draws.choice([0.0, 0.001, 0.0123])),
            limit=int(draws.integers(1, 20)),
        )
        for number in range(draws.integers(0, 4))
    ]
    return replace(
        workload,
        closed_loop=tuple(closed_loop),
        one_at_a_time=(OneAtATimeClient("p"), OneAtATimeClient("q", 0.03)),
        client_names=("p", "q", "r"),
        client=draws.integers(-1, 3, len(workload)).astype(np.int32),
    )


def random_case(seed, *, many=False):
    """Return all arguments of a run, and how the policy is called; the same for equal seeds."""
    draws = Streams(seed).get("compiled", "aware")
    workload, profile, options = random_run(draws, seed, "aware-edf", many=many)
    if draws.random() < 0.2:
        workload = with_clients(draws, workload)
    options = replace(options, drop=DropMode(str(draws.choice([mode.value for mode in DropMode]))))
    policy = random_policy(draws, profile, options.cluster.max_concurrency, many=many)
    if draws.random() < 0.3:
        options = replace(options, rejection=Rejection(retries=2, backoff_s=0.002, retry_by="all"))
    return workload, profile, policy, options


def both(workload, profile, policy, options):
    """Return a run by the fast engine, which must not leave it to the other, and by the reference."""
    from stratsim.fast import covers
    from stratsim.fast.run import simulate_fast

    slots = options.cluster.max_concurrency
    assert covers(workload, profile, made(policy, profile, slots), options) is None, policy
    fast = simulate_fast(workload, profile, made(policy, profile, slots), options)
    assert fast.engine == "fast", policy
    return fast, simulate_with(workload, profile, made(policy, profile, slots), options)


@COMPILES
@pytest.mark.parametrize("seed", range(FIRST, FIRST + CASES))
def test_compiled_decisions_give_the_same_bytes(seed):
    workload, profile, policy, options = random_case(seed)
    assert differences(*both(workload, profile, policy, options)) == [], policy


@COMPILES
@pytest.mark.parametrize("seed", range(FIRST, FIRST + max(CASES // 8, 2)))
def test_and_so_they_do_with_many_models_and_gpus(seed):
    workload, profile, policy, options = random_case(seed, many=True)
    assert differences(*both(workload, profile, policy, options)) == [], policy


@COMPILES
@pytest.mark.parametrize("order", ["priority", "deadline"])
def test_and_so_they_do_with_thousands_that_wait(order):
    rows = [(0.0, "ab"[number % 2], "high" if number % 3 else "low", 1.0 + number % 7) for number in range(3_000)]
    profile = make_profile({"a": {1: 0.010, 4: 0.020}, "b": {1: 0.005, 8: 0.010}})
    options = Options(name="aware-edf", cluster=Cluster(gpus=2), max_batch=8, drop=DropMode.EXPIRED, seed=0)
    fast, reference = both(make_workload(rows, profile=profile), profile, f"aware-edf(order={order})", options)
    assert len(fast.batches.gpu) > 100
    assert differences(fast, reference) == []


@COMPILES
def test_and_with_hundreds_of_batches_that_come_and_go_beside_one_that_stays():
    rows = [(0.0, "long", "low")] + [(0.001 + 0.002 * number, "short", "high", 1e3) for number in range(600)]
    profile = make_profile({"long": 2.0, "short": 0.001}, sharing={"long": Sharing(0.1, 9.0)})
    options = Options(name="aware-edf", cluster=Cluster(), max_batch=4, drop=DropMode.INFEASIBLE, seed=0)
    fast, reference = both(make_workload(rows, profile=profile), profile, "aware-edf(margin=0.9)", options)
    assert fast.batches.execution_end_s[0] > 2.0
    assert differences(fast, reference) == []


@pytest.mark.slow
def test_the_source_gives_the_same_bytes_uncompiled():
    """Where numba is not installed the same source runs as it stands."""
    asked = {**os.environ, "NUMBA_DISABLE_JIT": "1", "STRATSIM_ENGINES": "12"}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-k", "not source"]
    found = subprocess.run([*command, __file__], env=asked, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout[-2000:]
