"""Copies between the host and the GPUs as runs see them: engines, links, directions, memory bandwidth. Times in ms."""

import dataclasses
from math import inf

import pytest

from stratsim import simulate
from stratsim.errors import ProfileError
from stratsim.model.cluster import Cluster
from stratsim.model.contention import ResourcePhase
from stratsim.model.parts import Device, Link, Pageable
from stratsim.model.topology import Branch, Branches, Topology, Trunk
from stratsim.model.truth import Transfers
from stratsim.policy import Start, Wake
from stratsim.policy.queueing import Fifo
from stratsim.results import invariants
from stratsim.testing import make_profile, make_workload

MS, MB, GB = 1e-3, 10**6, 10**9
LINK = Link(0.0, 25e9)
PROFILE = make_profile({"a": 10 * MS}, bytes_in=25 * MB, bytes_out=25 * MB, h2d=LINK, d2h=LINK)


class Everywhere(Fifo):
    """Sends the i-th request to GPU i, round robin."""

    def prepare(self, setting):
        super().prepare(setting)
        self.count = setting.gpus

    def decide(self, view):
        for queue in self._queues.values():
            while queue:
                request = queue.pop(0)[2]
                yield Start((request,), request.id % self.count)


def run(rows, *, profile=PROFILE, policy=None, **cluster):
    workload = make_workload([(at * MS, *rest) for at, *rest in rows], profile=profile)
    settings = {"device_model": "processor-sharing", "max_concurrency": 2} | cluster
    policy = policy or Fifo(max_batch=1, drop="never")
    result = simulate(workload, profile, policy, cluster=Cluster(**settings))
    assert invariants(result, result.max_concurrency) == []
    return result


def truth(profile=PROFILE, **sections):
    return dataclasses.replace(profile, truth=dataclasses.replace(profile.truth, **sections))


def with_links(profile, **pcie):
    links = dataclasses.replace(profile.observable.pcie, **pcie)
    return dataclasses.replace(profile, observable=dataclasses.replace(profile.observable, pcie=links))


def times(column):
    return pytest.approx([float(time) / MS for time in column])


def request(at, size_in, size_out=0, priority="low"):
    return (at, "a", priority, inf, int(size_in * MB), int(size_out * MB))


class TestEngines:
    """A 100 MB input at 0, one of .6 MB at .1, over 25 GB/s."""

    ROWS = (request(0, 100), request(0.1, 0.6, priority="high"))

    def test_whole_copies_are_first_in_first_out_whatever_their_class(self):
        assert times(run(self.ROWS).batches.copy_in_end_s) == [4, 4.024]

    def test_chunks_let_the_small_one_in_between(self):
        result = run(self.ROWS, profile=truth(transfers=Transfers(chunk_bytes=2 * MB)))
        assert times(result.batches.copy_in_start_s) == [0, 0.16]
        assert times(result.batches.copy_in_end_s) == [4.024, 0.184]
        assert times(result.batches.execution_start_s) == [4.024, 0.184]

    def test_two_engines_share_the_link(self):
        """Half the rate each from .1 on: the small one takes .048."""
        result = run(self.ROWS, profile=truth(transfers=Transfers(engines=2)))
        assert times(result.batches.copy_in_end_s) == [4.024, 0.148]

    def test_one_engine_for_both_directions(self):
        """The second copies in 10.5-14.5; the first's output is ready at 11 and waits until 14.5 (1 ms)."""
        rows = (request(0, 25, 25), request(10.5, 100))
        result = run(rows, profile=truth(transfers=Transfers(engines=0)), prefetch=1)
        assert result.batches.copy_out_start_s[0] / MS == pytest.approx(14.5)
        assert result.batches.copy_out_end_s[0] / MS == pytest.approx(15.5)
        assert run(rows).batches.copy_out_end_s[0] / MS == pytest.approx(12)


class TestLinks:
    def test_the_tree_of_two_switches(self):
        """Rates 10, 10 and 12: 120 MB take 12, 12 and 10 ms; the last has the rest of the time for itself."""
        tree = Topology(
            root=Trunk(32 * GB),
            switches={"A": Branch(20 * GB), "B": Branch(20 * GB)},
            gpus=(Branches(16 * GB, under="A", count=2), Branches(16 * GB, under="B")),
        )
        rows = [request(0, 120)] * 3
        result = run(rows, policy=Everywhere(), gpus=3, topology=tree)
        assert times(result.batches.copy_in_end_s) == [12, 12, 10]

    def test_gpus_may_have_links_of_their_own_of_different_width(self):
        """On private links, too: 4 ms at 25 GB/s, 10 at 10 GB/s, in and out, with outputs derived after the run."""
        tree = Topology(gpus=(Branches(25 * GB), Branches(10 * GB)))
        result = run([request(0, 100, 100)] * 2, policy=Everywhere(), gpus=2, topology=tree)
        assert times(result.batches.copy_in_end_s) == [4, 10]
        assert times(result.batches.copy_out_end_s) == [18, 30]
        assert result.events == 4  # an arrival and the end of an execution each

    def test_both_directions_of_a_link_at_once(self):
        """Kappa .7: 17.5 GB/s each way. Output (35 MB) and second input start together at 11 and take 2 ms."""
        profile = truth(transfers=Transfers(duplex=0.7))
        result = run([request(0, 25, 35), request(11, 35)], profile=profile)
        assert result.batches.copy_out_end_s[0] / MS == pytest.approx(13)
        assert result.batches.copy_in_end_s[1] / MS == pytest.approx(13)

    def test_pageable_copies(self):
        pageable = Pageable(Link(0.5 * MS, 5e9), Link(0.25 * MS, 2.5e9))
        result = run([request(0, 25, 25)], profile=with_links(PROFILE, pageable=pageable), pinned=False)
        assert times(result.batches.copy_in_end_s) == [5.5]
        assert times(result.batches.copy_out_end_s) == [25.75]

    def test_pinned_copies_ignore_the_figures_of_pageable_memory(self):
        pageable = Pageable(Link(0.0, 1e9), Link(0.0, 1e9))
        result = run([request(0, 25)], profile=with_links(PROFILE, pageable=pageable))
        assert times(result.batches.copy_in_end_s) == [1]

    def test_pageable_copies_without_figures(self):
        with pytest.raises(ProfileError, match=r"^pinned = false needs observable\.pcie\.pageable"):
            run([request(0, 1)], pinned=False)

    def test_policies_are_told_what_a_lone_copy_takes_on_this_machine(self):
        class Told(Fifo):
            def prepare(self, setting):
                super().prepare(setting)
                self.h2d, self.d2h = setting.profile.h2d, setting.profile.d2h

        policy = Told(max_batch=1, drop="never")
        run([request(0, 1)], policy=policy, topology=Topology(gpu=Branch(10e9), root=Trunk(d2h_bytes_per_s=4e9)))
        assert (policy.h2d, policy.d2h) == (Link(0.0, 10e9), Link(0.0, 4e9))

    def test_policies_wake_at_the_ends_of_shared_copies(self):
        class Awake(Fifo):
            wakes = frozenset({Wake.ARRIVAL, Wake.COPY_IN_END, Wake.COPY_OUT_END})

            def prepare(self, setting):
                super().prepare(setting)
                self.done = []

            def on_done(self, batch, view):
                self.done.append((batch.id, view.now_s / MS))

        policy = Awake(max_batch=1, drop="never")
        run([request(0, 25, 25), request(0, 25, 25)], policy=policy, gpus=2, uplink_bytes_per_s=25e9)
        # Both in at 2, executed at 12, out at 14.
        assert policy.done == [(0, pytest.approx(14)), (1, pytest.approx(14))]


class TestMemoryBandwidth:
    """Memory of 100 GB/s, links of 10 GB/s: a copy takes a tenth of the bandwidth off a memory-bound kernel."""

    def profile(self, dram, sm=0.0, alpha=0.0, **truths):
        link = Link(alpha * MS, 10e9)
        made = make_profile({"a": 10 * MS}, h2d=link, d2h=link)
        made = truth(made, roofline={"a": {1: (ResourcePhase(1.0, sm=sm, dram=dram),)}}, **truths)
        return dataclasses.replace(made, device=Device("GPU", memory_bandwidth_bytes_per_s=100e9))

    def ends(self, rows, profile, **cluster):
        settings = {"device_model": "roofline", "max_concurrency": 1} | cluster
        return times(run(rows, profile=profile, **settings).batches.execution_end_s)

    def test_a_copy_slows_a_memory_bound_kernel(self):
        """50 MB in 5 ms, during which the kernel runs at .9: 10.5, not 10."""
        assert self.ends([request(0, 0), request(0, 50)], self.profile(1.0)) == [10.5, 20.5]

    def test_a_kernel_that_leaves_that_bandwidth_free_does_not_notice(self):
        assert self.ends([request(0, 0), request(0, 50)], self.profile(0.9, sm=1.0)) == [10, 20]

    def test_both_directions_count(self):
        """From 10 on an output (100 MB) takes 10 ms, an input 5: rate .8 for 5 ms, .9 for 5, then 1.5 ms are left."""
        rows = [request(0, 0, 100), request(0, 0), request(10, 50)]
        found = run(rows, profile=self.profile(1.0), device_model="roofline", max_concurrency=1, prefetch=2)
        assert found.batches.execution_end_s[1] / MS == pytest.approx(21.5)

    def test_latency_moves_no_bytes(self):
        """2 ms of latency, then 5 ms of bytes."""
        found = run(
            [request(0, 0), request(0, 50)],
            profile=self.profile(1.0, alpha=2.0),
            device_model="roofline",
            max_concurrency=1,
        )
        assert found.batches.copy_in_end_s[1] / MS == pytest.approx(7)
        assert found.batches.execution_end_s[0] / MS == pytest.approx(10.5)

    def test_weights_count_as_well(self):
        """50 MB of weights and no input: as above."""
        profile = self.profile(1.0)
        models = dict.fromkeys("ab", dataclasses.replace(profile.observable.models["a"], weights_bytes=50 * MB))
        models["a"] = dataclasses.replace(models["a"], weights_bytes=0)
        observable = dataclasses.replace(profile.observable, models=models)
        roofline = dict.fromkeys("ab", profile.truth.roofline["a"])
        profile = truth(dataclasses.replace(profile, observable=observable), roofline=roofline)
        rows = [(0, "a", "low", inf, 0, 0), (0, "b", "low", inf, 0, 0)]
        found = run(rows, profile=profile, device_model="roofline", max_concurrency=1, memory=60e6)
        assert times(found.batches.execution_end_s) == [10.5, 20.5]

    def test_other_models_do_not_heed_copies(self):
        """And no event is spent on telling them: two per request."""
        result = run([request(0, 0), request(0, 50)], profile=PROFILE, max_concurrency=1)
        assert times(result.batches.execution_end_s) == [10, 20]

    def test_without_transfers_nothing_is_copied(self):
        assert self.ends([request(0, 0), request(0, 50)], self.profile(1.0), transfers=False) == [10, 20]
