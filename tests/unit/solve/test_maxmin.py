"""Max-min fair rates by progressive filling."""

from math import inf

import pytest

from stratsim.solve import max_min


def test_two_switches_below_one_root():
    """Links: own 16 each (0, 1, 2), switch A 20 (3), switch B 20 (4), root 32 (5); g0 and g1 on A, g2 on B.

    A is full at 10 each. The root then has 12 left, less than g2's own 16 and B's 20.
    """
    paths = [(0, 3, 5), (1, 3, 5), (2, 4, 5)]
    assert max_min(paths, [16, 16, 16, 20, 20, 32]) == [10, 10, 12]


@pytest.mark.parametrize(
    ("paths", "capacity", "rates"),
    [
        ([(0,), (0,)], [25.0], [12.5, 12.5]),
        ([(0,)], [25.0], [25.0]),
        # The narrow flow is fixed at 2, the other takes the rest of the shared link.
        ([(0, 1), (0,)], [10.0, 2.0], [2.0, 8.0]),
        # A line of two links of 1: the long flow crosses both and gets 1/2, as does each short one.
        ([(0, 1), (0,), (1,)], [1.0, 1.0], [0.5, 0.5, 0.5]),
        # The same with a second link of 2: long 1/2, short 1/2 and 3/2.
        ([(0, 1), (0,), (1,)], [1.0, 2.0], [0.5, 0.5, 1.5]),
        # Two GPUs behind an uplink that is wide enough: the own links bind.
        ([(0, 1), (0, 2)], [40.0, 16.0, 16.0], [16.0, 16.0]),
        ([], [1.0], []),
        # No link, no limit; an infinite link is none either.
        ([()], [], [inf]),
        ([(0,)], [inf], [inf]),
        ([(0, 1), (0, 2)], [10.0, inf, inf], [5.0, 5.0]),
    ],
)
def test_known_answers(paths, capacity, rates):
    assert max_min(paths, capacity) == rates


def test_the_order_of_flows_moves_no_rate():
    paths, capacity = [(0, 3), (1, 3), (2, 3, 4), (4,)], [3.0, 9.0, 4.0, 12.0, 5.0]
    assert max_min(paths[::-1], capacity)[::-1] == max_min(paths, capacity)


def test_the_arguments_stay_as_they_are():
    paths, capacity = [[0, 1], [0]], [10.0, 2.0]
    max_min(paths, capacity)
    assert (paths, capacity) == ([[0, 1], [0]], [10.0, 2.0])


@pytest.mark.parametrize(
    ("paths", "capacity", "weights", "rates"),
    [
        # Two directions, 24 and 11 to one, below what each could have alone.
        ([(0, 2), (1, 2)], [25.0, 25.0, 35.0], [11.0, 24.0], [11.0, 24.0]),
        # Only ratios count.
        ([(0,), (0,)], [30.0], [2.0, 4.0], [10.0, 20.0]),
        # The heavy one is held at 5 elsewhere; the light one takes the rest.
        ([(0,), (0, 1)], [30.0, 5.0], [1.0, 9.0], [25.0, 5.0]),
        # Weight 0 takes what is left: 35 - 24.
        ([(0, 2), (1, 2)], [25.0, 24.0, 35.0], [0.0, 1.0], [11.0, 24.0]),
        # ... among themselves evenly, and without limit where there is no link.
        ([(0,), (0,), (0, 1), ()], [30.0, 10.0], [0.0, 0.0, 1.0, 0.0], [10.0, 10.0, 10.0, inf]),
        ([(0,), (0,)], [30.0], [0.0, 1.0], [0.0, 30.0]),
        ([(0,), (0,)], [inf], [0.0, 1.0], [inf, inf]),
    ],
)
def test_known_answers_with_weights(paths, capacity, weights, rates):
    assert max_min(paths, capacity, weights) == pytest.approx(rates)


def test_links_that_fill_up_together_are_independent():
    """Three pairs on links of their own: all at half of their link, in one round or three."""
    assert max_min([(0,), (0,), (1,), (1,), (2,), (2,)], [4.0, 4.0, 6.0]) == [2, 2, 2, 2, 3, 3]
