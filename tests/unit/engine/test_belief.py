"""A scheduler that holds other solo times true than the hardware has."""

from dataclasses import replace

import pytest

from stratsim.engine import simulate
from stratsim.errors import OutsideProfileError, SpecError
from stratsim.model.belief import check_belief, scaled_latencies
from stratsim.model.codec import load_profile
from stratsim.model.write import write_profile
from stratsim.policy.queueing import Edf
from stratsim.run.inputs import prepare
from stratsim.run.replay import replay
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_groups_believe_it_too():
    spec = RunSpec(profile="rtx3080-disb", limit=200, policy="edf", load=0.9, gpus=2, groups=2)
    exact, mistaken = (
        replay(prepare(replace(spec, belief_latency_scale=scale))).results[0].requests.status for scale in (1.0, 3.0)
    )
    assert (mistaken != exact).any()


def test_a_belief_by_name_is_another_profile_and_the_hardware_stays(tmp_path):
    """Believing in a device three times as slow is believing in solo times three times as long."""
    slow = tmp_path / "slow.json"
    write_profile(scaled_latencies(load_profile("rtx3080-disb"), 3.0), slow)
    spec = RunSpec(profile="rtx3080-disb", limit=200, policy="edf", load=0.9)
    exact, scaled, named = (
        replay(prepare(each))
        for each in (spec, replace(spec, belief_latency_scale=3.0), replace(spec, belief=str(slow)))
    )
    statuses = [outcome.results[0].requests.status.tolist() for outcome in (exact, scaled, named)]
    assert statuses[0] != statuses[1] == statuses[2]
    assert (named.inputs.workload.deadline_s == exact.inputs.workload.deadline_s).all()
    assert named.manifest()["belief"]["name"] == load_profile(slow).name
    assert "belief" not in exact.manifest()


def test_a_belief_that_is_the_profile_changes_nothing():
    spec = RunSpec(profile="rtx3080-disb", limit=200, policy="strait", load=0.9)
    one, other = (replay(prepare(each)).results[0] for each in (spec, replace(spec, belief="rtx3080-disb")))
    assert (one.requests.status == other.requests.status).all()
    assert one.batches.dispatch_s.tolist() == other.batches.dispatch_s.tolist()


def test_a_belief_is_scaled_as_the_profile_would_be():
    spec = RunSpec(profile="rtx3080-disb", belief="rtx3080-disb", belief_latency_scale=2.0, limit=20, policy="edf")
    inputs = prepare(spec)
    for name, model in inputs.profile.observable.models.items():
        own = inputs.belief().observable.models[name].latency_s
        assert own == {size: 2 * time_s for size, time_s in model.latency_s.items()}


def test_a_belief_must_know_the_models_up_to_the_same_batch_sizes():
    truth = make_profile({"m": {1: 0.01, 8: 0.04}, "n": {1: 0.01, 8: 0.04}})
    check_belief(make_profile({"m": {1: 0.02, 8: 0.03}, "other": 0.1}), truth, ("m",))
    with pytest.raises(SpecError, match=r"lacks m, n of profile .*known: o") as caught:
        check_belief(make_profile({"o": 0.01}), truth, ("m", "n"))
    assert "\n" not in str(caught.value)
    with pytest.raises(SpecError, match=r"knows m up to 4, not 8, n up to 16, not 8"):
        check_belief(make_profile({"m": {1: 0.01, 4: 0.02}, "n": {1: 0.01, 16: 0.02}}), truth, ("m", "n"))
    with pytest.raises(SpecError, match="lacks"):
        prepare(RunSpec(profile="rtx3080-disb", belief="a100-80gb-parvagpu", limit=20))
