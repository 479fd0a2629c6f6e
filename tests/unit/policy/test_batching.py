"""Which requests form a batch: the longest prefix, in the policy's order, that meets every deadline. Times in ms.

Solo latencies of both models: 4, 6, 8, 10, 12 for 1 to 5 requests. One slot, no prefetch, no transfers.
"""

import pytest

from stratsim import simulate
from stratsim.errors import SpecError
from stratsim.model.cluster import Cluster
from stratsim.model.parts import Link
from stratsim.model.request import Priority, Status
from stratsim.policy import DropMode
from stratsim.policy.queueing import Edf, Fifo, PriorityEdf, PriorityFifo
from stratsim.testing import make_profile, make_workload

MS = 1e-3
INF = float("inf")
TABLE = {1: 4 * MS, 5: 12 * MS}
PROFILE = make_profile({"a": TABLE, "b": TABLE, "single": 4 * MS})
M, L, D = Status.MET, Status.LATE, Status.DROPPED


def serve(policy, rows, *, profile=PROFILE, max_batch=8, drop=DropMode.NEVER, **cluster):
    """Run rows (arrival, model, class, deadline); return batches as (dispatch, members), and the statuses."""
    rows = [(at * MS, model, priority, end * MS) for at, model, priority, end in rows]
    setting = Cluster(**{"device_model": "exclusive", "prefetch": 0} | cluster)
    workload = make_workload(rows, profile=profile)
    result = simulate(workload, profile, policy, cluster=setting, max_batch=max_batch, drop=drop)
    members = [
        [i for i, b in enumerate(result.requests.batch.tolist()) if b == row] for row in range(len(result.batches))
    ]
    times = (result.batches.dispatch_s / MS).round(9).tolist()
    return list(zip(times, members, strict=True)), result.requests.status.tolist()


def at_once(*deadlines, model="a", priority="low"):
    return [(0, model, priority, end) for end in deadlines]


def test_without_deadlines_batches_are_as_large_as_allowed():
    batches, _ = serve(Fifo(), at_once(*[INF] * 7), max_batch=3)
    assert batches == [(0, [0, 1, 2]), (8, [3, 4, 5]), (16, [6])]


def test_edf_takes_the_longest_prefix_that_meets_every_deadline():
    """Due 7, 9, 20, 30. One takes 4 <= 7, two 6 <= 7, three 8 > 7: a batch of two; at 6 the rest: 6 + 6 <= 20."""
    batches, status = serve(Edf(), at_once(20, 9, 7, 30))
    assert batches == [(0, [1, 2]), (6, [0, 3])]
    assert status == [M] * 4


def test_a_later_member_may_be_the_tight_one():
    """FIFO, due 30, 7, 30: two end at 6 <= 7, three at 8 > 7."""
    batches, status = serve(Fifo(), at_once(30, 7, 30))
    assert batches == [(0, [0, 1]), (6, [2])]
    assert status == [M] * 3


def test_a_prefix_never_jumps_over_a_request():
    """FIFO, due 30, 5, 30: the second would be late in a batch of two, so the batch ends before it."""
    batches, _ = serve(Fifo(), at_once(30, 5, 30))
    assert batches[0] == (0, [0])


def test_a_batch_may_end_exactly_at_a_deadline():
    assert serve(Edf(), at_once(8, 8, 8))[0] == [(0, [0, 1, 2])]
    assert serve(Edf(), at_once(7.9999, 8, 8))[0][0] == (0, [0, 1])


def test_a_hopeless_request_does_not_hold_others_back():
    """Due 3, 9, 20: the first cannot be met even alone (4), and is late anyway; all three end at 8 <= 9."""
    batches, status = serve(Edf(), at_once(3, 9, 20))
    assert batches == [(0, [0, 1, 2])]
    assert status == [L, M, M]


def test_a_hopeless_request_is_dropped_where_that_is_the_rule():
    batches, status = serve(Edf(), at_once(3, 9, 20), drop=DropMode.INFEASIBLE)
    assert batches == [(0, [1, 2])]
    assert status == [D, M, M]


def test_batches_hold_one_model_and_may_overtake_another():
    """FIFO a, b, a: the head's model is batched, the second a overtakes b."""
    rows = [(0, "a", "low", INF), (0, "b", "low", INF), (0, "a", "low", INF)]
    assert serve(Fifo(), rows)[0] == [(0, [0, 2]), (6, [1])]


def test_the_head_decides_the_model():
    """EDF: b holds the earliest deadline, so b goes first."""
    rows = [(0, "a", "low", 90), (0, "b", "low", 50), (0, "a", "low", 60)]
    assert serve(Edf(), rows)[0] == [(0, [1]), (4, [0, 2])]


@pytest.mark.parametrize("policy", [PriorityFifo, PriorityEdf])
def test_low_requests_fill_a_high_batch_where_they_fit(policy):
    """High, low, high: two highs first, then the low one, until the high one's deadline says no."""
    rows = [(0, "a", "low", 90), (0, "a", "high", 80), (0, "a", "high", 80)]
    assert serve(policy(), rows)[0] == [(0, [0, 1, 2])]
    rows = [(0, "a", "low", 90), (0, "a", "high", 7), (0, "a", "high", 7)]
    assert serve(policy(), rows)[0] == [(0, [1, 2]), (6, [0])]


def test_a_mixed_batch_is_as_urgent_as_its_most_urgent_member():
    workload = make_workload([(0.0, "a", "low"), (0.0, "a", "high"), (0.0, "b", "low")], profile=PROFILE)
    batches = simulate(workload, PROFILE, PriorityFifo()).batches
    assert batches.priority.tolist() == [Priority.HIGH, Priority.LOW]


def test_the_largest_batch_is_the_runs_unless_the_policy_has_its_own():
    assert [len(members) for _, members in serve(Fifo(), at_once(*[INF] * 5), max_batch=4)[0]] == [4, 1]
    assert [len(members) for _, members in serve(Fifo(max_batch=2), at_once(*[INF] * 5), max_batch=4)[0]] == [2, 2, 1]


def test_no_batch_exceeds_what_the_profile_covers():
    assert [len(members) for _, members in serve(Fifo(), at_once(*[INF] * 7), max_batch=100)[0]] == [5, 2]
    rows = at_once(INF, INF, model="single")
    assert [len(members) for _, members in serve(Fifo(max_batch=8), rows)[0]] == [1, 1]


def test_copies_count():
    """1 ms in per request, 2 ms of latency each way, nothing out but the latency: b takes b + 2 + l(b) + 2."""
    link = Link(2 * MS, 1e9)
    profile = make_profile({"a": TABLE}, bytes_in=1_000_000, bytes_out=1, h2d=link, d2h=Link(2 * MS, 1e12))
    # 1: 9, 2: 12, 3: 15 (and a picosecond for the byte)
    assert serve(Edf(), at_once(12.1, 20, 20), profile=profile)[0][0] == (0, [0, 1])
    assert serve(Edf(), at_once(11.9, 20, 20), profile=profile)[0][0] == (0, [0])
    assert serve(Edf(), at_once(15.1, 20, 20), profile=profile)[0][0] == (0, [0, 1, 2])
    assert serve(Edf(), at_once(8.1, 20, 20), profile=profile, transfers=False)[0][0] == (0, [0, 1, 2])


def test_the_wait_for_a_slot_counts():
    """With prefetch, at 1 the slot is busy until 4: two would end at 10, one at 8."""
    rows = [(0, "a", "low", INF), (1, "b", "low", 9), (1, "b", "low", 20)]
    assert serve(Edf(), rows, prefetch=1)[0] == [(0, [0]), (1, [1]), (4, [2])]
    rows[1] = (1, "b", "low", 10)
    assert serve(Edf(), rows, prefetch=1)[0] == [(0, [0]), (1, [1, 2])]


@pytest.mark.parametrize("value", [0, -1, 2.5, "x", True])
def test_max_batch_must_be_positive(value):
    with pytest.raises(SpecError, match=f"at least 1, got {value!r}"):
        Fifo(max_batch=value)
