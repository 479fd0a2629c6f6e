"""Stretches of a run, worked out by hand."""

import numpy as np
import pytest

from stratsim.stats.windows import around, busiest_s, merged_spans


def test_the_busiest_window_is_where_the_most_execution_begins():
    start = np.array([0.0, 0.9, 1.0, 1.5, 3.0])
    end = start + np.array([0.4, 0.1, 0.3, 0.3, 0.6])
    # Windows of 1 s from each start: 0.4 + 0.1, 0.1 + 0.3 + 0.3, 0.3 + 0.3, 0.3, 0.6.
    assert busiest_s(start, end, 1.0) == 0.9
    shuffled = [3, 0, 4, 2, 1]
    assert busiest_s(start[shuffled], end[shuffled], 1.0) == 0.9


def test_of_equally_busy_windows_the_first_is_taken_and_what_did_not_end_counts_for_nothing():
    assert busiest_s(np.array([0.0, 5.0]), np.array([1.0, 6.0]), 2.0) == 0.0
    assert busiest_s(np.array([0.0, 5.0]), np.array([np.nan, 6.0]), 2.0) == 5.0


@pytest.mark.parametrize(
    ("at", "count", "span"),
    [(5.2, 2, (5.0, 6.0)), (5.2, 4, (4.0, 7.0)), (-3.0, 2, (-3.0, 1.0)), (12.0, 3, (7.0, 12.0)), (5.0, 99, (0.0, 9.0))],
)
def test_a_moment_has_as_many_around_it_as_asked(at, count, span):
    assert around(np.arange(10.0), at, count) == span


def test_spans_are_joined():
    assert merged_spans([(3, 4), (0, 1), (0.5, 2), (2, 2.5), (3.1, 3.2)]) == [(0, 2.5), (3, 4)]
    assert merged_spans([]) == []
