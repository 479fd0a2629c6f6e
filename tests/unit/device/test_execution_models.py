"""The execution models as pure functions: which rate each of the co-located batches gets."""

import pytest

from stratsim.device import EXECUTION_MODELS, execution_model
from stratsim.errors import SpecError
from stratsim.model.profile import Sharing
from stratsim.testing import make_profile

PROFILE = make_profile(
    {"wide": {1: 0.01, 4: 0.03}, "narrow": {1: 0.005, 2: 0.008}, "plain": 0.002},
    sharing={"wide": Sharing(0.8, 3.0), "narrow": {1: Sharing(0.2, 1.0), 2: Sharing(0.8, 1.0)}},
)
HARDWARE = PROFILE.for_hardware()


def rates(name, *batches):
    model = execution_model(name, HARDWARE)
    return list(model.rates([model.load(*batch) for batch in batches]))


def test_the_three_models_by_name():
    assert list(EXECUTION_MODELS) == ["streams", "processor-sharing", "exclusive"]
    assert all(execution_model(name, HARDWARE).name == name for name in EXECUTION_MODELS)


def test_an_unknown_model_names_the_nearest():
    with pytest.raises(SpecError, match="unknown device model 'stream'; did you mean 'streams'"):
        execution_model("stream", HARDWARE)


def test_how_many_batches_each_model_can_run():
    assert [execution_model(name, HARDWARE).max_concurrency for name in EXECUTION_MODELS] == [None, None, 1]


def test_streams_takes_demand_and_weight_from_the_profile():
    # s = (.8, .8), w = (3, 1): lambda .3125
    assert rates("streams", ("wide", 1), ("narrow", 2)) == [0.9375, 0.3125]
    # .8 + .2 fits
    assert rates("streams", ("wide", 1), ("narrow", 1)) == [1.0, 1.0]


def test_a_model_without_sharing_figures_shares_like_a_processor():
    assert rates("streams", ("plain", 1), ("plain", 1)) == [0.5, 0.5]


def test_sharing_figures_hold_beyond_the_sizes_they_were_given_for():
    assert rates("streams", ("wide", 4), ("narrow", 2)) == [0.9375, 0.3125]


@pytest.mark.parametrize("n", [1, 2, 5])
def test_processor_sharing_is_blind_to_what_runs(n):
    batches = [("wide", 1), ("narrow", 1), ("plain", 1), ("wide", 4), ("narrow", 2)][:n]
    assert rates("processor-sharing", *batches) == [1 / n] * n


def test_exclusive_runs_its_one_batch_at_full_speed():
    assert rates("exclusive", ("wide", 4)) == [1.0]


@pytest.mark.parametrize("name", EXECUTION_MODELS)
def test_phases_are_one_object_per_model_and_size(name):
    model = execution_model(name, HARDWARE)
    assert model.phases("wide", 2) is model.phases("wide", 2)
    assert model.phases("wide", 2) is not model.phases("wide", 3)
    assert sum(phase.share for phase in model.phases("wide", 2)) == 1.0


@pytest.mark.parametrize("name", EXECUTION_MODELS)
def test_one_alone_runs_at_full_speed(name):
    assert rates(name, ("wide", 1)) == [1.0]
