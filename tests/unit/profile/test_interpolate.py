import math

import pytest

from stratsim.model.interpolate import METHODS, dense, interpolate, leave_one_out

TABLE = {1: 2.0, 4: 8.0, 16: 8.0}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", TABLE)
def test_measured_sizes_are_kept(method, size):
    assert interpolate(TABLE, size, method) == TABLE[size]


def test_linear_by_hand():
    assert interpolate(TABLE, 2, "linear") == pytest.approx(4.0)
    assert interpolate(TABLE, 10, "linear") == pytest.approx(8.0)


def test_log_log_is_exact_for_a_power_law():
    law = {b: 3.0 * b**0.7 for b in (1, 8, 64)}
    for size in (2, 5, 32):
        assert interpolate(law, size, "log-log") == pytest.approx(3.0 * size**0.7)


@pytest.mark.parametrize("size", [0, 17])
def test_nothing_is_extrapolated(size):
    with pytest.raises(ValueError, match="lies outside the measured 1 to 16"):
        interpolate(TABLE, size, "linear")


def test_dense_repeats_the_ends():
    values = dense({2: 4.0, 4: 8.0}, "linear", 7)
    assert values == pytest.approx((4.0, 4.0, 4.0, 6.0, 8.0, 8.0, 8.0))
    assert len(dense(TABLE, "linear")) == 17


def test_leave_one_out_by_hand():
    assert leave_one_out(TABLE, "linear") == {4: pytest.approx((2 + 6 * 3 / 15) / 8 - 1)}
    assert leave_one_out({b: 2.0 * b for b in (1, 2, 4, 8)}, "linear") == {2: pytest.approx(0), 4: pytest.approx(0)}
    assert leave_one_out({1: 1.0, 2: 1.5}, "linear") == {}


def test_both_methods_stay_between_the_neighbours():
    for method in METHODS:
        for size in range(1, 17):
            assert min(TABLE.values()) <= interpolate(TABLE, size, method) <= max(TABLE.values()) + math.ulp(8.0)
