"""High priority stops low priority: who executes when, worked out by hand. Times in ms, kernels of 1 ms."""

import numpy as np
import pytest

from stratsim import simulate
from stratsim.errors import SpecError
from stratsim.model.cluster import Cluster
from stratsim.model.parts import Link
from stratsim.policy.preempt import PreemptGated, PreemptIdeal, PreemptKernel, PreemptReset
from stratsim.policy.queueing import PriorityEdf
from stratsim.results.checks import invariants
from stratsim.rng import Streams
from stratsim.testing import make_profile, make_workload

PROFILE = make_profile({"h": 0.002, "l": 0.010, "m": 0.010}, kernels={"h": 2, "l": 10, "m": 10})
ALL = [PreemptGated, PreemptIdeal, PreemptKernel, PreemptReset]
PARAMETERS = {"max_batch": 1, "drop": "never"}


def serve(policy, rows, profile=PROFILE, **cluster):
    """Return (start, end) of the execution of each row, ms."""
    machine = {"device_model": "processor-sharing", "max_concurrency": 1, "prefetch": 0, "transfers": False, **cluster}
    rows = [(at / 1e3, model, level, due / 1e3) for at, model, level, due in rows]
    result = simulate(make_workload(rows, profile=profile), profile, policy, cluster=Cluster(**machine))
    assert invariants(result, result.max_concurrency) == []
    batch = result.requests.batch
    starts, ends = (
        (times[batch] * 1e3).tolist() for times in (result.batches.execution_start_s, result.batches.execution_end_s)
    )
    return [(round(start, 9), round(end, 9)) for start, end in zip(starts, ends, strict=True)], result


def test_low_priority_goes_on_where_high_priority_leaves_it():
    spans, _ = serve(PreemptIdeal(**PARAMETERS), [(0, "l", "low", 99), (3.5, "h", "high", 99), (4, "h", "high", 99)])
    assert spans == [(0, 14), (3.5, 5.5), (5.5, 7.5)]


def test_at_kernel_boundaries_high_priority_waits_for_one():
    spans, _ = serve(PreemptKernel(**PARAMETERS), [(0, "l", "low", 99), (3.5, "h", "high", 99)])
    assert spans == [(0, 12), (4, 6)]


def test_a_reset_is_quicker_and_costs_the_kernel():
    spans, result = serve(PreemptReset(latency_s=1e-4, **PARAMETERS), [(0, "l", "low", 99), (3.5, "h", "high", 99)])
    assert spans == [(0, 12.6), (3.6, 5.6)]
    assert result.pauses.lost_s.tolist() == [pytest.approx(0.0005)]


def test_reef_does_a_finished_kernel_again():
    """100 kernels of 0.1; at 3.05 the 31st runs, the 32nd is queued: it starts again at the 30th, 2.9 done.

    The high one (10) runs from 3.082 to 13.082; 7.1 are left: 20.182. Without `cap` the 30th would not be lost: 20.082.
    """
    profile = make_profile({"h": 0.010, "l": 0.010}, kernels=100)
    rows = [(0, "l", "low", 99), (3.05, "h", "high", 99)]
    assert serve(PreemptReset(cap=1, **PARAMETERS), rows, profile)[0] == [(0, 20.182), (3.082, 13.082)]
    assert serve(PreemptReset(**PARAMETERS), rows, profile)[0] == [(0, 20.082), (3.082, 13.082)]


def test_reef_serves_high_priority_one_at_a_time():
    """Two of 10: 10 and 20 with one slot, or with two and `high_at_once=1`; else they share the GPU until 20."""
    profile = make_profile({"h": 0.010}, kernels=100)
    rows = [(0, "h", "high", 99), (0, "h", "high", 99)]
    one = PreemptReset(high_at_once=1, **PARAMETERS)
    assert serve(PreemptReset(**PARAMETERS), rows, profile)[0] == [(0, 10), (10, 20)]
    assert serve(one, rows, profile, max_concurrency=2)[0] == [(0, 10), (10, 20)]
    assert serve(one, rows, profile, max_concurrency=2, prefetch=1)[0] == [(0, 10), (10, 20)]
    assert serve(PreemptReset(**PARAMETERS), rows, profile, max_concurrency=2)[0] == [(0, 20), (0, 20)]
    with pytest.raises(SpecError, match="high_at_once must be a whole number, at least 1"):
        PreemptReset(high_at_once=0)


def test_what_was_stopped_goes_on_before_what_is_new_the_earliest_deadline_first():
    """Two slots: both low batches stop at 1. From 3 to 22 both places are theirs; then the third starts."""
    rows = [(0, "l", "low", 99), (0, "m", "low", 50), (1, "h", "high", 99), (1, "l", "low", 30)]
    spans, result = serve(PreemptIdeal(**PARAMETERS), rows, max_concurrency=2)
    restart_s = dict(zip(result.pauses.batch.tolist(), result.pauses.restart_s.tolist(), strict=True))
    assert restart_s == {0: 0.003, 1: 0.003}
    assert spans == [(0, 22), (0, 22), (1, 3), (22, 32)]


def test_only_as_many_stop_as_are_needed():
    """Two slots, two low batches: the one due later stops. Beside one another both are at half speed."""
    rows = [(0, "l", "low", 99), (0, "m", "low", 50), (2, "h", "high", 99)]
    _, result = serve(PreemptIdeal(stop="needed", **PARAMETERS), rows, max_concurrency=2)
    assert result.batches.model[result.pauses.batch].tolist() == [1]  # "l"
    rows = [(0, "l", "low", 99), (2, "h", "high", 99)]
    _, result = serve(PreemptIdeal(stop="needed", **PARAMETERS), rows, max_concurrency=2)
    assert result.pauses.batch.tolist() == []


@pytest.mark.parametrize(
    ("whole_request", "suspended", "restart"),
    [(True, 1.0, 6.0), (False, 2.0, 4.0)],
)
def test_how_long_a_request_holds_its_gpu(whole_request, suspended, restart):
    """It arrives at 1, copies in until 2, executes until 4, copies out until 6."""
    link = {"h2d": Link(0.0, 1e3), "d2h": Link(0.0, 1e3)}
    profile = make_profile({"h": 0.002, "l": 0.010}, kernels=10, bytes_in={"h": 1}, bytes_out={"h": 2}, **link)
    policy = PreemptIdeal(whole_request=whole_request, **PARAMETERS)
    rows = [(0, "l", "low", 99), (1, "h", "high", 99)]
    spans, result = serve(policy, rows, profile, prefetch=1, transfers=True)
    assert spans[1] == (2, 4)
    assert result.pauses.suspend_s.tolist() == [pytest.approx(suspended / 1e3)]
    assert result.pauses.restart_s.tolist() == [pytest.approx(restart / 1e3)]


def test_without_a_free_place_it_makes_one():
    """No prefetch: the low batch stops when the request is dispatched, as there is no place to copy to otherwise."""
    profile = make_profile(
        {"h": 0.002, "l": 0.010}, kernels=10, bytes_in={"h": 1}, h2d=Link(0.0, 1e3), d2h=Link(0, 1e3)
    )
    spans, result = serve(
        PreemptIdeal(**PARAMETERS), [(0, "l", "low", 99), (1, "h", "high", 99)], profile, transfers=True
    )
    assert result.pauses.suspend_s.tolist() == [0.001]
    assert spans[1] == (2, 4)


def test_a_staged_low_batch_does_not_slip_into_the_slot_that_is_left():
    rows = [(0, "l", "low", 50), (0, "m", "low", 99), (3, "h", "high", 99)]
    spans, _ = serve(PreemptGated(k=2, **PARAMETERS), rows, prefetch=1)
    assert spans[2][0] == 3
    assert spans[1][0] > 5


def test_high_priority_goes_where_it_is_fewest():
    """Two GPUs, low work on both; two high requests take one each, though low work is in the way."""
    rows = [(0, "l", "low", 99), (0, "l", "low", 99), (1, "h", "high", 99), (1, "h", "high", 99)]
    spans, result = serve(PreemptIdeal(**PARAMETERS), rows, gpus=2)
    assert spans[2:] == [(1, 3), (1, 3)]
    assert sorted(result.batches.gpu.tolist()) == [0, 0, 1, 1]


@pytest.mark.parametrize("policy", ALL)
def test_parameters_are_checked(policy):
    with pytest.raises(SpecError, match="stop must be one of all, needed, got 'some'"):
        policy(stop="some")


@pytest.mark.parametrize("slots", [1, 3, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize("gpus", [2, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("drop", ["never", "expired", "infeasible"])
@pytest.mark.parametrize("level", ["high", pytest.param("low", marks=pytest.mark.slow)])
@pytest.mark.parametrize("policy", [PreemptGated, PreemptIdeal])
def test_with_one_class_the_decisions_are_those_of_priority_edf(policy, level, drop, gpus, slots):
    """Batch by batch, drop by drop, with copies and noise."""
    profile = make_profile(
        {"a": {1: 0.004, 4: 0.010}, "b": 0.007},
        kernels=10,
        bytes_in=100_000,
        bytes_out=50_000,
        h2d=Link(1e-5, 1e9),
        d2h=Link(1e-5, 1e9),
        noise_cv=0.05,
    )
    draws = Streams(1).get("rows")
    arrival_s = np.cumsum(draws.exponential(0.003, 300)).tolist()
    rows = [(at_s, "ab"[int(draws.integers(2))], level, at_s + float(draws.uniform(0.01, 0.06))) for at_s in arrival_s]
    workload = make_workload(rows, profile=profile)
    cluster = Cluster(gpus=gpus, max_concurrency=slots)
    one, other = (
        simulate(workload, profile, made, cluster=cluster, seed=2)
        for made in (PriorityEdf(max_batch=4, drop=drop), policy(max_batch=4, drop=drop))
    )
    for name in ("status", "batch", "dropped_s", "finish_s"):
        assert np.array_equal(getattr(one.requests, name), getattr(other.requests, name), equal_nan=name[-1] == "s"), (
            name
        )
    assert np.array_equal(one.batches.gpu, other.batches.gpu)
    assert len(other.pauses) == 0


@pytest.mark.parametrize(("whole_request", "start"), [(True, 3.0), (False, 2.5)])
def test_with_a_free_slot_it_waits_only_if_it_was_announced_by_its_dispatch(whole_request, start):
    """Two slots, one low batch; kernels of 1 ms, high at 2.5."""
    policy = PreemptKernel(whole_request=whole_request, **PARAMETERS)
    spans, _ = serve(policy, [(0, "l", "low", 99), (2.5, "h", "high", 99)], max_concurrency=2)
    assert spans[1][0] == start
