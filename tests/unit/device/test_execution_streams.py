"""`streams`, `processor-sharing` and `exclusive`: which rate each of the co-located batches gets."""

import pytest

from stratsim.device import EXECUTION_MODELS, execution_model
from stratsim.model.contention import Sharing, SharingPhase
from stratsim.testing import make_profile

PHASES = (SharingPhase(0.25, 0.9, 2.0), SharingPhase(0.75, 0.3))
PROFILE = make_profile(
    {"wide": {1: 0.01, 4: 0.03}, "narrow": {1: 0.005, 2: 0.008}, "plain": 0.002, "phased": {1: 0.01, 8: 0.02}},
    sharing={
        "wide": Sharing(0.8, 3.0),
        "narrow": {1: Sharing(0.2, 1.0), 2: Sharing(0.8, 1.0)},
        "phased": {1: Sharing(phases=PHASES), 3: Sharing(phases=(PHASES[0], PHASES[1])), 8: Sharing(0.5)},
    },
)
HARDWARE = PROFILE.for_hardware()


def rates(name, *batches):
    model = execution_model(name, HARDWARE)
    return list(model.rates([model.work(*batch)[0].load for batch in batches]))


@pytest.mark.parametrize(
    ("w", "expected"),
    [
        # s = (.8, .8). Lambda .3125
        ((3.0, 1.0), [0.9375, 0.3125]),
        # the first is capped at full speed, which leaves .2 of .8
        ((5.0, 1.0), [1.0, 0.25]),
        ((1.0, 1.0), [0.625, 0.625]),
    ],
)
def test_known_answers(w, expected):
    profile = make_profile({"a": 0.01, "b": 0.01}, sharing={"a": Sharing(0.8, w[0]), "b": Sharing(0.8, w[1])})
    model = execution_model("streams", profile.for_hardware())
    assert model.rates([model.work(name, 1)[0].load for name in "ab"]) == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize("w", [0.01, 1.0, 100.0])
def test_demands_that_fit_slow_nobody(w):
    profile = make_profile({"a": 0.01, "b": 0.01}, sharing={"a": Sharing(0.4, w), "b": Sharing(0.5)})
    model = execution_model("streams", profile.for_hardware())
    assert model.rates([model.work(name, 1)[0].load for name in "ab"]) == [1.0, 1.0]


def test_how_many_batches_each_model_can_run():
    assert EXECUTION_MODELS["exclusive"].max_concurrency == 1
    assert all(model.max_concurrency is None for name, model in EXECUTION_MODELS.items() if name != "exclusive")


def test_demand_and_weight_come_from_the_profile():
    assert rates("streams", ("wide", 1), ("narrow", 2)) == [0.9375, 0.3125]
    assert rates("streams", ("wide", 1), ("narrow", 1)) == [1.0, 1.0]


def test_a_model_without_sharing_figures_shares_like_a_processor():
    assert rates("streams", ("plain", 1), ("plain", 1)) == [0.5, 0.5]


def test_sharing_figures_hold_beyond_the_sizes_they_were_given_for():
    assert rates("streams", ("wide", 4), ("narrow", 2)) == [0.9375, 0.3125]


def test_sharing_figures_are_linear_between_batch_sizes():
    profile = make_profile({"a": {1: 0.01, 4: 0.03}}, sharing={"a": {1: Sharing(0.4, 3.0), 4: Sharing(1.0, 6.0)}})
    load = execution_model("streams", profile.for_hardware()).work("a", 2)[0].load
    assert (load.demand, load.weight) == pytest.approx((0.6, 4.0))


def test_phases_have_their_own_figures():
    model = execution_model("streams", HARDWARE)
    assert [phase.share for phase in model.work("phased", 1)] == [0.25, 0.75]
    assert [(phase.load.demand, phase.load.weight) for phase in model.work("phased", 1)] == [(0.9, 2.0), (0.3, 1.0)]


@pytest.mark.parametrize("n", [1, 2, 5])
def test_processor_sharing_is_blind_to_what_runs(n):
    batches = [("wide", 1), ("narrow", 1), ("plain", 1), ("wide", 4), ("narrow", 2)][:n]
    assert rates("processor-sharing", *batches) == [1 / n] * n


def test_exclusive_runs_its_one_batch_at_full_speed():
    assert rates("exclusive", ("wide", 4)) == [1.0]


@pytest.mark.parametrize("name", ["streams", "processor-sharing", "exclusive"])
def test_work_is_one_object_per_model_and_size(name):
    model = execution_model(name, HARDWARE)
    assert model.work("wide", 2) is model.work("wide", 2)
    assert sum(phase.share for phase in model.work("wide", 2)) == 1.0
