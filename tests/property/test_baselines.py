"""Random machines and workloads through every non-preemptive baseline: sound runs, equal bits, nothing left behind."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratsim import simulate
from stratsim.model.cluster import Cluster
from stratsim.model.parts import Link
from stratsim.model.profile import Sharing
from stratsim.model.request import Priority, Status
from stratsim.policy import DropMode
from stratsim.policy.queueing import Edf, PriorityEdf
from stratsim.policy.registry import make_policy, parse_policies
from stratsim.results.checks import invariants
from stratsim.testing import make_profile, make_workload

LINK = Link(1e-5, 1e9)
PROFILE = make_profile(
    {"a": {1: 0.004, 4: 0.010, 8: 0.017}, "b": {1: 0.010, 2: 0.014}, "c": 0.002},
    sharing={"a": Sharing(0.9, 4.0), "b": Sharing(0.7, 1.5), "c": Sharing(0.3, 1.0)},
    h2d=LINK,
    d2h=LINK,
    bytes_in={"a": 600_000, "b": 3_000_000},
    bytes_out=4_000,
    noise_cv=0.05,
)
POLICIES = (
    "aware-edf",
    "aware-edf(predictor=constant(slowdown=2), margin=0.9, infeasible=alone)",
    "aware-edf(predictor=ewma-pairs, order=deadline, refresh=1, floor=0.05)",
    "least-slack",
    "least-slack(order=priority, predictor=constant(slowdown=2))",
    "lax",
    "lax(critical=equal, reserve=4.0)",
    "clockwork",
    "clockwork(schedule_ahead_s=0.002, buffer_s=0.0, percentile=0.5, window=3)",
    "triton",
    "triton(preferred=[2, 4], max_queue_delay_s=0.003, instances=2)",
    "triton(priority_levels=2, timeout_s=0.02, timeout_action=delay, prefetch=on)",
    "triton(timeout_s=0.03, allow_timeout_override=true, max_queue_size=3)",
    "symphony",
    "symphony(drop=timeout)",
    "symphony(target=3, response_s=0.002, control_s=0.0001, data_s=0.00005, jitter_s=0.0001)",
    "nexus",
    "nexus(batching=head, network_s=0.0)",
)

requests = st.lists(
    st.tuples(
        st.floats(0.0, 0.1),
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(Priority),
        st.one_of(st.floats(0.001, 0.2), st.just(float("inf"))),
    ).map(lambda row: (*row[:3], row[0] + row[3])),
    min_size=1,
    max_size=40,
)
clusters = st.builds(
    Cluster,
    gpus=st.integers(1, 3),
    max_concurrency=st.integers(1, 3),
    prefetch=st.integers(0, 2),
    transfers=st.just(True),
)


def run(text, rows, cluster, drop=DropMode.INFEASIBLE, max_batch=8):
    (call,) = parse_policies(text)
    workload = make_workload(rows, profile=PROFILE)
    return simulate(workload, PROFILE, make_policy(call), cluster=cluster, drop=drop, max_batch=max_batch)


@pytest.mark.parametrize("text", POLICIES)
@settings(max_examples=settings.default.max_examples // 5)
@given(rows=requests, cluster=clusters, drop=st.sampled_from(DropMode), max_batch=st.integers(1, 9))
def test_every_run_is_sound_and_repeatable(text, rows, cluster, drop, max_batch):
    first, second = (run(text, rows, cluster, drop, max_batch) for _ in range(2))
    assert invariants(first, cluster.max_concurrency) == []
    assert first.notes == ()
    assert not (first.requests.status == Status.UNFINISHED).any()
    assert first.batches.size.max(initial=0) <= max_batch
    np.testing.assert_array_equal(first.requests.finish_s, second.requests.finish_s)
    np.testing.assert_array_equal(first.requests.status, second.requests.status)


@pytest.mark.parametrize("text", [text for text in POLICIES if "timeout_" not in text and "queue_size" not in text])
@settings(max_examples=settings.default.max_examples // 5)
@given(rows=requests, cluster=clusters)
def test_without_deadlines_everything_is_answered(text, rows, cluster):
    endless = [(at, model, level, float("inf")) for at, model, level, _ in rows]
    assert (run(text, endless, cluster).requests.status == Status.MET).all()


def same(one, other):
    np.testing.assert_array_equal(one.requests.finish_s, other.requests.finish_s)
    np.testing.assert_array_equal(one.requests.batch, other.requests.batch)


@given(rows=requests, slots=st.integers(1, 3), gpus=st.integers(1, 3), drop=st.sampled_from(DropMode))
def test_solo_beliefs_give_the_blind_policys_decisions(rows, slots, gpus, drop):
    """Without copies: see the page of policies for what differs with them."""
    cluster = Cluster(gpus=gpus, max_concurrency=slots, transfers=False)
    workload = make_workload(rows, profile=PROFILE)
    for text, blind in (("aware-edf(predictor=solo)", PriorityEdf), ("aware-edf(predictor=solo, order=deadline)", Edf)):
        expected = simulate(workload, PROFILE, blind(), cluster=cluster, drop=drop)
        same(run(text, rows, cluster, drop), expected)


@given(rows=requests, cluster=clusters)
def test_lax_that_promotes_at_the_deadline_or_nobody_is_priority_edf(rows, cluster):
    """What is promoted at its deadline has been given up before, where the infeasible are."""
    high = [(at, model, Priority.HIGH, end) for at, model, _, end in rows]
    same(run("lax", high, cluster), run("priority-edf", high, cluster))
    same(run("lax(reserve=0.0)", rows, cluster), run("priority-edf", rows, cluster))
