"""Compiled decisions of `strait` are those of the reference: random runs, every column equal to the byte.

A short run here, uncompiled; `make test-slow` compiles. `STRATSIM_ENGINES=1000 pytest
tests/property/test_compiled_strait.py` makes so many.
"""

import os
import subprocess
import sys

import pytest

from stratsim.engine.options import Options
from stratsim.engine.simulation import simulate_with
from stratsim.model.cluster import Cluster
from stratsim.model.profile import Sharing
from stratsim.model.request import Priority
from stratsim.model.workload import ClosedLoopClient
from stratsim.policy.base import DropMode
from stratsim.rng import Streams
from stratsim.testing import make_profile, make_workload
from tests.property.drawn_runs import CASES, FIRST, differences, made, random_belief, random_run

COMPILES = pytest.mark.slow
"""For a minute, where nothing is in the cache."""


def random_policy(draws, profile, slots, *, many=False):
    """A `strait` with some arguments other than the default ones."""
    arguments = {
        "transfers": ["contended", "contended", "alone", "no-transfers"],
        "margin": [0.9, 0.9, 0.5, 0],
        "infeasible": ["drop", "best-effort"],
        "fill": ["true", "false"],
        "rescue_low": ["true", "false"],
        "harm_check": ["true", "true", "false"],
        "guard": ["hypothetical", "hypothetical", "off"],
        "guard_confidence": [0.95, 0.5, 1],
        "reserve_slots": [0, 0, 2],
        "explore": [0.02, 0.5, 0],
        "refresh": [8, 1, 3],
    }
    chosen = {name: draws.choice(values) for name, values in arguments.items() if draws.random() < 0.4}
    given = "".join(f", {name}={value}" for name, value in chosen.items())
    return f"strait(predictor={random_belief(draws, profile, slots, many=many)}{given})"


def random_case(seed, *, many=False):
    """Return all arguments of a run, and how the policy is called; the same for equal seeds."""
    draws = Streams(seed).get("compiled", "strait")
    workload, profile, options = random_run(draws, seed, "strait", many=many)
    return workload, profile, random_policy(draws, profile, options.cluster.max_concurrency, many=many), options


def assert_equal_in_both(workload, profile, policy, options):
    from stratsim.fast import covers
    from stratsim.fast.run import simulate_fast

    assert covers(workload, profile, made(policy, profile), options) is None
    fast = simulate_fast(workload, profile, made(policy, profile), options)
    assert fast.engine == "fast", policy
    assert differences(fast, simulate_with(workload, profile, made(policy, profile), options)) == [], policy


@COMPILES
@pytest.mark.parametrize("seed", range(FIRST, FIRST + CASES))
def test_compiled_decisions_give_the_same_bytes(seed):
    assert_equal_in_both(*random_case(seed))


@COMPILES
@pytest.mark.parametrize("seed", range(FIRST, FIRST + max(CASES // 4, 3)))
def test_and_so_they_do_with_many_models_or_gpus(seed):
    assert_equal_in_both(*random_case(seed, many=True))


@COMPILES
def test_what_was_known_where_newcomers_were_asked_about_counts_until_the_lesson_is_over():
    """Though more is known before: kernels, which ask about each alone, look it up in time (`look_up_asked`)."""
    belief = "rls(form=additive, directional=true, pair_variance=0.0, excitation=0.5)"
    workload, profile, _, options = random_case(132)
    policy = f"strait(predictor={belief}, rescue_low=false, reserve_slots=0, refresh=2)"
    assert_equal_in_both(workload, profile, policy, options)


@COMPILES
@pytest.mark.parametrize("seed", range(FIRST, FIRST + max(CASES // 8, 2)))
def test_and_so_does_the_policy_alone_in_the_other_loop(seed):
    """Where the compiled loop does not do a run, and in live runs."""
    from stratsim.fast.strait.policy import CompiledStrait

    workload, profile, policy, options = random_case(seed)
    alone = CompiledStrait.of(made(policy, profile))
    found = simulate_with(workload, profile, alone, options)
    assert alone.is_exact
    assert differences(found, simulate_with(workload, profile, made(policy, profile), options)) == [], policy


@COMPILES
def test_and_runs_in_which_clients_wait_for_replies():
    profile = make_profile({"a": {1: 0.010, 4: 0.020}})
    clients = [ClosedLoopClient("own", "a", Priority.HIGH, 0, 0, slo_s=0.05, think_s=0.003, limit=40)]
    rows = [(0.001 * number, "a", "low") for number in range(40)]
    workload = make_workload(rows, profile=profile, closed_loop=clients)
    options = Options(name="strait", cluster=Cluster(), max_batch=4, drop=DropMode.INFEASIBLE, seed=0)
    from stratsim.fast.run import simulate_fast

    fast = simulate_fast(workload, profile, made("strait", profile), options)
    assert fast.engine == "fast"
    assert differences(fast, simulate_with(workload, profile, made("strait", profile), options)) == []


def both(rows, profile, policy="strait", **options):
    """Return a run through both, compiled decisions first."""
    from stratsim.fast.run import simulate_fast

    workload = make_workload(rows, profile=profile)
    given = {"name": "strait", "cluster": Cluster(), "max_batch": 4, "drop": DropMode.INFEASIBLE, "seed": 0, **options}
    fast = simulate_fast(workload, profile, made(policy, profile), Options(**given))
    assert fast.engine == "fast"
    return fast, simulate_with(workload, profile, made(policy, profile), Options(**given))


@COMPILES
def test_the_arrays_grow_with_requests_that_wait_all_at_once():
    rows = [(0.0, "a", "high" if number % 3 else "low", 1e3 + number % 7) for number in range(9_000)]
    fast, reference = both(rows, make_profile({"a": {1: 0.010, 4: 0.020}}))
    assert differences(fast, reference) == []


@COMPILES
def test_and_with_hundreds_of_batches_that_come_and_go_beside_one_that_stays():
    rows = [(0.0, "long", "low")] + [(0.001 + 0.002 * number, "short", "high", 1e3) for number in range(600)]
    profile = make_profile({"long": 2.0, "short": 0.001}, sharing={"long": Sharing(0.1, 9.0)})
    fast, reference = both(rows, profile)
    assert fast.batches.execution_end_s[0] > 2.0
    assert differences(fast, reference) == []


def test_the_source_gives_the_same_bytes_uncompiled():
    """Where numba is not installed the same source runs as it stands."""
    asked = {**os.environ, "NUMBA_DISABLE_JIT": "1", "STRATSIM_ENGINES": "4"}
    names = "(same_bytes or alone or clients) and not source"
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-k", names]
    found = subprocess.run([*command, __file__], env=asked, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout[-2000:]
