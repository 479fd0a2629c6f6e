"""Arrival processes: known answers, and what their random streams promise."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from stratsim.errors import SpecError
from stratsim.rng import Streams
from stratsim.trace.generate import (
    Diurnal,
    Gamma,
    OnOff,
    Periodic,
    Poisson,
    Recorded,
    closed_loop,
    generate,
    superpose,
)
from stratsim.trace.summary import dispersion, gap_cv

PROCESSES = [
    Poisson(5.0),
    Gamma(5.0, 3.0),
    Gamma(5.0, 0.5),
    Periodic(5.0),
    Recorded(5.0, np.array([0.0, 1.0, 1.5, 4.0, 4.2])),
    OnOff(5.0, on_s=4.0, off_s=8.0),
    OnOff(5.0, on_s=4.0, off_s=8.0, off_share=0.25),
    Diurnal(5.0, amplitude=0.8, period_s=50.0),
]
ids = ["poisson", "gamma-3", "gamma-0.5", "periodic", "recorded", "onoff", "onoff-leak", "diurnal"]


def until(process, horizon, seed):
    """Return the arrivals up to a fixed time: unbiased counts, unlike a fixed number of arrivals."""
    blocks = process.blocks(Streams(seed).get("arrivals", "x"))
    found = list(itertools.takewhile(lambda block: block[0] <= horizon, blocks))
    times = np.concatenate(found)
    return times[times <= horizon]


def holds(samples, expected, confidence=0.999):
    """Whether the confidence interval of the mean over replications covers the expected value."""
    mean, error = np.mean(samples), stats.sem(samples)
    reach = stats.t.ppf((1 + confidence) / 2, len(samples) - 1) * error
    return abs(mean - expected) <= reach + 1e-9


@pytest.mark.slow_cases("recorded")
@pytest.mark.parametrize("process", PROCESSES, ids=ids)
def test_the_mean_rate(process):
    horizon = 1000.0  # a multiple of the diurnal period
    assert holds([len(until(process, horizon, seed)) / horizon for seed in range(40)], process.rate)


@pytest.mark.parametrize(("process", "cv"), [(Poisson(5.0), 1.0), (Gamma(5.0, 3.0), 3.0), (Gamma(5.0, 0.5), 0.5)])
def test_the_coefficient_of_variation(process, cv):
    # The estimate from n gaps is biased by O(1/n): enough of them, and an interval over replications.
    samples = [gap_cv(until(process, 20_000.0, seed)) for seed in range(20)]
    assert abs(np.mean(samples) - cv) < 0.01 * cv + stats.t.ppf(0.9995, 19) * stats.sem(samples)


def test_the_gap_distribution_is_exponential():
    gaps = np.diff(until(Poisson(5.0), 2000.0, 7))
    assert stats.kstest(gaps, "expon", args=(0, 0.2)).pvalue > 0.001


def test_on_off_dispersion():
    # Interrupted Poisson, rate r on: Var N(T) = r p T + 2 r^2 p (1-p) (T/k - (1 - exp(-k T))/k^2), k = 1/on + 1/off.
    process, width = OnOff(5.0, on_s=4.0, off_s=8.0), 3.0
    rate, share, k = process.on_rate, 4 / 12, 1 / 4 + 1 / 8
    spread = 2 * rate**2 * share * (1 - share) * (width / k - (1 - math.exp(-k * width)) / k**2)
    expected = 1 + spread / (rate * share * width)
    assert rate == 15.0
    samples = [dispersion(until(process, 6000.0, seed), width) for seed in range(30)]
    assert abs(np.mean(samples) - expected) < 0.01 * expected + stats.t.ppf(0.9995, 29) * stats.sem(samples)


def test_diurnal_follows_its_sine():
    process = Diurnal(5.0, amplitude=0.8, period_s=50.0)
    first_half = [np.mean(until(process, 1000.0, seed) % 50.0 < 25.0) for seed in range(40)]
    assert holds(first_half, 0.5 + 0.8 / math.pi)


def test_periodic_has_equal_gaps_after_a_phase_within_one():
    times = until(Periodic(4.0), 100.0, 3)
    assert np.allclose(np.diff(times), 0.25)
    assert 0 <= times[0] < 0.25


@pytest.mark.parametrize("process", PROCESSES, ids=ids)
def test_the_first_arrivals_do_not_depend_on_how_many_are_wanted(process):
    short, _ = superpose({"a": process}, 50, Streams(1))
    long, _ = superpose({"a": process}, 9000, Streams(1))
    assert len(short) == 50
    assert long[:50].tolist() == short.tolist()
    assert (np.diff(long) >= 0).all()
    assert long[0] >= 0


@pytest.mark.parametrize("process", PROCESSES, ids=ids)
def test_another_model_moves_nobody(process):
    alone, _ = superpose({"a": process}, 400, Streams(1))
    times, owner = superpose({"b": Poisson(20.0), "a": process}, 400, Streams(1))
    mine = times[owner == 1]
    assert len(mine) > 20
    assert mine.tolist() == alone[: len(mine)].tolist()


def test_superposition_takes_the_first_of_all():
    times, owner = superpose({"slow": Periodic(1.0), "fast": Periodic(9.0)}, 1000, Streams(0))
    assert len(times) == 1000
    assert abs((owner == 1).sum() - 900) <= 2
    assert times[-1] == pytest.approx(100, abs=1)


def test_a_generated_trace():
    trace = generate(Poisson, 300, Streams(4), rate=20.0, models={"a": 3.0, "b": 1.0, "none": 0.0})
    assert len(trace) == 300
    assert not trace.normalised
    assert set(trace.model.names) == {"a", "b"}
    # Binomial(300, 3/4): standard deviation 7.5; four of them.
    assert abs(trace.model.decode().count("a") - 225) < 31
    # Poisson(300 / 20 s): relative error 1/sqrt(300); four of them.
    assert trace.rate == pytest.approx(20, rel=4 / math.sqrt(300))


def test_a_generated_shape():
    trace = generate(lambda rate: Gamma(rate, 2.0), 5000, Streams(4))
    assert trace.normalised
    assert trace.model is None
    assert trace.rate == pytest.approx(1.0, rel=4 * 2 / math.sqrt(5000))


def test_closed_loop_clients_share_requests_and_models():
    trace = closed_loop(3, 8, think_s=0.5, models={"a": 1.0, "b": 1.0})
    assert [spec.limit for spec in trace.closed_loop] == [3, 3, 2]
    assert [spec.model for spec in trace.closed_loop] == ["a", "b", "a"]
    assert {spec.think_s for spec in trace.closed_loop} == {0.5}
    assert closed_loop(1, None, stop_s=5.0).closed_loop[0].limit is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Poisson(0.0), "rate must be > 0 and finite, got 0.0"),
        (lambda: Gamma(1.0, -1.0), "cv must be > 0 and finite, got -1.0"),
        (lambda: Periodic(math.inf), "rate must be > 0 and finite, got inf"),
        (lambda: OnOff(1.0, 0.0, 1.0), "on_s must be > 0"),
        (lambda: OnOff(1.0, 1.0, 1.0, 1.0), r"off_share must be within \[0, 1\), got 1.0"),
        (lambda: Diurnal(1.0, 1.5, 1.0), r"amplitude must be within \[0, 1\], got 1.5"),
        (lambda: Diurnal(1.0, 0.5, math.nan), "period_s must be > 0 and finite, got nan"),
        (lambda: superpose({"a": Poisson(1.0)}, 0, Streams(0)), "number of requests must be at least 1, got 0"),
        (lambda: generate(Poisson, 1, Streams(0), models={"a": 0.0}), "no model has a share above 0"),
        (lambda: generate(Poisson, 1, Streams(0), rate=-1.0), "rate must be > 0"),
        (lambda: closed_loop(0, 5), "number of clients must be at least 1, got 0"),
        (lambda: closed_loop(9, 5), "5 requests are too few for 9 clients"),
        (lambda: closed_loop(1, None), "need a number of requests or a time to stop"),
        (lambda: closed_loop(1, 1, think_s=-1.0), "think time must be >= 0 and finite, got -1.0"),
    ],
)
def test_bad_parameters(make, message):
    with pytest.raises(SpecError, match=message):
        make()


def test_a_recording_goes_round_from_a_random_gap():
    """Gaps of 1, 3 and, from the last to the first, their mean 2: at rate 1 a half, one and a half, 1, in a circle."""
    gaps = np.diff(until(Recorded(1.0, np.array([10.0, 11.0, 14.0])), 30.0, 1))
    ring = [0.5, 1.5, 1.0]
    start = next(at for at in range(3) if gaps[:3] == pytest.approx(ring[at:] + ring[:at]))
    assert gaps[:21] == pytest.approx((ring[start:] + ring[:start]) * 7)
    with pytest.raises(SpecError, match="two arrivals at different times"):
        Recorded(1.0, np.array([2.0, 2.0]))
