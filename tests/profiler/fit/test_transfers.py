"""Copies together: engines, duplex factor and kernels beside copies, from synthetic samples with known answers."""

import pytest

from stratsim.model.profile import Transfers
from stratsim_profiler.fit.transfers import fit_transfers
from stratsim_profiler.samples import Transfer

MIB = 2**20
ALPHA_S, RATE = 10e-6, 10e9


def copy_s(size, rate=RATE):
    return ALPHA_S + size / rate


def transfer(direction="h2d", size=64 * MIB, seconds=None, **options):
    fields = {"pinned": True, "concurrent": 1, "bidirectional": False, "beside": None} | options
    return Transfer(
        "copy", direction, size_bytes=size, seconds=(copy_s(size) if seconds is None else seconds,), **fields
    )


def singles(*directions, pinned=True, rate=RATE):
    return [
        transfer(direction, size, copy_s(size, rate), pinned=pinned)
        for direction in directions
        for size in (4096, 65536, MIB, 16 * MIB, 64 * MIB)
    ]


def concurrent(ends):
    """Return a record of copies of 64 MiB each that end at these multiples of the time of one."""
    one = copy_s(64 * MIB)
    each = tuple(end * one for end in ends)
    return transfer(concurrent=len(ends), seconds=max(each), each_seconds=(each,))


def test_directions_and_kinds_of_memory_are_links_of_their_own():
    records = [*singles("h2d"), *singles("d2h", rate=8e9), *singles("h2d", pinned=False, rate=3e9)]
    fit = fit_transfers(records)
    assert fit.pinned["h2d"].bytes_per_s == pytest.approx(10e9)
    assert fit.pinned["d2h"].bytes_per_s == pytest.approx(8e9)
    assert fit.pageable["h2d"].bytes_per_s == pytest.approx(3e9)
    assert set(fit.pageable) == {"h2d"}
    assert fit.for_truth() is None


def test_the_median_of_the_repetitions_counts():
    records = singles("h2d")
    spoilt = [
        Transfer("copy", "h2d", True, r.size_bytes, 1, False, None, (r.seconds[0], r.seconds[0], 50.0)) for r in records
    ]
    assert fit_transfers(spoilt).pinned["h2d"].bytes_per_s == pytest.approx(RATE)


@pytest.mark.parametrize(
    ("ends", "sharing", "engines"),
    [
        ((1, 2), "serial", 1),
        ((1, 2, 3, 4), "serial", 1),
        ((2, 2), "shared", 2),
        ((4, 4, 4, 4), "shared", 4),
        ((3.9, 3.95, 4, 4), "shared", 4),
        ((1, 1, 1), "parallel", 3),
        ((1.05, 1.1), "parallel", 2),
    ],
)
def test_copy_engines(ends, sharing, engines):
    fit = fit_transfers([*singles("h2d"), concurrent(ends)]).engines["h2d"]
    assert (fit.sharing, fit.engines) == (sharing, engines)
    assert fit.makespan[len(ends)] == pytest.approx(max(ends) / len(ends))
    assert fit.first[len(ends)] == pytest.approx(min(ends))


def test_without_single_times_copies_that_take_turns_cannot_be_told_from_sharing():
    record = transfer(concurrent=3, seconds=3 * copy_s(64 * MIB))
    assert fit_transfers([*singles("h2d"), record]).engines["h2d"].sharing == "shared"


def both_ways(h2d_share, d2h_share):
    """Return opposite copies, each at a share of its own rate."""
    return [
        transfer(direction, seconds=copy_s(64 * MIB) / share, bidirectional=True)
        for direction, share in (("h2d", h2d_share), ("d2h", d2h_share))
    ]


@pytest.mark.parametrize(
    ("h2d", "d2h", "kappa", "share"), [(1, 1, 1, 0.5), (0.8, 0.8, 0.8, 0.5), (0.44, 0.96, 0.7, 0.314286)]
)
def test_duplex_factor(h2d, d2h, kappa, share):
    fit = fit_transfers([*singles("h2d", "d2h"), *both_ways(h2d, d2h)])
    assert fit.duplex == pytest.approx(kappa)
    assert fit.h2d_share == pytest.approx(share, rel=1e-5)
    assert fit.duplex_by_direction == pytest.approx({"h2d": h2d, "d2h": d2h})


def test_the_duplex_factor_weighs_directions_by_their_rates():
    """25 GB/s one way, which falls to 11, and 25 the other, of which 24 stay: (11 + 24) / 50."""
    records = [*singles("h2d", "d2h", rate=25e9)]
    one = copy_s(64 * MIB, 25e9)
    records += [
        transfer(side, seconds=one * 25 / left, bidirectional=True) for side, left in (("h2d", 11), ("d2h", 24))
    ]
    fit = fit_transfers(records)
    assert fit.duplex == pytest.approx(0.7)
    assert fit.for_truth() == Transfers(engines=1, duplex=0.7, h2d_share=round(11 / 35, 4))


def test_one_direction_alone_says_nothing_of_the_duplex_factor():
    fit = fit_transfers([*singles("h2d", "d2h"), both_ways(0.8, 0.8)[0]])
    assert fit.duplex is None
    assert fit.h2d_share is None
    assert fit.for_truth() is None


def test_the_truth_takes_only_possible_factors():
    low = fit_transfers([*singles("h2d", "d2h"), *both_ways(0.3, 0.5)])
    assert low.duplex == pytest.approx(0.4)
    assert low.for_truth() == Transfers(duplex=0.5, h2d_share=0.375)
    high = fit_transfers([*singles("h2d", "d2h"), *both_ways(1.02, 1.0)])
    assert high.for_truth() == Transfers()


def test_only_sizes_whose_fixed_cost_hardly_counts_judge_the_engines():
    small = copy_s(4096)
    misleading = transfer(size=4096, concurrent=2, seconds=small, each_seconds=((small, small),))
    fit = fit_transfers([*singles("h2d"), concurrent((1, 2)), misleading]).engines["h2d"]
    assert fit.sharing == "serial"


def test_copies_on_several_devices_are_ignored():
    records = singles("h2d")
    slowed = [transfer("h2d", record.size_bytes, 9 * record.seconds[0], devices=2) for record in records]
    assert fit_transfers([*records, *slowed]).pinned == fit_transfers(records).pinned


def test_a_copy_beside_a_memory_bound_kernel():
    one = copy_s(64 * MIB)
    beside = Transfer(
        "copy", "h2d", True, 64 * MIB, 1, False, "stress:dram:1.00", (1.25 * one,),
        beside_seconds=(1.1e-3, 1.1e-3), beside_solo_seconds=(1e-3,),
    )  # fmt: skip
    (found,) = fit_transfers([*singles("h2d"), beside]).beside
    assert (found.stressor, found.direction) == ("stress:dram:1.00", "h2d")
    assert found.copy_slowdown == pytest.approx(1.25)
    assert found.kernel_slowdown == pytest.approx(1.1)


def test_a_kernel_that_was_not_timed_has_no_slowdown():
    beside = transfer(beside="stress:dram:1.00", seconds=copy_s(64 * MIB))
    (found,) = fit_transfers([*singles("h2d"), beside]).beside
    assert found.kernel_slowdown is None


def test_no_records_no_links():
    fit = fit_transfers([])
    assert fit.pinned == {}
    assert fit.for_truth() is None
