"""When requests are given up, and with which reason. Times in ms.

The model takes 10 ms. The first request occupies the one slot from 0 to 10 (no prefetch), so the others wait until 10:
`past` was due at 8, `soon` is due at 15 and can no longer be met, `exact` is due at 20 and just can.
"""

import pytest

from stratsim import simulate
from stratsim.errors import SpecError
from stratsim.model.cluster import Cluster
from stratsim.model.request import Status
from stratsim.policy import DropMode
from stratsim.policy.queueing import Edf, Fifo, PriorityEdf, PriorityFifo
from stratsim.testing import make_profile, make_workload

MS = 1e-3
PROFILE = make_profile({"a": 10 * MS})
POLICIES = [Fifo, PriorityFifo, Edf, PriorityEdf]
M, L, D = Status.MET, Status.LATE, Status.DROPPED
ALONE = {"device_model": "exclusive", "prefetch": 0}


def serve(policy, deadlines, drop=DropMode.NEVER, **cluster):
    """Run one request at 0 without a deadline and then, at 1, one per deadline; return the result."""
    rows = [(0.0, "a"), *((1 * MS, "a", "low", end * MS) for end in deadlines)]
    workload = make_workload(rows, profile=PROFILE)
    return simulate(workload, PROFILE, policy, cluster=Cluster(**ALONE | cluster), max_batch=1, drop=drop)


def outcome(result):
    """Status, time of the drop in ms, and reason of every request but the first."""
    table = result.requests
    return [
        (status, None if status != D else (pytest.approx(at / MS), result.reasons[code]))
        for status, at, code in zip(
            table.status[1:].tolist(), table.dropped_s[1:].tolist(), table.reason[1:].tolist(), strict=True
        )
    ]


@pytest.mark.parametrize("policy", POLICIES)
class TestModes:
    def test_never(self, policy):
        assert outcome(serve(policy(), [8], DropMode.NEVER)) == [(L, None)]
        assert outcome(serve(policy(), [15], DropMode.NEVER)) == [(L, None)]
        assert outcome(serve(policy(), [20], DropMode.NEVER)) == [(M, None)]

    def test_expired(self, policy):
        assert outcome(serve(policy(), [8], DropMode.EXPIRED)) == [(D, (10, "expired"))]
        assert outcome(serve(policy(), [15], DropMode.EXPIRED)) == [(L, None)]
        assert outcome(serve(policy(), [20], DropMode.EXPIRED)) == [(M, None)]

    def test_infeasible(self, policy):
        assert outcome(serve(policy(), [8], DropMode.INFEASIBLE)) == [(D, (10, "expired"))]
        assert outcome(serve(policy(), [15], DropMode.INFEASIBLE)) == [(D, (10, "infeasible"))]
        assert outcome(serve(policy(), [20], DropMode.INFEASIBLE)) == [(M, None)]

    def test_the_policys_own_mode_wins_over_the_runs(self, policy):
        assert outcome(serve(policy(drop="never"), [8], DropMode.INFEASIBLE)) == [(L, None)]
        assert outcome(serve(policy(drop="infeasible"), [15], DropMode.NEVER)) == [(D, (10, "infeasible"))]

    def test_a_dropped_request_makes_room(self, policy):
        """Without it the second would end at 30."""
        result = serve(policy(), [8, 20], DropMode.EXPIRED)
        assert outcome(result) == [(D, (10, "expired")), (M, None)]
        assert result.requests.finish_s[2] / MS == pytest.approx(20)

    def test_a_request_without_deadline_is_never_dropped(self, policy):
        assert outcome(serve(policy(), [float("inf")] * 5, DropMode.INFEASIBLE)) == [(M, None)] * 5

    def test_everything_may_be_dropped(self, policy):
        result = serve(policy(), [2, 3, 4], DropMode.INFEASIBLE)
        assert [status for status, _ in outcome(result)] == [D] * 3
        assert len(result.batches) == 1


def test_drops_wait_for_a_free_place():
    """Requests are looked at when a batch is formed: with prefetch that is at 1, with the wait until 10 foreseen."""
    assert outcome(serve(Edf(), [15], DropMode.INFEASIBLE, prefetch=1)) == [(D, (1, "infeasible"))]
    assert outcome(serve(Edf(), [8], DropMode.EXPIRED, prefetch=1)) == [(L, None)]  # not yet expired at 1


def test_a_drop_is_no_batch_and_no_finish():
    table = serve(Edf(), [15], DropMode.INFEASIBLE).requests
    assert table.batch.tolist() == [0, -1]
    assert table.finish_s[1] != table.finish_s[1]
    assert table.reason.tolist() == [-1, 0]


def test_drops_hold_no_more_than_is_looked_at():
    """The head is due late; the hopeless one behind it stays queued until a batch is formed with it."""
    assert [status for status, _ in outcome(serve(Fifo(), [40, 15], DropMode.INFEASIBLE))] == [M, D]


@pytest.mark.parametrize("mode", ["Never", "infeasable", ""])
def test_an_unknown_mode_is_named(mode):
    with pytest.raises(SpecError, match=f"drop must be one of never, expired, infeasible, got {mode!r}"):
        Edf(drop=mode)


@pytest.mark.parametrize("mode", DropMode)
def test_known_modes(mode):
    assert Edf(drop=mode.value) is not None


def test_after_a_drop_the_next_in_order_is_served_whatever_its_model():
    # The head of the order, due at 12, is given up at 10; the next deadline, 25, is the other model's.
    profile = make_profile({"a": 10 * MS, "b": 10 * MS})
    rows = [(0.0, "a"), (1 * MS, "a", "low", 12 * MS), (1 * MS, "a", "low", 90 * MS), (1 * MS, "b", "low", 25 * MS)]
    workload = make_workload(rows, profile=profile)
    result = simulate(workload, profile, Edf(max_batch=1), cluster=Cluster(**ALONE), drop=DropMode.INFEASIBLE)
    assert result.requests.status.tolist() == [M, D, M, M]
    assert result.requests.finish_s[[3, 2]] == pytest.approx([20 * MS, 30 * MS])
