"""Clients that send one request at a time: what falls due while they wait is held back, and only the newest is kept.

The model takes 3 s unless said otherwise, so that all times are exact in binary floating point.
"""

import numpy as np
import pytest

from stratsim import simulate
from stratsim.model.cluster import Cluster
from stratsim.model.parts import Link
from stratsim.model.request import Priority, Status
from stratsim.model.workload import ClosedLoopClient, OneAtATimeClient
from stratsim.policy import Drop, Wake
from stratsim.policy.native import Native
from stratsim.policy.queueing import Fifo
from stratsim.results import invariants
from stratsim.testing import make_profile, make_workload

PROFILE = make_profile({"a": 3.0, "b": 1.0})


def row(due_s, client="p", model="a", deadline_s=None):
    return (due_s, model, "high", deadline_s, None, None, client)


def run(rows, clients=("p",), policy=None, profile=PROFILE, closed_loop=(), stop_s=float("inf"), **cluster):
    workload = make_workload(
        rows,
        profile=profile,
        closed_loop=closed_loop,
        one_at_a_time=[OneAtATimeClient(name, stop_s) for name in clients],
    )
    cluster = {"device_model": "exclusive"} | cluster
    result = simulate(workload, profile, policy or Native(), cluster=Cluster(**cluster))
    assert invariants(result, result.max_concurrency) == []
    return result


def sent(result, client="p"):
    return result.requests.arrival_s[result.requests.client == result.clients.index(client)].tolist()


def given_up(result):
    """Return the numbers that the note tells, by client."""
    notes = [note for note in result.notes if "gave up" in note]
    if not notes:
        return {}
    (note,) = notes
    what, _, counts = note.rpartition(": ")
    assert what.endswith("clients gave up requests that their next, or their end, overtook")
    return {name: int(number) for name, number in (part.rsplit(" ", 1) for part in counts.split(", "))}


def every_second(count, client="p", model="a"):
    return [row(float(due), client, model) for due in range(count)]


# What is sent, and when -----------------------------------------------------------------------------------------------


def test_of_those_overtaken_only_the_newest_is_sent():
    """Due each second, 3 s of service: sent at 0, 3, 6, 9 are those due at 0, 2, 5, 8; what falls due at the very
    instant of a reply comes after it."""
    result = run(every_second(10))
    assert sent(result) == [0.0, 3.0, 6.0, 9.0, 12.0]  # at 12: the one due at 9
    assert result.requests.finish_s.tolist() == [3.0, 6.0, 9.0, 12.0, 15.0]
    assert given_up(result) == {"p": 5}  # due at 1, 3, 4, 6, 7


def test_nothing_is_sent_at_or_after_the_stop():
    """As above, but the one due at 9 could be sent at 12 only."""
    result = run(every_second(10), stop_s=10.0)
    assert sent(result) == [0.0, 3.0, 6.0, 9.0]
    assert given_up(result) == {"p": 6}


@pytest.mark.parametrize(("stop_s", "count"), [(3.0, 1), (3.0000001, 2)])
def test_the_stop_itself_is_too_late(stop_s, count):
    assert len(run([row(0.0), row(1.0)], stop_s=stop_s).requests) == count


def test_what_is_due_at_the_stop_is_not_sent_even_by_an_idle_client():
    result = run([row(0.0), row(8.0), row(9.0)], stop_s=8.0)
    assert sent(result) == [0.0]
    assert given_up(result) == {"p": 2}


def test_a_client_that_keeps_up_sends_when_its_requests_are_due():
    result = run([row(0.0), row(3.0), row(7.0)])
    assert sent(result) == [0.0, 3.0, 7.0]
    assert result.notes == ()


def test_a_client_that_is_late_once_catches_up():
    """Due at 0, 2.5 and 7: the second waits half a second for the first, the third for nothing."""
    result = run([row(0.0), row(2.5), row(7.0)])
    assert sent(result) == [0.0, 3.0, 7.0]
    assert result.requests.finish_s.tolist() == [3.0, 6.0, 10.0]
    assert result.notes == ()


def test_of_two_due_at_once_the_second_is_held_back():
    result = run([row(1.0), row(1.0), row(1.0)])
    assert sent(result) == [1.0, 4.0]
    assert given_up(result) == {"p": 1}


def test_the_deadline_moves_with_the_sending():
    result = run([row(0.0, deadline_s=4.0), row(1.0, deadline_s=5.0), row(2.0, deadline_s=5.5)])
    assert sent(result) == [0.0, 3.0]
    assert result.requests.deadline_s.tolist() == [4.0, 6.5]
    assert result.requests.status.tolist() == [Status.MET, Status.MET]


def test_the_reply_is_in_when_the_output_is_back():
    """.5 s in, 3 s, .25 s out."""
    second = Link(alpha_s=0.0, bytes_per_s=8.0)
    profile = make_profile({"a": 3.0}, bytes_in=4, bytes_out=2, h2d=second, d2h=second)
    result = run([row(0.0), row(1.0)], profile=profile)
    assert sent(result) == [0.0, 3.75]
    assert result.requests.finish_s.tolist() == [3.75, 7.5]


def test_what_a_request_says_goes_with_it():
    rows = [row(0.0), (1.0, "a", "low", None, 1, 2, "p"), (2.0, "b", "high", None, 7, 9, "p")]
    table = run(rows).requests
    assert (table.model[1], table.priority[1], table.bytes_in[1], table.bytes_out[1]) == (1, Priority.HIGH, 7, 9)


# Several senders ------------------------------------------------------------------------------------------------------


def test_each_client_waits_for_its_own_replies_only():
    """b takes 1 s: q keeps up with its beat of 2 s whatever p does, on a GPU of its own."""
    rows = [*every_second(6), *(row(due, "q", "b") for due in (0.5, 2.5, 4.5))]
    result = run(rows, clients="pq", gpus=2)
    assert sent(result, "p") == [0.0, 3.0, 6.0]
    assert sent(result, "q") == [0.5, 2.5, 4.5]
    assert given_up(result) == {"p": 3}


def test_others_send_whatever_is_due():
    """Of p and q, with the same rows, only p sends one at a time."""
    result = run([*every_second(4), *every_second(4, "q")], clients="p", gpus=2)
    assert sent(result, "p") == [0.0, 3.0, 6.0]
    assert sent(result, "q") == [0.0, 1.0, 2.0, 3.0]
    assert given_up(result) == {"p": 1}


def test_beside_a_closed_loop_client_ids_follow_the_order_of_sending():
    """One slot, in turns: p from 0 to 3, c to 6, p (due at 2, sent at 3) to 9, c (sent at 6) to 12, ..."""
    loop = ClosedLoopClient("c", "a", Priority.LOW, 0, 0, stop_s=7.0)
    result = run([row(0.0), row(1.0), row(2.0), row(8.5)], closed_loop=[loop], policy=Fifo(max_batch=1, drop="never"),
                 max_concurrency=1, prefetch=0)  # fmt: skip
    table = result.requests
    names = [result.clients[code] for code in table.client.tolist()]
    found = list(zip(names, table.arrival_s.tolist(), table.finish_s.tolist(), strict=True))
    # The closed loop's first request is sent before the rows of the same instant.
    assert found == [("c", 0.0, 3.0), ("p", 0.0, 6.0), ("c", 3.0, 9.0), ("p", 6.0, 12.0), ("p", 12.0, 15.0)]
    assert given_up(result) == {"p": 1}


def test_requests_without_a_client_are_as_ever():
    result = run([row(0.0), (0.5, "b"), (0.5, "b"), row(1.0)])
    assert (result.requests.client < 0).sum() == 2
    assert result.requests.arrival_s.tolist() == [0.0, 0.5, 0.5, 3.0]


def test_a_client_that_is_named_but_sends_nothing():
    assert sent(run([row(0.0)], clients="px")) == [0.0]


# Other policies -------------------------------------------------------------------------------------------------------


def test_the_trace_says_so_not_the_policy():
    result = run(every_second(10), policy=Fifo(max_batch=1, drop="never"), stop_s=10.0)
    assert sent(result) == [0.0, 3.0, 6.0, 9.0]
    assert given_up(result) == {"p": 6}


def test_a_batch_holds_one_request_of_each_client():
    profile = make_profile({"a": {1: 3.0, 4: 3.0}})
    rows = [row(due, client) for due in (0.0, 1.0, 2.0) for client in "pq"]
    result = run(rows, clients="pq", policy=Fifo(max_batch=4, drop="never"), profile=profile, prefetch=0)
    assert result.batches.size.tolist() == [2, 2]
    assert sent(result, "p") == sent(result, "q") == [0.0, 3.0]


def test_a_drop_is_a_reply():
    """Nothing can meet its deadline, so each is dropped when it arrives, and none is held back: 1 ms is soon enough."""
    rows = [row(due, deadline_s=due + 1.0) for due in (0.0, 1.0, 2.0)]
    result = run(rows, policy=Fifo(drop="infeasible"))
    assert sent(result) == result.requests.dropped_s.tolist() == [0.0, 1.0, 2.0]
    (note,) = result.notes
    assert "3 drops of requests that a client waited for" in note


class GiveUpWhatWaited(Fifo):
    """Drop what has waited when a batch ends."""

    def decide(self, view):
        for queue in self._queues.values():
            while queue and queue[0][2].arrival_s < view.now_s and not view.gpus[0].in_flight:
                yield Drop(queue.pop(0)[2], "waited")
        yield from super().decide(view)


def test_a_drop_while_another_waits_sends_it_at_once():
    """q executes until 3; p's request of 1 is dropped then, and the newest due, that of 2.5, is sent 1 ms later."""
    rows = [row(0.0, "q"), row(1.0), row(2.0), row(2.5)]
    policy = GiveUpWhatWaited(max_batch=2, drop="never")
    result = run(rows, policy=policy, max_concurrency=1, prefetch=0)
    assert sent(result) == [1.0, 3.001]
    assert result.requests.status.tolist() == [Status.MET, Status.DROPPED, Status.MET]
    assert result.requests.finish_s[-1] == pytest.approx(6.001)
    assert given_up(result) == {"p": 1}


class Curious(Fifo):
    """Remember when it was asked."""

    wakes = frozenset({Wake.ARRIVAL})

    def prepare(self, setting):
        super().prepare(setting)
        self.asked_s = []

    def decide(self, view):
        self.asked_s.append(view.now_s)
        return super().decide(view)


def test_a_policy_hears_nothing_of_what_is_held_back():
    """Nothing tells the server that a request has fallen due: q's waits, and no arrival wakes the policy."""
    policy = Curious(max_batch=1, drop="never")
    run([row(0.0), row(0.5, "q"), row(1.0), row(2.0)], policy=policy, max_concurrency=1, prefetch=1)
    assert policy.asked_s == [0.0, 0.5, 3.0]


def test_a_policy_that_serves_nobody_leaves_what_was_held_back_unsent():
    class Idle(Fifo):
        def decide(self, view):
            return ()

    result = run([row(0.0), row(1.0), row(2.0)], policy=Idle())
    assert sent(result) == [0.0]
    assert result.requests.status.tolist() == [Status.UNFINISHED]
    assert "left 1 requests waiting for ever" in result.notes[0]
    assert result.notes[1].endswith("overtook: p 2")


# The result -----------------------------------------------------------------------------------------------------------


def test_the_note_names_the_policy_and_every_client():
    result = run([*every_second(4), *every_second(3, "q")], clients="pq", gpus=2)
    assert result.notes == (
        "policy 'Native': clients gave up requests that their next, or their end, overtook: p 1, q 1",
    )


def test_only_what_was_sent_is_a_request():
    result = run(every_second(10))
    assert len(result.requests) == len(result.batches) == 5
    assert result.start_s == 0.0
    assert result.end_s == 15.0


def test_the_run_equals_the_replay_of_what_was_sent():
    profile = make_profile({"a": 3.0, "b": 1.0}, noise_cv=0.1)
    rows = [*every_second(40), *(row(due / 4, "q", "b") for due in range(100))]
    first = run(rows, clients="pq", profile=profile, gpus=2)
    table = first.requests
    columns = {"arrival_s": table.arrival_s, "model": [first.models[code] for code in table.model]}
    columns["client"] = [first.clients[code] for code in table.client]
    workload = make_workload(columns, profile=profile)
    again = simulate(workload, profile, Native(), cluster=Cluster(gpus=2, device_model="exclusive"))
    np.testing.assert_array_equal(again.requests.finish_s, table.finish_s)
    np.testing.assert_array_equal(again.batches.solo_s, first.batches.solo_s)
