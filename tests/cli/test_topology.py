"""`stratsim topology`, and topologies and memory on the command line of `replay`."""

import json

import pytest

from stratsim.model.topology import load_topology, topology_names

MINE = """
[root]
bytes_per_s = 32e9
[switches.A]
bytes_per_s = 20e9
[switches.B]
under = "A"
[[gpus]]
count = 2
under = "A"
[[gpus]]
under = "B"
h2d_bytes_per_s = 16e9
"""


def test_list_names_every_topology(call):
    ran = call("topology", "list")
    assert (ran.status, ran.err) == (0, "")
    rows = [line for line in ran.out.splitlines()[1:] if not line.startswith(" ")]
    assert [row.split()[0] for row in rows] == list(topology_names())


def test_list_as_json(call):
    rows = json.loads(call("topology", "list", "--json").out)
    assert {"name": "8x-h800", "gpus": 8, "kind": "published"}.items() <= rows[0].items()


def test_show_draws_the_tree(call, tmp_path):
    (tmp_path / "mine.toml").write_text(MINE)
    ran = call("topology", "show", str(tmp_path / "mine.toml"))
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.rstrip().splitlines() == [
        "mine",
        "",
        "host                     32 GB/s each way",
        "└─ switch A              20 GB/s each way",
        "   ├─ switch B",
        "   │  └─ GPU 2           h2d 16 GB/s",
        "   └─ GPUs 0 to 1, each  the profile's link",
    ]


@pytest.mark.parametrize("name", topology_names())
def test_show_says_who_measured(call, name):
    ran = call("topology", "show", name)
    tree = load_topology(name)
    assert f"published: {tree.source}" in ran.out
    assert f"note: {tree.note}" in ran.out


def test_show_as_json(call):
    shown = json.loads(call("topology", "show", "pcie-gen3-x16", "--json").out)
    assert shown["gpu"] == {"bytes_per_s": 12.57e9}


def test_show_of_nothing(call):
    ran = call("topology", "show", "nope")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("stratsim: nope: neither a TOML file nor a bundled topology; known: 8x-h800, ")


class TestReplay:
    ARGUMENTS = ("replay", "--limit", "200", "--policy", "fifo", "--json")

    def run(self, call, *arguments):
        ran = call(*self.ARGUMENTS, *arguments)
        assert ran.status == 0, ran.err
        return json.loads(ran.out)

    def test_a_topology_brings_its_number_of_gpus(self, call):
        document = self.run(call, "--topology", "8x-h800")
        assert len(document["runs"][0]["gpu"]) == 8
        manifest = document["manifest"]
        assert (manifest["spec"]["gpus"], manifest["spec"]["topology"]) == (8, "8x-h800")
        assert manifest["topology"]["name"] == "8x-h800"
        assert len(manifest["topology"]["sha256"]) == 64

    def test_without_one_there_is_one_gpu(self, call):
        document = self.run(call)
        assert len(document["runs"][0]["gpu"]) == 1
        assert document["manifest"]["topology"] is None
        assert document["manifest"]["spec"]["gpus"] == 1

    def test_slower_links_are_slower(self, call):
        busy = [
            self.run(call, "--topology", name)["runs"][0]["pcie"][0]["h2d_utilization"]
            for name in ("pcie-gen3-x16", "pcie-gen5-x16")
        ]
        assert busy[0] > 2 * busy[1]

    def test_memory_loads_weights(self, call):
        pcie = self.run(call, "--memory", "2e9")["runs"][0]["pcie"][0]
        assert pcie["loads"] > 0
        assert pcie["load_bytes"] > 2e9
        assert self.run(call, "--memory", "device")["runs"][0]["pcie"][0]["loads"] > 0

    @pytest.mark.parametrize(
        ("arguments", "line"),
        [
            (("--topology", "8x-h800", "--gpus", "2"), "topology '8x-h800' has 8 GPUs, but gpus is 2"),
            (("--memory", "1e6"), "model 'bert' has 1340575752 bytes of weights, more than the memory, 1000000 bytes"),
            (("--memory", "lots"), "--memory must be a number of bytes or 'device', got 'lots'"),
            (("--set", "pinned=false"), "pinned = false needs observable.pcie.pageable, which the profile lacks"),
            (("--topology", "nope.toml"), "nope.toml: neither a TOML file nor a bundled topology; known: 8x-h800, "),
        ],
    )
    def test_what_cannot_be_is_one_line(self, call, arguments, line):
        ran = call(*self.ARGUMENTS, *arguments)
        assert (ran.status, ran.out) == (2, "")
        assert ran.err.startswith(f"stratsim: {line}")
        assert len(ran.err.splitlines()) == 1
