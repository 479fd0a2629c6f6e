import numpy as np
import pytest

from stratsim.errors import SpecError
from stratsim.stats.intervals import mean_interval, median_interval, paired_interval


def test_mean_interval_known_answer():
    # 1, 2, 3: mean 2, s = 1, t(0.975, 2) = 4.302653 (any t table), half width t / sqrt(3)
    interval = mean_interval([1, 2, 3])
    assert interval.mean == 2
    assert interval.half_width == pytest.approx(4.302653 / 3**0.5, rel=1e-6)
    assert interval.low == pytest.approx(2 - interval.half_width)
    assert (interval.n, interval.level) == (3, 0.95)
    assert 2.0 in interval
    assert 5.0 not in interval
    assert "2" not in interval


def test_a_higher_level_is_wider():
    assert mean_interval([1, 2, 4], 0.99).half_width > mean_interval([1, 2, 4], 0.9).half_width


def test_equal_replications_have_no_width():
    assert mean_interval([3.0] * 4).half_width == 0


def test_covers_the_true_mean_as_often_as_it_says():
    rng = np.random.default_rng(20240501)
    hits = sum(0.0 in mean_interval(rng.normal(size=5), 0.9) for _ in range(2000))
    # binomial(2000, 0.9): standard deviation 13.4
    assert abs(hits - 1800) < 4 * 13.4


def test_pairing_removes_what_both_share():
    shared = np.array([0.0, 50.0, -20.0, 7.0])
    interval = paired_interval(shared + np.array([1.0, 1.1, 0.9, 1.0]), shared)
    assert interval.mean == pytest.approx(1.0)
    assert interval.half_width < 0.2
    assert paired_interval([1, 2, 3], [0, 0, 0]) == mean_interval([1, 2, 3])


@pytest.mark.parametrize(
    ("values", "level", "message"),
    [
        ([1.0], 0.95, "at least 2 replications, got 1"),
        ([1.0, float("nan")], 0.95, "finite values, got nan"),
        ([1.0, 2.0], 1.0, r"level must be within \(0, 1\), got 1.0"),
    ],
)
def test_refuses_what_has_no_interval(values, level, message):
    with pytest.raises(SpecError, match=message):
        mean_interval(values, level)


def test_pairs_must_match():
    with pytest.raises(SpecError, match="as many as their reference, got 2 and 3"):
        paired_interval([1, 2], [1, 2, 3])


def test_median_by_order_statistics():
    """Of 1 to 100: half of 100 is 50, 1.96 standard deviations of the count are 9.8: the ranks 40 and 60, from 0."""
    assert median_interval(range(100, 0, -1)) == (50.5, 41.0, 61.0)


def test_a_median_of_one_is_itself():
    assert median_interval([3.0]) == (3.0, 3.0, 3.0)


def test_no_median_of_nothing():
    with pytest.raises(SpecError, match="at least 1 value"):
        median_interval([])
