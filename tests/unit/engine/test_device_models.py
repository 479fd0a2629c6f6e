"""What device models do in whole runs: priorities reach the block scheduler, copies the memory. Times in ms."""

from dataclasses import replace

import pytest

from stratsim import simulate
from stratsim.errors import ProfileError
from stratsim.model.cluster import Cluster
from stratsim.model.contention import Blocks, KernelBlocks, ResourcePhase
from stratsim.model.parts import Device, Link
from stratsim.model.profile import Pair
from stratsim.model.truth import Truth
from stratsim.policy import DropMode
from stratsim.policy.queueing import Fifo
from stratsim.testing import make_profile, make_workload

MS = 1e-3


def run(profile, rows, device_model, **cluster):
    workload = make_workload([(at * MS, *rest) for at, *rest in rows], profile=profile)
    machine = Cluster(device_model=device_model, **cluster)
    result = simulate(workload, profile, Fifo(), cluster=machine, max_batch=1, drop=DropMode.NEVER)
    return [round(value / MS, 6) for value in result.batches.execution_end_s]


@pytest.mark.parametrize(
    ("device_model", "ends"), [("block-priority", [5, 2]), ("block-priority(priorities=false)", [4, 5])]
)
def test_priorities_reach_the_block_scheduler(device_model, ends):
    """80 slots; 320 low-priority blocks of 1 ms at 0, 80 high-priority ones at .5."""
    kernels = {"low": {1: (KernelBlocks(1.0, 320),)}, "high": {1: (KernelBlocks(1.0, 80),)}}
    profile = make_profile({"low": 0.004, "high": 0.001})
    profile = replace(profile, truth=Truth(blocks=Blocks(80, kernels)))
    assert run(profile, [(0, "low", "low"), (0.5, "high", "high")], device_model) == ends


@pytest.mark.parametrize(("copies", "ends"), [("true", [25, 35]), ("false", [20, 30])])
def test_a_copy_slows_a_kernel_that_needs_the_memory(copies, ends):
    """100 MB at 10 GB/s, of a memory of 20: the second input, from 10 to 20, leaves half for the first batch.

    It has 5 of its 10 ms left at 20 and ends at 25; the second executes alone.
    """
    link = Link(0.0, 10e9)
    profile = make_profile({"a": 0.010}, h2d=link, d2h=link, bytes_in=100_000_000)
    profile = replace(
        profile,
        device=Device("GPU", memory_bandwidth_bytes_per_s=20e9),
        truth=Truth(roofline={"a": {1: (ResourcePhase(1.0, 0.1, 1.0),)}}),
    )
    found = run(profile, [(0, "a"), (0, "a")], f"roofline(copies={copies})", max_concurrency=1)
    assert found == pytest.approx(ends)


class Counting(Fifo):
    """Notes when it is asked."""

    def prepare(self, setting):
        super().prepare(setting)
        self.asked_s = []

    def decide(self, view):
        self.asked_s.append(view.now_s)
        return super().decide(view)


def test_the_end_of_a_phase_asks_nobody():
    """Policies see batches, not their phases: they are asked as often as without."""
    asked_s = []
    for count in (1, 4):
        phases = tuple(ResourcePhase(1 / count, 0.1, 1.0) for _ in range(count))
        profile = replace(make_profile({"a": 0.010}), truth=Truth(roofline={"a": {1: phases}}))
        policy = Counting()
        workload = make_workload([(0.0, "a")] * 4, profile=profile)
        simulate(workload, profile, policy, cluster=Cluster(device_model="roofline", max_concurrency=1), max_batch=1)
        asked_s.append(policy.asked_s)
    assert asked_s[0] == pytest.approx(asked_s[1])


def test_a_pair_that_was_not_measured_ends_the_run_by_name():
    profile = make_profile({"a": 0.010, "b": 0.010})
    profile = replace(profile, pairs=(Pair("a", 1, "a", 1, 2.0), Pair("b", 1, "b", 1, 2.0)))
    assert run(profile, [(0, "a"), (0, "a")], "pairwise") == [20, 20]
    with pytest.raises(ProfileError, match="has no pair of 'a' beside 'b'"):
        run(profile, [(0, "a"), (1, "b")], "pairwise")
