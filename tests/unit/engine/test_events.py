"""The number of events per request: a free test of complexity.

An event costs about the same whatever it is, so a run's events are its cost. Times are binary fractions.
"""

import pytest

from stratsim import simulate
from stratsim.model.cluster import Cluster
from stratsim.model.parts import Link
from stratsim.model.request import Priority
from stratsim.model.workload import ClosedLoopClient
from stratsim.policy import Wake
from stratsim.policy.queueing import Edf, Fifo, PriorityEdf, PriorityFifo
from stratsim.testing import make_profile, make_workload

LINK = Link(0.0, 1e6)
PROFILE = make_profile({"a": {1: 0.25, 8: 0.5}}, bytes_in=125_000, bytes_out=62_500, h2d=LINK, d2h=LINK)
COUNT = 200


def events(gap_s, policy=None, max_batch=1, **cluster):
    workload = make_workload([(gap_s * i, "a") for i in range(COUNT)], profile=PROFILE)
    policy = policy or Fifo(max_batch=max_batch, drop="never")
    return simulate(workload, PROFILE, policy, cluster=Cluster(**{"max_concurrency": 1} | cluster)).events


@pytest.mark.parametrize("policy", [Fifo, PriorityFifo, Edf, PriorityEdf])
def test_uncontended_a_request_is_three_events(policy):
    """Its arrival, the end of its copy-in, the end of its execution; the end of copy-out is known before."""
    assert events(1.0, policy(max_batch=1, drop="never")) == 3 * COUNT


def test_without_transfers_two():
    assert events(1.0, transfers=False) == 2 * COUNT


def test_queueing_for_one_slot_adds_none():
    assert events(0.125) == 3 * COUNT


def test_sharing_adds_one_for_each_batch_that_joins():
    """A batch that joins another moves its end: SimPy cannot cancel, so the moved event stays behind, dead."""
    assert 3 * COUNT < events(0.125, max_concurrency=2) <= 4 * COUNT


def test_a_batch_is_two_events_whatever_its_size():
    """200 arrivals at once make 25 batches of 8, each copied in and executed."""
    assert events(0.0, max_batch=8) == COUNT + 25 * 2


def test_a_policy_that_asks_for_replies_pays_for_them():
    class Asking(Fifo):
        wakes = frozenset({*Wake})

    assert events(1.0, Asking(max_batch=1, drop="never")) == 4 * COUNT


def test_more_gpus_cost_no_more():
    assert events(1.0, gpus=4) == 3 * COUNT


def test_a_shared_uplink_adds_the_end_of_copy_out():
    assert events(1.0, uplink_bytes_per_s=1e6) == 4 * COUNT


def test_a_closed_loop_adds_the_reply():
    client = ClosedLoopClient("c", "a", Priority.HIGH, 125_000, 62_500, think_s=0.5, limit=COUNT)
    workload = make_workload([], profile=PROFILE, closed_loop=[client])
    assert simulate(workload, PROFILE, Fifo(max_batch=1, drop="never")).events == 4 * COUNT


def test_nothing_is_no_event():
    result = simulate(make_workload([], profile=PROFILE), PROFILE, Fifo())
    assert result.events == 0
    assert len(result.requests) == len(result.batches) == 0
    assert (result.start_s, result.end_s, result.simulated_s) == (0.0, 0.0, 0.0)
