"""Closed-loop clients: the next request is sent a think time after the reply to the last.

The model takes .25 s, so that all times are exact in binary floating point.
"""

import numpy as np
import pytest

from stratsim import simulate
from stratsim.engine import decisions
from stratsim.errors import SimulationError
from stratsim.model.cluster import Cluster
from stratsim.model.parts import Link
from stratsim.model.rejection import Rejection
from stratsim.model.request import Priority, Status
from stratsim.model.workload import ClosedLoopClient
from stratsim.policy import Drop
from stratsim.policy.queueing import Fifo
from stratsim.testing import make_profile, make_workload

PROFILE = make_profile({"a": 0.25, "b": 0.25})


def client(name="c", model="a", priority=Priority.HIGH, bytes_in=0, bytes_out=0, **rest):
    return ClosedLoopClient(name, model, priority, bytes_in, bytes_out, **rest)


def two(**rest):
    return [client("x", **rest), client("y", "b", Priority.LOW, **rest)]


def run(clients, rows=(), policy=None, profile=PROFILE, rejection=None, **cluster):
    workload = make_workload(rows, profile=profile, closed_loop=clients)
    policy = policy or Fifo(max_batch=1, drop="never")
    machine = Cluster(**{"max_concurrency": 1} | cluster)
    return simulate(workload, profile, policy, cluster=machine, rejection=rejection)


def arrivals(*args, **options):
    return run(*args, **options).requests.arrival_s.tolist()


def test_think_time_counts_from_the_reply():
    assert arrivals([client(think_s=0.5, limit=4)]) == [0.0, 0.75, 1.5, 2.25]


def test_without_think_time_the_next_follows_at_once():
    assert arrivals([client(limit=4)]) == [0.0, 0.25, 0.5, 0.75]


def test_the_first_request_is_sent_at_the_start():
    assert arrivals([client(start_s=3.0, limit=2)]) == [3.0, 3.25]


@pytest.mark.parametrize(("stop_s", "sent"), [(0.5, 2), (0.5000001, 3), (0.25, 1), (0.0, 0)])
def test_none_is_sent_at_or_after_the_stop(stop_s, sent):
    assert len(arrivals([client(stop_s=stop_s)])) == sent


@pytest.mark.parametrize("limit", [0, 1, 5])
def test_no_more_than_the_limit_are_sent(limit):
    assert len(arrivals([client(limit=limit)])) == limit


def test_the_reply_is_in_when_the_output_is_back():
    """.125 s in, .25 s, .5 s out."""
    profile = make_profile({"a": 0.25}, h2d=Link(0.0, 1e6), d2h=Link(0.0, 1e6))
    found = arrivals([client(bytes_in=125_000, bytes_out=500_000, limit=3)], profile=profile)
    assert found == [0.0, 0.875, 1.75]


def test_the_same_behind_a_shared_uplink():
    profile = make_profile({"a": 0.25}, h2d=Link(0.0, 1e6), d2h=Link(0.0, 1e6))
    clients = [client(bytes_in=125_000, bytes_out=500_000, limit=3)]
    assert arrivals(clients, profile=profile, uplink_bytes_per_s=1e6) == [0.0, 0.875, 1.75]


def test_a_drop_is_a_reply():
    """No request can meet its deadline, so each is dropped on arrival; the client hears of it 1/64 later."""
    result = run(
        [client(slo_s=0.125, think_s=1.0, limit=3)], policy=Fifo(drop="infeasible"), rejection=Rejection(1 / 64)
    )
    assert result.requests.arrival_s.tolist() == result.requests.dropped_s.tolist() == [0.0, 1 + 1 / 64, 2 + 1 / 32]
    assert set(result.requests.status.tolist()) == {Status.DROPPED}
    assert result.end_s == 2 + 1 / 32


def test_deadlines_count_from_each_arrival():
    result = run([client(slo_s=0.5, think_s=1.0, limit=3)])
    assert result.requests.deadline_s.tolist() == [0.5, 1.75, 3.0]
    assert result.requests.status.tolist() == [Status.MET] * 3


def test_two_clients_take_turns_on_one_slot():
    """With one slot and no think time each waits for the other: .5 s from request to request."""
    result = run(two(stop_s=1.5), prefetch=0)
    assert result.clients == ("x", "y")
    times = [result.requests.arrival_s[result.requests.client == code].tolist() for code in (0, 1)]
    assert times == [[0.0, 0.25, 0.75, 1.25], [0.0, 0.5, 1.0]]
    assert result.requests.model.tolist() == [0, 1, 0, 1, 0, 1, 0]


def test_ids_follow_the_order_of_arrival_in_a_mix():
    rows = [(0.125, "b", "low", 9.0, None, None, "trace"), (0.5, "b"), (5.0, "b")]
    result = run([client(think_s=0.25, limit=3, slo_s=1.0)], rows=rows, max_concurrency=4)
    table = result.requests
    assert (np.diff(table.arrival_s) >= 0).all()
    assert len(table) == 6
    names = [None if code < 0 else result.clients[code] for code in table.client.tolist()]
    assert names[:3] == ["c", "trace", "c"] or names[:3] == ["c", "trace", None]
    assert names.count("c") == 3
    assert table.deadline_s[names.index("trace")] == 9.0
    assert table.priority[names.index("c")] == Priority.HIGH


class EveryOther(Fifo):
    """Drop every other request on arrival."""

    def decide(self, view):
        for queue in self._queues.values():
            if queue and queue[0][2].id % 2:
                yield Drop(queue.pop(0)[2], "odd")
        yield from super().decide(view)


def test_a_client_without_think_time_asks_again_within_the_instant():
    policy = EveryOther(max_batch=1, drop="never")
    result = run([client(limit=4)], policy=policy, rejection=Rejection(reject_s=0.0))
    assert result.requests.arrival_s.tolist() == [0.0, 0.25, 0.25, 0.5]
    assert result.requests.status.tolist() == [Status.MET, Status.DROPPED, Status.MET, Status.DROPPED]
    assert [result.reasons[code] for code in result.requests.reason.tolist() if code >= 0] == ["odd", "odd"]


def test_no_progress_is_an_error_not_a_hang(monkeypatch):
    """Neither think time, nor service, nor a time to be rejected: without end at t = 0."""
    monkeypatch.setattr(decisions, "_STUCK", 100)
    with pytest.raises(SimulationError, match=r"no progress at t=0 s: client 'c' sent"):
        run([client(slo_s=0.125)], policy=Fifo(drop="infeasible"), rejection=Rejection(reject_s=0.0))


def test_many_rounds_at_different_instants_are_no_hang(monkeypatch):
    """One more round at each of many instants is progress: the count is per instant."""
    monkeypatch.setattr(decisions, "_STUCK", 20)
    result = run([client(limit=100)], policy=EveryOther(max_batch=1, drop="never"))
    assert len(result.requests) == 100


def test_what_a_closed_loop_asks_for_depends_on_how_fast_it_is_answered():
    """Together at half speed: 8 rounds of two until 4 s. In turns: one each .25 s, and both at the start.

    On a GPU each: 16 rounds of two.
    """
    together, in_turns, apart = (
        len(run(two(stop_s=4.0), **cluster).requests)
        for cluster in ({"max_concurrency": 2}, {"device_model": "exclusive"}, {"gpus": 2})
    )
    assert (together, in_turns, apart) == (16, 17, 32)
