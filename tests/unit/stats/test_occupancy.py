import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratsim.stats.occupancy import busy_s, clip, peak_concurrency, total_s

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
