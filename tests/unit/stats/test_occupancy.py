from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratsim.stats.occupancy import assign_lanes, busy_s, clip, hold_at_most, peak_concurrency, total_s

NAN = float("nan")


def arrays(*pairs):
    table = np.array(pairs, dtype=float).reshape(-1, 2)
    return table[:, 0], table[:, 1]


@pytest.mark.parametrize(
    ("pairs", "busy", "total", "peak"),
    [
        ([], 0, 0, 0),
        ([(0, 2), (5, 6)], 3, 3, 1),
        ([(0, 2), (2, 4)], 4, 4, 1),  # half-open: touching intervals do not overlap
        ([(0, 10), (1, 2), (3, 4)], 10, 12, 2),  # the second lies inside, the third after the second's end
        ([(3, 5), (0, 4), (4, 7)], 7, 9, 2),  # unsorted
        ([(1, 4), (1, 4), (1, 4)], 3, 9, 3),
        ([(1, 1), (2, 3)], 1, 1, 1),  # an empty interval is nothing
        ([(1, NAN), (NAN, NAN), (2, 3)], 1, 1, 1),  # neither is one that did not happen
    ],
)
def test_known_answers(pairs, busy, total, peak):
    start, end = arrays(*pairs)
    assert busy_s(start, end) == busy
    assert total_s(start, end) == total
    assert peak_concurrency(start, end) == peak
    assert [hold_at_most(start, end, most) for most in range(1, 5)] == [peak <= most for most in range(1, 5)]


def test_clip_cuts_at_the_window_and_leaves_out_the_rest():
    start, end = clip(*arrays((0, 2), (1, 9), (4, 5), (6, 7), (7, 8), (3, NAN)), 1.5, 7.0)
    assert list(zip(start, end, strict=True)) == [(1.5, 2), (1.5, 7), (4, 5), (6, 7)]


def test_nothing_is_changed_in_place():
    start, end = arrays((0, 4), (1, 2), (3, 6))
    before = start.copy(), end.copy()
    busy_s(start, end)
    peak_concurrency(start, end)
    assert np.array_equal(start, before[0])
    assert np.array_equal(end, before[1])


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 10)), max_size=20))
def test_agrees_with_counting_instant_by_instant(spans):
    start, end = arrays(*((begin, begin + length) for begin, length in spans))
    covered = [int(((start <= t) & (t < end)).sum()) for t in range(41)]
    assert busy_s(start, end) == sum(count > 0 for count in covered)
    assert total_s(start, end) == sum(covered)
    assert peak_concurrency(start, end) == max(covered)
    assert all(hold_at_most(start, end, most) == (max(covered) <= most) for most in range(1, 22))


@pytest.mark.parametrize("window", [1, 3, 10])
@given(spans=st.lists(st.tuples(st.integers(0, 20), st.integers(1, 6)), max_size=20))
def test_a_long_runs_are_counted_a_window_at_a_time(window, spans):
    start = np.array([begin for begin, _ in spans], dtype=float)
    end = start + [length for _, length in spans]
    most = max(peak_concurrency(start, end), 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("stratsim.stats.occupancy._WINDOW", window)
        assert hold_at_most(start, end, most)
        assert not spans or most == 1 or not hold_at_most(start, end, most - 1)


def test_lanes_known_answer():
    # 0-10 | 1-3 | 2-5, then 3-4 takes the lane that became free at 3
    lanes = assign_lanes(np.array([0.0, 1, 2, 3]), np.array([10.0, 3, 5, 4]))
    assert lanes == [0, 1, 2, 1]


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 10)), max_size=25))
def test_lanes_never_overlap_and_are_as_few_as_possible(spans):
    start = np.array([begin for begin, _ in spans], dtype=float)
    end = start + [length for _, length in spans]
    lanes = np.array(assign_lanes(start, end))
    for lane in set(lanes.tolist()):
        rows = np.flatnonzero(lanes == lane)
        ordered = rows[np.argsort(start[rows])]
        assert all(end[a] <= start[b] for a, b in pairwise(ordered))
    most = max((int(((start <= t) & (t < end)).sum()) for t in range(41)), default=0)
    assert len(set(lanes.tolist())) == most
