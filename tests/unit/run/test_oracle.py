"""The truth, as an experiment may reveal it."""

import pickle
from dataclasses import replace

import pytest

from stratsim import simulate
from stratsim.device import execution_model
from stratsim.errors import SpecError
from stratsim.model.cluster import Cluster
from stratsim.model.contention import Blocks, KernelBlocks, SharingPhase
from stratsim.model.profile import Sharing
from stratsim.policy.registry import make_policy, parse_policies
from stratsim.predict import make_predictor
from stratsim.run.oracle import TrueRates, reveal
from stratsim.testing import make_profile, make_workload

PROFILE = make_profile(
    {"wide": {1: 0.010, 2: 0.020}, "narrow": 0.010}, sharing={"wide": Sharing(1.0, 3.0), "narrow": Sharing(1.0, 1.0)}
)
PAIR = (("wide", 1), ("narrow", 1))


def test_rates_are_those_of_the_device():
    assert TrueRates(PROFILE)(PAIR) == pytest.approx([0.75, 0.25])
    assert TrueRates(PROFILE)((*PAIR, ("narrow", 1))) == pytest.approx([0.6, 0.2, 0.2])
    assert TrueRates(PROFILE, "processor-sharing")(PAIR) == pytest.approx([0.5, 0.5])


def test_phases_are_averaged_over_those_of_the_others():
    """The half of `two` that needs little runs at full speed; the other half at 1/2 beside the same, else at 1."""
    phases = (SharingPhase(0.5, 0.001), SharingPhase(0.5, 0.999))
    profile = make_profile({"two": 0.010}, sharing={"two": Sharing(phases=phases)})
    heavy_beside_heavy = 1 / (2 * 0.999)
    expected = 1 / (0.5 + 0.5 / (0.5 * 1 + 0.5 * heavy_beside_heavy))
    assert TrueRates(profile)((("two", 1), ("two", 1))) == pytest.approx([expected] * 2)


def test_a_device_without_rates_has_none_to_tell():
    kernels = {name: {1: (KernelBlocks(1.0, 4),)} for name in PROFILE.observable.models}
    profile = replace(PROFILE, truth=replace(PROFILE.truth, blocks=Blocks(4, kernels)))
    with pytest.raises(SpecError, match="'block-priority' has no rates"):
        TrueRates(profile, "block-priority")


def test_rates_can_be_sent_to_another_process():
    assert pickle.loads(pickle.dumps(TrueRates(PROFILE)))(PAIR) == TrueRates(PROFILE)(PAIR)


@pytest.mark.parametrize("text", ["strait(predictor=oracle)", "aware-edf(predictor=oracle)"])
def test_a_policy_with_an_oracle_runs_once_it_has_been_told(text):
    policy = make_policy(parse_policies(text)[0])
    workload = make_workload([(0.001 * i, ("wide", "narrow")[i % 2], "high", 1.0) for i in range(20)], profile=PROFILE)
    with pytest.raises(SpecError, match="only an experiment can reveal it"):
        simulate(workload, PROFILE, policy)
    assert reveal(policy, PROFILE)
    assert policy.belief.fit(PROFILE.for_scheduler()).predict(PAIR) == pytest.approx((0.75, 0.25))
    assert len(simulate(workload, PROFILE, policy, cluster=Cluster()).batches) > 0


def test_others_are_left_alone():
    assert not reveal(make_policy(parse_policies("fifo")[0]), PROFILE)
    assert not reveal(make_predictor("rls"), PROFILE)


def test_an_oracle_shares_no_object_with_the_device():
    hardware = PROFILE.for_hardware()
    assert TrueRates(PROFILE)._model is not execution_model(PROFILE.default_device_model, hardware, 2)
    assert execution_model("streams", hardware, 2) is execution_model("streams", hardware, 2)
