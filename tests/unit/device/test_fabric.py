"""Copies on links that several share: known answers, worked out by hand. Times in ms, sizes in MB, rates in GB/s."""

from math import inf

import pytest

from stratsim.device import Direction, Fabric, PrivateLinks, host_links, network
from stratsim.model.cluster import Cluster
from stratsim.model.parts import Link, Pcie
from stratsim.model.topology import Branch, Branches, Topology, Trunk, load_topology
from stratsim.model.truth import Transfers

MS, MB, GB = 1e-3, 10**6, 10**9
H2D, D2H = Direction


def machine(tree=None, *, gpus=2, alpha=0.0, own=25.0, back=None, **transfers):
    """A fabric whose GPUs have links of `own` towards the device and `back` towards the host."""
    pcie = Pcie(Link(alpha * MS, own * GB), Link(alpha * MS, (back or own) * GB))
    engines = Transfers(**transfers)
    return Fabric(network(Cluster(gpus=gpus, topology=tree), pcie, engines), engines)


def behind(uplink, **options):
    """GPUs that share one uplink."""
    return machine(Topology(root=Trunk(uplink * GB)), **options)


def drive(fabric, copies, watch=None):
    """Submit copies (at, gpu, direction, MB, key) and return (start, end) by key; `watch` sees every change."""
    todo = sorted(copies, key=lambda copy: copy[0])
    ends = {}
    while todo or fabric.next_s < inf:
        if todo and todo[0][0] * MS <= fabric.next_s:
            at, gpu, direction, size, key = todo.pop(0)
            now_s = at * MS
            fabric.submit(now_s, gpu, direction, int(size * MB), key)
        else:
            now_s = fabric.next_s
            ends |= {copy.key: (copy.start_s / MS, now_s / MS) for copy in fabric.complete(now_s)}
        if watch is not None:
            watch(now_s / MS, {copy.key: rate / GB for copy, rate in fabric.rates()})
    return {key: pytest.approx(times, abs=1e-9) for key, times in ends.items()}


def rates(fabric, *lanes):
    """The rates of long copies on the given (gpu, direction)."""
    for key, (gpu, direction) in enumerate(lanes):
        fabric.submit(0.0, gpu, direction, 10**12, key)
    found = {copy.key: rate / GB for copy, rate in fabric.rates()}
    return [found[key] for key in range(len(lanes))]


class TestSharedLinks:
    def test_two_gpus_behind_one_uplink(self):
        """100 MB and 50 MB at 12.5 GB/s each: the small one ends at 4.0; then 50 MB are left for 25 GB/s: 6.0."""
        ends = drive(behind(25), [(0, 0, H2D, 100, "large"), (0, 1, H2D, 50, "small")])
        assert ends == {"large": (0, 6), "small": (0, 4)}

    def test_first_in_first_out_would_end_the_other_way_round(self):
        """One engine, one after the other: 4.0 for the large one, 6.0 for the small one."""
        ends = drive(behind(25), [(0, 0, H2D, 100, "large"), (0, 0, H2D, 50, "small")])
        assert ends == {"large": (0, 4), "small": (4, 6)}

    def test_two_switches_below_one_root(self):
        """g0 and g1 on A (20), g2 on B (20), own links 16, root 32: A is full at 10 each, 12 are left of the root."""
        tree = Topology(
            root=Trunk(32 * GB),
            switches={"A": Branch(20 * GB), "B": Branch(20 * GB)},
            gpus=(Branches(16 * GB, under="A", count=2), Branches(16 * GB, under="B")),
        )
        fabric = machine(tree, gpus=3)
        assert rates(fabric, (0, H2D), (1, H2D), (2, H2D)) == [10, 10, 12]
        assert [fabric.bytes_per_s(gpu) / GB for gpu in range(3)] == [10, 10, 12]

    def test_switches_below_switches(self):
        """A (20) and B under S (24): three at once are limited by S, to 8 each, the two on A alone by A, to 10."""
        tree = Topology(
            switches={"S": Branch(24 * GB), "A": Branch(20 * GB, under="S"), "B": Branch(20 * GB, under="S")},
            gpus=(Branches(16 * GB, under="A", count=2), Branches(16 * GB, under="B")),
        )
        assert rates(machine(tree, gpus=3), (0, H2D), (1, H2D), (2, H2D)) == [8, 8, 8]
        assert rates(machine(tree, gpus=3), (0, H2D), (1, H2D)) == [10, 10]

    def test_alpha_occupies_the_engine_but_not_the_link(self):
        """1 ms of latency, then 25 MB in 1 ms. The second is still in its latency while the first moves bytes."""
        ends = drive(behind(25, alpha=1.0), [(0, 0, H2D, 25, "a"), (1, 1, H2D, 25, "b")])
        assert ends == {"a": (0, 2), "b": (1, 3)}

    def test_a_wide_uplink_leaves_the_own_links_in_charge(self):
        ends = drive(behind(40, own=16), [(0, 0, H2D, 32, "a"), (0, 1, H2D, 16, "b")])
        assert ends == {"a": (0, 2), "b": (0, 1)}

    def test_directions_do_not_share(self):
        ends = drive(behind(25), [(0, 0, H2D, 25, "in"), (0, 0, D2H, 25, "out"), (0, 1, D2H, 25, "out too")])
        assert ends == {"in": (0, 1), "out": (0, 2), "out too": (0, 2)}

    def test_shares_change_whenever_a_copy_joins_or_ends(self):
        """50 MB alone for 1 ms (25 MB done); a second joins, 12.5 GB/s each: 2 ms more for both; a third joins then."""
        copies = [(0, 0, H2D, 50, "a"), (1, 1, H2D, 50, "b"), (3, 2, H2D, 25, "c")]
        # At 3 a ends; b has 25 MB left, as has c: both at 12.5 GB/s end at 5.
        assert drive(behind(25, gpus=3), copies) == {"a": (0, 3), "b": (1, 5), "c": (3, 5)}

    def test_idle_means_never(self):
        fabric = behind(25)
        assert fabric.next_s == inf
        drive(fabric, [(0, 0, H2D, 1, "a")])
        assert fabric.next_s == inf
        assert fabric.rates() == []
        assert fabric.bytes_per_s(0) == 0

    def test_links_without_limit_take_no_time(self):
        pcie = Pcie(Link(0.0, inf), Link(0.0, inf))
        fabric = Fabric(network(Cluster(), pcie, Transfers()), Transfers())
        ends = drive(fabric, [(1, 0, H2D, 25, "a"), (1, 0, H2D, 25, "b"), (1, 0, D2H, 25, "c")])
        assert ends == {"a": (1, 1), "b": (1, 1), "c": (1, 1)}


class TestBothDirections:
    def test_half_duplex_in_part(self):
        """Kappa .71, C = 26: 36.92 in all, 18.46 each way (measured: 18.4 to 19.6, nvbandwidth's README)."""
        found = rates(machine(own=26, duplex=0.71), (0, H2D), (0, D2H))
        assert found == pytest.approx([18.46, 18.46])
        assert sum(found) == pytest.approx(36.92)

    def test_one_direction_alone_is_not_slowed(self):
        assert rates(machine(own=26, duplex=0.71), (0, H2D), (1, D2H)) == [26, 26]
        assert rates(machine(own=25, back=10, duplex=0.5), (0, H2D)) == [25]

    def test_the_rate_comes_back_when_the_other_direction_ends(self):
        """Both at 18.46 until the 36.92 MB out are done, at 2; the other has 15.08 MB left: .58 ms at 26."""
        ends = drive(machine(own=26, duplex=0.71), [(0, 0, H2D, 52, "in"), (0, 0, D2H, 36.92, "out")])
        assert ends == {"in": (0, 2.58), "out": (0, 2)}

    def test_d2h_first(self):
        """An A100: H2D 25, D2H 24, 35 together: beside D2H, which keeps its 24, H2D falls to 11 GB/s."""
        fabric = machine(own=25, back=24, duplex=35 / 49, h2d_share=0.0)
        assert rates(fabric, (0, H2D), (0, D2H)) == pytest.approx([11, 24])

    def test_the_same_by_shares(self):
        fabric = machine(own=25, back=25, duplex=0.7, h2d_share=11 / 35)
        assert rates(fabric, (0, H2D), (0, D2H)) == pytest.approx([11, 24])

    def test_what_is_first_may_leave_nothing(self):
        """Kappa .5, D2H first: the copy in stands still until the copy out has ended."""
        ends = drive(machine(own=25, duplex=0.5, h2d_share=0.0), [(0, 0, H2D, 25, "in"), (0, 0, D2H, 50, "out")])
        assert ends == {"out": (0, 2), "in": (0, 3)}

    def test_a_topology_says_what_both_directions_carry(self):
        tree = Topology(gpu=Branch(26 * GB, both_bytes_per_s=40 * GB), root=Trunk(both_bytes_per_s=60 * GB))
        assert rates(machine(tree, duplex=0.71), (0, H2D), (0, D2H)) == [20, 20]
        assert rates(machine(tree), (0, H2D), (0, D2H), (1, H2D), (1, D2H)) == [15, 15, 15, 15]
        assert rates(machine(tree), (0, H2D), (1, H2D)) == [26, 26]

    def test_a_topologys_share_wins_over_the_profiles(self):
        tree = Topology(gpu=Branch(25 * GB, both_bytes_per_s=35 * GB), h2d_share=11 / 35)
        assert rates(machine(tree, h2d_share=0.9), (0, H2D), (0, D2H)) == pytest.approx([11, 24])


class TestEngines:
    def test_priority_inversion(self):
        """100 MB at 0, .6 MB at .1: whole copies, first in first out. Both pay alpha: 4.024 + 2 alpha."""
        ends = drive(machine(alpha=0.02), [(0, 0, H2D, 100, "large"), (0.1, 0, H2D, 0.6, "small")])
        assert ends["small"] == (4.02, 4.064)

    def test_chunks_let_the_small_copy_in_between(self):
        """2 MB take .08: the second chunk ends at .16, the small copy takes .024, the large one goes on: 4.024."""
        fabric = machine(chunk_bytes=2 * MB)
        ends = drive(fabric, [(0, 0, H2D, 100, "large"), (0.1, 0, H2D, 0.6, "small")])
        assert ends == {"small": (0.16, 0.184), "large": (0, 4.024)}

    def test_chunks_take_turns(self):
        """4 MB and 4 MB in chunks of 2 at 2 GB/s: a b a b, a chunk a ms."""
        ends = drive(machine(own=2, chunk_bytes=2 * MB), [(0, 0, H2D, 4, "a"), (0, 0, H2D, 4, "b")])
        assert ends == {"a": (0, 3), "b": (1, 4)}

    def test_three_take_turns_and_a_last_chunk_may_be_short(self):
        """Chunks of 2 at 2 GB/s: a 0-1, b 1-2, c 2-2.5 (ends), a 2.5-3 (ends), b 3-4, then on to its end."""
        copies = [(0, 0, H2D, 3, "a"), (0.1, 0, H2D, 6, "b"), (0.2, 0, H2D, 1, "c")]
        ends = drive(machine(own=2, chunk_bytes=2 * MB), copies)
        assert ends == {"a": (0, 3), "b": (1, 5), "c": (2, 2.5)}

    def test_alpha_is_paid_once_per_copy_chunked_or_not(self):
        """Alone a copy takes alpha + bytes / rate, as was measured. Alpha delays the other at its first turn only."""
        assert drive(machine(alpha=1.0, own=2, chunk_bytes=2 * MB), [(0, 0, H2D, 8, "a")]) == {"a": (0, 5)}
        ends = drive(machine(alpha=1.0, own=2, chunk_bytes=2 * MB), [(0, 0, H2D, 4, "a"), (0, 0, H2D, 4, "b")])
        assert ends == {"a": (0, 5), "b": (2, 6)}  # a 0-2, b 2-4, a 4-5, b 5-6

    def test_one_that_comes_in_the_middle_of_a_chunk_waits_for_its_end(self):
        ends = drive(machine(own=2, chunk_bytes=2 * MB), [(0, 0, H2D, 8, "a"), (2.5, 0, H2D, 1, "b")])
        assert ends == {"b": (3, 3.5), "a": (0, 4.5)}

    def test_several_engines_share_the_link(self):
        """Two engines: 100 MB and 50 MB of one GPU at 12.5 GB/s each, as if they were on two; a third waits."""
        copies = [(0, 0, H2D, 100, "large"), (0, 0, H2D, 50, "small"), (0, 0, H2D, 25, "third")]
        ends = drive(machine(engines=2), copies)
        assert ends == {"small": (0, 4), "large": (0, 7), "third": (4, 6)}

    def test_several_engines_take_turns_too(self):
        """Two engines, three copies of 4 MB in chunks of 2 at 2 GB/s: a b to 2; c and a, c at 2; all at half speed."""
        copies = [(0, 0, H2D, 4, "a"), (0, 0, H2D, 4, "b"), (0, 0, H2D, 4, "c")]
        ends = drive(machine(own=2, engines=2, chunk_bytes=2 * MB), copies)
        # Both chunks end at 2. c and a then move to 4: a ends, c makes way for b; b and c then end at 6.
        assert ends == {"a": (0, 4), "b": (0, 6), "c": (2, 6)}

    def test_one_engine_for_both_directions(self):
        """As on GeForce cards with one engine: the copy out waits for the copy in."""
        ends = drive(machine(engines=0), [(0, 0, H2D, 100, "in"), (0, 0, D2H, 50, "out"), (0, 1, D2H, 50, "other")])
        assert ends == {"in": (0, 4), "out": (4, 6), "other": (0, 2)}


class TestChoice:
    """The cheap machinery is taken exactly where it behaves the same."""

    PCIE = Pcie(Link(0.0, 25 * GB), Link(0.0, 20 * GB))

    def choose(self, transfers=None, *, in_time=False, **cluster):
        transfers = transfers or Transfers()
        found = network(Cluster(**cluster), self.PCIE, transfers)
        return type(host_links(found, transfers, in_time=in_time))

    def test_links_of_their_own_are_private(self):
        assert self.choose(gpus=4) is PrivateLinks
        assert self.choose(topology=load_topology("pcie-gen3-x16"), gpus=2) is PrivateLinks

    def test_an_uplink_that_all_together_cannot_fill_is_none(self):
        assert self.choose(gpus=2, uplink_bytes_per_s=50e9) is PrivateLinks
        assert self.choose(gpus=2, uplink_bytes_per_s=49e9) is Fabric

    @pytest.mark.parametrize("option", [{"engines": 0}, {"engines": 2}, {"chunk_bytes": 1}, {"duplex": 0.9}])
    def test_engines_and_coupling_are_not(self, option):
        assert self.choose(Transfers(**option)) is Fabric

    def test_nor_is_what_somebody_must_know_in_time(self):
        assert self.choose(in_time=True) is Fabric

    def test_pageable_copies_are_not_coupled(self):
        """Their link is far from full: the host's staging holds them up."""
        pcie = Pcie(self.PCIE.h2d, self.PCIE.d2h, self.pageable())
        transfers = Transfers(duplex=0.7)
        found = network(Cluster(pinned=False), pcie, transfers)
        assert type(host_links(found, transfers)) is PrivateLinks
        assert [link.bytes_per_s for link in found.links[0]] == [8e9, 7e9]

    def pageable(self):
        from stratsim.model.parts import Pageable

        return Pageable(Link(0.0, 8 * GB), Link(0.0, 7 * GB))


class TestPublishedHost:
    """Eight H800 (nvbandwidth's public output): what the shipped topology was made from, and what it predicts."""

    @pytest.fixture
    def fabric(self):
        pcie = Pcie(Link(0.0, GB), Link(0.0, GB))
        return Fabric(network(Cluster(gpus=8, topology=load_topology("8x-h800")), pcie, Transfers()), Transfers())

    def test_alone(self, fabric):
        assert rates(fabric, (3, H2D)) == [55.31]

    def test_both_directions_of_one(self, fabric):
        assert rates(fabric, (2, H2D), (2, D2H)) == pytest.approx([52.9, 34.4], abs=0.1)

    def test_all_eight_one_way(self, fabric):
        assert rates(fabric, *((gpu, D2H) for gpu in range(8))) == pytest.approx([44.8] * 8, abs=0.1)

    def test_all_eight_in_h2d_do_not_slow_each_other(self, fabric):
        """Measured 55.1 to 55.3 of 55.3."""
        assert rates(fabric, *((gpu, H2D) for gpu in range(8))) == [55.31] * 8

    def test_all_eight_both_ways(self, fabric):
        """One limit for the sum, the split predicted from a single GPU's. Measured: 33.5 to 34.4 and 22.2 to 22.8."""
        lanes = [(gpu, way) for gpu in range(8) for way in Direction]
        found = rates(fabric, *lanes)
        assert found[0::2] == pytest.approx([34.0] * 8, rel=0.02)
        assert found[1::2] == pytest.approx([22.5] * 8, rel=0.02)
