"""Parameters of the execution models: what is refused, what lies between batch sizes, and files that hold them."""

from dataclasses import replace

import pytest

from stratsim.errors import ProfileError
from stratsim.model.codec import dump_profile, load_profile
from stratsim.model.contention import (
    Blocks,
    GpuletFit,
    Igniter,
    KernelBlocks,
    ResourcePhase,
    Sharing,
    SharingPhase,
    phases_at,
)
from stratsim.model.igniter import IgniterGpu, IgniterModel
from stratsim.model.parts import Device
from stratsim.model.truth import Truth
from stratsim.testing import make_profile

TWO = (SharingPhase(0.5, 0.9, 2.0), SharingPhase(0.5, 0.3))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Sharing(), "needs either demand .* or phases"),
        (lambda: Sharing(0.5, phases=TWO), "needs either demand .* or phases"),
        (lambda: Sharing(1.5), r"demand must be within \(0, 1\], got 1.5"),
        (lambda: Sharing(0.5, 0.0), "weight must be > 0"),
        (lambda: Sharing(phases=TWO[:1]), "phases: shares must sum to 1, sum to 0.5"),
        (lambda: SharingPhase(0.0, 0.5), "share must be > 0"),
        (lambda: SharingPhase(1.0, 1.1), r"demand must be within \(0, 1\], got 1.1"),
        (lambda: ResourcePhase(1.0, 1.1, 0.0), r"sm must be within \[0, 1\], got 1.1"),
        (lambda: ResourcePhase(1.0, 0.5, 0.5, issue=-0.1), r"issue must be within \[0, 1\], got -0.1"),
        (lambda: ResourcePhase(1.0, 0.5, 0.5, dram_spill=0.1), "dram_spill needs working_set_bytes"),
        (lambda: ResourcePhase(1.0, 0.5, 0.5, working_set_bytes=-1), "working_set_bytes must be >= 0"),
        (lambda: KernelBlocks(0.5, 0), "blocks must be > 0"),
        (lambda: Blocks(0), "slots must be > 0"),
        (lambda: Blocks(8, {"a": {}}), r"kernels\['a'\] is empty; leave the model out"),
        (lambda: Blocks(8, {"a": {1: ()}}), r"kernels\['a'\]\[1\] is empty"),
        (lambda: Blocks(8, {"a": {1: (KernelBlocks(0.9, 3),)}}), r"kernels\['a'\]\[1\]: shares must sum to 1"),
        (lambda: Truth(roofline={"a": {}}), r"roofline\['a'\] is empty"),
        (lambda: Truth(roofline={"a": {0: (ResourcePhase(1.0, 1, 1),)}}), r"roofline\['a'\]: batch sizes must be"),
        (
            lambda: Truth(roofline={"a": {1: (ResourcePhase(0.7, 1, 1),)}}),
            r"roofline\['a'\]\[1\]: shares must sum to 1",
        ),
        (lambda: Truth(partitions={"a": 0.0}), r"partitions\['a'\] must be within \(0, 1\], got 0.0"),
    ],
)
def test_figures_out_of_range(make, message):
    with pytest.raises(ProfileError, match=message):
        make()


def test_shares_written_by_hand_may_be_rounded():
    assert len(Sharing(phases=tuple(SharingPhase(0.3333333, 0.5) for _ in range(3))).as_phases()) == 3


def test_demand_and_weight_are_one_phase():
    assert Sharing(0.5, 3.0).as_phases() == (SharingPhase(1.0, 0.5, 3.0),)
    assert Sharing(phases=TWO).as_phases() == TWO


LOW, HIGH = (SharingPhase(0.2, 0.4), SharingPhase(0.8, 0.2, 3)), (SharingPhase(0.6, 0.8), SharingPhase(0.4, 1.0, 4))


def test_between_two_sizes_every_figure_is_linear():
    """A quarter of the way from 4 to 8; whole numbers given for figures are figures too."""
    first, second = phases_at({4: LOW, 8: HIGH}, 5)
    assert (first.share, first.demand, first.weight) == pytest.approx((0.3, 0.5, 1.0))
    assert (second.share, second.demand, second.weight) == pytest.approx((0.7, 0.4, 3.25))


@pytest.mark.parametrize(("batch", "found"), [(0, LOW), (1, LOW), (4, LOW), (8, HIGH), (9, HIGH)])
def test_at_and_beyond_the_measured_sizes(batch, found):
    assert phases_at({8: HIGH, 4: LOW}, batch) == found


@pytest.mark.parametrize(("batch", "count"), [(5, 2), (6, 2), (7, 1)])
def test_lists_of_different_length_are_not_mixed(batch, count):
    assert len(phases_at({4: LOW, 8: (SharingPhase(1.0, 0.5),)}, batch)) == count


def test_numbers_of_blocks_stay_whole():
    table = {1: (KernelBlocks(1.0, 10),), 4: (KernelBlocks(1.0, 20),)}
    assert phases_at(table, 2) == (KernelBlocks(1.0, 13),)


FULL = Truth(
    sharing={"a": {1: Sharing(phases=TWO), 8: Sharing(0.5)}},
    roofline={"a": {1: (ResourcePhase(0.25, 0.9, 0.3, 0.2, 0.7, 3e6, 0.4), ResourcePhase(0.75, 0.2, 0.8))}},
    blocks=Blocks(80, {"a": {1: (KernelBlocks(0.5, 3), KernelBlocks(0.5, 160))}}),
    partitions={"a": 0.4},
    gpulet=GpuletFit(0.1, 0.7, 0.35, 0.9, 0.9),
    igniter=Igniter(
        IgniterGpu(1530.0, 300.0, 53.5, -1.0, 0.005, -0.009),
        {"a": IgniterModel((0.004, 8.7, 23.7, 0.06, 0.35), 20, 0.03, 0.002, 0.003, 2.0, 0.02, 37.0)},
    ),
)


def full_profile(truth=FULL):
    profile = make_profile({"a": {1: 0.01, 8: 0.03}})
    link = replace(profile.observable.pcie.h2d, bytes_per_s=12e9)
    observable = replace(profile.observable, pcie=replace(profile.observable.pcie, h2d=link, d2h=link))
    return replace(profile, device=Device("GPU", l2_bytes=40 << 20), observable=observable, truth=truth)


def test_a_file_holds_all_of_it(tmp_path):
    path = tmp_path / "p.json"
    path.write_text(dump_profile(full_profile()))
    again = load_profile(path)
    assert again == full_profile()
    assert dump_profile(again) == path.read_text()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            '"dram_spill"',
            '"dram_spil"',
            r"unknown field 'dram_spil'; did you mean 'dram_spill'\? - at \$.truth.roofline.a\['1'\]",
        ),
        ('"blocks": 160', '"blocks": 1.5', r"at \$.truth.blocks.kernels.a\['1'\]\[1\].blocks"),
        ('"l2_other"', '"l2_others"', r"unknown field 'l2_others'; did you mean 'l2_other'\? - at \$.truth.gpulet"),
        ('"share": 0.75', '"share": 0.7', r"roofline\['a'\]\[1\]: shares must sum to 1, sum to 0.95 - at \$.truth"),
    ],
)
def test_what_is_wrong_in_a_file_is_named_with_its_place(tmp_path, old, new, message):
    text = dump_profile(full_profile())
    assert old in text
    path = tmp_path / "p.json"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(ProfileError, match=message):
        load_profile(path)


@pytest.mark.parametrize(
    ("section", "truth"),
    [
        ("truth.roofline", Truth(roofline={"b": FULL.roofline["a"]})),
        ("truth.partitions", Truth(partitions={"b": 0.5})),
        ("truth.blocks.kernels", Truth(blocks=Blocks(8, {"b": {1: (KernelBlocks(1.0, 3),)}}))),
        ("truth.igniter.models", Truth(igniter=Igniter(FULL.igniter.gpu, {"b": FULL.igniter.models["a"]}))),
    ],
)
def test_a_section_that_names_an_unknown_model(section, truth):
    with pytest.raises(ProfileError, match=rf"{section} names model 'b', which observable.models lacks; known: a"):
        full_profile(truth)
