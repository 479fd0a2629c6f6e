"""Least slack first and promotion in time: decision tables worked out by hand. Times in ms, one request per batch."""

import pytest

from stratsim import simulate
from stratsim.errors import SpecError
from stratsim.model.cluster import Cluster
from stratsim.model.parts import Link
from stratsim.model.request import Priority, Request, Status
from stratsim.policy import DropMode
from stratsim.policy.least_slack import Lax, LeastSlack, alone_s
from stratsim.policy.queueing import Edf, PriorityEdf
from stratsim.testing import check_policy, make_profile, make_workload

MS = 1e-3
INF = float("inf")
M, L, D = Status.MET, Status.LATE, Status.DROPPED
PROFILE = make_profile({f"m{c}": c * MS for c in (1, 2, 4, 5, 8, 10, 20)})


def serve(policy, jobs, *, profile=PROFILE, drop=DropMode.NEVER, max_batch=1, **cluster):
    """Run jobs (arrival, solo, class, deadline); return the order of dispatch, and the statuses."""
    rows = [(at * MS, f"m{solo}", priority, end * MS) for at, solo, priority, end in jobs]
    cluster = Cluster(**{"device_model": "exclusive", "max_concurrency": 1, "prefetch": 0} | cluster)
    workload = make_workload(rows, profile=profile)
    result = simulate(workload, profile, policy, cluster=cluster, drop=drop, max_batch=max_batch)
    order = sorted(range(len(jobs)), key=lambda i: (result.requests.batch[i] < 0, result.requests.batch[i]))
    return order, result.requests.status.tolist()


# Least slack first --------------------------------------------------------------------------------------------------

SLACK = [(0, 10, "low", 20), (0, 2, "low", 15), (0, 5, "low", 30)]
"""Slack 10, 13 and 25; deadlines would put the second first."""


def test_the_least_slack_goes_first():
    assert serve(LeastSlack(), SLACK) == ([0, 1, 2], [M, M, M])
    assert serve(Edf(), SLACK) == ([1, 0, 2], [M, M, M])


def test_with_equal_work_it_is_edf():
    jobs = [(at, 4, "low", end) for at, end in [(0, 30), (1, 12), (1, 40), (2, 9), (3, 22), (3, 22), (9, 16)]]
    assert serve(LeastSlack(), jobs) == serve(Edf(), jobs)
    assert serve(LeastSlack(), jobs, drop=DropMode.INFEASIBLE) == serve(Edf(), jobs, drop=DropMode.INFEASIBLE)


def test_with_equal_work_and_classes_it_is_priority_edf():
    jobs = [(at, 4, ("high", "low")[i % 2], end) for i, (at, end) in enumerate([(0, 30), (1, 12), (1, 40), (2, 9)] * 2)]
    assert serve(LeastSlack(order="priority"), jobs) == serve(PriorityEdf(), jobs)


def test_classes_count_only_if_asked():
    jobs = [(0, 1, "low", 9), (0, 1, "low", 5), (0, 1, "high", 50)]
    assert serve(LeastSlack(), jobs)[0] == [1, 0, 2]
    assert serve(LeastSlack(order="priority"), jobs)[0] == [2, 1, 0]


def test_within_a_model_the_request_with_more_to_copy_goes_first():
    """Due 20 and 19, but the first copies for 3 more."""
    profile = make_profile({"m4": 4 * MS}, h2d=Link(0.0, 1e3), d2h=Link(0.0, 1e3))
    rows = [(0.0, "m4", "low", 20 * MS, 3), (0.0, "m4", "low", 19 * MS, 0)]
    result = simulate(
        make_workload(rows, profile=profile), profile, LeastSlack(), cluster=Cluster(max_concurrency=1), max_batch=1
    )
    assert result.requests.batch.tolist() == [0, 1]


def test_slack_counts_interference_where_it_is_believed():
    """A free slot beside a running batch of 20. Alone: slack 20 against 19; at half speed 10 against 18."""
    jobs = [(0, 20, "low", INF), (1, 10, "low", 31), (1, 1, "low", 21)]
    options = {"max_concurrency": 2, "device_model": "processor-sharing"}
    assert serve(LeastSlack(), jobs, **options)[0] == [0, 2, 1]
    assert serve(LeastSlack(predictor="constant(slowdown=2)"), jobs, **options)[0] == [0, 1, 2]


def test_slack_is_computed_anew_at_every_decision():
    """The wait for the slot swallows a copy-in: at 5 the copies of both have to be waited for, or not."""
    profile = make_profile({"m4": 4 * MS, "m5": 5 * MS}, h2d=Link(0.0, 1e3))
    rows = [(0.0, "m4", "low", INF, 0), (1 * MS, "m4", "low", 30 * MS, 3), (1 * MS, "m5", "low", 30.5 * MS, 0)]

    def order(prefetch):
        cluster = Cluster(max_concurrency=1, prefetch=prefetch, device_model="exclusive")
        workload = make_workload(rows, profile=profile)
        return simulate(workload, profile, LeastSlack(), cluster=cluster, max_batch=1).requests.batch.tolist()

    # Behind the running batch, until 4, the copy of 3 costs nothing: latest starts 30 - 4 and 30.5 - 5.
    assert order(prefetch=1) == [0, 2, 1]
    # At 4, with the slot free, it does: 30 - 4 - 3 against 30.5 - 5.
    assert order(prefetch=0) == [0, 1, 2]


def test_one_by_one_without_drops_slack_still_counts():
    assert serve(LeastSlack(max_batch=1, drop="never"), SLACK)[0] == [0, 1, 2]


def test_it_batches_and_drops_like_priority_edf():
    profile = make_profile({"m4": {1: 4 * MS, 4: 10 * MS}})
    jobs = [(0, 4, "low", end) for end in (6, 7, 3, 50)]
    expected = serve(Edf(), jobs, profile=profile, drop=DropMode.INFEASIBLE, max_batch=4)
    assert serve(LeastSlack(), jobs, profile=profile, drop=DropMode.INFEASIBLE, max_batch=4) == expected


# LAX ----------------------------------------------------------------------------------------------------------------

LATE_LOW = [(0, 10, "high", 99), (1, 10, "low", 35), (2, 10, "high", 99), (3, 10, "high", 99)]
"""Alone the low one takes 10: with twice that in reserve it is promoted at 15."""


def test_a_low_request_is_promoted_in_time():
    assert serve(PriorityEdf(), LATE_LOW) == ([0, 2, 3, 1], [M, L, M, M])
    assert serve(Lax(), LATE_LOW) == ([0, 2, 1, 3], [M, M, M, M])


def test_the_smallest_case_in_which_strict_priority_loses_what_could_be_met():
    jobs = [(0, 10, "high", 50), (0, 10, "low", 12)]
    assert serve(PriorityEdf(), jobs) == ([0, 1], [M, L])
    assert serve(Lax(), jobs) == ([1, 0], [M, M])


def test_until_then_it_stays_behind():
    """At 10 it is not promoted yet; with more in reserve it is."""
    assert serve(Lax(reserve=2.5), LATE_LOW)[0] == [0, 1, 2, 3]
    assert serve(Lax(reserve=2.4), LATE_LOW)[0] == [0, 2, 1, 3]
    assert serve(Lax(reserve=0), LATE_LOW)[0] == [0, 2, 3, 1]


def test_promotion_to_the_rank_of_high_priority_goes_by_deadline():
    jobs = [*LATE_LOW[:3], (3, 10, "high", 33)]
    assert serve(Lax(reserve=3), jobs)[0] == [0, 1, 3, 2]
    assert serve(Lax(reserve=3, critical="equal"), jobs)[0] == [0, 3, 1, 2]


def test_without_low_priority_or_without_deadlines_it_is_priority_edf():
    high = [(at, solo, "high", end) for at, solo, _, end in LATE_LOW]
    assert serve(Lax(), high) == serve(PriorityEdf(), high)
    endless = [(at, solo, priority, INF if priority == "low" else end) for at, solo, priority, end in LATE_LOW]
    assert serve(Lax(), endless) == serve(PriorityEdf(), endless)


@pytest.mark.parametrize("parameters", [{}, {"max_batch": 1, "drop": "never"}], ids=["estimates", "one by one"])
def test_of_several_promoted_the_earliest_deadline_goes_first(parameters):
    jobs = [(0, 20, "high", 99), (1, 4, "low", 24), (1, 4, "low", 23), (1, 5, "low", 90), (2, 4, "high", 99)]
    order, _ = serve(Lax(**parameters), jobs)
    assert order == [0, 2, 1, 4, 3]


def test_a_promotion_of_what_has_been_served_changes_nothing():
    """The low request is dispatched at 0, long before its promotion at 15."""
    jobs = [(0, 10, "low", 35), (12, 10, "high", 99), (13, 10, "low", 99), (20, 1, "high", 40)]
    assert serve(Lax(), jobs)[0] == serve(PriorityEdf(), jobs)[0] == [0, 1, 3, 2]


def test_a_promoted_request_leads_its_models_batch():
    profile = make_profile({"m4": {1: 4 * MS, 2: 6 * MS}, "m20": 20 * MS})
    jobs = [(0, 20, "high", 99), (1, 4, "low", 28), (2, 4, "high", 99), (2, 4, "high", 99)]
    order, status = serve(Lax(), jobs, profile=profile, max_batch=2)
    assert order == [0, 1, 2, 3]
    assert status == [M] * 4


def test_alone_s_is_copies_and_execution():
    profile = make_profile({"m4": 4 * MS}, h2d=Link(1 * MS, 1e3), d2h=Link(0.0, 500.0))
    request = Request(0, "m4", Priority.LOW, 0.0, 1.0, 2, 3)
    assert alone_s(profile.for_scheduler(), request) == pytest.approx(1 * MS + 2 * MS + 4 * MS + 6 * MS)


@pytest.mark.parametrize(
    ("policy", "parameters", "message"),
    [
        (LeastSlack, {"order": "deadline"}, "order must be one of slack, priority"),
        (LeastSlack, {"margin": 2}, "margin"),
        (Lax, {"critical": "top"}, "critical must be one of above, equal"),
        (Lax, {"reserve": -1}, "reserve"),
        (Lax, {"drop": "sometimes"}, "drop"),
    ],
)
def test_bad_parameters_are_named(policy, parameters, message):
    with pytest.raises(SpecError, match=message):
        policy(**parameters)


@pytest.mark.slow_cases("<lambda>0", "<lambda>1")
@pytest.mark.parametrize(
    "factory",
    [
        lambda: LeastSlack(order="priority", predictor="rls", margin=0.9),
        lambda: LeastSlack(max_batch=1, drop="never"),
        lambda: Lax(critical="equal", max_batch=1, drop="never"),
    ],
)
def test_they_conform(factory):
    check_policy(factory)
