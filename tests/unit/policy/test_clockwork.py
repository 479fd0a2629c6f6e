"""Clockwork's decisions against tables worked out by hand. Times in ms; one GPU, one slot, one place ahead."""

import math

import numpy as np
import pytest

from stratsim import simulate
from stratsim.errors import SpecError
from stratsim.model.cluster import Cluster
from stratsim.model.profile import Sharing
from stratsim.model.request import Status
from stratsim.policy.clockwork import Clockwork
from stratsim.policy.clockwork.state import Durations, Executor, ModelQueues
from stratsim.results.checks import invariants
from stratsim.testing import check_policy, make_profile, make_workload

MS = 1e-3
M, L, D = Status.MET, Status.LATE, Status.DROPPED
AB = make_profile({"a": {1: 10 * MS, 2: 14 * MS, 4: 22 * MS}, "b": {1: 8 * MS, 2: 12 * MS}})


def serve(rows, profile=AB, policy=None, *, noise=None, **cluster):
    """Run rows (arrival, model, slo); return batches as (dispatch, start, end, model, members), and the result."""
    rows = [(at * MS, model, "low", (at + slo) * MS) for at, model, slo in rows]
    workload = make_workload(rows, profile=profile)
    cluster = Cluster(**{"device_model": "exclusive", "max_concurrency": 1} | cluster)
    result = simulate(workload, profile, policy or Clockwork(), cluster=cluster, noise=noise)
    assert invariants(result, cluster.max_concurrency) == []
    batches = result.batches
    rows = [
        (
            round(batches.dispatch_s[i] / MS, 3),
            round(batches.execution_start_s[i] / MS, 6),
            round(batches.execution_end_s[i] / MS, 6),
            [j for j, batch in enumerate(result.requests.batch.tolist()) if batch == i],
        )
        for i in range(len(batches))
    ]
    return rows, result


def test_decision_table_a():
    """The bid that must start first wins; decisions fall 10 ms before the GPU is free, one polling period late."""
    rows = [(0, "a", 100), (0, "a", 100), (1, "a", 60), (2, "b", 30), (3, "b", 25), (4, "a", 40)]
    batches, result = serve(rows)
    assert batches == [(0, 0, 14, [0, 1]), (4.01, 14, 26, [3, 4]), (16.01, 26, 40, [2, 5])]
    assert result.requests.status.tolist() == [M] * 6


def test_decision_table_b():
    """Twelve at once, internal deadline 55: under 4 and 2 all are skipped (66 and 58 > 55), so one is served alone."""
    batches, result = serve([(0, "a", 60)] * 12)
    assert batches == [(0, 0, 22, [0, 1, 2, 3]), (12.01, 22, 44, [4, 5, 6, 7]), (34.01, 44, 54, [8])]
    assert result.requests.status.tolist() == [M] * 9 + [D] * 3
    assert result.requests.dropped_s[9:].tolist() == pytest.approx([55 * MS] * 3)
    assert result.reasons == ("timeout",)


def test_a_short_deadline_is_replaced_by_a_later_internal_one():
    """Slo 5 is taken as 15: the second would end at 20 > 15 and is given up at 15, long after its own deadline."""
    profile = make_profile({"a": 10 * MS})
    _, result = serve([(0, "a", 5), (0, "a", 5)], profile)
    assert result.requests.status.tolist() == [L, D]
    assert result.requests.finish_s[0] == pytest.approx(10 * MS)
    assert result.requests.dropped_s[1] == pytest.approx(15 * MS)


def test_only_the_first_request_of_a_queue_is_checked():
    """The second could not be in time (internal 15 < 14 + 14), but the first is: both are served together."""
    batches, result = serve([(0, "a", 100), (0, "a", 10)])
    assert batches == [(0, 0, 14, [0, 1])]
    assert result.requests.status.tolist() == [M, L]


def test_batch_sizes_are_powers_of_two():
    profile = make_profile({"a": {1: 10 * MS, 8: 24 * MS}})
    assert [members for *_, members in serve([(0, "a", 500)] * 7, profile)[0]] == [[0, 1, 2, 3], [4, 5], [6]]


def test_larger_batches_that_take_too_long_are_not_used():
    policy = Clockwork(max_exec_s=15 * MS)
    assert [members for *_, members in serve([(0, "a", 500)] * 4, policy=policy)[0]] == [[0, 1], [2, 3]]


def test_max_batch_is_the_policys_or_the_runs():
    policy = Clockwork(max_batch=1)
    assert [members for *_, members in serve([(0, "a", 500)] * 2, policy=policy)[0]] == [[0], [1]]


def test_nothing_is_decided_while_the_gpu_is_busy_for_longer_than_is_planned_ahead():
    profile = make_profile({"a": 40 * MS, "b": 1 * MS})
    batches, _ = serve([(0, "a", 500), (1, "b", 100)], profile)
    assert batches[1] == (30.01, 40, 41, [1])
    batches, _ = serve([(0, "a", 500), (1, "b", 100)], profile, Clockwork(schedule_ahead_s=25 * MS))
    assert batches[1] == (15.01, 40, 41, [1])


def test_estimates_follow_the_largest_of_the_last_measured_durations():
    """Alone 10, measured 20: what arrives with slo 24 is served at first, and given up once that is known."""
    slow = make_profile({"a": 10 * MS})
    rows = [(0, "a", 24), (100, "a", 24), (200, "a", 24)]
    _, result = serve(rows, slow, noise=Twofold())
    # 24 - 5 = 19: 10 fits, 20 does not. The second is the first that is decided after a measurement.
    assert result.requests.status.tolist() == [M, D, D]


class Twofold:
    """Every execution takes twice as long as alone."""

    def factors(self, rng, count):
        return np.full(count, 2.0)


def test_measured_durations_beyond_the_window_are_forgotten():
    durations = Durations(0.010, percentile=1.0, window=2)
    seen = [durations.expected_s]
    for duration_s in (0.030, 0.011, 0.012):
        durations.add(duration_s)
        seen.append(durations.expected_s)
    assert seen == [0.010, 0.030, 0.030, 0.012]


@pytest.mark.parametrize(
    ("percentile", "value"), [(0.99, 9.91), (0.91, 9.19), (0.9, 9.1), (0.5, 5.5), (0.01, 1.09), (1.0, 10)]
)
def test_the_percentile_interpolates(percentile, value):
    """Of 1 to 10: the value at 1 + 9 x percentile."""
    durations = Durations(99.0, percentile, window=10)
    for measured in (3, 1, 2, 10, 9, 8, 7, 6, 5, 4):
        durations.add(measured)
    assert durations.expected_s == pytest.approx(value)


def test_the_window_starts_empty():
    """The profile says 10: it is forgotten once 8 was measured; nine of 8 and one of 12: 8 + 4 x 0.91 = 11.64."""
    durations = Durations(10.0, 0.99, window=10)
    durations.add(8.0)
    assert durations.expected_s == 8.0
    for measured in [8.0] * 8 + [12.0]:
        durations.add(measured)
    assert durations.expected_s == pytest.approx(11.64)


def test_a_cancelled_request_counts_for_the_batch_size():
    """B until 30. A2 is given up at 2 + 15 = 17, but is behind A1 in the queue: both are sent just after 20, 30 to 44.

    There its client was told at 17; here it is answered late.
    """
    profile = make_profile({"a": {1: 10 * MS, 2: 14 * MS, 4: 22 * MS}, "b": 30 * MS})
    batches, result = serve([(0, "b", 100), (1, "a", 100), (2, "a", 16)], profile)
    assert batches == [(0, 0, 30, [0]), (20.01, 30, 44, [1, 2])]
    assert result.requests.status.tolist() == [M, M, L]


def test_a_cancelled_request_that_nobody_precedes_is_dropped_at_once():
    """As before, the short one first: given up at 1 + 15 = 16, skipped just after 20; the other runs alone."""
    profile = make_profile({"a": {1: 10 * MS, 2: 14 * MS, 4: 22 * MS}, "b": 30 * MS})
    batches, result = serve([(0, "b", 100), (1, "a", 16), (2, "a", 100)], profile)
    assert batches == [(0, 0, 30, [0]), (20.01, 30, 40, [2])]
    assert result.requests.status.tolist() == [M, D, M]
    assert result.requests.dropped_s[1] == pytest.approx(16 * MS)


def test_a_free_gpu_counts_as_free_a_millisecond_from_now():
    """20 alone, SLO 25.5, internal 20.5: 1 + 20 is too late; skipped at once, and given up at 20.5."""
    profile = make_profile({"a": 20 * MS})
    batches, result = serve([(0, "a", 25.5)], profile)
    assert batches == []
    assert result.requests.dropped_s[0] == pytest.approx(20.5 * MS)
    assert [start for _, start, *_ in serve([(0, "a", 26)], profile)[0]] == [0]
    assert [start for _, start, *_ in serve([(0, "a", 25.5)], profile, Clockwork(future_s=0.0))[0]] == [0]


def test_planning_less_than_that_ahead_plans_all_the_same():
    """Half of what is planned ahead at most: 0.2 here."""
    profile = make_profile({"a": 20 * MS})
    policy = Clockwork(schedule_ahead_s=0.4 * MS)
    assert [start for _, start, *_ in serve([(0, "a", 25.5)], profile, policy)[0]] == [0]


def test_several_gpus_take_turns():
    """Short batches: a GPU that may still plan ahead does not take all there is."""
    profile = make_profile({"a": 2 * MS})
    _, result = serve([(0, "a", 100)] * 4, profile, gpus=2)
    assert result.batches.gpu.tolist() == [0, 1, 0, 1]


def test_with_two_slots_a_gpu_is_two_executors():
    profile = make_profile({"a": 20 * MS}, sharing={"a": Sharing(0.5, 1.0)})  # two do not slow each other
    batches, _ = serve([(0, "a", 500)] * 3, profile, device_model="streams", max_concurrency=2)
    assert [(dispatch, start) for dispatch, start, *_ in batches] == [(0, 0), (0, 0), (10.01, 20)]


def test_without_deadlines_all_are_served():
    rows = [(0, "a", math.inf)] * 5
    batches, result = serve(rows)
    assert [len(members) for *_, members in batches] == [4, 1]
    assert result.requests.status.tolist() == [M] * 5


def test_queues_alias_each_other_until_they_skip():
    queues = ModelQueues([1, 2, 4])
    requests = [(0.050 + i * MS, _Request(i)) for i in range(5)]
    for entry in requests:
        queues.push(entry)
    assert queues.largest() == 4
    queues.skip(4, 0.0515)  # the first two leave the queue of 4 only
    assert queues.largest() == 2
    assert list(queues.heads()) == [(1, requests[0][0], 0), (2, requests[0][0], 0), (4, requests[2][0], 2)]
    assert [request.id for request in queues.take(2)] == [0, 1]
    assert list(queues.heads()) == [(size, requests[2][0], 2) for size in (1, 2, 4)]
    assert [request.id for request in queues.drain()] == [0, 1]
    assert list(queues.heads()) == [(size, requests[2][0], 2) for size in (1, 2, 4)]


def test_what_was_skipped_is_lost_when_a_later_one_is_served():
    queues = ModelQueues([1, 2])
    for i in range(3):
        queues.push((0.050 + i * MS, _Request(i)))
    queues.skip(2, 0.0505)
    assert [request.id for request in queues.take(2)] == [1, 2]
    assert [request.id for request in queues.drain()] == [0, 1, 2]


def test_a_queue_of_one_need_not_fill_where_a_larger_does():
    """The source looks at the smallest size only if no larger one fills."""
    queues = ModelQueues([1, 2])
    for i in range(2):
        queues.push((0.050 + i * MS, _Request(i)))
    queues.skip(1, 0.060)
    assert queues.largest() == 2
    queues.skip(2, 0.0505)
    assert queues.largest() == 0


class _Request:
    def __init__(self, number):
        self.id = number


def test_an_overdue_execution_is_expected_to_have_ended_the_lag_ago():
    executor = Executor(1)
    assert executor.available_s(0.005, 0.010, 0.001) == pytest.approx(0.006)
    executor.follow(_Gpu(_Batch(0.0)), 0.010)
    executor.follow(_Gpu(_Batch(math.nan)), 0.008)
    assert executor.available_s(0.005, 0.010) == pytest.approx(0.018)
    assert executor.available_s(0.015, 0.010) == pytest.approx(0.018)  # 5 ms late: nothing is said of it
    assert executor.available_s(0.030, 0.010) == pytest.approx(0.030)  # taken to have ended at 20
    assert executor.available_s(0.027, 0.010) == pytest.approx(0.027)
    assert executor.available_s(0.024, 0.010) == pytest.approx(0.024)
    assert executor.available_s(0.021, 0.002) == pytest.approx(0.027)  # taken to have ended at 19


class _Batch:
    dispatch_s = 0.0
    execution_end_s = math.nan

    def __init__(self, start_s):
        self.execution_start_s = start_s


class _Gpu:
    def __init__(self, batch):
        self.newest = batch


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"schedule_ahead_s": 0}, "schedule_ahead_s"),
        ({"percentile": 0}, "percentile"),
        ({"percentile": 1.5}, "percentile"),
        ({"window": 0}, "window"),
        ({"max_batch": 0}, "max_batch"),
        ({"buffer_s": -1}, "buffer_s"),
        ({"future_s": -1}, "future_s"),
        ({"lag_s": "long"}, "lag_s"),
    ],
)
def test_bad_parameters_are_named(parameters, message):
    with pytest.raises(SpecError, match=message):
        Clockwork(**parameters)


@pytest.mark.slow
@pytest.mark.parametrize("parameters", [{"schedule_ahead_s": 0.001}, {"max_batch": 2, "buffer_s": 0.0}])
def test_it_conforms(parameters):
    check_policy(lambda: Clockwork(**parameters))
