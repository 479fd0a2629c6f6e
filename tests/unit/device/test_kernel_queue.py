"""The execution model `kernel-queue`: where its figures come from, and what it says of lacking ones."""

from dataclasses import replace

import pytest

from stratsim.device import execution_model
from stratsim.errors import ProfileError
from stratsim.model.kernel_queue import AsServed, KernelQueue, Opening
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


def test_a_factor_slows_one_that_has_company_and_no_other():
    """By the rule 0.75 and 0.25; the short one takes 1.25 times as long: 0.2. Alone both run at full speed."""
    found = hardware(KernelQueue(1.0, LENGTHS, served=AsServed({"short": {1: 1.25}})))
    assert rates(found, ("long", 1), ("short", 1)) == pytest.approx([0.75, 0.20])
    assert rates(found, ("short", 1)) == [1.0]


def test_no_factor_makes_a_batch_faster_than_alone():
    found = hardware(KernelQueue(1.0, LENGTHS, served=AsServed({"long": {1: 0.5}})))
    assert rates(found, ("long", 1), ("short", 1)) == pytest.approx([1.0, 0.25])


def run(found, *batches):
    """Start batches at their times, and return when each ends."""
    unit = execution_model("kernel-queue", found, slots=len(batches)).unit()
    model = execution_model("kernel-queue", found, slots=len(batches))
    ends_s, todo = {}, list(batches)
    while todo or len(unit):
        if todo and todo[0][0] < unit.next_s:
            at_s, name, solo_s = todo.pop(0)
            unit.add(at_s, name, solo_s, model.work(name, 1))
        else:
            at_s = unit.next_s
            ends_s |= {each.key: at_s for each in unit.complete(at_s)}
    return ends_s


def test_a_start_sets_back_those_that_run():
    """Without contention (hold 0): 10 s from 0, 2 s from 3; the start costs the first half a second, itself nothing."""
    free = KernelQueue(0.0, LENGTHS)
    assert run(hardware(free), (0.0, "long", 10.0), (3.0, "short", 2.0)) == {"long": 10.0, "short": 5.0}
    costly = KernelQueue(0.0, LENGTHS, served=AsServed(start_s=0.5))
    ends_s = run(hardware(costly), (0.0, "long", 10.0), (3.0, "short", 2.0))
    assert ends_s == {"long": pytest.approx(10.5), "short": pytest.approx(5.0)}


def test_a_start_costs_time_and_not_work():
    """Beside each other both run at half speed: half a second without progress is half a second later, no more.

    Equal kernels and hold = length: 4 s from 0 and 4 s from 2. After the start 2 s of work are left to the first, at
    half speed: at 6 it would end; set back, at 6.5. The other has 1.75 s left then: it ends at 8.25.
    """
    equal = KernelQueue(1.0, {"long": {1: 1e-5}, "short": {1: 1e-5}}, served=AsServed(start_s=0.5))
    ends_s = run(hardware(equal), (0.0, "long", 4.0), (2.0, "short", 4.0))
    assert ends_s == {"long": pytest.approx(6.5), "short": pytest.approx(8.25)}


def test_the_opening_has_longer_kernels_and_the_rest_shorter_ones():
    """Half of the time, kernels twice as long as the mean of 30 us: a quarter of them; the rest are 2/3 as long."""
    found = hardware(KernelQueue(1.0, LENGTHS, opening=Opening(0.5, {"long": {1: 2.0}})))
    first, rest = execution_model("kernel-queue", found).work("long", 1)
    assert (first.share, rest.share) == (0.5, 0.5)
    assert (first.load.length_s, rest.load.length_s) == pytest.approx((60e-6, 20e-6))
    assert first.share / first.load.length_s + rest.share / rest.load.length_s == pytest.approx(1 / 30e-6)


def test_holds_grow_with_the_logarithm_of_the_length():
    from math import log

    found = hardware(KernelQueue(0.4, LENGTHS, opening=Opening(0.5, {"long": {1: 2.0}}, slope=0.3)))
    first, rest = execution_model("kernel-queue", found).work("long", 1)
    assert first.load.hold_s == pytest.approx((0.4 + 0.3 * log(2)) * 60e-6)
    assert rest.load.hold_s == pytest.approx((0.4 + 0.3 * log(2 / 3)) * 20e-6)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"factors": {"long": {1: 0.0}}}, r"factors\['long'\]\[1\] must be > 0"),
        ({"start_s": -1e-6}, "start_s must be >= 0"),
        ({"spread": {"long": {}}}, r"spread\['long'\] is empty"),
    ],
)
def test_what_no_calibration_gives(parameters, said):
    with pytest.raises(ProfileError, match=said):
        AsServed(**parameters)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_an_opening_is_a_part(share):
    with pytest.raises(ProfileError, match="share must be within"):
        Opening(share, {"long": {1: 2.0}})
