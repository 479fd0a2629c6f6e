"""A scheduler that holds other solo times true than the hardware has."""

from dataclasses import replace

import pytest

from stratsim.engine import simulate
from stratsim.errors import OutsideProfileError, SpecError
from stratsim.model.belief import scaled_latencies
from stratsim.policy.queueing import Edf
from stratsim.run.replay import prepare, replay
from stratsim.run.spec import RunSpec
from stratsim.testing import make_profile, make_workload

PROFILE = make_profile({"m": 0.010})
TWICE = scaled_latencies(PROFILE, 2.0)


def late(belief):
    """One request that takes 10 ms and is due 15 ms after its arrival."""
    workload = make_workload([(0.0, "m", "low", 0.015)], profile=PROFILE)
    return simulate(workload, PROFILE, Edf(), belief=belief).requests


def test_a_scheduler_that_believes_twice_the_time_gives_up_what_would_have_been_in_time():
    assert late(None).finish_s.tolist() == [0.010]
    assert late(TWICE).dropped_s.tolist() == [0.0]  # 20 ms do not fit into 15


def test_the_hardware_is_as_fast_as_it_is_whatever_is_believed():
    assert late(scaled_latencies(PROFILE, 0.5)).finish_s.tolist() == [0.010]


def test_an_unscaled_belief_is_the_profile_and_every_size_is_scaled():
    profile = make_profile({"m": {1: 0.01, 8: 0.04}})
    assert scaled_latencies(profile, 1.0) is profile
    assert scaled_latencies(profile, 1.5).observable.models["m"].latency_s == {1: 0.015, 8: 0.06}
    with pytest.raises(SpecError, match=r"latency scale must be within \[0.01, 100\], got 0"):
        scaled_latencies(profile, 0.0)


def test_a_belief_without_a_model_is_refused():
    with pytest.raises(OutsideProfileError, match="has no model 'm'"):
        simulate(make_workload([(0.0, "m")], profile=PROFILE), PROFILE, Edf(), belief=make_profile({"n": 0.01}))


def test_the_setting_of_a_run_changes_what_is_believed_and_no_request():
    spec = RunSpec(profile="rtx3080-disb", limit=200, policy="edf", load=0.9)
    inputs = prepare(spec)
    scaled = prepare(replace(spec, belief_latency_scale=3.0))
    assert (inputs.workload.deadline_s == scaled.workload.deadline_s).all()
    exact, mistaken = (replay(each).results[0].requests for each in (inputs, scaled))
    assert (exact.arrival_s == mistaken.arrival_s).all()
    assert (mistaken.status != exact.status).any()
    with pytest.raises(SpecError, match=r"belief_latency_scale must be within \[0.01, 100\], got 0.0"):
        RunSpec(belief_latency_scale=0.0)


def test_groups_believe_it_too():
    spec = RunSpec(profile="rtx3080-disb", limit=200, policy="edf", load=0.9, gpus=2, groups=2)
    exact, mistaken = (
        replay(prepare(replace(spec, belief_latency_scale=scale))).results[0].requests.status for scale in (1.0, 3.0)
    )
    assert (mistaken != exact).any()
