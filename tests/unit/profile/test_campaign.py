from dataclasses import replace
from statistics import mean, stdev

import pytest

from stratsim.errors import SpecError
from stratsim.model.codec import load_profile
from stratsim.model.profile import (
    Device,
    Link,
    Observable,
    ObservableModel,
    Pair,
    Pcie,
    Profile,
    Provenance,
    Sharing,
    Truth,
)
from stratsim.model.provenance import uncovered
from stratsim.run.pairs import Campaign, measure_pairs

EXACT = Campaign(batches=(1,), noise_cv=0.0)


def make(sharing, batches=(1,)):
    solo = ObservableModel({batch: 0.01 * batch for batch in batches}, 1, 1)
    link = Link(0.0, 1e9)
    observable = Observable(Pcie(link, link), dict.fromkeys(sharing, solo))
    truth = Truth({name: dict.fromkeys(batches, entry) for name, entry in sharing.items()})
    return Profile(1, "lab", Device("GPU"), {"pairs.old": Provenance("measured", "a bench")}, observable, truth)


def slowdowns(profile):
    return {(pair.target, pair.other): pair.slowdown for pair in profile.pairs}


@pytest.mark.parametrize(
    ("wide", "narrow", "of_wide", "of_narrow"),
    [
        (Sharing(0.8, 3.0), Sharing(0.8, 1.0), 1 / 0.9375, 1 / 0.3125),
        (Sharing(0.8, 5.0), Sharing(0.8, 1.0), 1.0, 4.0),
        (Sharing(0.8, 1.0), Sharing(0.8, 1.0), 1.6, 1.6),
        (Sharing(0.4, 7.0), Sharing(0.5, 1.0), 1.0, 1.0),
    ],
)
def test_without_noise_a_slowdown_is_the_inverse_of_the_rate(wide, narrow, of_wide, of_narrow):
    found = slowdowns(measure_pairs(make({"wide": wide, "narrow": narrow}), EXACT))
    assert found["wide", "narrow"] == pytest.approx(of_wide, rel=1e-6)
    assert found["narrow", "wide"] == pytest.approx(of_narrow, rel=1e-6)


def test_a_model_is_also_measured_beside_itself():
    found = slowdowns(measure_pairs(make({"a": Sharing(0.9), "b": Sharing(0.1)}), EXACT))
    assert found["a", "a"] == pytest.approx(1.8)
    assert found["b", "b"] == 1.0


def test_processor_sharing_doubles_everything():
    profile = make({"a": Sharing(0.2), "b": Sharing(0.1)})
    measured = measure_pairs(profile, replace(EXACT, device_model="processor-sharing"))
    assert {pair.slowdown for pair in measured.pairs} == {2.0}


def test_every_directed_pair_of_models_and_batches_once():
    profile = make(dict.fromkeys("abc", Sharing(0.5)), batches=(1, 2, 4))
    pairs = measure_pairs(profile, Campaign(batches=(1, 4))).pairs
    assert len(pairs) == len({(p.target, p.target_batch, p.other, p.other_batch) for p in pairs}) == (3 * 2) ** 2
    assert {p.target_batch for p in pairs} == {1, 4}


def test_sizes_between_measured_ones_are_measured_too():
    profile = make({"a": Sharing(0.5)}, batches=(1, 4))
    assert {p.target_batch for p in measure_pairs(profile, Campaign(batches=(3,))).pairs} == {3}


def test_a_size_beyond_a_model_is_left_out_for_it():
    profile = load_profile("a100-80gb-parvagpu")
    found = {p.target for p in measure_pairs(profile, Campaign(batches=(256,))).pairs}
    assert found == set(profile.observable.models) - {"densenet201", "resnet152"}


@pytest.mark.parametrize(("share", "expected"), [(0.0, 0), (0.25, 14), (0.5, 28), (1.0, 55)])
def test_held_out_pairs_of_models_stay_together(share, expected):
    profile = load_profile("a100-80gb-parvagpu")
    pairs = measure_pairs(profile, Campaign(held_out=share)).pairs
    marks = {}
    for pair in pairs:
        marks.setdefault(frozenset((pair.target, pair.other)), set()).add(pair.held_out)
    assert all(len(found) == 1 for found in marks.values())
    assert sum(found == {True} for found in marks.values()) == expected
    assert all(found == {False} for key, found in marks.items() if len(key) == 1)


@pytest.mark.slow
def test_noise_has_the_asked_for_variation_and_mean_one():
    profile = load_profile("a100-80gb-parvagpu")
    exact = slowdowns_by_cell(measure_pairs(profile, Campaign(noise_cv=0.0)))
    noisy = slowdowns_by_cell(measure_pairs(profile, Campaign(noise_cv=0.05, seed=3)))
    factors = [noisy[cell] / exact[cell] for cell in exact]
    assert len(factors) == 22**2
    assert stdev(factors) == pytest.approx(0.05, rel=0.15)  # standard error of the deviation: 3 %
    assert mean(factors) == pytest.approx(1.0, abs=0.01)  # standard error of the mean: 0.2 %


def slowdowns_by_cell(profile):
    return {(p.target, p.target_batch, p.other, p.other_batch): p.slowdown for p in profile.pairs}


def test_the_seed_decides_everything():
    profile = load_profile("rtx3080-disb")
    first, again, other = (measure_pairs(profile, Campaign(seed=seed)) for seed in (1, 1, 2))
    assert first == again
    assert first.pairs != other.pairs


def test_another_model_moves_no_measurement():
    both = {"a": Sharing(0.9), "b": Sharing(0.8)}
    few = slowdowns(measure_pairs(make(both), Campaign(batches=(1,))))
    more = slowdowns(measure_pairs(make({"new": Sharing(0.7), **both}), Campaign(batches=(1,))))
    assert few.items() <= more.items()


def test_the_pairs_say_that_they_are_simulated():
    measured = measure_pairs(load_profile("rtx3080-disb"), Campaign(seed=7, noise_cv=0.02))
    entry = measured.provenance["pairs"]
    assert entry.kind == "synthetic"
    assert entry.source == "simulated campaign: device model streams, noise CV 0.02, held out 0.25, seed 7"
    assert uncovered(measured) == ()


def test_earlier_pairs_are_replaced_and_the_rest_is_kept():
    profile = make({"a": Sharing(0.9)})
    measured = measure_pairs(replace(profile, pairs=(Pair("a", 1, "a", 1, 99.0),)), EXACT)
    assert [pair.slowdown for pair in measured.pairs] == [pytest.approx(1.8)]
    assert [*measured.provenance] == ["pairs"]
    assert replace(measured, pairs=(), provenance=profile.provenance) == profile


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batches": ()}, "batches must be different sizes"),
        ({"batches": (0,)}, "batches must be different sizes"),
        ({"batches": (1, 1)}, "batches must be different sizes"),
        ({"noise_cv": -0.1}, "noise must be within 0 and 10"),
        ({"noise_cv": float("nan")}, "noise must be within 0 and 10"),
        ({"held_out": 1.5}, r"held-out must be within \[0, 1\], got 1.5"),
        ({"held_out": float("nan")}, "held-out must be within"),
        ({"seed": -1}, "seed must be >= 0"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(SpecError, match=message):
        Campaign(**options)


def test_nothing_to_measure():
    profile = load_profile("rtx3080-disb")
    with pytest.raises(SpecError, match=r"covers none of the batch sizes \[8\]"):
        measure_pairs(profile, Campaign(batches=(8,)))
    with pytest.raises(SpecError, match="runs one batch at a time"):
        measure_pairs(profile, Campaign(device_model="exclusive"))
    with pytest.raises(SpecError, match="did you mean 'streams'"):
        measure_pairs(profile, Campaign(device_model="stream"))
