"""Time slices, against what can be said without solving."""

import numpy as np
import pytest

from stratsim.solve import time_slices


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_processes_that_never_pause_share_alike(count):
    assert time_slices([1.0] * count, [5.0] * count) == pytest.approx([1 / count] * count)


def test_bursts_of_at_least_a_slice_make_no_difference_without_pauses():
    assert time_slices([1.0, 1.0], [1.0, 40.0]) == pytest.approx([0.5, 0.5])


def test_a_process_of_short_bursts_waits_for_a_slice_before_each():
    """It works for 0.1 slices in 1: beside one that never pauses a turn takes 1 more. That one loses its 0.1 per slice.

    p of the first is 1 - 0.5 * 0.9 = 0.55: the other waits 0.055 per slice of its own.
    """
    assert time_slices([0.1, 1.0], [0.1, 1.0]) == pytest.approx([1 / 2, 1 / 1.055])


def test_the_less_a_process_works_at_a_time_the_more_it_is_slowed():
    rates = [time_slices([1.0, busy], [10.0, 10.0 * busy])[1] for busy in (1.0, 0.1, 0.01)]
    slowdowns = [time_slices([0.5, 1.0], [burst, 10.0])[0] for burst in (2.0, 0.5, 0.05)]
    assert slowdowns == sorted(slowdowns, reverse=True)
    assert slowdowns[-1] < 0.1
    assert all(rate > 0.49 for rate in rates)


def test_two_that_hardly_work_do_not_notice_each_other():
    assert time_slices([0.01, 0.01], [0.01, 0.01]) == pytest.approx([1.0, 1.0], abs=1e-3)


def test_two_alike_by_hand():
    """u = 1/2, bursts of one slice: r = 2 / (2 + p), p = 1 - r / 2, so r^2 - 6 r + 4 = 0: r = 3 - sqrt(5)."""
    assert time_slices([0.5, 0.5], [1.0, 1.0]) == pytest.approx([3 - np.sqrt(5)] * 2)


def test_rates_are_rates_in_any_order():
    rng = np.random.default_rng(0)
    for _ in range(200):
        count = rng.integers(1, 7)
        busy, burst = rng.uniform(0.01, 1.0, count).tolist(), np.exp(rng.uniform(-4, 4, count)).tolist()
        rates = time_slices(busy, burst)
        assert all(0 < rate <= 1 for rate in rates)
        assert time_slices(busy[::-1], burst[::-1]) == pytest.approx(rates[::-1], rel=1e-6)
