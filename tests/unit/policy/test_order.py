"""In which order the four policies serve: decision tables worked out by hand. Times in ms.

One GPU, one slot, no prefetch, no transfers, one request per batch. The tables of `stratsim validate` are checked with
its suites; here are the rest, and what becomes of every job of them.
"""

import pytest

from stratsim.model.request import Priority, Request, Status
from stratsim.policy.queueing import Edf, Fifo, PriorityEdf, PriorityFifo, QueuePolicy
from stratsim.validate.suites.decisions import DISCRIMINATING, DOMINO, serve

M, L, D = Status.MET, Status.LATE, Status.DROPPED
NAN = float("nan")


def check(found, finish, status):
    assert found[0] == pytest.approx(finish, nan_ok=True)
    assert found[1] == status


def test_within_a_class_priority_fifo_keeps_the_order_of_arrival():
    jobs = [(0, 4, "low", 99), (1, 3, "high", 99), (2, 2, "high", 6), (2, 1, "low", 99)]
    check(serve(PriorityFifo(drop="never"), jobs), [4, 7, 9, 10], [M, M, L, M])


def test_within_a_class_priority_edf_goes_by_deadline():
    jobs = [(0, 4, "low", 99), (1, 3, "high", 99), (2, 2, "high", 6), (2, 1, "low", 99)]
    check(serve(PriorityEdf(drop="never"), jobs), [4, 9, 6, 10], [M, M, M, M])


def test_three_jobs_that_edf_meets_and_fifo_does_not():
    jobs = [(0, 4, "low", 20), (1, 3, "low", 9), (2, 2, "low", 6)]
    check(serve(Fifo(drop="never"), jobs), [4, 7, 9], [M, M, L])
    check(serve(Edf(drop="never"), jobs), [4, 9, 6], [M, M, M])


def test_domino_without_drops():
    """EDF serves what is late already, and so makes the next late: one deadline of three is met."""
    check(serve(Edf(drop="never"), DOMINO), [10, 20, 30], [M, L, L])


def test_domino_with_infeasible_drop():
    """At 10 the second would end at 20 > 19: dropped; the third ends at 20: two are met."""
    check(serve(Edf(drop="infeasible"), DOMINO), [10, NAN, 20], [M, D, M])


def test_domino_with_expired_drop():
    """At 10 the second is not expired: it is served, late; at 20 the third, due at 27, is not either."""
    check(serve(Edf(drop="expired"), DOMINO), [10, 20, 30], [M, L, L])


def test_lexicographic_order_loses_the_low_job():
    """Strict priority takes the high job first, though both could be met."""
    check(serve(PriorityEdf(drop="never"), DISCRIMINATING), [10, 20], [M, L])
    check(serve(PriorityEdf(drop="infeasible"), DISCRIMINATING), [10, NAN], [M, D])


def test_plain_edf_meets_both():
    check(serve(Edf(drop="never"), DISCRIMINATING), [20, 10], [M, M])


@pytest.mark.parametrize("policy", [Fifo, PriorityFifo, Edf, PriorityEdf])
def test_a_running_batch_is_never_preempted(policy):
    jobs = [(0, 10, "low", 99), (1, 1, "high", 99)]
    check(serve(policy(drop="never"), jobs), [10, 11], [M, M])


@pytest.mark.parametrize("policy", [Fifo, PriorityFifo, Edf, PriorityEdf])
def test_equals_are_served_in_the_order_of_arrival(policy):
    jobs = [(0, 1, "low", 50)] * 6
    check(serve(policy(drop="never"), jobs), [1, 2, 3, 4, 5, 6], [M] * 6)


def test_work_is_not_left_waiting_for_a_better_request():
    """Non-idling: the low job starts at 0 though a high one comes at 1."""
    check(serve(PriorityEdf(drop="never"), [(0, 10, "low", 99), (1, 1, "high", 2)]), [10, 11], [M, L])


@pytest.mark.parametrize(
    ("policy", "key"),
    [(Fifo, (2.0,)), (PriorityFifo, (1, 2.0)), (Edf, (7.0,)), (PriorityEdf, (1, 7.0))],
)
def test_a_policy_of_this_family_is_its_key(policy, key):
    assert policy().key(Request(0, "a", Priority.LOW, 2.0, 7.0, 0, 0)) == key


def test_a_family_member_of_ones_own():
    """Shortest job first: 1, 2 and 3 ms behind a running one."""

    class Shortest(QueuePolicy):
        def key(self, request):
            return (self.profile.latency_s(request.model),)

    jobs = [(0, 5, "low", 99), (1, 3, "low", 99), (1, 1, "low", 99), (1, 2, "low", 99)]
    check(serve(Shortest(drop="never"), jobs), [5, 11, 6, 8], [M] * 4)


def test_a_queue_policy_without_a_key_says_so():
    with pytest.raises(NotImplementedError):
        QueuePolicy().key(Request(0, "a", Priority.LOW, 2.0, 7.0, 0, 0))


def test_two_gpus_serve_two_at_a_time():
    check(serve(Fifo(drop="never"), [(0, 4, "low", 99)] * 3, gpus=2), [4, 4, 8], [M] * 3)
