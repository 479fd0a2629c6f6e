"""Compiled runs in which batches are stopped are those of the reference: random runs, every column equal to the byte.

A short run here, uncompiled; `make test-slow` compiles. `STRATSIM_ENGINES=1000 pytest
tests/property/test_compiled_preemption.py` makes so many.
"""

import os
import subprocess
import sys
from collections import Counter
from dataclasses import fields, replace

import numpy as np
import pytest

from stratsim.device import EXECUTION_MODELS, Fabric
from stratsim.device.noise import LogNormal
from stratsim.engine.layout import lay_out
from stratsim.engine.options import Options
from stratsim.engine.simulation import simulate_with
from stratsim.fast import covers
from stratsim.fast.run import simulate_fast
from stratsim.model.cluster import Cluster
from stratsim.model.contention import GpuletFit, Igniter, ResourcePhase, SharingPhase, TimeSlices
from stratsim.model.igniter import IgniterGpu, IgniterModel
from stratsim.model.kernel_queue import AsServed, KernelQueue
from stratsim.model.parts import Device, Features, Link
from stratsim.model.profile import Pair, Sharing
from stratsim.model.rejection import Rejection
from stratsim.model.request import Priority
from stratsim.model.truth import Decide, Host, Speeds, Transfers
from stratsim.model.workload import ClosedLoopClient, OneAtATimeClient
from stratsim.policy.base import DropMode
from stratsim.policy.registry import make_policy, parse_policies
from stratsim.rng import Streams
from stratsim.testing import make_profile, make_workload

CASES = int(os.environ.get("STRATSIM_ENGINES", "40"))
FIRST = int(os.environ.get("STRATSIM_FIRST", "0"))
MODELS = ("a", "b", "c")
FLUID = sorted(EXECUTION_MODELS.keys() - {"block-priority"})
OFTEN = ["streams"] * 8 + ["pairwise", "time-slicing", "kernel-queue"] * 2
"""Drawn more often than others."""
PREEMPTIVE = ("preempt-ideal", "preempt-gated", "preempt-kernel", "preempt-reset", "preempt-slack", "k-edf", "orion")
BY_NAME = {"mechanism": ["gated", "kernel", "reset", "context", "ideal"], "gate": [1, 8, 40]}
"""Of policies that work with any mechanism."""
COVERED: Counter[str] = Counter()
"""What the cases of this process had."""


def random_features(draws, latency_s):
    """How much of the GPU a model uses, by batch size."""
    sizes = sorted(latency_s) if draws.random() < 0.5 else (1,)
    return {size: Features(float(draws.choice([0.4, 0.6])), float(draws.choice([0.4, 0.5])), 0.4) for size in sizes}


def random_sharing(draws):
    """Parameters of `streams`: one to four phases."""
    count = int(draws.choice([1, 1, 2, 4]))
    if count == 1:
        return Sharing(float(draws.uniform(0.05, 1.0)), float(draws.choice([1.0, 0.3, 5.0])))
    shares = draws.dirichlet(np.ones(count))
    return Sharing(phases=tuple(SharingPhase(float(share), float(draws.uniform(0.05, 1.0))) for share in shares))


def random_latencies(draws):
    """Solo latencies by batch size."""
    solo_s = float(draws.choice([0.001, 0.002, 0.005, draws.uniform(0.0005, 0.02)]))
    most = int(draws.choice([1, 2, 4, 8]))
    return {1: solo_s} if most == 1 else {1: solo_s, most: solo_s * float(draws.uniform(1.0, most))}


def random_host(draws, start_s):
    """What the host takes, if anything."""
    longer = 1.0 if start_s < 10.0 else 1000.0
    takes = [float(draws.choice([0.0, 0.0, 1e-4, 0.0005, 0.001])) for _ in range(4)]
    thinks = {"policy": Decide(0.0005, 0.5)} if draws.random() < 0.2 else {}
    speeds = Speeds(0.9, 2.5, 0.01 * longer, 0.02 * longer) if draws.random() < 0.2 else None
    return Host(*takes, decide_s=thinks, speeds=speeds)


def random_profile(draws, start_s, *, hosted):
    """Three models with what every fluid device model needs, and numbers of kernels."""
    links = [Link(float(draws.choice([0.0, 2e-5])), float(draws.choice([1e8, 1e9, 5e10]))) for _ in range(2)]
    profile = make_profile(
        {name: random_latencies(draws) for name in MODELS},
        kernels={name: int(draws.choice([1, 3, 20, 150])) for name in MODELS},
        sharing={name: random_sharing(draws) for name in MODELS[:2]},
        h2d=links[0],
        d2h=links[1],
        bytes_in=int(draws.choice([0, 602_112, 5_000_000])),
        bytes_out=int(draws.choice([0, 4_000, 1_000_000])),
        noise_cv=float(draws.choice([0.0, 0.1])),
    )
    known = profile.observable.models
    models = {name: replace(model, features=random_features(draws, model.latency_s)) for name, model in known.items()}
    igniter = IgniterModel((0.004, 8.7, 23.7, 0.06, 0.35), 20, 0.03, 0.002, 0.003, 2.0, 0.5, 40.0)
    served = AsServed({"a": {1: 1.3}}, start_s=0.0005) if draws.random() < 0.5 else None
    truth = replace(
        profile.truth,
        roofline={"a": {1: (ResourcePhase(0.25, 0.9, 0.3, 0.2, 0.7, 3e6, 0.4), ResourcePhase(0.75, 0.2, 0.8))}},
        gpulet=GpuletFit(0.1, 0.7, 0.35, 0.9, 0.9),
        igniter=Igniter(IgniterGpu(1530.0, 300.0, 53.5, -1.0, 0.005, -0.009), dict.fromkeys(MODELS, igniter)),
        kernel_queue=KernelQueue(0.5, {"a": {1: 1e-4}, "b": {1: 3e-4, 8: 5e-4}, "c": {1: 2e-5}}, served=served),
        time_slicing=TimeSlices({name: {1: 0.4} for name in MODELS}, {"a": {1: 8.0}, "b": {1: 0.2}, "c": {1: 1.0}}),
        transfers=Transfers(int(draws.integers(0, 3)), duplex=0.9) if draws.random() < 0.3 else None,
        host=random_host(draws, start_s) if hosted else None,
    )
    pairs = tuple(Pair(one, 1, other, 1, float(draws.uniform(1, 2.5))) for one in MODELS for other in MODELS)
    observable = replace(profile.observable, models=models)
    return replace(profile, device=Device("GPU", l2_bytes=4 << 20), observable=observable, pairs=pairs, truth=truth)


def wrong_belief(draws, profile):
    """The profile with other latencies, for the scheduler to hold true."""
    known, times = profile.observable, float(draws.choice([0.5, 1.3]))
    wrong = {name: {size: each * times for size, each in one.latency_s.items()} for name, one in known.models.items()}
    models = {name: replace(model, latency_s=wrong[name]) for name, model in known.models.items()}
    return replace(profile, observable=replace(known, models=models))


def random_policy(draws):
    """Return a policy as it is called."""
    name = str(draws.choice(PREEMPTIVE))
    own = {
        "preempt-ideal": {"latency_s": [0, 4e-5, 0.002]},
        "preempt-gated": {"k": [1, 4, 16, 60], "sync": ["true", "false"], "overhead": [0, 0.03]},
        "preempt-kernel": {"share": [1.0, 0.3], "overhead": [0, 0.03]},
        "preempt-reset": {
            "latency_s": [0, 3.2e-5, 0.001],
            "cap": [0, 1, 5],
            "high_at_once": [1, 2],
            "overhead": [0, 0.01],
        },
        "preempt-slack": {"stretch": [1.0, 1.2, 2.5, 10.0], **BY_NAME},
        "k-edf": {"k": [1, 2, 3], "ranking": ["gpu", "system"], "sync": ["true", "false"], **BY_NAME},
        "orion": {"most_s": [0, 1.6e-4, 0.001, 0.01]},
    }[name]
    common = {"max_batch": [1, 2, 4], "drop": ["never", "expired", "infeasible"]}
    if name in PREEMPTIVE[:4]:
        common |= {"whole_request": ["true", "false"], "stop": ["all", "needed"]}
    chosen = {key: draws.choice(values) for key, values in (own | common).items() if draws.random() < 0.5}
    return f"{name}({','.join(f'{key}={value}' for key, value in chosen.items())})"


def random_clients(draws):
    """Clients that wait for replies, now and then."""
    if draws.random() < 0.8:
        return {}
    closed = [
        ClosedLoopClient(
            f"own{number}",
            str(draws.choice(MODELS)),
            Priority(int(draws.integers(2))),
            int(draws.choice([0, 600_000])),
            4_000,
            slo_s=float(draws.choice([0.01, 0.05, np.inf])),
            think_s=float(draws.choice([0.0, 0.001])),
            limit=20,
        )
        for number in range(int(draws.integers(1, 4)))
    ]
    return {"closed_loop": closed, "one_at_a_time": [OneAtATimeClient("p", 0.05)] if draws.random() < 0.5 else []}


def random_case(seed):
    """Return all arguments of a run, and how the policy is called; the same for equal seeds."""
    draws = Streams(seed).get("compiled", "preemption")
    start_s = float(draws.choice([0.0, 3.0, 86_400.1]))
    profile = random_profile(draws, start_s, hosted=draws.random() < 0.3)
    gpus, count = int(draws.choice([1, 1, 1, 2, 3])), int(draws.integers(10, 90))
    mean_s = np.mean([model.latency_s[1] for model in profile.observable.models.values()])
    gaps_s = draws.exponential(mean_s / gpus / draws.uniform(0.4, 2.0), count)
    arrivals_s = start_s + np.cumsum(np.round(gaps_s, 3) if draws.random() < 0.4 else gaps_s)
    slack = [float(draws.choice([2.0, 5.0, 20.0, np.inf])), float(draws.choice([3.0, 10.0, np.inf]))]
    share, rows = draws.uniform(0.2, 0.7), []
    for at_s in arrivals_s.tolist():
        name, level = MODELS[draws.integers(3)], Priority(int(draws.random() > share))
        client = str(draws.choice(["p", "q"])) if draws.random() < 0.3 else None
        due_s = at_s + slack[level] * profile.observable.models[name].latency_s[1]
        rows.append((at_s, name, level, due_s, None, None, client))
    options = Options(
        name="policy",
        cluster=Cluster(
            gpus=gpus,
            device_model=str(draws.choice(OFTEN + FLUID)),
            max_concurrency=int(draws.integers(1, 5)),
            prefetch=int(draws.integers(0, 3)),
            transfers=draws.random() < 0.8,
            uplink_bytes_per_s=1e9 if draws.random() < 0.2 else None,
        ),
        max_batch=int(draws.choice([1, 4, 8])),
        drop=list(DropMode)[draws.integers(3)],
        seed=seed,
        noise=LogNormal(0.3) if draws.random() < 0.2 else None,
        belief=wrong_belief(draws, profile) if draws.random() < 0.2 else None,
    )
    workload, policy = make_workload(rows, profile=profile, **random_clients(draws)), random_policy(draws)
    if draws.random() < 0.3:
        options = replace(options, rejection=Rejection(retries=2, backoff_s=0.002, retry_by="all"))
    return workload, profile, policy, options


def made(text):
    (call,) = parse_policies(text)
    return make_policy(call)


def differences(one, other):
    """Return the columns in which two results differ."""
    found = []
    for table in ("batches", "requests", "pauses"):
        for column in fields(getattr(other, table)):
            left, right = (np.asarray(getattr(getattr(of, table), column.name)) for of in (one, other))
            if left.dtype != right.dtype or left.tobytes() != right.tobytes():
                found.append(f"{table}.{column.name}")
    names = ("events", "reasons", "notes", "clients", "start_s", "end_s")
    found += [name for name in names if getattr(one, name) != getattr(other, name)]
    return found + ["attempts"] * bool(np.any(np.asarray(one.attempts) != np.asarray(other.attempts)))


def note_what_it_had(result, workload, profile, policy, options):
    """Count the features of a case, and what came up in it."""
    cluster, pauses, host = options.cluster, result.pauses, profile.truth.host
    hosted = host is not None and host.adds
    name, _, settings = policy.rstrip(")").partition("(")
    had = {
        "cases": True,
        f"policy {name}": True,
        f"device {cluster.device_model}": True,
        "batches of several": bool((result.batches.size > 1).any()),
        "drops": len(result.reasons) > 0,
        "requests sent again": result.attempts is not None and bool((np.asarray(result.attempts) > 1).any()),
        "several GPUs": cluster.gpus > 1,
        "more than two slots": (result.max_concurrency or 0) > 2,
        "shared links": isinstance(lay_out(workload, profile, made(policy), cluster).links, Fabric),
        "host overheads": hosted,
        "host overheads and pauses": hosted and len(pauses) > 0,
        "clients that wait": workload.waits_for_replies,
        "a belief of its own": options.belief is not None,
        "noise": options.noise is not None or profile.truth.noise_cv > 0,
        "pauses": len(pauses) > 0,
        "a pause that was called back or ended": bool(np.isnan(pauses.stopped_s).any()),
        "a batch stopped more than once": bool((np.bincount(pauses.batch) > 1).any()) if len(pauses) else False,
        "work lost": bool((pauses.lost_s > 0).any()),
    }
    for setting in settings.split(","):
        had[f"setting {setting}"] = bool(setting)
    COVERED.update(name for name, holds in had.items() if holds)
    COVERED["requests in all"] += len(result.requests)
    COVERED["pauses in all"] += len(pauses)


@pytest.mark.slow  # compiles for half a minute
@pytest.mark.parametrize("seed", range(FIRST, FIRST + CASES))
def test_compiled_preemption_gives_the_same_bytes(seed):
    workload, profile, policy, options = random_case(seed)
    assert covers(workload, profile, made(policy), options) is None
    fast = simulate_fast(workload, profile, made(policy), options)
    assert fast.engine == "fast", policy  # it did not leave the run to the reference
    assert differences(fast, simulate_with(workload, profile, made(policy), options)) == [], policy
    note_what_it_had(fast, workload, profile, policy, options)


@pytest.mark.slow
def test_one_after_the_other_is_stopped_by_what_is_due_sooner():
    """More than there is room for at first: the run is made again with more."""
    profile = make_profile({"a": 0.010}, kernels=10)
    rows = [(0.001 * number, "a", "low", 1000.0 - number) for number in range(150)]
    workload = make_workload(rows, profile=profile)
    options = Options("policy", Cluster(max_concurrency=1), max_batch=1, drop=DropMode.NEVER, seed=0)
    text = "k-edf(mechanism=ideal)"
    fast = simulate_fast(workload, profile, made(text), options)
    assert fast.engine == "fast"
    assert np.bincount(fast.pauses.batch).sum() == len(fast.pauses) == 149
    assert differences(fast, simulate_with(workload, profile, made(text), options)) == []


@pytest.mark.slow
def test_many_are_stopped_again_and_again():
    """Sixteen of low priority, by each of forty of high priority: more pauses than there is room for at first."""
    rows = [(0.0, "a", "low", 1e3)] * 16 + [(0.01 + 0.002 * number, "b", "high", 1e3) for number in range(40)]
    profile = make_profile({"a": 0.100, "b": 0.001})
    workload = make_workload(rows, profile=profile)
    machine = Cluster(device_model="processor-sharing", max_concurrency=16)
    options = Options("policy", machine, max_batch=1, drop=DropMode.NEVER, seed=0)
    fast = simulate_fast(workload, profile, made("preempt-ideal"), options)
    assert fast.engine == "fast"
    assert len(fast.pauses) == 16 * 40
    assert differences(fast, simulate_with(workload, profile, made("preempt-ideal"), options)) == []


@pytest.mark.skipif(CASES < 300, reason="for long runs")
def test_the_cases_covered_all_that_is_claimed():
    for name, count in sorted(COVERED.items()):
        print(f"{count:9,} {name}")
    assert {f"policy {name}" for name in PREEMPTIVE} <= COVERED.keys()
    assert {f"device {model}" for model in FLUID} <= COVERED.keys()


@pytest.mark.slow
def test_the_source_gives_the_same_bytes_uncompiled():
    """Where numba is not installed the same source runs as it stands."""
    asked = {**os.environ, "NUMBA_DISABLE_JIT": "1", "STRATSIM_ENGINES": "40"}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-k", "same_bytes and not source"]
    found = subprocess.run([*command, __file__], env=asked, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout[-2000:]
