"""Policies that preempt at random, over random workloads: nothing breaks, no work is lost or won."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratsim import simulate
from stratsim.model.cluster import Cluster
from stratsim.model.parts import Link
from stratsim.model.preemption import AtBoundary, ContextSwitch, Gated, Reset
from stratsim.model.profile import Sharing
from stratsim.model.request import Priority
from stratsim.policy import Policy, Resume, SetTimer, Start, Suspend, Wake
from stratsim.policy.preempt import (
    AwareKEdf,
    KEdf,
    Orion,
    PreemptGated,
    PreemptIdeal,
    PreemptKernel,
    PreemptLax,
    PreemptReset,
    PreemptSlack,
    Shepherd,
)
from stratsim.results import invariants
from stratsim.testing import make_profile, make_workload

TICK_S = 0.0007
MECHANISMS = st.one_of(
    st.builds(Gated, k=st.integers(1, 20), sync=st.booleans(), overhead=st.sampled_from([0.0, 0.03])),
    st.builds(AtBoundary, share=st.sampled_from([1.0, 0.3])),
    st.builds(Reset, latency_s=st.sampled_from([0.0, 1e-4]), cap=st.sampled_from([0, 2, None])),
    st.builds(ContextSwitch, latency_s=st.sampled_from([0.0, 4e-5, 2e-3])),
)


class AtRandom(Policy):
    """Starts, stops and resumes at random, until all have arrived; then lets everything go on."""

    wakes = frozenset(Wake)

    def __init__(self, mechanism, last_s):
        self.preemption = mechanism
        self.last_s = last_s

    def prepare(self, setting):
        self.draws = setting.streams.get("at random")
        self.waiting = []
        self.timer_s = -1.0

    def on_arrival(self, request, view):
        self.waiting.append(request)

    def decide(self, view):
        over = view.now_s > self.last_s
        for gpu in view.gpus:
            for batch in (*gpu.executing, *gpu.staged):
                if not over and self.draws.random() < 0.3:
                    yield Suspend(batch)
            for batch in gpu.suspended:
                if gpu.free_places and (over or self.draws.random() < 0.3):
                    yield Resume(batch)
            while self.waiting and gpu.free_places and (self.draws.random() < 0.8 or over):
                yield Start((self.waiting.pop(0),), gpu.id)
        unfinished = self.waiting or any(gpu.in_flight or gpu.suspended for gpu in view.gpus) or not over
        if unfinished and view.now_s >= self.timer_s:
            self.timer_s = view.now_s + TICK_S
            yield SetTimer(self.timer_s)


@st.composite
def worlds(draw):
    profile = make_profile(
        {"a": 0.004, "b": 0.0015},
        kernels={"a": draw(st.integers(1, 40)), "b": 3},
        sharing={"a": Sharing(draw(st.floats(0.1, 1.0)), draw(st.floats(0.2, 5.0)))},
        bytes_in=draw(st.sampled_from([0, 300_000])),
        bytes_out=1_000,
        h2d=Link(1e-5, 1e9),
        d2h=Link(1e-5, 1e9),
        noise_cv=draw(st.sampled_from([0.0, 0.1])),
    )
    gaps = draw(st.lists(st.sampled_from([0.0, 0.0005, 0.002]), min_size=1, max_size=25))
    at_s = np.cumsum(gaps).tolist()
    rows = [(t, draw(st.sampled_from("ab")), draw(st.sampled_from(Priority)), t + 0.02) for t in at_s]
    cluster = Cluster(
        gpus=draw(st.integers(1, 2)),
        device_model=draw(st.sampled_from(["streams", "exclusive", "processor-sharing"])),
        max_concurrency=draw(st.integers(1, 3)),
        prefetch=draw(st.integers(0, 2)),
        transfers=draw(st.booleans()),
        uplink_bytes_per_s=draw(st.sampled_from([None, 5e8])),
    )
    return profile, make_workload(rows, profile=profile), cluster


def work_is_conserved(result, mechanism):
    """Alone on its GPU a batch executes for exactly its work, with what it lost and the latencies of its stops."""
    latency_s = getattr(mechanism, "latency_s", 0.0)
    pauses = result.pauses
    own = result.batches.solo_s * (1 + mechanism.overhead)
    stops = pauses.by_batch(np.where(np.isnan(pauses.stopped_s), 0.0, latency_s), len(own))
    needed = own + pauses.by_batch(pauses.lost_s, len(own)) + stops
    return needed, result.executed_s


@given(world=worlds(), mechanism=MECHANISMS, seed=st.integers(0, 3))
def test_whatever_is_stopped_and_resumed_no_invariant_breaks(world, mechanism, seed):
    profile, workload, cluster = world
    policy = AtRandom(mechanism, float(workload.arrival_s[-1]) + 0.01)
    first, again = (simulate(workload, profile, policy, cluster=cluster, seed=seed) for _ in range(2))
    assert invariants(first, first.max_concurrency) == []
    assert np.array_equal(first.requests.finish_s, again.requests.finish_s)
    assert not np.isnan(first.requests.finish_s).any()
    needed, executed = work_is_conserved(first, mechanism)
    assert (executed >= needed - 1e-9).all()
    if first.max_concurrency == 1 and (mechanism.holds_slot or not len(first.pauses)):
        assert executed == pytest.approx(needed, abs=1e-9)


@given(world=worlds(), mechanism=MECHANISMS)
def test_the_gpu_does_as_much_work_as_is_asked_of_it(world, mechanism):
    """Sharing equally, a GPU does one second of work per second: busy time is the sum of what all had to do."""
    profile, workload, _ = world
    shared = Cluster(gpus=1, device_model="processor-sharing", max_concurrency=2, prefetch=1, transfers=False)
    policy = AtRandom(mechanism, float(workload.arrival_s[-1]) + 0.01)
    result = simulate(workload, profile, policy, cluster=shared, seed=1)
    if getattr(mechanism, "latency_s", 0.0):
        return  # while one halts, others may execute or not
    needed, _ = work_is_conserved(result, mechanism)
    _, start_s, end_s = result.stretches()
    order = np.argsort(start_s)
    reached_s = np.maximum.accumulate(end_s[order])
    before_s = np.concatenate([[-np.inf], reached_s[:-1]])
    busy_s = np.maximum(reached_s - np.maximum(start_s[order], before_s), 0.0).sum()
    assert busy_s == pytest.approx(needed.sum(), abs=1e-9)


@given(
    world=worlds(),
    stop=st.sampled_from(["all", "needed"]),
    whole=st.booleans(),
    drop=st.sampled_from(["never", "infeasible"]),
)
@pytest.mark.parametrize("policy", [PreemptGated, PreemptKernel, PreemptReset, PreemptIdeal])
def test_the_shipped_policies_keep_all_invariants(world, policy, stop, whole, drop):
    profile, workload, cluster = world
    made = policy(stop=stop, whole_request=whole, drop=drop, max_batch=4)
    result = simulate(workload, profile, made, cluster=cluster, seed=1)
    assert invariants(result, result.max_concurrency) == []
    assert np.isnan(result.requests.finish_s).sum() == (result.requests.reason >= 0).sum()
    priority = result.batches.priority[result.pauses.batch]
    assert (priority == Priority.LOW).all()


@pytest.mark.parametrize("policy", [AwareKEdf, KEdf, Orion, PreemptLax, PreemptSlack, Shepherd])
@given(world=worlds(), drop=st.sampled_from(["never", "infeasible"]))
def test_the_others_keep_all_invariants(world, policy, drop):
    profile, workload, cluster = world
    result = simulate(workload, profile, policy(drop=drop, max_batch=4), cluster=cluster, seed=1)
    assert invariants(result, result.max_concurrency) == []
    assert np.isnan(result.requests.finish_s).sum() == (result.requests.reason >= 0).sum()


def test_the_random_policy_does_preempt():
    """Else the above would show nothing."""
    profile = make_profile({"a": 0.004}, kernels=40)
    workload = make_workload([(0.001 * i, "a") for i in range(20)], profile=profile)
    for mechanism in (Gated(k=4), Gated(k=4, sync=True), AtBoundary(), Reset(), ContextSwitch()):
        result = simulate(workload, profile, AtRandom(mechanism, 0.06), cluster=Cluster(max_concurrency=2))
        assert (~np.isnan(result.pauses.stopped_s)).sum() > 10
