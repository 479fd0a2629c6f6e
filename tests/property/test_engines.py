"""Both engines give the same bytes: random workloads, profiles, machines and settings, every column of the result.

A short run here, uncompiled; `make test-slow` compiles, and `make test-engines` draws ENGINES cases and prints what
they covered.
"""

import os
import subprocess
import sys
from collections import Counter
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

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
from stratsim.policy import DropMode
from stratsim.policy.native import Native
from stratsim.policy.queueing import Edf, Fifo, PriorityEdf, PriorityFifo, QueuePolicy
from stratsim.testing import make_profile, make_workload

CASES = int(os.environ.get("STRATSIM_ENGINES", "0"))
POLICIES = (Fifo, PriorityFifo, Edf, PriorityEdf, Native)
MODELS, CLIENTS = ("a", "b", "c"), ("p", "q", "r")
FLUID = sorted(EXECUTION_MODELS.keys() - {"block-priority"})
OFTEN = ("streams", "kernel-queue", "kernel-queue", "time-slicing", "igniter")
"""Drawn more often than others."""
COVERED: Counter[str] = Counter()
"""What the cases of this process had."""

milliseconds = st.floats(0.1, 20.0).map(lambda value: value * 1e-3) | st.sampled_from([0.001, 0.002, 0.005])
weights_bytes = st.sampled_from([0, 2_000_000, 3_000_000, 5_000_000])
overheads = st.sampled_from([0.0, 0.0, 1e-4, 0.0005, 0.001])

SERVED = st.builds(
    AsServed, st.sampled_from([{}, {"a": {1: 1.3}, "c": {1: 0.9}}]), start_s=st.sampled_from([0.0, 1e-4, 0.0005, 0.001])
)


@st.composite
def hosts(draw, start_s):
    """What the host takes. Stays in its two speeds are drawn from time 0 on, so they are longer before a late start."""
    thinks = [{}, {}, {"policy": Decide(0.0005)}, {"policy": Decide(0.001, 0.5), "fifo": Decide(9.0)}]
    longer = 1.0 if start_s < 10.0 else 1000.0
    fast_s = st.sampled_from([1e-4 * longer, 0.01 * longer, 1.0 * longer])
    return Host(
        *(draw(overheads) for _ in range(4)),
        decide_s=draw(st.sampled_from(thinks)),
        speeds=draw(st.none() | st.builds(Speeds, st.just(0.9), st.just(2.5), fast_s, st.just(0.02 * longer))),
    )


@st.composite
def latencies(draw):
    """Solo latencies by batch size, for up to eight requests."""
    solo = draw(milliseconds)
    most = draw(st.sampled_from([1, 2, 4, 8]))
    return {1: solo} if most == 1 else {1: solo, most: solo * draw(st.floats(1.0, most))}


@st.composite
def sharings(draw):
    """Parameters of `streams`: one phase, or two."""
    demand, weight = draw(st.floats(0.05, 1.0)), draw(st.floats(0.1, 10.0))
    if draw(st.booleans()):
        return Sharing(demand, weight)
    share = draw(st.floats(0.1, 0.9))
    return Sharing(phases=(SharingPhase(share, demand, weight), SharingPhase(1 - share, draw(st.floats(0.05, 1.0)))))


@st.composite
def profiles(draw, start_s):
    """Profiles with what every fluid device model needs."""
    links = [Link(draw(st.sampled_from([0.0, 2e-5])), draw(st.floats(1e8, 5e10))) for _ in range(2)]
    made = make_profile(
        {name: draw(latencies()) for name in MODELS},
        sharing={name: draw(sharings()) for name in MODELS[:2]},
        h2d=links[0],
        d2h=links[1],
        bytes_in=draw(st.sampled_from([0, 602_112, 5_000_000, {"a": 602_112}])),
        bytes_out=draw(st.sampled_from([0, 4_000, 1_000_000])),
        noise_cv=draw(st.sampled_from([0.0, 0.1])),
    )
    models = {
        name: replace(model, features={1: Features(0.6, 0.5, 0.4)}, weights_bytes=draw(weights_bytes))
        for name, model in made.observable.models.items()
    }
    igniter = IgniterModel((0.004, 8.7, 23.7, 0.06, 0.35), 20, 0.03, 0.002, 0.003, 2.0, 0.5, 40.0)
    truth = replace(
        made.truth,
        roofline={"a": {1: (ResourcePhase(0.25, 0.9, 0.3, 0.2, 0.7, 3e6, 0.4), ResourcePhase(0.75, 0.2, 0.8))}},
        gpulet=GpuletFit(0.1, 0.7, 0.35, 0.9, 0.9),
        igniter=Igniter(IgniterGpu(1530.0, 300.0, 53.5, -1.0, 0.005, -0.009), dict.fromkeys(MODELS, igniter)),
        kernel_queue=KernelQueue(
            0.5, {"a": {1: 1e-4}, "b": {1: 3e-4, 8: 5e-4}, "c": {1: 2e-5}}, served=draw(st.none() | SERVED | SERVED)
        ),
        time_slicing=TimeSlices({name: {1: 0.4} for name in MODELS}, {"a": {1: 8.0}, "b": {1: 0.2}, "c": {1: 1.0}}),
        noise_cvs=draw(st.sampled_from([{}, {"a": 0.2}])),
        transfers=draw(st.none() | st.builds(Transfers, st.integers(0, 2), duplex=st.sampled_from([1.0, 0.9, 0.6]))),
        host=draw(st.none() | hosts(start_s)),
    )
    return replace(
        made,
        device=Device("GPU", l2_bytes=4 << 20),
        observable=replace(made.observable, models=models),
        pairs=tuple(Pair(one, 1, other, 1, 1.7) for one in MODELS for other in MODELS),
        truth=truth,
    )


@st.composite
def row_lists(draw, start_s, *, crowded=False):
    """Requests in bursts; on a coarse grid of times there are ties, with rounding and without."""
    count = draw(st.integers(30 if crowded else 0, 60))
    gap = draw(st.sampled_from([milliseconds, st.sampled_from([0.0, 0.001, 0.002]), st.just(0.0) | milliseconds]))
    slos_s = draw(st.sampled_from([[float("inf")], [0.001, 0.010, 0.025], [0.01, 0.05, float("inf")]]))
    if crowded:
        gap, slos_s = st.sampled_from([0.0, 0.0001, 0.001]), [0.01, 0.03, 0.1]
    rows, at_s = [], start_s
    for gap_s in draw(st.lists(gap, min_size=count, max_size=count)):
        at_s += gap_s
        deadline_s = at_s + draw(st.sampled_from(slos_s))
        client = draw(st.sampled_from([None, None, *CLIENTS]))
        rows.append(
            (at_s, draw(st.sampled_from(MODELS)), draw(st.sampled_from(Priority)), deadline_s, None, None, client)
        )
    return rows


@st.composite
def waiting_clients(draw):
    """Clients that wait for replies: some that think, and some of those that the trace has requests of."""
    number = st.integers(0, 3)
    closed = [
        ClosedLoopClient(
            id=draw(st.sampled_from(["own", "other", *CLIENTS])),
            model=draw(st.sampled_from(MODELS)),
            priority=draw(st.sampled_from(Priority)),
            bytes_in=draw(st.sampled_from([0, 600_000])),
            bytes_out=draw(st.sampled_from([0, 4_000])),
            slo_s=draw(st.sampled_from([0.005, 0.05, float("inf")])),
            think_s=draw(st.sampled_from([0.0, 0.001, 0.0123])),
            start_s=draw(st.sampled_from([0.0, 0.002, 3.0])),
            stop_s=draw(st.sampled_from([0.05, float("inf")])),
            limit=draw(st.integers(0, 12)),
        )
        for _ in range(draw(number))
    ]
    one_at_a_time = [OneAtATimeClient(name, draw(st.sampled_from([0.03, float("inf")]))) for name in CLIENTS]
    return {"closed_loop": closed, "one_at_a_time": one_at_a_time[: draw(number)]}


@st.composite
def circumstances(draw, *, crowded=False):
    """All arguments of a run but the policy; crowded, with deadlines, and drops that are followed by attempts."""
    start_s = draw(st.sampled_from([0.0, 3.0, 86_400.1]))
    profile = draw(profiles(start_s))
    options = Options(
        name="policy",
        cluster=Cluster(
            gpus=draw(st.integers(1, 4)),
            device_model=draw(st.sampled_from([*OFTEN, *FLUID])),
            max_concurrency=draw(st.integers(1, 5)),
            prefetch=draw(st.integers(0, 3)),
            transfers=draw(st.sampled_from([True, True, False])),
            uplink_bytes_per_s=draw(st.sampled_from([None, None, 1e9])),
            memory=draw(st.none() | st.none() | st.sampled_from([5e6, 5e6, 8e6])),
        ),
        max_batch=draw(st.integers(1, 9)),
        drop=draw(st.sampled_from([DropMode.EXPIRED, DropMode.INFEASIBLE] if crowded else DropMode)),
        seed=draw(st.integers(0, 3)),
        noise=draw(st.none() | st.just(LogNormal(0.3))),
        rejection=Rejection(
            reject_s=draw(st.sampled_from([0.001, 0.0004, 0.0])),
            retries=draw(st.sampled_from([1, 3] if crowded else [0, 0, 1, 3])),
            backoff_s=draw(st.sampled_from([0.0001, 0.001, 0.01])),
            retry_by=draw(st.sampled_from(["waiting", "all", "all"])),
        ),
    )
    clients = draw(st.just({}) | waiting_clients())
    return make_workload(draw(row_lists(start_s, crowded=crowded)), profile=profile, **clients), profile, options


@st.composite
def runs(draw):
    """All arguments of a run."""
    workload, profile, options = draw(circumstances() | circumstances(crowded=True))
    policy = draw(st.sampled_from(POLICIES))
    own = {
        "max_batch": draw(st.none() | st.integers(1, 4)),
        "drop": draw(st.none() | st.none() | st.sampled_from(["never", "expired"])),
    }
    return workload, profile, lambda: policy(**({} if policy is Native else own)), options


def assert_same(one, other):
    """Both results agree in every byte of every column, and in all else but the time that they took."""
    for table in ("batches", "requests", "loads"):
        mine, theirs = getattr(one, table), getattr(other, table)
        assert (mine is None) == (theirs is None)
        for column in () if mine is None else fields(mine):
            left, right = (np.asarray(getattr(of, column.name)) for of in (mine, theirs))
            assert (left.dtype, left.shape) == (right.dtype, right.shape), column.name
            if left.tobytes() != right.tobytes():
                np.testing.assert_array_equal(left, right, err_msg=column.name, strict=True)
                raise AssertionError(f"{table}.{column.name}: other bytes for equal values")
    for name in ("policy", "models", "clients", "reasons", "gpus", "events", "start_s", "end_s", "notes"):
        assert getattr(one, name) == getattr(other, name), name
    for name in ("max_concurrency", "copy_engines", "pauses"):
        assert getattr(one, name) == getattr(other, name), name
    mine, theirs = (None if of.attempts is None else np.asarray(of.attempts).tolist() for of in (one, other))
    assert mine == theirs


def note_what_it_had(result, workload, profile, policy, options):
    """Count the features of a case, and what came up in it."""
    cluster, batches = options.cluster, result.batches
    host, queue = profile.truth.host, profile.truth.kernel_queue
    served = None if queue is None else queue.served
    fabric = isinstance(lay_out(workload, profile, policy, cluster).links, Fabric)
    had = {
        "cases": True,
        f"policy {type(policy).__name__}": True,
        f"device {cluster.device_model}": True,
        f"drop {policy.drop.value if isinstance(policy, QueuePolicy) else 'never'}": True,
        "batches of several": bool((batches.size > 1).any()),
        "expired": "expired" in result.reasons,
        "infeasible": "infeasible" in result.reasons,
        "several GPUs": cluster.gpus > 1,
        "more than two slots": (result.max_concurrency or 0) > 2,
        "no transfers": not cluster.transfers,
        "clients that think": bool(workload.closed_loop),
        "clients of the trace that wait": bool(workload.one_at_a_time),
        "drops that a client waited for": any("drops of requests" in note for note in result.notes),
        "requests sent again": result.attempts is not None and bool((np.asarray(result.attempts) > 1).any()),
        "requests sent thrice": result.attempts is not None and bool((np.asarray(result.attempts) > 2).any()),
        "requests given up": any("gave up requests" in note for note in result.notes),
        "shared links": fabric,
        "shared links and host overheads": fabric and host is not None and host.adds,
        "noise": options.noise is not None or profile.truth.noise_cv > 0,
        "host overheads": host is not None and host.adds,
        "the policy thinks": host is not None and "policy" in host.decide_s,
        "a host of two speeds": host is not None and host.adds and host.speeds is not None,
        "starts cost those that run": (
            cluster.device_model == "kernel-queue" and served is not None and served.start_s > 0
        ),
        "outputs collected by the host": host is not None and host.collect_s > 0,
        "weights loaded": result.loads is not None and len(result.loads.batch) > 0,
        "weights that had to go": result.loads is not None and not np.isnan(result.loads.evicted_s).all(),
        "inputs of no bytes": bool((result.requests.bytes_in == 0).any()),
        "ties of arrivals": bool((np.diff(result.requests.arrival_s) == 0).any()),
        "waits for a slot": bool((batches.execution_start_s > batches.copy_in_end_s).any()),
    }
    COVERED.update(name for name, holds in had.items() if holds)
    COVERED["requests"] += len(result.requests)


@pytest.mark.slow  # compiles for half a minute
@settings(
    max_examples=CASES or 60,
    deadline=None,
    derandomize=not CASES,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)
@given(run=runs())
def test_both_engines_give_the_same_bytes(run):
    workload, profile, make_policy, options = run
    policy = make_policy()
    assert covers(workload, profile, policy, options) is None
    fast = simulate_fast(workload, profile, policy, options)
    assert fast.engine == "fast"  # it did not leave the run to the reference
    assert_same(fast, simulate_with(workload, profile, make_policy(), options))
    note_what_it_had(fast, workload, profile, policy, options)


@pytest.mark.slow
def test_and_so_they_do_where_a_client_sends_an_ulp_after_a_request_of_the_trace():
    """It is entered first, as events come before arrivals; but it arrived later, and is served later."""
    client = ClosedLoopClient("own", "a", Priority.LOW, 0, 0, start_s=0.1 + 0.2, limit=1)
    profile = make_profile({"a": 1.0})
    workload = make_workload([(0.0, "a"), (0.3, "a")], profile=profile, closed_loop=[client])
    cluster = Cluster(max_concurrency=1, prefetch=0, transfers=False)
    options = Options("fifo", cluster, max_batch=1, drop=DropMode.NEVER, seed=0)
    fast = simulate_fast(workload, profile, Fifo(), options)
    assert fast.requests.batch.tolist() == [0, 2, 1]
    assert_same(fast, simulate_with(workload, profile, Fifo(), options))


@pytest.mark.skipif(CASES < 1000, reason="fewer may miss something: make test-engines")
def test_the_cases_covered_all_that_is_claimed():
    for name, count in sorted(COVERED.items()):
        print(f"{count:9,} {name}")
    assert {f"policy {policy.__name__}" for policy in POLICIES} <= COVERED.keys()
    assert {f"device {model}" for model in FLUID} <= COVERED.keys()


def test_the_source_gives_the_same_bytes_uncompiled():
    """Where numba is not installed the same source runs as it stands."""
    asked = {**os.environ, "NUMBA_DISABLE_JIT": "1", "STRATSIM_ENGINES": "30"}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-k", "same_bytes and not source"]
    found = subprocess.run([*command, __file__], env=asked, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout[-2000:]
