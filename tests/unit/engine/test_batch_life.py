"""The life of a batch: dispatch, copy-in, wait, execution, copy-out. Times in ms.

Links: alpha .1 ms; 25 GB/s in, 12.5 GB/s out; a request brings 25 MB (1.1 ms) and returns 6.25 MB (.6 ms).
"""

from math import inf

import numpy as np
import pytest

from stratsim import simulate
from stratsim.model.cluster import Cluster
from stratsim.model.parts import Link
from stratsim.model.profile import Sharing
from stratsim.model.request import Priority, Status
from stratsim.policy import Start
from stratsim.policy.queueing import Fifo
from stratsim.testing import make_profile, make_workload

MS = 1e-3
STAGES = (
    "dispatch_s",
    "copy_in_start_s",
    "copy_in_end_s",
    "execution_start_s",
    "execution_end_s",
    "copy_out_start_s",
    "copy_out_end_s",
)
LINKS = {"h2d": Link(0.1 * MS, 25e9), "d2h": Link(0.1 * MS, 12.5e9)}
PROFILE = make_profile({"a": {1: 10 * MS, 2: 14 * MS}}, bytes_in=25_000_000, bytes_out=6_250_000, **LINKS)


def stages(rows, *, profile=PROFILE, max_batch=1, **cluster):
    workload = make_workload([(at * MS, *rest) for at, *rest in rows], profile=profile)
    cluster = Cluster(**{"device_model": "processor-sharing", "max_concurrency": 1} | cluster)
    batches = simulate(workload, profile, Fifo(max_batch=max_batch, drop="never"), cluster=cluster).batches
    return [[float(getattr(batches, name)[row]) / MS for name in STAGES] for row in range(len(batches))]


def test_one_request_alone():
    assert stages([(1000, "a")]) == [pytest.approx([1000, 1000, 1001.1, 1001.1, 1011.1, 1011.1, 1011.7])]


def test_prefetch_overlaps_copy_in_with_execution():
    """The second's copy waits for the engine until 1.1, is in at 2.2 and waits for the slot until 11.1."""
    found = stages([(0, "a"), (0, "a")], prefetch=1)
    assert found[0] == pytest.approx([0, 0, 1.1, 1.1, 11.1, 11.1, 11.7])
    assert found[1] == pytest.approx([0, 1.1, 2.2, 11.1, 21.1, 21.1, 21.7])


def test_without_prefetch_copy_in_and_execution_are_serial():
    found = stages([(0, "a"), (0, "a")], prefetch=0)
    assert found[1] == pytest.approx([11.1, 11.1, 12.2, 12.2, 22.2, 22.2, 22.8])


def test_copy_out_holds_no_slot():
    """The second starts to copy in at 11.1, when the first's slot is free, though its output is on its way to 11.7."""
    found = stages([(0, "a"), (0, "a")], prefetch=0)
    assert found[1][0] < found[0][-1]


def test_without_transfers_nothing_is_copied():
    found = stages([(0, "a"), (0, "a")], transfers=False)
    assert found[0] == pytest.approx([0, 0, 0, 0, 10, 10, 10])
    assert found[1] == pytest.approx([0, 0, 0, 10, 20, 20, 20])


def test_no_bytes_are_no_copy_and_pay_no_latency():
    found = stages([(0, "a", "low", inf, 0, 0)])
    assert found == [pytest.approx([0, 0, 0, 0, 10, 10, 10])]


def test_a_batch_is_copied_in_one_piece_each_way():
    """Two requests: 50 MB in one copy (2.1), 14 ms, 12.5 MB back (1.1)."""
    assert stages([(0, "a"), (0, "a")], max_batch=2) == [pytest.approx([0, 0, 2.1, 2.1, 16.1, 16.1, 17.2])]


def test_copies_out_are_first_in_first_out():
    """Two end together at 20 + 1.1 or so; the second's output waits for the engine."""
    found = stages([(0, "a"), (0, "a")], max_concurrency=2)
    # In at 1.1 and 2.2; alone until 2.2 (8.9 left), then both at 1/2: the first ends at 20, the second at 21.1.
    assert found[0] == pytest.approx([0, 0, 1.1, 1.1, 20, 20, 20.6])
    assert found[1] == pytest.approx([0, 1.1, 2.2, 2.2, 21.1, 21.1, 21.7])


def test_an_output_waits_for_the_output_before_it():
    profile = make_profile({"a": 10 * MS}, bytes_out=125_000_000, d2h=Link(0.0, 12.5e9))
    found = stages([(0, "a"), (0, "a")], profile=profile, max_concurrency=2)
    assert [row[-2:] for row in found] == [pytest.approx([20, 30]), pytest.approx([30, 40])]


def test_a_small_urgent_copy_waits_for_a_large_one():
    """Priority inversion: 100 MB at 0, .6 MB at .1 ms: in at 4.024 ms + 2 alpha, whatever its priority."""
    rows = [(0, "a", "low", inf, 100_000_000), (0.1, "a", Priority.HIGH, inf, 600_000)]
    assert stages(rows, max_concurrency=2)[1][2] == pytest.approx(4.024 + 0.2)


def test_streams_share_by_demand_and_weight():
    """s .8 each, w 3 and 1: rates .9375 and .3125. The heavy ends at 10.667; the light, 3.333 done, at 17.333."""
    profile = make_profile(
        {"heavy": 10 * MS, "light": 10 * MS}, sharing={"heavy": Sharing(0.8, 3.0), "light": Sharing(0.8, 1.0)}
    )
    found = stages([(0, "heavy"), (0, "light")], profile=profile, max_concurrency=2, device_model="streams")
    assert [row[4] for row in found] == pytest.approx([10 / 0.9375, 10 / 0.9375 + 10 * (1 - 0.3125 / 0.9375)])


def test_exclusive_runs_one_at_a_time_whatever_the_slots():
    found = stages([(0, "a"), (0, "a")], device_model="exclusive", max_concurrency=4, prefetch=1)
    assert found[1] == pytest.approx([0, 1.1, 2.2, 11.1, 21.1, 21.1, 21.7])


def test_processor_sharing_of_two_jobs():
    """10 ms each, at 0 and 5, together on the GPU: 15 and 20."""
    profile = make_profile({"a": 10 * MS})
    assert [row[4] for row in stages([(0, "a"), (5, "a")], profile=profile, max_concurrency=2)] == pytest.approx(
        [15, 20]
    )


class Placed(Fifo):
    """Send each request to the GPU that its model's name ends in."""

    def decide(self, view):
        for queue in self._queues.values():
            while queue:
                request = queue.pop(0)[2]
                yield Start((request,), int(request.model[-1]))


@pytest.mark.parametrize(("uplink", "ends"), [(None, (4, 2)), (25e9, (6, 4)), (50e9, (4, 2))])
def test_two_gpus_behind_one_uplink(uplink, ends):
    """100 MB and 50 MB at once over links of 25 GB/s: behind 25 GB/s, max-min ends at 6.0 and 4.0 ms."""
    profile = make_profile({"m0": 10 * MS, "m1": 10 * MS}, h2d=Link(0.0, 25e9), bytes_in={"m0": 10**8, "m1": 5 * 10**7})
    workload = make_workload([(0.0, "m0"), (0.0, "m1")], profile=profile)
    cluster = Cluster(gpus=2, uplink_bytes_per_s=uplink)
    batches = simulate(workload, profile, Placed(), cluster=cluster).batches
    assert batches.copy_in_end_s / MS == pytest.approx(ends)
    assert batches.execution_end_s / MS == pytest.approx([end + 10 for end in ends])


def test_a_shared_uplink_that_binds_nobody_changes_nothing():
    rows = [(0, "a"), (3, "a"), (12, "a"), (13, "a")]
    one, other = stages(rows), stages(rows, uplink_bytes_per_s=25e9)
    assert [pytest.approx(row) for row in one] == other


def test_a_finish_planned_at_the_deadline_meets_it():
    """.004 + .002 + .003 exceeds .009 in binary floating point."""
    profile = make_profile(
        {"a": 0.002}, bytes_in=4_000_000, bytes_out=3_000_000, h2d=Link(0.0, 1e9), d2h=Link(0.0, 1e9)
    )
    workload = make_workload([(0.0, "a", "high", 0.009), (1.0, "a", "high", 1.0089)], profile=profile)
    result = simulate(workload, profile, Fifo(drop="never"))
    assert result.requests.finish_s[0] > 0.009
    assert result.requests.status.tolist() == [Status.MET, Status.LATE]


def test_the_request_table_repeats_the_workload_and_points_at_batches():
    rows = [(0, "a", "low"), (0, "a", "high"), (1, "a", "low")]
    workload = make_workload([(at * MS, *rest) for at, *rest in rows], profile=PROFILE)
    result = simulate(workload, PROFILE, Fifo(max_batch=2, drop="never"), cluster=Cluster(max_concurrency=1))
    assert result.requests.batch.tolist() == [0, 0, 1]
    assert result.batches.size.tolist() == [2, 1]
    assert result.batches.priority.tolist() == [Priority.HIGH, Priority.LOW]  # the most urgent member
    for name in ("arrival_s", "model", "priority", "deadline_s", "bytes_in", "bytes_out", "client"):
        assert np.array_equal(getattr(result.requests, name), getattr(workload, name))
    assert np.array_equal(result.requests.finish_s, result.batches.copy_out_end_s[result.requests.batch])
    assert (result.start_s, result.end_s) == (0.0, result.requests.finish_s.max())
    assert result.simulated_s == result.end_s
