"""Recursive least squares against weighted least squares solved at once, and the numbers that are known by hand."""

from math import inf

import numpy as np
import pytest

from stratsim.predict.least_squares import RecursiveLeastSquares, dot
from stratsim.rng import Streams


def samples(count, size, seed=1):
    draws = Streams(seed).get("rls")
    return draws.normal(size=(count, size)), draws.normal(size=count)


def weighted_least_squares(x, y, forgetting, start, variance):
    """Return weights and inverse information matrix of the criterion that the class documents."""
    count, size = x.shape
    weight = forgetting ** np.arange(count - 1, -1, -1)
    prior = forgetting**count / variance * np.eye(size)
    information = (x.T * weight) @ x + prior
    return np.linalg.solve(information, (x.T * weight) @ y + prior @ start), np.linalg.inv(information)


@pytest.mark.parametrize("forgetting", [0.9, 0.98, 0.99, 1.0])
@pytest.mark.parametrize("variance", [0.5, 100.0, 10_000.0])
@pytest.mark.parametrize("count", [1, 3, 60])
def test_rls_is_regularised_weighted_least_squares(forgetting, variance, count):
    x, y = samples(count, 5)
    start = np.array([0.3, -1.0, 0.0, 2.0, 0.5])
    rls = RecursiveLeastSquares(start.tolist(), variance, forgetting=forgetting)
    for row, target in zip(x.tolist(), y.tolist(), strict=True):
        rls.update(row, target)
    weights, inverse = weighted_least_squares(x, y, forgetting, start, variance)
    # P starts as large as `variance` and shrinks to about 1: its rounding errors keep that scale.
    assert np.abs(np.array(rls.weights) - weights).max() < 1e-10 * max(1.0, variance)
    assert np.abs(np.array(rls.covariance) - inverse).max() < 1e-10 * max(1.0, variance)


def test_rls_to_the_digits_known():
    """The setting of the known answer: agreement to 1e-10 in weights and in P."""
    x, y = samples(200, 4, seed=3)
    rls = RecursiveLeastSquares([0.0] * 4, 100.0, forgetting=0.98)
    for row, target in zip(x.tolist(), y.tolist(), strict=True):
        rls.update(row, target)
    weights, inverse = weighted_least_squares(x, y, 0.98, np.zeros(4), 100.0)
    assert np.abs(np.array(rls.weights) - weights).max() < 1e-10
    assert np.abs(np.array(rls.covariance) - inverse).max() < 1e-10


def test_the_scalar_known_answer():
    rls = RecursiveLeastSquares([0.0], 1.0)
    assert [rls.update([1.0], 2.0) for _ in range(3)] == pytest.approx([2.0, 1.0, 2 / 3])
    assert rls.weights == pytest.approx([1.5])
    assert rls.covariance == pytest.approx(0.25)


def wind_up(trace_cap, **safeguards):
    rls = RecursiveLeastSquares([0.0, 0.0], 1.0, forgetting=0.98, trace_cap=trace_cap, **safeguards)
    most = 0.0
    for _ in range(1000):
        rls.update([1.0, 0.0], 1.0)
        most = max(most, rls.covariance.trace())
    return rls, most


def test_wind_up():
    rls, _ = wind_up(inf)
    assert rls.covariance[1][1] == pytest.approx(5.9419e8, rel=1e-4) == pytest.approx(0.98**-1000, rel=1e-4)
    assert rls.covariance[0][0] == pytest.approx(0.02, abs=1e-6)
    assert rls.weights == pytest.approx([1.0, 0.0])


def test_the_trace_cap_stops_wind_up():
    rls, most = wind_up(20.0)
    assert most <= 20.0 * (1 + 1e-12)
    assert rls.covariance.trace() == pytest.approx(20.0)
    assert rls.weights == pytest.approx([1.0, 0.0], abs=1e-4)


def test_directional_forgetting_does_not_wind_up():
    rls, most = wind_up(inf, directional=True)
    assert most <= 2.0
    assert rls.covariance[1][1] == 1.0, "nothing was said of this direction"
    assert rls.covariance[0][0] == pytest.approx(0.02 / 0.98)
    assert rls.weights == pytest.approx([1.0, 0.0])


def test_under_a_trace_cap_exponential_forgetting_stops_directional_does_not():
    """After a wind-up to the cap, the one excited weight changes: who forgets follows in 1 / (1 - lambda)."""
    followed = {}
    for directional in (False, True):
        rls, _ = wind_up(20.0, directional=directional)
        for _ in range(100):
            rls.update([1.0, 0.0], 2.0)
        followed[directional] = rls.weights[0] - 1.0
    assert followed[True] == pytest.approx(1 - 0.98**100, abs=0.01)
    assert followed[False] < 0.2


@pytest.mark.parametrize("size", [1, 4])
def test_directional_forgetting_of_nothing_is_rls(size):
    x, y = samples(50, size)
    plain, other = (RecursiveLeastSquares([0.0] * size, 10.0, directional=way) for way in (False, True))
    for row, target in zip(x.tolist(), y.tolist(), strict=True):
        assert plain.update(row, target) == pytest.approx(other.update(row, target))
    assert np.array(plain.covariance) == pytest.approx(np.array(other.covariance))


def test_a_single_weight_forgets_directionally_as_the_information_says():
    """One dimension: information <- lambda (information + x^2)."""
    rls = RecursiveLeastSquares([0.0], 5.0, forgetting=0.9, directional=True)
    information = 1 / 5.0
    for x in (1.0, 0.3, 2.0, 0.0, 1.5):
        rls.update([x], 1.0)
        information = 0.9 * (information + x * x) if x else information
        assert 1 / rls.covariance[0][0] == pytest.approx(information)


def test_without_excitation_nothing_is_forgotten():
    rls, most = wind_up(inf, excitation=0.03)
    assert most < 5.0, "once the only excited direction is known, P stays"
    assert rls.covariance[1][1] < 5.0


def test_p_stays_symmetric_to_the_last_bit():
    for directional in (False, True):
        settings = {"forgetting": 0.97, "trace_cap": 5000.0, "directional": directional}
        rls = RecursiveLeastSquares([0.0] * 6, 1000.0, **settings)
        x, y = samples(500, 6)
        for row, target in zip(x.tolist(), y.tolist(), strict=True):
            rls.update(row, target)
        p = np.array(rls.covariance)
        assert (p == p.T).all()
        assert np.linalg.eigvalsh(p).min() > 0


@pytest.mark.slow
def test_lost_definiteness_is_mended():
    """A sample that repeats for ever costs P its definiteness; the filter resets P and goes on."""
    rls = RecursiveLeastSquares([0.0] * 7, 100.0, forgetting=0.99)
    x = [0.1 * i + 0.05 for i in range(7)]
    for _ in range(20_000):
        rls.update(x, 1.0)
    assert dot(rls.weights, x) == pytest.approx(1.0)
    assert rls.image(x)[0] >= 0


def test_reset_keeps_the_weights():
    rls = RecursiveLeastSquares([0.0], 4.0)
    rls.update([1.0], 2.0)
    before = list(rls.weights)
    rls.reset()
    assert rls.weights.tolist() == before
    assert rls.covariance.tolist() == [[4.0]]
