import numpy as np
import pytest

from stratsim.errors import SpecError
from stratsim.stats.deadlines import measuring_window, ratio, violation, violation_completed

INF = float("inf")


def test_drops_count_as_violations():
    # 10 arrived: 6 met, 1 late, 3 dropped
    assert violation(met=6, arrived=10) == pytest.approx(0.4)
    assert violation_completed(met=6, late=1) == pytest.approx(1 / 7)


def test_all_met_is_exactly_zero_and_none_met_exactly_one():
    assert violation(7, 7) == 0.0
    assert violation(0, 7) == 1.0


def test_nothing_to_judge_is_none():
    assert violation(0, 0) is None
    assert violation_completed(0, 0) is None
    assert ratio(3, 0.0) is None


def test_window_cuts_the_warm_up_and_the_longest_slo():
    arrival = np.array([2.0, 3.0, 5.0, 12.0])
    deadline = arrival + np.array([0.5, INF, 1.5, 1.0])
    assert measuring_window(arrival, deadline, 2.0) == (4.0, 10.5)


def test_window_without_deadlines_ends_at_the_last_arrival():
    arrival = np.array([2.0, 12.0])
    assert measuring_window(arrival, np.full(2, INF), 0.0) == (2.0, 12.0)


@pytest.mark.parametrize("warmup", [-1.0, INF, float("nan")])
def test_a_warm_up_is_a_length_of_time(warmup):
    with pytest.raises(SpecError, match=f"warmup must be >= 0 seconds and finite, got {warmup}"):
        measuring_window(np.array([0.0]), np.array([1.0]), warmup)


def test_a_warm_up_that_leaves_nothing_is_an_error():
    arrival = np.array([0.0, 10.0])
    with pytest.raises(SpecError, match=r"warmup 9\.5 s leaves nothing to measure: .* 10 s .* largest SLO is 1 s"):
        measuring_window(arrival, arrival + 1.0, 9.5)
    with pytest.raises(SpecError, match="no request"):
        measuring_window(np.array([]), np.array([]), 0.0)
