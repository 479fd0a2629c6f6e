"""The number of events per request: a free test of complexity.

An event costs about the same whatever it is, so a run's events are its cost. Times are binary fractions.
"""

import dataclasses

import numpy as np
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
def test_uncontended_a_request_is_two_events(policy):
    """Its arrival and the end of its execution; the ends of its copies are known before."""
    assert events(1.0, policy(max_batch=1, drop="never")) == 2 * COUNT


def test_without_transfers_the_same():
    assert events(1.0, transfers=False) == 2 * COUNT


def test_queueing_for_one_slot_adds_none():
    assert events(0.125) == 2 * COUNT


def test_where_some_have_no_input_the_end_of_a_copy_in_is_an_event():
    """Whoever has no input overtakes the others, so who gets the next slot is known only when a copy has ended."""
    workload = make_workload([(float(i), "a") for i in range(COUNT)], profile=PROFILE)
    without = dataclasses.replace(workload, bytes_in=np.where(np.arange(COUNT) % 2, workload.bytes_in, 0))
    policy = Fifo(max_batch=1, drop="never")
    assert simulate(without, PROFILE, policy).events == 2 * COUNT + COUNT // 2


def test_sharing_adds_one_for_each_batch_that_joins():
    """A batch that joins another moves its end: SimPy cannot cancel, so the moved event stays behind, dead."""
    assert 2 * COUNT < events(0.125, max_concurrency=2) <= 3 * COUNT


def test_a_batch_is_one_event_whatever_its_size():
    """200 arrivals at once make 25 batches of 8."""
    assert events(0.0, max_batch=8) == COUNT + 25


def test_a_policy_that_asks_for_the_ends_of_copies_pays_for_them():
    class Asking(Fifo):
        wakes = frozenset({*Wake})

    assert events(1.0, Asking(max_batch=1, drop="never")) == 4 * COUNT


def test_more_gpus_cost_no_more():
    assert events(1.0, gpus=4) == 2 * COUNT


def test_a_shared_uplink_adds_the_ends_of_copies():
    assert events(1.0, uplink_bytes_per_s=0.5e6) == 4 * COUNT


def test_an_uplink_that_nobody_can_fill_adds_none():
    assert events(1.0, uplink_bytes_per_s=1e6) == 2 * COUNT


def test_a_closed_loop_adds_the_reply():
    client = ClosedLoopClient("c", "a", Priority.HIGH, 125_000, 62_500, think_s=0.5, limit=COUNT)
    workload = make_workload([], profile=PROFILE, closed_loop=[client])
    assert simulate(workload, PROFILE, Fifo(max_batch=1, drop="never")).events == 3 * COUNT


def test_nothing_is_no_event():
    result = simulate(make_workload([], profile=PROFILE), PROFILE, Fifo())
    assert result.events == 0
    assert len(result.requests) == len(result.batches) == 0
    assert (result.start_s, result.end_s, result.simulated_s) == (0.0, 0.0, 0.0)
