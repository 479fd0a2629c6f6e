"""Triton's dynamic batcher: dispatch sequences worked out by hand. Times in ms, 5 per batch of any size."""

import pytest

from stratsim import simulate
from stratsim.errors import SpecError
from stratsim.model.cluster import Cluster
from stratsim.model.parts import Link
from stratsim.model.request import Priority, Request, Status
from stratsim.policy.triton import Triton
from stratsim.policy.triton.batcher import Batcher
from stratsim.policy.triton.config import ModelConfig, QueuePolicy
from stratsim.results.checks import invariants
from stratsim.testing import check_policy, make_profile, make_workload

MS = 1e-3
INF = float("inf")
M, L, D = Status.MET, Status.LATE, Status.DROPPED
FLAT = {1: 5 * MS, 8: 5 * MS}
PROFILE = make_profile({"a": FLAT, "b": FLAT})


def serve(policy, rows, profile=PROFILE, **cluster):
    """Run rows (arrival[, model[, class[, deadline]]]); return the result."""
    rows = [(row[0] * MS, *(row[1:3] or ("a",)), *(end * MS for end in row[3:])) for row in rows]
    result = simulate(
        make_workload(rows, profile=profile), profile, policy, cluster=Cluster(**{"max_concurrency": 1} | cluster)
    )
    assert invariants(result, result.max_concurrency) == []
    return result


def dispatches(policy, arrivals, **options):
    """Return (time, size) of each batch of one model's requests."""
    batches = serve(policy, [(at,) for at in arrivals], **options).batches
    return list(zip((batches.dispatch_s / MS).round(6).tolist(), batches.size.tolist(), strict=True))


def members(result):
    return [[i for i, b in enumerate(result.requests.batch.tolist()) if b == row] for row in range(len(result.batches))]


@pytest.mark.parametrize("prefetch", ["auto", "off"])
@pytest.mark.parametrize(
    ("parameters", "arrivals", "expected"),
    [
        ({"preferred": [4], "max_queue_delay_s": 5 * MS}, [0, 1, 2, 3, 3.5, 10], [(3, 4), (8.5, 1), (15, 1)]),
        ({"preferred": [4], "max_queue_delay_s": 5 * MS}, [0, 1, 2], [(5, 3)]),
        ({}, [0, 1, 2, 3, 3.5, 10], [(0, 1), (5, 4), (10, 1)]),
        ({"preferred": [2, 4]}, [0, *[1] * 7], [(0, 1), (5, 4), (10, 2), (15, 1)]),
    ],
    ids=["preferred and delay", "delay exceeded", "defaults", "two preferred sizes"],
)
def test_dispatch_sequences(parameters, arrivals, expected, prefetch):
    assert dispatches(Triton(**parameters, prefetch=prefetch), arrivals) == expected


def test_beyond_the_largest_preferred_size_a_batch_goes_at_once():
    """Three wait when the instance frees, preferred is 2: two go, whatever the delay; the last waits for it."""
    policy = Triton(preferred=[2], max_queue_delay_s=20 * MS, prefetch="off")
    assert dispatches(policy, [0, 0, 1, 1, 1]) == [(0, 2), (5, 2), (21, 1)]


def test_a_batch_formed_ahead_takes_one_beyond_the_largest_preferred_size():
    """At 1 two are formed ahead; with a delay a preferred size is not final, so the third, there already, joins."""
    policy = Triton(preferred=[2], max_queue_delay_s=20 * MS)
    assert dispatches(policy, [0, 0, 1, 1, 1]) == [(0, 2), (5, 3)]


def test_an_arrival_that_completes_no_preferred_size_does_not_wake_the_batcher():
    """At 1.5 two are formed ahead; at 2 one arrives, of two that are wanted: nobody looks until 5, when they go."""
    policy = Triton(preferred=[2], max_queue_delay_s=20 * MS)
    assert dispatches(policy, [0, 0, 1, 1.5, 2]) == [(0, 2), (5, 2), (22, 1)]
    assert dispatches(policy, [0, 0, 1, 1.5, 2, 3]) == [(0, 2), (5, 3), (23, 1)]


def test_past_the_delay_all_that_wait_go_even_beyond_a_preferred_size():
    """At 5 the third, of 1, has waited for 3: overdue, so all three go although 2 is preferred."""
    policy = Triton(preferred=[2], max_queue_delay_s=3 * MS, prefetch="off")
    assert dispatches(policy, [0, 0, 1, 1, 1]) == [(0, 2), (5, 3)]


def test_no_batch_exceeds_the_limit():
    assert dispatches(Triton(), [0] * 11) == [(0, 8), (5, 3)]
    assert dispatches(Triton(max_batch=2), [0] * 3) == [(0, 2), (5, 1)]
    assert dispatches(Triton(preferred=[4, 64]), [0] * 9) == [(0, 4), (5, 4), (10, 1)]
    assert dispatches(Triton(preferred=[64]), [0] * 9) == [(0, 8), (5, 1)]


def test_a_batch_formed_ahead_stops_growing_at_a_preferred_size():
    """One by one while the instance is busy: with prefetch 2 are committed at 2; without, 4 are found at 5."""
    arrivals = [0, 1, 2, 3, 4]
    assert dispatches(Triton(preferred=[2, 4]), arrivals) == [(0, 1), (5, 2), (10, 2)]
    assert dispatches(Triton(preferred=[2, 4], prefetch="off"), arrivals) == [(0, 1), (5, 4)]


@pytest.mark.parametrize(
    "parameters", [{"priority_levels": 2}, {"timeout_s": 1.0}, {"max_queue_size": 100}], ids=lambda p: next(iter(p))
)
def test_prefetch_is_off_where_requests_may_overtake_or_leave(parameters):
    arrivals = [0, 1, 2, 3, 4]
    assert dispatches(Triton(preferred=[2, 4], **parameters), arrivals) == [(0, 1), (5, 4)]
    assert dispatches(Triton(preferred=[2, 4], prefetch="on", **parameters), arrivals) == [(0, 1), (5, 2), (10, 2)]


def test_priority_levels_order_within_a_model():
    rows = [(0, "a", "low"), (1, "a", "low"), (2, "a", "low"), (3, "a", "high")]
    assert members(serve(Triton(max_batch=2, priority_levels=2), rows)) == [[0], [1, 3], [2]]
    assert members(serve(Triton(max_batch=2), rows)) == [[0], [1, 2], [3]]


def test_priority_levels_do_not_order_models():
    """As in Triton: each model has its own queue, and the oldest goes first."""
    rows = [(0, "a", "low"), (1, "a", "low"), (2, "b", "high")]
    result = serve(Triton(priority_levels=2), rows, prefetch=0)
    assert members(result) == [[0], [1], [2]]


def test_rejection_after_a_timeout_in_the_queue():
    """At 5 the first has waited for 4, the second for 1."""
    result = serve(Triton(timeout_s=3 * MS), [(0,), (1,), (4,)])
    assert result.requests.status.tolist() == [M, D, M]
    assert result.requests.dropped_s[1] == pytest.approx(5 * MS)
    assert result.reasons == ("timeout",)


def test_delay_after_a_timeout_serves_behind_all_others():
    result = serve(Triton(timeout_s=3 * MS, timeout_action="delay", max_batch=1), [(0,), (1,), (4,), (8,)])
    assert members(result) == [[0], [2], [3], [1]]


def test_expiry_is_lazy():
    """The second to wait expires at 14 behind a full batch: nobody looks until 15, when it is given up."""
    result = serve(Triton(timeout_s=13 * MS, max_batch=1), [(0,), (0,), (1,), (1,)])
    assert result.requests.status.tolist() == [M, M, M, D]
    assert result.requests.dropped_s[3] == pytest.approx(15 * MS)


def test_waiting_for_a_preferred_size_ends_with_a_timeout():
    """Nothing to wait for any more: the request is rejected at 4, not at the end of the delay."""
    result = serve(Triton(preferred=[4], max_queue_delay_s=20 * MS, timeout_s=4 * MS), [(0,)])
    assert result.requests.dropped_s.tolist() == pytest.approx([4 * MS])


def test_the_timeout_override_is_inert_without_a_default_timeout():
    rows = [(0, "a", "low", 99), (1, "a", "low", 3), (1, "a", "low", 99)]
    inert = serve(Triton(allow_timeout_override=True), rows)
    assert inert.requests.status.tolist() == [M, L, M]
    longer = serve(Triton(allow_timeout_override=True, timeout_s=50 * MS), rows)
    assert longer.requests.status.tolist() == [M, D, M]
    not_allowed = serve(Triton(timeout_s=50 * MS), rows)
    assert not_allowed.requests.status.tolist() == [M, L, M]


def test_an_override_may_only_shorten():
    queueing = QueuePolicy(timeout_s=0.010, allow_timeout_override=True)
    assert queueing.expires_s(Request(0, "a", Priority.LOW, 1.0, 1.004, 0, 0)) == 1.004
    assert queueing.expires_s(Request(0, "a", Priority.LOW, 1.0, 1.040, 0, 0)) == 1.010
    assert queueing.expires_s(Request(0, "a", Priority.LOW, 1.0, INF, 0, 0)) == 1.010


def test_a_full_queue_rejects():
    """One is served, two wait, the fourth is rejected when it arrives; each level has a queue of its own."""
    rows = [(0, "a", "low"), *[(1, "a", "low")] * 3, (2, "a", "high")]
    result = serve(Triton(max_queue_size=2, priority_levels=2), rows)
    assert result.requests.status.tolist() == [M, M, M, D, M]
    assert result.requests.dropped_s[3] == pytest.approx(1 * MS)
    assert result.reasons == ("queue full",)
    result = serve(Triton(max_queue_size=2), rows)
    assert result.requests.status.tolist() == [M, M, M, D, D]


def test_instances_serve_side_by_side_and_one_model_does_not_take_anothers():
    rows = [(0, "a"), (1, "a"), (1, "b")]
    one = serve(Triton(max_batch=1), rows, max_concurrency=3)
    assert one.batches.dispatch_s.tolist() == pytest.approx([0, 1 * MS, one.requests.finish_s[0]])
    two = serve(Triton(max_batch=1, instances=2), rows, max_concurrency=3)
    assert two.batches.dispatch_s.tolist() == pytest.approx([0, 1 * MS, 1 * MS])


def test_an_instance_is_busy_until_the_outputs_are_back():
    profile = make_profile({"a": 5 * MS}, bytes_in=1, bytes_out=1, h2d=Link(0.0, 1e3), d2h=Link(0.0, 500.0))
    result = serve(Triton(), [(0,), (0,)], profile)
    assert result.batches.dispatch_s.tolist() == pytest.approx([0, 8 * MS])  # copy-in 1, execution 5, copy-out 2
    result = serve(Triton(instances=2), [(0,), (0,)], profile)
    assert result.batches.dispatch_s.tolist() == pytest.approx([0, 0])


def test_each_gpu_has_its_instances():
    result = serve(Triton(max_batch=1), [(0,)] * 3, gpus=2)
    assert result.batches.gpu.tolist() == [0, 1, 0]
    assert result.batches.dispatch_s.tolist() == pytest.approx([0, 0, 5 * MS])


def test_batches_formed_ahead_are_at_most_two_per_instance():
    """One instance, batches of 2, eleven waiting: two batches are formed ahead of the busy instance, seven queue."""
    batcher = Batcher("a", ModelConfig(), 2, 1, prefetch=True)
    for i in range(11):
        assert batcher.push(Request(i, "a", Priority.LOW, i * MS, INF, 0, 0))
    assert batcher.next_batch(11 * MS, free=False) == ()
    assert [len(formed.requests) for formed in batcher._ahead] == [2, 2]
    taken = [[request.id for request in batcher.next_batch(11 * MS, free=True)] for _ in range(7)]
    assert taken == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9], [10], []]
    assert batcher.oldest() == (INF, INF)


def test_two_batches_are_formed_ahead_of_one_instance():
    """Two commit themselves at 1, two at 2; the two of 3 find no room. With room for one, 2 and 3 would go as four."""
    assert dispatches(Triton(preferred=[2, 4]), [0, 1, 1, 2, 2, 3, 3]) == [(0, 1), (5, 2), (10, 2), (15, 2)]


def test_a_batch_formed_ahead_joins_the_one_before_it_when_it_is_overdue():
    """Delay 2: five are saturated at 1.5; the one of 2 is overdue at 4 and formed ahead; at 5 both go as one."""
    policy = Triton(preferred=[4], max_queue_delay_s=2 * MS)
    assert dispatches(policy, [0, 0, 0, 0, 1, 1, 1, 1, 1, 2]) == [(0, 4), (5, 6)]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"preferred": 4}, "preferred must be a list"),
        ({"preferred": [0]}, "batch size"),
        ({"max_batch": 0}, "batch size"),
        ({"max_queue_delay_s": -1}, "max_queue_delay_s"),
        ({"timeout_s": -1}, "timeout_s"),
        ({"timeout_action": "drop"}, "timeout_action must be one of reject, delay"),
        ({"instances": 0}, "instances"),
        ({"priority_levels": 1.5}, "priority_levels"),
        ({"max_queue_size": -1}, "max_queue_size"),
        ({"prefetch": True}, "prefetch"),
    ],
)
def test_bad_parameters_are_named(parameters, message):
    with pytest.raises(SpecError, match=message):
        Triton(**parameters)


@pytest.mark.slow
@pytest.mark.parametrize(
    "parameters",
    [
        {"preferred": [2, 4], "max_queue_delay_s": 0.003},
        {"priority_levels": 2, "instances": 2},
        {"timeout_s": 10.0, "timeout_action": "delay", "allow_timeout_override": True},
    ],
)
def test_it_conforms(parameters):
    check_policy(lambda: Triton(**parameters))
