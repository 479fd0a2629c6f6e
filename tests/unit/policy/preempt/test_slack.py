"""Preemption by slack: low priority stays as long as high priority can bear it. Worked out by hand; times in ms."""

import pytest

from stratsim.errors import SpecError
from stratsim.model.request import Status
from stratsim.policy.preempt import PreemptIdeal, PreemptSlack
from stratsim.policy.queueing import PriorityEdf
from stratsim.validate.suites.decisions import serve

IDEAL = {"mechanism": "ideal", "drop": "never", "max_batch": 1}
SHARED = {"device_model": "processor-sharing", "max_concurrency": 2}


def finishes(high_due, stretch=2.0):
    """A low one of 10 from 0; a high one of 4 comes at 2. Beside each other both run at half their speed."""
    jobs = [(0, 10, "low", 90), (2, 4, "high", high_due)]
    return serve(PreemptSlack(stretch=stretch, **IDEAL), jobs, **SHARED).finish


def test_with_time_enough_low_priority_stays():
    """High has 8 for its 4 and needs 8 beside low: it ends at 10, and low, which had 4 left then, at 14."""
    assert finishes(high_due=10) == pytest.approx([14, 10])


def test_low_priority_is_stopped_at_the_last_moment():
    """Due at 8. At 6 high has done 2 of 4, and alone it ends at 8. Low did 2 and then 2, and 6 are left from 8."""
    assert finishes(high_due=8) == pytest.approx([14, 8])


def test_without_slack_it_is_stopped_at_once():
    assert finishes(high_due=6) == pytest.approx([14, 6])


def test_what_has_taken_all_that_it_is_allowed_runs_alone():
    """Allowed 1.5 x 4: until 8, when 3 are done. The last one alone: 9."""
    assert finishes(high_due=60, stretch=1.5) == pytest.approx([14, 9])


def test_a_batch_that_is_late_even_alone_stops_nobody():
    """Due at 5, and 6 is the earliest."""
    assert finishes(high_due=5) == pytest.approx([14, 10])


@pytest.mark.parametrize(("due", "finish"), [(14, [10, 14]), (13, [14, 6])])
def test_on_one_slot_high_priority_waits_where_it_can(due, finish):
    """Low ends at 10: due at 14 high waits for it, due at 13 it takes the slot at 2."""
    jobs = [(0, 10, "low", 90), (2, 4, "high", due)]
    assert serve(PreemptSlack(**IDEAL), jobs, prefetch=1).finish == pytest.approx(finish)


def test_only_as_many_are_stopped_as_slots_are_wanted():
    """Two low ones of 8 from 0. High of 2, due at 7, comes at 2 and could not wait for 8: the one due last stops.

    From 2 to 6 high and the first low share, 2 each; the first has 5 left at 6, the other 7.
    """
    jobs = [(0, 8, "low", 80), (0, 8, "low", 90), (2, 2, "high", 7)]
    found = serve(PreemptSlack(stretch=2.0, **IDEAL), jobs, **SHARED, prefetch=1)
    assert found.finish == pytest.approx([16, 18, 6])


def test_low_priority_does_not_start_where_it_would_be_stopped_again():
    """High of 4 from 0, due at 6, can bear low until 4: one of 3 that comes at 0.5 starts, and one of 9 does not."""
    assert serve(PreemptSlack(stretch=2.0, **IDEAL), [(0, 4, "high", 6), (0.5, 3, "low", 90)], **SHARED).finish[0] > 4
    alone = serve(PreemptSlack(stretch=2.0, **IDEAL), [(0, 4, "high", 6), (0.5, 9, "low", 90)], **SHARED)
    assert alone.finish == pytest.approx([4, 13])


def test_it_meets_what_no_preemption_misses_and_spares_what_preemption_stops():
    jobs = [(0, 10, "low", 11), (2, 4, "high", 15)]
    assert serve(PreemptSlack(**IDEAL), jobs, prefetch=1).status == [Status.MET, Status.MET]
    assert serve(PreemptIdeal(max_batch=1), jobs, prefetch=1).status[0] is not Status.MET
    urgent = [(0, 10, "low", 30), (2, 4, "high", 8)]
    assert serve(PreemptSlack(**IDEAL), urgent, prefetch=1).status == [Status.MET, Status.MET]
    assert serve(PriorityEdf(max_batch=1), urgent, prefetch=1).status[1] is not Status.MET


def test_with_one_class_it_is_priority_edf():
    jobs = [(0, 4, "high", 20), (1, 3, "high", 9), (2, 2, "high", 30), (2, 5, "high", 40)]
    for setting in ({}, {"device_model": "processor-sharing", "max_concurrency": 2, "prefetch": 1}):
        own, other = (
            serve(policy, jobs, **setting)
            for policy in (PreemptSlack(mechanism="ideal", max_batch=1), PriorityEdf(max_batch=1))
        )
        assert own.finish == pytest.approx(other.finish, nan_ok=True)


def test_parameters_are_checked():
    with pytest.raises(SpecError, match="stretch"):
        PreemptSlack(stretch=0.5)
    with pytest.raises(SpecError, match="mechanism must be one of gated, kernel, reset, context, ideal"):
        PreemptSlack(mechanism="magic")
