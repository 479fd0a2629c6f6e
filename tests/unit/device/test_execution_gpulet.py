"""`gpulet`: the linear model as truth; its known answers are those of `tests/unit/solve/test_gpulet.py`."""

from dataclasses import astuple, replace

import pytest

from stratsim.device import execution_model
from stratsim.device.execution.gpulet import PUBLISHED
from stratsim.errors import ProfileError, SpecError
from stratsim.model.contention import GpuletFit
from stratsim.model.parts import Features
from stratsim.model.truth import Truth
from stratsim.testing import make_profile

# Alone on an RTX 2080 Ti, from glet's utilisation tables: compute (not used), DRAM, L2.
FEATURES = {
    "resnet50": {
        8: Features(0, 0.5132452611818465, 0.25804610379945494),
        32: Features(0, 0.6227229222750162, 0.281903444258127),
    },
    "vgg16": {8: Features(0, 0.5668343269048246, 0.3205999721101224)},
    "lenet": {1: Features(0, 0.11276959732317987, 0.02414363678320065)},
    "bert": {
        4: Features(0, 0.3031561936214498, 0.14006191661801928),
        8: Features(0, 0.30201366343901302, 0.16251708451540086),
    },
    "mobilenet_v2": {
        8: Features(0, 0.5108944292359395, 0.2071282927649556),
        16: Features(0, 0.5787012068028959, 0.23216636715928097),
    },
}


def gpulet(text="gpulet(fit=rtx2080ti)", slots=2, partitions=None, fit=None, features=FEATURES):
    profile = make_profile({name: {1: 0.001, **dict.fromkeys(table, 0.01)} for name, table in features.items()})
    models = {name: replace(model, features=features[name]) for name, model in profile.observable.models.items()}
    truth = Truth(partitions=partitions or {}, gpulet=fit)
    profile = replace(profile, observable=replace(profile.observable, models=models), truth=truth)
    return execution_model(text, profile.for_hardware(), slots)


def slowdowns(model, *batches):
    return [1 / rate for rate in model.rates([model.work(*batch)[0].load for batch in batches])]


def test_known_answers_with_equal_partitions():
    """Two slots: half of the GPU each."""
    assert slowdowns(gpulet(), ("resnet50", 8), ("vgg16", 8)) == pytest.approx([1.140771, 1.129054], abs=1e-6)
    assert slowdowns(gpulet(), ("lenet", 1), ("lenet", 1)) == [1.0, 1.0]


def test_known_answers_with_the_whole_gpu():
    whole = {"resnet50": 1.0}
    found = slowdowns(gpulet(partitions=whole), ("resnet50", 32), ("resnet50", 32))
    assert found == pytest.approx([1.404940] * 2, abs=1e-6)


def test_known_answers_between_batch_sizes():
    """bert at 6 is half way between 4 and 8, mobilenet_v2 at 12 between 8 and 16."""
    model = gpulet(partitions={"bert": 0.6, "mobilenet_v2": 0.4})
    assert slowdowns(model, ("bert", 6), ("mobilenet_v2", 12))[0] == pytest.approx(1.052170, abs=1e-6)


def test_known_answer_of_the_other_published_fit():
    features = {
        "resnet50": {8: Features(0, 0.5569101699635767, 0.3546751708850412)},
        "vgg16": {8: Features(0, 0.5632643734916708, 0.4205916712443757)},
    }
    model = gpulet("gpulet(fit=rtx3080)", features=features)
    assert slowdowns(model, ("resnet50", 8), ("vgg16", 8))[0] == pytest.approx(1.013648, abs=1e-6)


def test_the_worst_of_several_co_runners_counts():
    model = gpulet(slots=2)
    beside_vgg, _ = slowdowns(model, ("resnet50", 8), ("vgg16", 8))
    beside_bert, _ = slowdowns(model, ("resnet50", 8), ("bert", 8))
    three = slowdowns(model, ("resnet50", 8), ("vgg16", 8), ("bert", 8))
    assert three[0] == max(beside_vgg, beside_bert) == beside_vgg


def test_alone_nobody_is_slowed():
    assert slowdowns(gpulet(), ("resnet50", 32)) == [1.0]


def test_the_profiles_own_fit():
    model = gpulet("gpulet", fit=GpuletFit(0.0, 0.0, 0.0, 1.0, 1.0))
    assert slowdowns(model, ("resnet50", 8), ("vgg16", 8)) == pytest.approx(
        [1 + 0.5668343269 / 2, 1 + 0.5132452612 / 2]
    )


def test_more_slots_make_smaller_equal_partitions():
    model = gpulet("gpulet", slots=4, fit=GpuletFit(0.0, 0.0, 0.0, 1.0, 1.0))
    assert slowdowns(model, ("resnet50", 8), ("vgg16", 8))[0] == pytest.approx(1 + 0.5668343269 / 4)


def test_without_a_fit_the_message_says_where_to_get_one():
    with pytest.raises(ProfileError, match=r"lacks truth.gpulet \(gpulet\(fit=rtx3080\) takes a published one\)"):
        gpulet("gpulet")


def test_a_fit_that_was_not_published():
    with pytest.raises(SpecError, match=r"there is no published fit 'rtx2080'; did you mean 'rtx2080ti'"):
        gpulet("gpulet(fit=rtx2080)")


def test_without_l2_utilisation_there_is_nothing_to_compute():
    with pytest.raises(ProfileError, match=r"lacks observable\.models\.a\.features with l2"):
        gpulet(features={"a": {1: Features(0.5, 0.5)}})


def test_published_coefficients_are_in_the_order_of_the_formula():
    assert astuple(PUBLISHED["rtx2080ti"])[1] == 0.71595987168
    assert astuple(PUBLISHED["rtx3080"])[2] == 0.12551833
