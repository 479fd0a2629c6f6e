"""The execution model `kernel-queue`: where its figures come from, and what it says of lacking ones."""

from dataclasses import replace

import pytest

from stratsim.device import execution_model
from stratsim.errors import ProfileError
from stratsim.model.kernel_queue import KernelQueue
from stratsim.model.profile import Kernels, Truth
from stratsim.testing import make_profile


def hardware(parameters, kernels=None):
    profile = make_profile({"long": {1: 0.01, 4: 0.03}, "short": 0.004})
    models = {
        name: entry if kernels is None else replace(entry, kernels=Kernels(10, kernels[name]))
        for name, entry in profile.observable.models.items()
    }
    observable = replace(profile.observable, models=models)
    return replace(profile, observable=observable, truth=Truth(kernel_queue=parameters)).for_hardware()


def rates(found, *batches):
    model = execution_model("kernel-queue", found)
    return list(model.rates([model.work(*batch)[0].load for batch in batches]))


LENGTHS = {"long": {1: 30e-6, 3: 90e-6}, "short": {1: 10e-6}}


def test_shares_go_by_length_when_nothing_overlaps():
    assert rates(hardware(KernelQueue(1.0, LENGTHS)), ("long", 1), ("short", 1)) == pytest.approx([0.75, 0.25])


def test_lengths_are_linear_between_batch_sizes_and_constant_beyond():
    found = hardware(KernelQueue(1.0, LENGTHS))
    assert rates(found, ("long", 2), ("short", 1)) == pytest.approx([6 / 7, 1 / 7])
    assert rates(found, ("long", 4), ("short", 1)) == pytest.approx([0.9, 0.1])


def test_lengths_default_to_those_of_solo_runs():
    found = hardware(KernelQueue(1.0), kernels={"long": 40e-6, "short": 10e-6})
    assert rates(found, ("long", 1), ("short", 1)) == pytest.approx([0.8, 0.2])


def test_the_shorter_kernels_suffer_more():
    long, short = rates(hardware(KernelQueue(0.6, LENGTHS)), ("long", 1), ("short", 1))
    assert 1 / short - 1 > 3 * (1 / long - 1)


def test_one_alone_runs_at_full_speed():
    assert rates(hardware(KernelQueue(0.6, LENGTHS)), ("short", 1)) == [1.0]


def test_a_profile_without_the_section_is_refused():
    with pytest.raises(ProfileError, match=r"lacks truth\.kernel_queue, which device model 'kernel-queue' needs"):
        execution_model("kernel-queue", hardware(None))


def test_a_model_without_any_length_is_refused():
    with pytest.raises(ProfileError, match=r"lacks truth\.kernel_queue\.length_s\.short"):
        execution_model("kernel-queue", hardware(KernelQueue(0.6, {"long": {1: 1e-5}})))


def test_holds_of_single_models_win_over_the_common_one():
    # hold 0: the long ones keep nobody waiting, and so are not slowed either by those that hold all of their length
    found = hardware(KernelQueue(1.0, LENGTHS, holds={"long": {1: 0.0, 3: 1.0}}))
    assert rates(found, ("long", 1), ("short", 1)) == pytest.approx([30 / 40, 1.0])
    assert rates(found, ("long", 3), ("short", 1)) == pytest.approx([0.9, 0.1])


def test_residual_and_gap_reach_the_rule():
    found = hardware(KernelQueue(1.0, {"long": {1: 1e-5}, "short": {1: 1e-5}}, residual=0.5))
    assert rates(found, ("long", 1), ("short", 1)) == pytest.approx([1 / (1 + 0.5**0.5)] * 2)
    found = hardware(KernelQueue(0.0, LENGTHS, gap_s=10e-6))
    assert rates(found, ("long", 1), ("short", 1)) == pytest.approx([0.75, 0.5])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"holds": {"long": {1: 1.2}}}, r"holds\['long'\]\[1\]"),
        ({"holds": {"long": {}}}, r"holds\['long'\] is empty"),
        ({"residual": 0.4}, r"residual must be within \[0.5, 1\], got 0.4"),
        ({"gap_s": -1e-6}, r"gap_s"),
    ],
)
def test_wrong_details_are_refused(fields, message):
    with pytest.raises(ProfileError, match=message):
        KernelQueue(0.5, LENGTHS, **fields)


@pytest.mark.parametrize(
    ("hold", "length_s", "message"),
    [
        (1.5, {}, r"hold"),
        (-0.1, {}, r"hold"),
        (0.5, {"long": {}}, r"length_s\['long'\] is empty; leave the model out"),
        (0.5, {"long": {1: 0.0}}, r"length_s\['long'\]\[1\] must be > 0"),
        (0.5, {"long": {0: 1e-5}}, r"length_s\['long'\]"),
    ],
)
def test_wrong_parameters_are_refused(hold, length_s, message):
    with pytest.raises(ProfileError, match=message):
        KernelQueue(hold, length_s)


def test_lengths_of_unknown_models_are_refused():
    with pytest.raises(ProfileError, match=r"truth\.kernel_queue\.length_s names model 'shrt'.*did you mean 'short'"):
        hardware(KernelQueue(0.5, {"shrt": {1: 1e-5}}))
