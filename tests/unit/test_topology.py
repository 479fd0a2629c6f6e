"""Topologies: what a file says, what is said of a file that cannot be used, what a machine makes of it."""

from math import inf

import pytest

from stratsim.errors import ProfileError, SpecError
from stratsim.model.cluster import Cluster
from stratsim.model.parts import Link, Pageable, Pcie
from stratsim.model.topology import Branch, Branches, Topology, Trunk, load_topology, topology_names, topology_sha256

PCIE = Pcie(Link(1e-5, 25e9), Link(2e-5, 24e9), Pageable(Link(3e-5, 4e9), Link(4e-5, 3e9)))

TWO_SWITCHES = """
description = "Two switches"
kind = "synthetic"
source = "an example"
h2d_share = 0.4

[root]
bytes_per_s = 32e9

[switches.A]
bytes_per_s = 20e9
d2h_bytes_per_s = 18e9

[switches.B]
under = "A"

[[gpus]]
count = 2
under = "A"
bytes_per_s = 16_000_000_000

[[gpus]]
under = "B"
both_bytes_per_s = 30e9
"""


@pytest.fixture
def write(tmp_path):
    def make(text):
        path = tmp_path / "mine.toml"
        path.write_text(text)
        return path

    return make


class TestFiles:
    def test_all_of_it(self, write):
        tree = load_topology(write(TWO_SWITCHES))
        assert tree == Topology(
            root=Trunk(32e9),
            switches={"A": Branch(20e9, d2h_bytes_per_s=18e9), "B": Branch(under="A")},
            gpus=(Branches(16e9, under="A", count=2), Branches(both_bytes_per_s=30e9, under="B")),
            h2d_share=0.4,
            name="mine",
            description="Two switches",
            kind="synthetic",
            source="an example",
        )
        assert tree.gpu_count == 3
        assert [link.under for link in tree.links(3)] == ["A", "A", "B"]
        assert tree.path(tree.gpus[1]) == ("B", "A")
        assert tree.above(tree.gpus[0]) == (tree.switches["A"], tree.root)

    def test_nothing_is_links_as_in_the_profile_for_any_number(self, write):
        tree = load_topology(write(""))
        assert tree == Topology(name="mine")
        assert tree.gpu_count is None
        assert tree.links(4) == (Branch(),) * 4

    def test_the_particular_wins_over_the_general(self):
        link = Trunk(20e9, d2h_bytes_per_s=18e9)
        assert (link.h2d, link.d2h, link.both) == (20e9, 18e9, inf)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("gpu = 3", "Expected `object | null`, got `int` - at $.gpu"),
            ("[root]\nbytes_per_s = 0", "bytes_per_s must be > 0 bytes per second and finite, got 0.0 - at $.root"),
            ("[root]\nbytes_per_s = inf", "bytes_per_s must be > 0 bytes per second and finite, got inf - at $.root"),
            ("[root]\nbytes_per_s = '20e9'", "Expected `float | null`, got `str` - at $.root.bytes_per_s"),
            ("[root]\nbytes = 1", "unknown field 'bytes'; did you mean 'bytes_per_s'? - at $.root"),
            ("[[gpus]]\n[[gpus]]\ncount = 0", "count must be at least 1, got 0 - at $.gpus[1]"),
            ("[gpu]\n[[gpus]]", "give either [gpu], for any number of GPUs, or [[gpus]], not both - at $"),
            ("[switches.A]\n[gpu]\nunder='B'", "gpu is under 'B', which is no switch; known: A - at $"),
            ("[[gpus]]\n[[gpus]]\nunder='S'", "gpus[1] is under 'S', which is no switch; known: none - at $"),
            ("[switches.A]\nunder='B'", "switches.A is under 'B', which is no switch; known: A - at $"),
            ("[switches.A]\nunder='A'", "switches.A hangs under itself - at $"),
            ("[switches.A]\nunder='B'\n[switches.B]\nunder='A'", "switches.A hangs under itself - at $"),
            ("h2d_share = 1.5", "h2d_share must be within [0, 1], got 1.5 - at $"),
            (
                "kind = 'guessed'",
                "Invalid enum value 'guessed'; known: measured, imported, published, synthetic - at $.kind",
            ),
        ],
    )
    def test_what_is_wrong_is_said_with_file_and_path(self, write, text, message):
        path = write(text)
        with pytest.raises(SpecError) as caught:
            load_topology(path)
        assert str(caught.value) == f"{path}: {message}"

    def test_not_toml(self, write):
        path = write("gpu = = 3\n")
        with pytest.raises(SpecError, match=r"mine\.toml: not a TOML file: .*line 1"):
            load_topology(path)
        path.write_bytes(b"\xff\xfe")
        with pytest.raises(SpecError, match=r"mine\.toml: not a TOML file: "):
            load_topology(path)

    def test_neither_a_file_nor_a_name(self):
        with pytest.raises(SpecError, match=r"^8x-h80: neither a TOML file .*; did you mean '8x-h800'\?$"):
            load_topology("8x-h80")

    def test_the_checksum_is_the_files(self, write):
        import hashlib

        path = write(TWO_SWITCHES)
        assert topology_sha256(path) == hashlib.sha256(path.read_bytes()).hexdigest()


class TestShipped:
    @pytest.mark.parametrize("name", topology_names())
    def test_each_says_where_its_figures_come_from(self, name):
        tree = load_topology(name)
        assert tree.name == name
        assert tree.kind == "published"
        assert tree.source
        assert tree.note
        assert tree.description

    @pytest.mark.parametrize(
        ("name", "low", "high"), [("pcie-gen3-x16", 11, 13), ("pcie-gen4-x16", 24, 27), ("pcie-gen5-x16", 52, 60)]
    )
    def test_each_generation_lies_within_what_was_published(self, name, low, high):
        """Gen3: 11.0 to 12.6 GB/s on V100 and Titan X; Gen4: 24.8 to 26.3; Gen5: 52 to 60 of a nominal 64."""
        link = load_topology(name).every_gpu
        assert low <= link.h2d / 1e9 <= high
        assert low <= link.d2h / 1e9 <= high
        assert link.both > max(link.h2d, link.d2h)


class TestMachines:
    def test_a_profiles_own_links(self):
        assert Cluster(gpus=2).host_links(PCIE) == ((PCIE.h2d, PCIE.d2h),) * 2
        assert Cluster().solo_links(PCIE) == (PCIE.h2d, PCIE.d2h)

    def test_a_topologys_rates_replace_the_profiles_and_leave_the_latencies(self):
        cluster = Cluster(topology=Topology(gpu=Branch(10e9)))
        assert cluster.host_links(PCIE) == ((Link(1e-5, 10e9), Link(2e-5, 10e9)),)

    def test_a_number_of_gpus_that_the_topology_has_not(self):
        tree = Topology(gpus=(Branches(count=3),), name="mine")
        with pytest.raises(SpecError, match=r"^topology 'mine' has 3 GPUs, but gpus is 2$"):
            Cluster(gpus=2, topology=tree)

    def test_pageable_copies_are_slow_on_any_link(self):
        links = Cluster(pinned=False).host_links(PCIE)
        assert links == ((PCIE.pageable.h2d, PCIE.pageable.d2h),)
        narrow = Cluster(pinned=False, topology=Topology(gpu=Branch(3.5e9))).host_links(PCIE)
        assert narrow == ((Link(3e-5, 3.5e9), Link(4e-5, 3e9)),)

    def test_pageable_copies_without_figures(self):
        cluster = Cluster(pinned=False)
        with pytest.raises(
            ProfileError, match=r"^pinned = false needs observable.pcie.pageable, which the profile lacks: leave"
        ):
            cluster.host_links(Pcie(PCIE.h2d, PCIE.d2h))

    def test_a_scheduler_knows_what_a_lone_copy_takes_on_the_slowest_way(self):
        tree = Topology(
            root=Trunk(h2d_bytes_per_s=18e9),
            switches={"A": Branch(d2h_bytes_per_s=9e9)},
            gpus=(Branches(20e9), Branches(20e9, under="A", both_bytes_per_s=19e9)),
        )
        assert Cluster(gpus=2, topology=tree).solo_links(PCIE) == (Link(1e-5, 18e9), Link(2e-5, 9e9))

    def test_without_transfers_copies_are_free(self):
        assert Cluster(transfers=False).solo_links(PCIE) == (Link(0.0, inf), Link(0.0, inf))

    def test_an_uplink_is_short_for_a_root(self):
        assert Cluster(uplink_bytes_per_s=9e9).tree.root == Trunk(9e9)
        with pytest.raises(SpecError, match=r"^give either a topology or uplink_bytes_per_s"):
            Cluster(uplink_bytes_per_s=9e9, topology=Topology())
