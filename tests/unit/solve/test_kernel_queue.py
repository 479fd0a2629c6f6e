"""Streams whose kernels queue for one block scheduler: mean value analysis with Bard's approximation.

wait_i = sum over j != i of hold_j * (hold_j + wait_j) / (length_j + wait_j), rate_i = length_i / (length_i + wait_i).
"""

from math import sqrt

import pytest

from stratsim.solve import kernel_queue


def alike(n, hold, length=1.0):
    return kernel_queue([length] * n, [hold] * n)


@pytest.mark.parametrize("n", [1, 2, 3, 10])
def test_a_kernel_that_never_lets_others_in_is_processor_sharing(n):
    assert alike(n, 1.0) == pytest.approx([1 / n] * n, rel=1e-13)


def test_kernels_that_never_overlap_get_shares_by_their_length():
    # hold = length: every wait is the sum of the others' lengths
    assert kernel_queue([3.0, 1.0], [3.0, 1.0]) == pytest.approx([0.75, 0.25], rel=1e-13)
    assert kernel_queue([5.0, 2.0, 3.0], [5.0, 2.0, 3.0]) == pytest.approx([0.5, 0.2, 0.3], rel=1e-13)


def test_kernels_that_hold_nothing_do_not_meet():
    assert kernel_queue([1.0, 20.0, 3.0], [0.0, 0.0, 0.0]) == [1.0, 1.0, 1.0]


def test_two_alike():
    # w = .5 (.5 + w) / (1 + w): w^2 + w / 2 - 1 / 4 = 0, w = (sqrt(5) - 1) / 4
    wait = (sqrt(5) - 1) / 4
    assert alike(2, 0.5) == pytest.approx([1 / (1 + wait)] * 2, rel=1e-13)


def test_one_that_holds_nothing_waits_but_keeps_none_waiting():
    # alone a kernel of length 4 and hold 2 is in the queue for 2 / 4 of the time: the other waits .5 * 2 = 1
    assert kernel_queue([4.0, 1.0], [2.0, 0.0]) == pytest.approx([1.0, 0.5], rel=1e-13)


def test_the_sum_of_the_rates_of_many_tends_to_one_over_the_share_held():
    sums = [sum(alike(n, 0.6)) for n in (2, 8, 64, 512)]
    assert sums == sorted(sums)
    assert sums[-1] < 1 / 0.6
    assert sums[-1] == pytest.approx(1 / 0.6, rel=0.01)


def test_the_waits_solve_their_equations():
    length, hold = [112.0, 112.0, 23.0, 12.0, 20.0, 28.0], [76.0, 76.0, 15.0, 8.0, 14.0, 3.0]
    waits = [own / rate - own for own, rate in zip(length, kernel_queue(length, hold), strict=True)]
    ahead = [h * (h + w) / (own + w) for own, h, w in zip(length, hold, waits, strict=True)]
    assert waits == pytest.approx([sum(ahead) - one for one in ahead], rel=1e-12)


def test_only_ratios_matter():
    length, hold = [5.0, 2.0, 3.0], [4.0, 1.0, 2.0]
    scaled = kernel_queue([8 * x for x in length], [8 * x for x in hold])
    assert scaled == kernel_queue(length, hold)


def test_extreme_ratios_leave_every_rate_within_bounds():
    rates = kernel_queue([1e-9, 1.0, 1e9], [1e-9, 0.5, 1e9])
    assert all(0 < rate <= 1 for rate in rates)
    assert rates[2] == pytest.approx(1.0)


def test_nobody_and_one_alone():
    assert kernel_queue([], []) == []
    assert kernel_queue([7.0], [7.0]) == [1.0]


def test_lists_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="zip"):
        kernel_queue([1.0, 2.0], [1.0])


def test_half_a_hold_is_left_on_average_when_all_are_alike():
    # hold = length = 1: w = (w + 1/2) / (1 + w): w^2 = 1/2
    assert kernel_queue([1.0, 1.0], [1.0, 1.0], residual=0.5) == pytest.approx([1 / (1 + sqrt(0.5))] * 2, rel=1e-13)


def test_one_that_holds_nothing_waits_for_what_is_left():
    # the other is being placed for 2 / 4 of the time, and half of its hold of 2 is left then: wait 1 / 2
    assert kernel_queue([4.0, 1.0], [2.0, 0.0], residual=0.5) == pytest.approx([1.0, 1 / 1.5], rel=1e-13)


def test_a_gap_is_added_to_each_kernel_beside_others_alone_not():
    assert kernel_queue([4.0, 1.0], [0.0, 0.0], gap=0.5) == pytest.approx([4 / 4.5, 1 / 1.5], rel=1e-13)
    assert kernel_queue([4.0], [0.0], gap=0.5) == [1.0]


def test_a_gap_leaves_the_scheduler_free():
    # with a gap of 2 the other's cycle is 4 + 2: it is being placed for 2 / 6 of the time
    assert kernel_queue([4.0, 1.0], [2.0, 0.0], gap=2.0)[1] == pytest.approx(1 / (1 + 2 + 2 / 3), rel=1e-13)


def test_the_waits_solve_their_equations_with_residual_and_gap():
    length, hold, residual, gap = [112.0, 23.0, 12.0, 28.0], [100.0, 15.0, 8.0, 3.0], 0.6, 0.7
    rates = kernel_queue(length, hold, residual, gap)
    cycles = [one / rate for one, rate in zip(length, rates, strict=True)]
    waits = [cycle - one - gap for cycle, one in zip(cycles, length, strict=True)]
    ahead = [h * (w + residual * h) / cycle for h, w, cycle in zip(hold, waits, cycles, strict=True)]
    assert waits == pytest.approx([sum(ahead) - one for one in ahead], rel=1e-12)
