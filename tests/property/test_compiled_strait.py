"""Compiled decisions of `strait` are those of the reference: random runs, every column equal to the byte.

A short run here, uncompiled; `make test-slow` compiles. `STRATSIM_ENGINES=1000 pytest
tests/property/test_compiled_strait.py` makes so many.
"""

import os
import subprocess
import sys
from dataclasses import fields, replace

import numpy as np
import pytest

from stratsim.engine.options import Options
from stratsim.engine.simulation import simulate_with
from stratsim.model.cluster import Cluster
from stratsim.model.parts import Features, Link
from stratsim.model.profile import Pair, Sharing
from stratsim.model.request import Priority
from stratsim.model.truth import Host
from stratsim.model.workload import ClosedLoopClient
from stratsim.policy.base import DropMode
from stratsim.policy.registry import make_policy, parse_policies
from stratsim.rng import Streams
from stratsim.run.oracle import reveal
from stratsim.testing import make_profile, make_workload

CASES = int(os.environ.get("STRATSIM_ENGINES", "12"))
FIRST = int(os.environ.get("STRATSIM_FIRST", "0"))
GPUS, MANY_GPUS = (1, 1, 1, 2, 3, 5), (1, 1, 16, 40, 64)
COMPILES = pytest.mark.slow
"""For a minute, where nothing is in the cache."""


def random_profile(draws, *, many=False):
    """One to six models, or many, with batches, links, features and measured pairs, or some of these."""
    names = [f"m{number}" for number in draws.permutation(64 if many else 9)]
    names = names[: draws.integers(20, 65) if many else draws.integers(1, 7)]
    solo_s = {name: float(draws.uniform(0.5, 8.0)) * 1e-3 for name in names}
    most = {name: int(draws.choice([1, 2, 4, 8])) for name in names}
    link = Link(float(draws.choice([0.0, 1e-5])), float(draws.choice([1e9, 1.2e10])))
    profile = make_profile(
        {name: {1: s, most[name]: s * draws.uniform(1.0, most[name])} if most[name] > 1 else s
         for name, s in solo_s.items()},
        sharing={name: Sharing(float(draws.uniform(0.2, 1.0)), float(draws.uniform(0.5, 9.0))) for name in names},
        h2d=link,
        d2h=link,
        bytes_in=int(draws.choice([0, 602_112, 5_000_000])),
        bytes_out=int(draws.choice([0, 4_000])),
        noise_cv=float(draws.choice([0.0, 0.02, 0.2])),
    )  # fmt: skip
    if draws.random() < 0.7:
        known = {
            name: replace(model, features={1: Features(*map(float, draws.random(3)))})
            for name, model in profile.observable.models.items()
        }
        profile = replace(profile, observable=replace(profile.observable, models=known))
    if draws.random() < 0.5:
        pairs = [Pair(one, 1, two, 1, float(draws.uniform(1.0, 3.0))) for one in names for two in names]
        profile = replace(profile, pairs=tuple(pairs))
    if draws.random() < 0.2:
        host = Host(*(float(draws.choice([0.0, 1e-4])) for _ in range(4)))
        profile = replace(profile, truth=replace(profile.truth, host=host))
    return profile


def random_belief(draws, profile, slots, *, many=False):
    """A predictor: mostly `rls` with some arguments other than the default ones, else one that never learns.

    Of many models it is `rls`: what it keeps and looks up grows with them.
    """
    fixed = ["solo", "constant(slowdown=1.5)", "constant(slowdown=2)", "constant(slowdown=3.7)"]
    if profile.pairs:
        fixed += ["gpulet"] * 3
    if slots <= 2:
        fixed += ["oracle"] * 2
    if draws.random() < 0.4 and not many:
        return str(draws.choice(fixed))
    belief = {
        "form": ["additive", "additive", "rate", "slowdown"],
        "forgetting": [0.99, 0.9, 1.0],
        "directional": ["true", "true", "false"],
        "pair_variance": [10.0, 0],
        "trace_cap": [10, 1.5],
        "change_threshold": [20, 2],
        "excitation": [0, 0.5],
        "features": ["compute+memory+batch", "compute", "batch+busy"],
    }
    inner = {name: draws.choice(values) for name, values in belief.items() if draws.random() < 0.3}
    if "features" in inner:
        inner["features"] = str(inner["features"].split("+"))
    made = ", ".join(f"{name}={value}" for name, value in {"form": "additive", **inner}.items())
    return f"rls({made})"


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
    """Return all arguments of a run, and how the policy is called; the same for equal seeds.

    `many`: of 20 to 64 models, and of up to 64 GPUs.
    """
    draws = Streams(seed).get("compiled", "strait")
    profile = random_profile(draws, many=many)
    names = list(profile.observable.models)
    gpus = int(draws.choice(MANY_GPUS if many else GPUS))
    count = int(draws.integers(200, 500) if many else draws.integers(20, 160))
    mean_s = np.mean([model.latency_s[1] for model in profile.observable.models.values()])
    arrivals_s = np.cumsum(draws.exponential(mean_s / gpus / draws.uniform(0.4, 2.0), count))
    if draws.random() < 0.3:
        arrivals_s = np.round(arrivals_s, 3)  # ties
    slack = [float(draws.choice([2.0, 5.0, 20.0, np.inf])), float(draws.choice([3.0, 10.0, np.inf]))]
    rows = []
    for at_s in arrivals_s.tolist():
        name, level = names[draws.integers(len(names))], Priority(int(draws.random() < 0.6))
        rows.append((at_s, name, level, at_s + slack[level] * profile.observable.models[name].latency_s[1]))
    options = Options(
        name="strait",
        cluster=Cluster(
            gpus=gpus,
            max_concurrency=int(draws.choice([1, 2, 2, 2, 3, 3 if many else 4])),
            prefetch=int(draws.choice([0, 1, 1, 2])),
        ),
        max_batch=int(draws.choice([1, 4, 8])),
        drop=DropMode.INFEASIBLE,
        seed=seed,
    )
    slots = options.cluster.max_concurrency
    return make_workload(rows, profile=profile), profile, random_policy(draws, profile, slots, many=many), options


def made(text, profile, slots=2):
    (call,) = parse_policies(text)
    policy = make_policy(call)
    reveal(policy, profile, slots=slots)
    return policy


def differences(one, other):
    """Return the columns in which two results differ."""
    found = []
    for table in ("batches", "requests"):
        for column in fields(getattr(one, table)):
            left, right = (np.asarray(getattr(getattr(of, table), column.name)) for of in (one, other))
            if left.tobytes() != right.tobytes():
                found.append(f"{table}.{column.name}")
    return found + [name for name in ("events", "reasons", "notes") if getattr(one, name) != getattr(other, name)]


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
