"""`block-priority`: slots for thread blocks, priorities between streams. Times in ms."""

from dataclasses import replace
from math import inf

import pytest

from stratsim.device import execution_model
from stratsim.errors import ProfileError, SpecError
from stratsim.model.contention import Blocks, KernelBlocks, Sharing
from stratsim.model.parts import Device, Kernels
from stratsim.model.truth import Truth
from stratsim.testing import make_profile

MS = 1e-3
HIGH, LOW = 0, 1


def blocks(slots=80, text="block-priority", **kernels):
    """Return the model for (share, blocks) by name of model."""
    profile = make_profile(dict.fromkeys(kernels, 0.01))
    given = {name: {1: tuple(KernelBlocks(*kernel) for kernel in listed)} for name, listed in kernels.items()}
    return execution_model(text, replace(profile, truth=Truth(blocks=Blocks(slots, given))).for_hardware())


def drive(model, *starts):
    """Run (start, key, solo, name, level) to their ends, in ms."""
    unit, todo, ends = model.unit(), list(starts), {}
    while todo or len(unit):
        if todo and todo[0][0] * MS <= unit.next_s:
            at, key, solo, name, level = todo.pop(0)
            unit.add(at * MS, key, solo * MS, model.work(name, 1), level)
        else:
            now_s = unit.next_s
            ends |= {batch.key: now_s / MS for batch in unit.complete(now_s)}
    assert unit.next_s == inf
    return ends


@pytest.mark.parametrize(("priorities", "ends"), [("true", {"high": 2, "low": 5}), ("false", {"high": 5, "low": 4})])
def test_known_answer(priorities, ends):
    """80 slots; 320 low-priority blocks of 1 ms at 0, 80 high-priority ones at .5.

    With priority the high one gets all slots when the first wave ends, at 1.0; without, when the low one has none left
    to place, at 4.0.
    """
    model = blocks(text=f"block-priority(priorities={priorities})", low=[(1.0, 320)], high=[(1.0, 80)])
    assert drive(model, (0, "low", 4, "low", LOW), (0.5, "high", 1, "high", HIGH)) == pytest.approx(ends)


def test_equal_levels_are_served_in_the_order_of_launch():
    model = blocks(low=[(1.0, 320)], high=[(1.0, 80)])
    ends = drive(model, (0, "low", 4, "low", LOW), (0.5, "high", 1, "high", LOW))
    assert ends == pytest.approx({"low": 4, "high": 5})


def test_alone_a_batch_takes_its_solo_time():
    """Three kernels: two waves, one wave, a little more than three."""
    model = blocks(a=[(0.5, 160), (0.2, 7), (0.3, 241)])
    assert drive(model, (0, "a", 10, "a", LOW)) == pytest.approx({"a": 10})


def test_narrow_kernels_run_side_by_side():
    """Two that fill half of the slots each overlap; two that fill all of them take turns."""
    half, full = blocks(a=[(1.0, 40)]), blocks(a=[(1.0, 80)])
    starts = [(0, "one", 5, "a", LOW), (0, "two", 5, "a", LOW)]
    assert drive(half, *starts) == pytest.approx({"one": 5, "two": 5})
    assert drive(full, *starts) == pytest.approx({"one": 5, "two": 10})


def test_the_last_wave_leaves_slots_to_the_next_kernel():
    """100 blocks of 1 ms in 80 slots: the second wave has 20, beside which 60 of the other's 80 fit; 20 come last."""
    model = blocks(a=[(1.0, 100)], b=[(1.0, 80)])
    assert drive(model, (0, "a", 2, "a", LOW), (0.1, "b", 1, "b", LOW)) == pytest.approx({"a": 2, "b": 3})


def test_kernels_of_one_batch_run_one_after_the_other():
    """Kernels of 1 ms. Between two of the first batch's the second, which is ready, goes first; they alternate."""
    model = blocks(a=[(0.5, 80), (0.5, 80)])
    ends = drive(model, (0, "one", 2, "a", LOW), (0, "two", 2, "a", LOW))
    assert ends == pytest.approx({"one": 3, "two": 4})


def test_a_high_priority_batch_waits_for_no_more_than_one_wave():
    model = blocks(low=[(1.0, 800)], high=[(0.25, 80)] * 4)
    ends = drive(model, (0, "low", 10, "low", LOW), (0.3, "high", 4, "high", HIGH))
    # It waits until 1.0, then its four kernels of 1 ms follow each other, and nothing of the low one fits.
    assert ends == pytest.approx({"high": 5, "low": 14})


def test_what_ends_at_one_instant_frees_its_slots_together():
    """Sums of tenths differ in the last bit; the high one's second kernel must still be there in time."""
    model = blocks(low=[(1.0, 1600)], high=[(0.1, 40)] * 10)
    ends = drive(model, (0, "high", 1.0, "high", HIGH), (0, "low", 4, "low", LOW))
    assert ends["high"] == pytest.approx(1.0)


def test_running_lists_batches_in_the_order_of_their_start():
    model = blocks(a=[(1.0, 80)])
    unit = model.unit()
    for key in "abc":
        unit.add(0.0, key, 0.01, model.work("a", 1), HIGH)
    assert [batch.key for batch in unit.running] == ["a", "b", "c"]
    assert len(unit) == 3


def with_device(sms=None, kernels=None, sharing=None, truth_blocks=None):
    profile = make_profile({"a": {1: 0.01, 8: 0.03}})
    models = {"a": replace(profile.observable.models["a"], kernels=kernels)}
    return replace(
        profile,
        device=Device("GPU", sms=sms),
        observable=replace(profile.observable, models=models),
        truth=Truth({"a": {1: sharing}} if sharing else {}, blocks=truth_blocks),
    ).for_hardware()


def test_kernels_are_derived_where_the_profile_only_counts_them():
    """Equal kernels of one wave, as wide as the `streams` demand says."""
    model = execution_model("block-priority", with_device(68, Kernels(24, 1e-4), Sharing(0.5)))
    work = model.work("a", 1)
    assert len(work) == 24
    assert {kernel.blocks for kernel in work} == {34}
    assert sum(kernel.block_share for kernel in work) == pytest.approx(1.0)
    whole = execution_model("block-priority", with_device(68, Kernels(24, 1e-4)))
    assert {kernel.blocks for kernel in whole.work("a", 8)} == {68}


def test_slots_may_be_more_than_the_sms():
    given = Blocks(136, {"a": {1: (KernelBlocks(1.0, 136),)}})
    model = execution_model("block-priority", with_device(68, truth_blocks=given))
    assert model.slots == 136
    assert model.work("a", 1) == ((136, 1.0),)


def test_blocks_are_whole_between_batch_sizes():
    table = {1: (KernelBlocks(1.0, 10),), 8: (KernelBlocks(1.0, 25),)}
    model = execution_model("block-priority", with_device(80, truth_blocks=Blocks(None, {"a": table})))
    assert model.work("a", 4)[0].blocks == 16


def test_what_is_missing_is_named():
    with pytest.raises(ProfileError, match=r"lacks truth.blocks.slots and device.sms"):
        execution_model("block-priority", with_device(None, Kernels(24, 1e-4)))
    with pytest.raises(ProfileError, match=r"lacks truth.blocks.kernels.a and observable.models.a.kernels"):
        execution_model("block-priority", with_device(68))


def test_an_option_of_the_wrong_kind():
    with pytest.raises(SpecError, match="priorities must be true or false, got 3"):
        execution_model("block-priority(priorities=3)", with_device(68, Kernels(24, 1e-4)))


@pytest.mark.parametrize("clock_s", [0.0, 512.0, 1e5, 1.7e9])
def test_kernels_of_two_batches_end_together_however_late_it_is(clock_s):
    """40 slots: "a" and "b", 1000 kernels of 20 blocks of 10 us each, fill the GPU together, kernel after kernel.

    Their kernels end at the same 1000 instants.
    """
    model = blocks(slots=40, a=[(1 / 1000, 20)] * 1000)
    unit, ends = model.unit(), {}
    for key in ("a", "b"):
        unit.add(clock_s, key, 0.01, model.work("a", 1), LOW)
    waves = 0
    while len(unit):
        now_s = unit.next_s
        waves += 1
        ends |= {batch.key: now_s - clock_s for batch in unit.complete(now_s)}
    assert waves == 1000
    assert ends == pytest.approx({"a": 0.01, "b": 0.01}, abs=max(1e-9, 4e-16 * clock_s))


@pytest.mark.parametrize("clock_s", [0.0, 512.0, 1e5, 1e8])
def test_short_blocks_keep_apart_however_late_it_is(clock_s):
    """Blocks of 50 and 80 ns: at 1e5 s they are within 1e-12 of the clock, at 1e8 s within what it can resolve."""
    model = blocks(slots=2, a=[(1.0, 1)], b=[(1.0, 1)])
    unit = model.unit()
    unit.add(clock_s, "a", 50e-9, model.work("a", 1), LOW)
    unit.add(clock_s, "b", 80e-9, model.work("b", 1), LOW)
    first = [batch.key for batch in unit.complete(unit.next_s)]
    assert first == (["a"] if clock_s < 1e8 else ["a", "b"])
