"""MSER-5 on series whose start is known."""

import numpy as np
import pytest

from stratsim.stats.warmup import mser


def test_a_start_that_can_be_seen_is_cut_off_exactly():
    values = np.concatenate([np.full(20, 100.0), np.tile([0.0, 1.0, 2.0, 3.0, 4.0], 196)])
    assert mser(values) == 20


def test_by_hand():
    """z = 9, 0, 1, 0, 1, ...: d = 1 leaves squares of 1/4 over (m - d)^2; none cut leaves the 9 in."""
    values = np.repeat([9.0, *[0.0, 1.0] * 10], 5)
    z = np.array([9.0, *[0.0, 1.0] * 10])
    by_hand = [((z[d:] - z[d:].mean()) ** 2).sum() / (len(z) - d) ** 2 for d in range(11)]
    assert mser(values) == 5 * int(np.argmin(by_hand)) == 5


def test_what_has_no_start_is_left_alone():
    assert mser(np.full(100, 7.0)) == 0
    assert mser(np.tile([0.0, 1.0, 2.0, 3.0, 4.0], 40)) == 0


def test_too_short_and_never_settled_are_said_to_be():
    assert mser(np.arange(49.0)) is None
    assert mser(np.arange(1000.0)) is None  # it grows to the end: the minimum is at the last d


@pytest.mark.parametrize("seed", range(5))
def test_the_start_of_an_exponential_approach_is_most_of_it(seed):
    noise = np.random.default_rng(seed).normal(size=4000)
    cut = mser(10 * np.exp(-np.arange(4000) / 100) + noise)
    assert 150 <= cut <= 700  # 10 e^(-t / 100) is below the noise from 230 on
