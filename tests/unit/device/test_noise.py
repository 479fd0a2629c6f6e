"""Run-to-run variation."""

import numpy as np
import pytest

from stratsim.device import LogNormal
from stratsim.rng import Streams
from stratsim.stats.intervals import mean_interval


def test_no_variation_is_exactly_one():
    assert LogNormal(0.0).factors(Streams(0).get("noise"), 5).tolist() == [1.0] * 5


def test_drawing_twice_continues_the_sequence():
    noise, whole = LogNormal(0.1), Streams(3).get("noise")
    parts = Streams(3).get("noise")
    together = noise.factors(whole, 10).tolist()
    assert [*noise.factors(parts, 4).tolist(), *noise.factors(parts, 6).tolist()] == together


@pytest.mark.parametrize("cv", [0.004, 0.1, 0.5])
def test_mean_one_and_the_given_variation(cv):
    """Log-normal with mean 1: standard deviation = cv, median = 1 / sqrt(1 + cv**2).

    Forty replications of each statistic, 99 % intervals.
    """
    draws = LogNormal(cv).factors(Streams(7).get("noise"), 200_000).reshape(40, -1)
    assert 1.0 in mean_interval(draws.mean(axis=1), 0.99)
    assert cv**2 in mean_interval(((draws - 1) ** 2).mean(axis=1), 0.99)
    assert 0.5 in mean_interval((draws > 1 / np.sqrt(1 + cv**2)).mean(axis=1), 0.99)
    assert (draws > 0).all()


def test_noise_by_model_is_each_models_own():
    from stratsim.device.noise import ByModel, of_model, profile_noise

    noise = profile_noise(0.01, {"a": 0.10})
    drawn = {name: of_model(noise, name).factors(np.random.default_rng(1), 20_000) for name in ("a", "b")}
    assert drawn["a"].std() == pytest.approx(0.10, rel=0.03)
    assert drawn["b"].std() == pytest.approx(0.01, rel=0.03)
    assert isinstance(noise, ByModel)
    assert profile_noise(0.01, {}) == LogNormal(0.01)
