"""Windows on spans, by hand."""

import pytest

from stratsim_profiler.device.base import Span
from stratsim_profiler.device.timeline import busy_share, common_window, inside, thin

FAST = [Span(0.0 + i, 1.0 + i) for i in range(10)]  # 0-1, 1-2, ..., 9-10
SLOW = [Span(0.5 + 3 * i, 3.5 + 3 * i) for i in range(3)]  # 0.5-3.5, 3.5-6.5, 6.5-9.5


def test_the_window_is_where_all_ran_after_settling():
    assert common_window([FAST, SLOW], settle_s=1.0) == (1.5, 9.5)


def test_a_lane_that_ended_early_ends_the_window():
    assert common_window([FAST[:4], SLOW], settle_s=0.0) == (0.5, 4.0)


@pytest.mark.parametrize("lanes", [[FAST, []], [[], []]])
def test_without_spans_there_is_no_window(lanes):
    assert common_window(lanes, 0.0) == (0.0, 0.0)


def test_a_window_never_ends_before_it_starts():
    assert common_window([FAST[:1], SLOW], settle_s=5.0) == (5.5, 5.5)


def test_only_whole_iterations_count():
    window = (1.5, 9.5)
    assert [span.start_s for span in inside(FAST, window)] == [2, 3, 4, 5, 6, 7, 8]
    assert [span.start_s for span in inside(SLOW, window)] == [3.5, 6.5]


def test_busy_share_counts_parts_of_iterations():
    assert busy_share(FAST, (1.5, 9.5)) == pytest.approx(1.0)
    gaps = [Span(0.0, 1.0), Span(2.0, 3.0), Span(4.0, 5.0)]
    assert busy_share(gaps, (0.5, 4.5)) == pytest.approx(2.0 / 4.0)
    assert busy_share(gaps, (10.0, 11.0)) == 0.0


@pytest.mark.parametrize("window", [(1.0, 1.0), (0.0, 0.0)])
def test_an_empty_window_is_not_busy(window):
    assert busy_share(FAST, window) == 0.0


def test_thinning_is_even_and_keeps_order():
    assert thin([float(i) for i in range(10)], 5) == (0.0, 2.0, 4.0, 6.0, 8.0)
    assert thin([3.0, 1.0], 5) == (3.0, 1.0)
    assert thin([], 5) == ()
    assert thin([0.123456789012], 5) == (0.12345679,)


def test_a_span_knows_its_length():
    assert Span(1.5, 4.0).seconds == 2.5
