"""The block bootstrap: by hand where it can be, and how often its intervals cover what they should."""

import numpy as np
import pytest

from stratsim.errors import SpecError
from stratsim.rng import Streams
from stratsim.stats.bootstrap import (
    block_counts,
    block_length,
    bootstrap_p_value,
    counted_quantiles,
    least_p_value,
    percentile_interval,
)


def autoregressive(rng, n, phi):
    noise, x = rng.normal(size=n), np.zeros(n)
    for i in range(1, n):
        x[i] = phi * x[i - 1] + noise[i]
    return x


def test_a_block_is_consecutive_and_goes_round():
    for counts in block_counts(10, 4, 50, Streams(1)):
        assert counts.sum() == 12  # three blocks of four
        assert counts.min() >= 0
    (whole,) = block_counts(7, 7, 1, Streams(0))
    assert whole.tolist() == [1] * 7  # once around, wherever it begins
    singles = np.array(list(block_counts(6, 1, 4000, Streams(2))))
    assert singles.mean(axis=0) == pytest.approx(np.ones(6), abs=0.08)
    pairs = np.array(list(block_counts(9, 3, 4000, Streams(2))))
    assert pairs.mean(axis=0) == pytest.approx(np.ones(9), abs=0.08)  # both ends are drawn as often as the middle


def test_the_same_streams_give_the_same_resamples():
    first, second = (np.array(list(block_counts(20, 3, 5, Streams(4)))) for _ in range(2))
    assert (first == second).all()
    assert (first != np.array(list(block_counts(20, 3, 5, Streams(5))))).any()


def test_block_length_of_what_does_not_depend_is_short_and_grows_with_memory():
    rng = np.random.default_rng(7)
    white, red = rng.normal(size=8000), autoregressive(rng, 8000, 0.9)
    assert block_length([white]) <= 5
    # AR(1): G / g = 2 phi / (1 - phi^2) in the limit, so b = (3/2 n)^(1/3) (2 phi / (1 - phi^2))^(2/3) = 102.5
    assert block_length([red]) == pytest.approx((1.5 * 8000) ** (1 / 3) * (1.8 / 0.19) ** (2 / 3), rel=0.35)
    assert block_length([white, red]) == block_length([red])
    assert block_length([np.full(100, 3.0)]) == 1
    assert block_length([np.arange(12.0)]) <= 4  # n / 3: no fewer than three blocks
    with pytest.raises(SpecError, match="at least one series"):
        block_length([])


def test_counted_quantiles_are_those_of_the_repeated_values_in_each_resample():
    values, quantiles = np.array([1.0, 2.0, 4.0, 8.0, 16.0]), [0.0, 0.1, 0.5, 0.95, 1.0]
    counts = np.array([[2, 0, 1, 3, 1], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1], [0, 5, 0, 0, 0]])
    found = counted_quantiles(values, counts.astype(float), quantiles)
    for row, each in enumerate(counts):
        repeated = np.repeat(values, each)
        expected = np.quantile(repeated, quantiles) if len(repeated) else [np.nan] * len(quantiles)
        assert found[:, row] == pytest.approx(expected, nan_ok=True)
    assert np.isnan(counted_quantiles(values[:0], np.empty((3, 0)), quantiles)).all()


def test_percentile_interval():
    found = percentile_interval(0.5, np.arange(101.0), 0.9)
    assert (found.mean, found.low, found.high) == pytest.approx((0.5, 5.0, 95.0))
    assert percentile_interval(0.5, [np.nan, np.nan, 1.0]) is None


def test_p_value_counts_the_rarer_side():
    assert bootstrap_p_value([1.0] * 97 + [-1.0] * 2) == pytest.approx(2 * 3 / 100)
    assert bootstrap_p_value([0.0] * 9) == 1.0  # no difference at all
    assert bootstrap_p_value([1.0] * 199) == pytest.approx(2 / 200)


def test_a_p_value_is_an_upper_bound_where_no_resample_is_on_the_other_side():
    resampled = np.array([0.1, 0.2, 0.3, np.nan])
    assert bootstrap_p_value(resampled) == least_p_value(resampled) == 2 / 4
    assert bootstrap_p_value([-1.0, *[1.0] * 9]) > least_p_value([-1.0, *[1.0] * 9])


@pytest.mark.slow
def test_blocks_cover_the_mean_of_a_series_with_memory_where_single_values_do_not():
    rng, hits = np.random.default_rng(11), {"blocks": 0, "single": 0}
    for run in range(120):
        x = autoregressive(rng, 2000, 0.8)
        for name, length in (("blocks", block_length([x])), ("single", 1)):
            means = [counts @ x / counts.sum() for counts in block_counts(2000, length, 200, Streams(run))]
            found = percentile_interval(x.mean(), means)
            hits[name] += 0.0 in found
    assert hits["blocks"] >= 0.87 * 120
    assert hits["single"] < 0.65 * 120  # 3 times too narrow
