"""The plan: schedules worked out by hand, and Moore and Hodgson's optimum by trying all orders. Times in ms."""

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratsim.policy.fewest_late.plan import Job, late_weight, plan, walk


def job(left, due, weight=1.0, tail=0.0):
    return Job(("m", 1), left, tail, [(due, weight)])


def judged(*jobs, now=0.0):
    for each in jobs:
        each.judge(now)
    return list(jobs)


def alone(active):
    return (1.0,) * len(active)


def half(active):
    return (0.5,) * len(active)


class TestWalk:
    def test_one_after_the_other_in_one_slot(self):
        jobs = [job(10, 99), job(5, 99), job(1, 99)]
        walk(jobs, 1, 100.0, alone)
        assert [each.end_s for each in jobs] == [110, 115, 116]

    def test_two_at_half_speed_take_twice_as_long(self):
        """Both at 0.5: the 4 end at 8, when the 10 have 6 left; those run beside the 3, which end at 14 as 6 do at 17.

        From 14 on 3 of the 6 are left and run alone.
        """
        jobs = [job(10, 99), job(4, 99), job(3, 99)]
        walk(jobs, 2, 0.0, half)
        assert [each.end_s for each in jobs] == [17, 8, 14]

    def test_what_drains_takes_no_slot_but_slows(self):
        """2 of drained work beside 10, both at 0.5: until 4 the 10 get 2, the 8 left end at 12."""
        jobs = [job(10, 99)]
        walk(jobs, 1, 0.0, half, [(("old", 1), 2.0)])
        assert jobs[0].end_s == 12

    def test_beyond_twenty_steps_it_goes_by_throughput(self):
        jobs = [job(1, 99) for _ in range(30)]
        walk(jobs, 1, 0.0, alone)
        assert [each.end_s for each in jobs[:20]] == list(range(1, 21))
        assert jobs[-1].end_s == pytest.approx(20 + 10 / 1.3)


class TestJudge:
    def test_what_is_late_even_alone_has_no_value(self):
        """10 and 1 for the way back: 10.9 is lost, 11 is not; the earliest that can be saved is what it is due at."""
        mixed = Job(("m", 3), 10.0, 1.0, [(10.9, 8.0), (30.0, 1.0), (11.0, 8.0)])
        mixed.judge(0.0)
        assert (mixed.value, mixed.due_s) == (9.0, 11.0)


class TestPlan:
    def test_the_textbook_example(self):
        """Moore 1968 by Pinedo, example 3.3.3: p = 7 8 4 6 6, d = 9 17 18 19 21: 2 of 5 late, 3-4-5 and 2 or 1 not.

        7 at 7; 15 at 15; 19 > 18: the 8 go. 7 + 4 = 11, 17; 23 > 21: the 7 go. Kept: 4, 6, 6 at 4, 10, 16.
        """
        jobs = judged(*(job(p, d) for p, d in zip((7, 8, 4, 6, 6), (9, 17, 18, 19, 21), strict=True)))
        order = plan(jobs, 1, 0.0, alone)
        assert [each.left_s for each in order[:3]] == [4, 6, 6]
        assert late_weight(jobs) == 2

    def test_weight_decides_who_is_put_off(self):
        """10 and 10 due at 10 and 12: one is late, and it is the light one, though that is due first."""
        light, heavy = judged(job(10, 10), job(10, 12, weight=8))
        assert plan([light, heavy], 1, 0.0, alone) == [heavy, light]
        assert late_weight([light, heavy]) == 1

    def test_what_runs_goes_on_first(self):
        running, urgent = judged(job(5, 99), job(5, 9, weight=8))
        assert plan([urgent], 1, 0.0, alone, [running]) == [running, urgent]
        assert late_weight([running, urgent]) == 8

    def test_two_slots_at_half_speed_are_no_better_than_one(self):
        """10 due at 10, 10 due at 20: one at a time both are in time; beside each other both end at 20."""
        jobs = judged(job(10, 10), job(10, 20))
        plan(jobs, 1, 0.0, half)
        assert late_weight(jobs) == 0
        plan(jobs, 2, 0.0, half)
        assert late_weight(jobs) == 1

    @pytest.mark.slow
    @settings(max_examples=200)
    @given(st.lists(st.tuples(st.integers(1, 20), st.integers(1, 60)), min_size=1, max_size=7))
    def test_with_equal_weights_and_one_slot_nothing_is_better(self, rows):
        """The largest set that is in time by due date is what no order beats (Moore 1968)."""
        jobs = judged(*(job(left, due) for left, due in rows))
        plan(jobs, 1, 0.0, alone)
        assert len(rows) - late_weight(jobs) == most_in_time(rows)


def most_in_time(rows):
    rows = sorted(rows, key=lambda row: row[1])
    for size in range(len(rows), 0, -1):
        for chosen in combinations(rows, size):
            done, fits = 0, True
            for left, due in chosen:
                done += left
                fits = fits and done <= due
            if fits:
                return size
    return 0
