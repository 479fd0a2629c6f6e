import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratsim.errors import SpecError
from stratsim.stats.comparison import (
    compare_paired,
    holm,
    low_price,
    low_price_interval,
    paired_p_value,
    ratio_interval,
    variance_ratio,
)
from stratsim.stats.intervals import mean_interval, paired_interval

VALUES, REFERENCE = np.array([5.0, 7.0, 6.5, 8.0]), np.array([4.0, 6.5, 6.0, 7.0])


# Holm


def test_holm_by_hand():
    # sorted .005 .01 .03 .04, times 4 3 2 1: .02 .03 .06 .04, and the last is raised to .06
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.5]) == [1.0, 1.0]
    assert holm([0.04]) == [0.04]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_lies_between_unadjusted_and_bonferroni(p_values):
    for p, adjusted in zip(p_values, holm(p_values), strict=True):
        assert p <= adjusted <= min(1.0, p * len(p_values)) + 1e-15


def test_holm_refuses_what_is_no_probability():
    with pytest.raises(SpecError, match=r"within \[0, 1\]"):
        holm([0.5, float("nan")])


def test_paired_t_test_known_answer():
    # differences 1, .5, .5, 1: mean .75, s = sqrt(1/12), t = .75 / (s / 2) = 3 sqrt(3); with 3 degrees of freedom
    # P(|T| > t) = 1 - (2 / pi) (a + sin a cos a), tan a = t / sqrt(3) = 3
    angle = math.atan(3)
    expected = 1 - 2 / math.pi * (angle + math.sin(angle) * math.cos(angle))
    assert paired_p_value(VALUES, REFERENCE) == pytest.approx(expected, rel=1e-12)


def test_differences_that_do_not_vary():
    assert paired_p_value([2, 3, 4], [1, 2, 3]) == 0.0
    assert paired_p_value([2, 3, 4], [2, 3, 4]) == 1.0


def test_a_family_is_wider_together_than_alone():
    found = compare_paired({"a": (VALUES, REFERENCE), "b": (REFERENCE, VALUES), "c": (VALUES, VALUES)}, 0.9)
    assert found["a"].interval == paired_interval(VALUES, REFERENCE, 0.9)
    assert found["a"].simultaneous == paired_interval(VALUES, REFERENCE, 1 - 0.1 / 3)
    assert [found[name].p_holm for name in "abc"] == pytest.approx(holm([found[name].p_value for name in "abc"]))
    assert found["c"].p_holm == 1.0
    assert compare_paired({}) == {}


def test_an_interval_without_zero_is_rejected_by_holm_too():
    rng = np.random.default_rng(7)
    seen = 0
    for _ in range(200):
        family = {str(i): (rng.normal(0.4 * i, 1, 8), rng.normal(0, 1, 8)) for i in range(5)}
        for one in compare_paired(family).values():
            if 0 not in one.simultaneous:
                assert one.p_holm <= 0.05
                seen += 1
    assert seen > 50


# Pairing


def test_variance_ratio_known_answers():
    assert variance_ratio([1, 2, 3], [1, 2, 3]) == 0.0
    assert variance_ratio([1, 2, 3], [3, 2, 1]) == pytest.approx(2.0)  # pairing harms
    assert variance_ratio([1, 2, 3], [5, 5, 5]) == pytest.approx(1.0)
    assert variance_ratio([2, 2], [5, 5]) is None


# Price


@pytest.mark.parametrize(
    ("high", "low", "price"),
    [
        (0.01, 0.14, 2.0),  # 2 points saved for 4
        (0.01, 0.10, 0.0),
        (0.01, 0.08, -1.0),  # both gain
        (0.03, 0.05, None),  # nothing saved
        (0.05, 0.05, None),
    ],
)
def test_price_against_three_and_ten_percent(high, low, price):
    assert low_price(high, low, 0.03, 0.10) == (None if price is None else pytest.approx(price))


def test_price_over_seeds_is_a_ratio_of_means():
    high, low = [0.01, 0.02, 0.01], [0.12, 0.14, 0.13]
    found = low_price_interval(high, low, [0.03, 0.03, 0.03], [0.10, 0.10, 0.11])
    assert found is not None
    assert found.mean == pytest.approx((0.02 + 0.04 + 0.02) / (0.02 + 0.01 + 0.02))
    assert found.low < found.mean < found.high
    assert low_price_interval([0.03] * 3, low, [0.03] * 3, [0.1] * 3) is None


def test_fieller_inverts_the_paired_t_test():
    x, y = np.array([1.0, 2.5, 1.7, 2.2, 1.1]), np.array([2.0, 3.1, 2.9, 2.5, 1.9])
    found = ratio_interval(x, y, 0.9)
    for end in (found.low, found.high):
        assert paired_p_value(x, end * y) == pytest.approx(0.1, rel=1e-9)


def test_a_certain_denominator_gives_the_mean_s_interval():
    found, plain = ratio_interval([1.0, 2.0, 4.0], [2.0, 2.0, 2.0]), mean_interval([0.5, 1.0, 2.0])
    assert found == pytest.approx(plain)


def test_a_saving_that_may_be_none_has_no_known_price():
    found = ratio_interval([1.0, 2.0, 3.0], [1.0, -1.0, 0.5])
    assert (found.low, found.high) == (-math.inf, math.inf)
    with pytest.raises(SpecError, match="mean is not 0"):
        ratio_interval([1.0, 2.0], [1.0, -1.0])


def test_fieller_covers_as_often_as_it_says():
    rng = np.random.default_rng(20240607)
    hits = 0
    for _ in range(2000):
        shared = rng.normal(0, 0.3, 8)
        hits += 0.5 in ratio_interval(1 + shared + rng.normal(0, 0.4, 8), 2 + shared + rng.normal(0, 0.4, 8), 0.9)
    assert abs(hits - 1800) < 4 * 13.4  # binomial(2000, 0.9)
