"""`roofline`: several resources, phases, L2 capacity, copies that take memory bandwidth."""

from dataclasses import replace
from math import inf

import pytest

from stratsim.device import execution_model
from stratsim.errors import ProfileError, SpecError
from stratsim.model.codec import load_profile
from stratsim.model.contention import ResourcePhase
from stratsim.model.parts import Device, Features, Link, Pcie
from stratsim.model.truth import Truth
from stratsim.testing import make_profile

MS = 1e-3
MB = 1 << 20
FOLLOW = "roofline(copies=true)"


def roofline(phases, *, features=None, text="roofline", link=None, **device):
    """Return the model for phases by name of model (at batch 1); solo times are 10 ms per phase."""
    names = {**phases, **(features or {})}
    profile = make_profile({name: {1: 0.01 * len(phases.get(name, "1")), 8: 0.1} for name in names})
    models = {
        name: replace(model, features=(features or {}).get(name, {}))
        for name, model in profile.observable.models.items()
    }
    profile = replace(
        profile,
        device=Device("GPU", **device),
        observable=replace(profile.observable, models=models),
        truth=Truth(roofline={name: {1: tuple(listed)} for name, listed in phases.items()}),
    )
    if link is not None:
        pcie = Pcie(Link(0.0, link), Link(0.0, link))
        profile = replace(profile, observable=replace(profile.observable, pcie=pcie))
    return execution_model(text, profile.for_hardware())


def whole(*takes, **more):
    return [ResourcePhase(1.0, *takes, **more)]


def rates(model, *names, batch=1):
    return model.rates([model.work(name, batch)[0].load for name in names])


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        # (SM, DRAM): both are short of 1.2
        ((1, 0.2), (0.2, 1), 0.8333),
        ((0.1, 0.9), (0.1, 0.9), 0.5556),
        ((1, 0), (0, 1), 1.0),
        ((0.4, 0.3), (0.5, 0.2), 1.0),
        ((0.6, 0.6), (0.3, 0.9), 0.6667),
        # Issue slots: compute and memory classes interfere where both need them.
        ((1, 0, 0, 0.8), (0, 1, 0, 0.8), 0.625),
        # L2 bandwidth
        ((0.1, 0.1, 1.0), (0.1, 0.1, 1.0), 0.5),
    ],
)
def test_known_answers(one, other, expected):
    model = roofline({"a": whole(*one), "b": whole(*other)})
    assert rates(model, "a", "b") == pytest.approx([expected] * 2, abs=5e-5)
    assert rates(model, "a") == [1.0]


MEMORY, COMPUTE = ResourcePhase(0.5, 0.0, 1.0), ResourcePhase(0.5, 1.0, 0.0)


def ends_ms(model, *starts):
    """Run (start, name) to their ends on one unit."""
    unit, todo, ends = model.unit(), list(starts), {}
    solo_s = {name: model._hardware.models[name].latency_s[1] for _, name in starts}
    while todo or len(unit):
        if todo and todo[0][0] * MS <= unit.next_s:
            at, name = todo.pop(0)
            unit.add(at * MS, len(starts) - len(todo), solo_s[name], model.work(name, 1))
        else:
            now_s = unit.next_s
            ends |= {batch.key: now_s / MS for batch in unit.complete(now_s)}
    return [ends[key] for key in sorted(ends)]


def test_two_phases_overlap_by_their_offset():
    """10 ms of memory, then 10 of compute: together both share memory until 20 and compute until 40.

    10 ms apart one computes while the other loads, and neither slows the other. On average both take half of each
    resource, so a model of averages sees no contention at all, in either case.
    """
    model = roofline({"a": [MEMORY, COMPUTE]})
    assert ends_ms(model, (0, "a"), (0, "a")) == pytest.approx([40, 40])
    assert ends_ms(model, (0, "a"), (10, "a")) == pytest.approx([20, 30])
    average = roofline({"a": [ResourcePhase(0.5, 0.5, 0.5)] * 2})
    assert ends_ms(average, (0, "a"), (0, "a")) == pytest.approx([20, 20])
    assert ends_ms(average, (0, "a"), (10, "a")) == pytest.approx([20, 30])


@pytest.mark.parametrize("offset", [0, 2.5, 5])
def test_partial_overlap(offset):
    """Started `offset` apart, up to 10 ms: the first is alone for `offset`, then both load at half speed until the
    first has loaded its other 10 - offset, at offset + 2 (10 - offset). From then on the second has `offset` left to
    load, alone, while the first computes alone for 10."""
    model = roofline({"a": [MEMORY, COMPUTE]})
    first_loaded = offset + 2 * (10 - offset)
    second_loaded = first_loaded + offset
    # From second_loaded on both compute; the first has 10 - offset left.
    first = second_loaded + 2 * (10 - offset)
    second = first + offset
    assert ends_ms(model, (0, "a"), (offset, "a")) == pytest.approx([first, second])


def test_working_sets_that_fit_disturb_nobody():
    phases = whole(0.1, 0.4, working_set_bytes=20 * MB, dram_spill=0.5)
    assert rates(roofline({"a": phases}, l2_bytes=40 * MB), "a", "a") == [1.0, 1.0]


def test_working_sets_that_do_not_fit_take_more_memory_bandwidth():
    """30 MB each in 40: two thirds of each stay, so DRAM demand is .4 + .6 / 3 = .6 each, 1.2 in all."""
    phases = whole(0.1, 0.4, working_set_bytes=30 * MB, dram_spill=0.6)
    assert rates(roofline({"a": phases}, l2_bytes=40 * MB), "a", "a") == pytest.approx([1 / 1.2] * 2)
    assert rates(roofline({"a": phases}), "a", "a") == [1.0, 1.0]  # the size of the L2 is not known


def test_a_working_set_larger_than_the_cache_has_paid_for_that_alone():
    """80 MB in 40 hits half of the time alone, and that is in its `dram`: alone it runs at full speed.

    Beside a stream of 40 MB that nobody reuses it keeps a third, of which a half was there alone: 1 / 3 is evicted.
    """
    phases = {
        "big": whole(0.1, 0.5, working_set_bytes=80 * MB, dram_spill=0.3),
        "stream": whole(0.1, 0.5, working_set_bytes=40 * MB),
    }
    model = roofline(phases, l2_bytes=40 * MB)
    assert rates(model, "big") == [1.0]
    assert rates(model, "big", "stream") == pytest.approx([1 / 1.1] * 2)


def test_without_reuse_eviction_costs_nothing():
    """A kernel with a low hit rate is insensitive to what others do to the cache."""
    model = roofline({"a": whole(0.1, 0.5, working_set_bytes=40 * MB)}, l2_bytes=40 * MB)
    assert rates(model, "a", "a") == [1.0, 1.0]


def test_without_phases_one_is_derived_from_the_features():
    """Linear between batch sizes, constant beyond; intensities that are not known are taken as none."""
    features = {"a": {1: Features(0.2, 0.6), 8: Features(0.9, 0.8, l2=0.7)}}
    model = roofline({}, features=features)
    (phase,) = model.work("a", 1)
    assert phase.share == 1.0
    assert phase.load.takes == (0.2, 0.6, 0.7, 0.0)
    assert model.work("a", 4)[0].load.takes == pytest.approx((0.5, 0.6 + 0.2 * 3 / 7, 0.7, 0.0))
    assert rates(model, "a", "a", batch=8) == pytest.approx([1 / 1.8] * 2)


def test_copies_take_their_rate_off_the_memory():
    """25 of 100 GB/s: what needs 90 % of the bandwidth gets 75 %, so it runs at 5/6, even alone."""
    model = roofline({"a": whole(0.1, 0.9), "b": whole(1.0, 0.0)}, memory_bandwidth_bytes_per_s=100e9, text=FOLLOW)
    assert model.heeds_copies
    unit = model.unit()
    unit.copying(0.0, 25e9)
    unit.add(0.0, "a", 0.010, model.work("a", 1))
    assert unit.running[0].rate == pytest.approx(5 / 6)
    assert unit.next_s == pytest.approx(0.012)
    # Half way through, in time, the copies end: 5 ms of work are left.
    unit.copying(0.006, 0.0)
    assert unit.next_s == pytest.approx(0.011)
    assert [batch.key for batch in unit.complete(unit.next_s)] == ["a"]


def test_copies_do_not_touch_what_needs_no_memory():
    model = roofline({"a": whole(0.1, 0.9), "b": whole(1.0, 0.0)}, memory_bandwidth_bytes_per_s=100e9, text=FOLLOW)
    unit = model.unit()
    unit.add(0.0, "b", 0.010, model.work("b", 1))
    unit.copying(0.002, 25e9)
    assert unit.next_s == pytest.approx(0.010)


def test_copies_and_batches_share_what_is_left():
    """Two that need all of the memory, 50 of 100 GB/s copied: a quarter each; each phase of theirs anew."""
    model = roofline({"a": [MEMORY, COMPUTE]}, memory_bandwidth_bytes_per_s=100e9, text=FOLLOW)
    unit = model.unit()
    for key in "ab":
        unit.add(0.0, key, 0.020, model.work("a", 1))
    unit.copying(0.0, 50e9)
    assert unit.next_s == pytest.approx(0.040)
    assert unit.complete(unit.next_s) == []
    assert unit.next_s == pytest.approx(0.060)


def test_no_copy_stops_the_kernels():
    model = roofline({"a": whole(0.1, 1.0)}, memory_bandwidth_bytes_per_s=10e9, text=FOLLOW)
    unit = model.unit()
    unit.add(0.0, "a", 0.010, model.work("a", 1))
    unit.copying(0.0, 64e9)
    assert 0.010 < unit.next_s < 10


def test_without_a_bandwidth_copies_make_no_difference():
    model = roofline({"a": whole(0.1, 1.0)})
    assert not model.heeds_copies
    unit = model.unit()
    unit.add(0.0, "a", 0.010, model.work("a", 1))
    unit.copying(0.0, 64e9)
    assert unit.next_s == 0.010


@pytest.mark.parametrize(
    ("copies", "link", "followed"),
    [("auto", 25e9, True), ("auto", 5e9, False), ("true", 5e9, True), ("false", 25e9, False), ("auto", inf, False)],
)
def test_copies_are_followed_where_they_can_matter_or_on_request(copies, link, followed):
    """An L4: 300 GB/s. Both directions of a link of 25 GB/s can take 17 % of that, of 5 GB/s 3 %."""
    given = {"link": link, "memory_bandwidth_bytes_per_s": 300e9, "text": f"roofline(copies={copies})"}
    assert roofline({"a": whole(0.1, 0.9)}, **given).heeds_copies is followed


def test_the_shipped_profiles_links_are_too_slow_to_matter():
    """The shipped profiles' links have less than 3 % of the memory's bandwidth."""
    for name in ("a100-80gb-parvagpu", "rtx3080-disb"):
        assert not execution_model("roofline", load_profile(name).for_hardware()).heeds_copies


def test_copies_can_only_be_followed_with_a_bandwidth():
    with pytest.raises(ProfileError, match=r"lacks device\.memory_bandwidth_bytes_per_s \(for copies=true\)"):
        roofline({"a": whole(0.1, 0.9)}, text=FOLLOW)
    with pytest.raises(SpecError, match="copies must be true, false or auto, got 'often'"):
        roofline({"a": whole(0.1, 0.9)}, text="roofline(copies=often)")
