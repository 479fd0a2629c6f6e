"""Shepherd's rule: 3.03 times as many requests preempt. Times in ms."""

import pytest

from stratsim import simulate
from stratsim.errors import SpecError
from stratsim.model.cluster import Cluster
from stratsim.policy.preempt import Shepherd
from stratsim.policy.queueing import Edf
from stratsim.testing import make_profile, make_workload

PROFILE = make_profile({"a": {1: 0.010, 16: 0.010}, "b": {1: 0.004, 16: 0.004}}, kernels=10)
ALONE = Cluster(device_model="exclusive", max_concurrency=1, prefetch=0, transfers=False)


def run(*groups, **parameters):
    """Groups of (at, model, how many, due)."""
    rows = [(at / 1e3, model, "low", due / 1e3) for at, model, count, due in groups for _ in range(count)]
    policy = Shepherd(**{"max_batch": 16, "drop": "infeasible", **parameters})
    return simulate(make_workload(rows, profile=PROFILE), PROFILE, policy, cluster=ALONE)


@pytest.mark.parametrize(("count", "preempts"), [(12, False), (13, True)])
def test_a_running_batch_of_four_is_stopped_by_thirteen(count, preempts):
    """3.03 times 4 is 12.12."""
    result = run((0, "a", 4, 99), (3, "b", count, 99))
    assert result.batches.size.tolist() == [4, count]
    assert bool(len(result.pauses)) is preempts
    if preempts:  # three of ten are lost: b runs 3 to 7, a from 7 to 17
        assert result.pauses.lost_s.tolist() == [pytest.approx(0.003)]
        assert (result.batches.execution_end_s * 1e3).tolist() == pytest.approx([17, 7])


def test_the_largest_feasible_batch_goes_first():
    result = run((0, "a", 1, 99), (1, "a", 2, 99), (1, "b", 3, 99))
    assert result.batches.size.tolist() == [1, 3, 2]


def test_what_is_hopeless_waits_until_nothing_else_does():
    """Stopped at 3 and due at 15, it could end at 17: what came at 4 goes before it."""
    result = run((0, "a", 1, 15), (3, "b", 5, 99), (4, "a", 1, 99))
    assert (result.batches.execution_start_s * 1e3).tolist() == pytest.approx([0, 3, 7])
    assert result.pauses.restart_s.tolist() == [pytest.approx(0.017)]


def test_without_bursts_one_model_is_never_preempted():
    """One request per 4 ms, batches of 10 ms: at most three wait at a time. The batches are those of EDF."""
    rows = [(at / 1e3, "a", "low", 1.0) for at in range(0, 120, 4)]
    workload = make_workload(rows, profile=PROFILE)
    own, edf = (
        simulate(workload, PROFILE, policy(max_batch=16, drop="infeasible"), cluster=ALONE)
        for policy in (Shepherd, Edf)
    )
    assert len(own.pauses) == 0
    assert own.batches.execution_start_s.tolist() == edf.batches.execution_start_s.tolist()
    assert own.requests.batch.tolist() == edf.requests.batch.tolist()


def test_more_must_be_asked_than_one():
    with pytest.raises(SpecError, match="preempt"):
        Shepherd(preempt=0.5)
