"""The search for a capacity, on curves whose crossing is known; no simulation."""

import pytest

from stratsim.capacity.measure import Probe
from stratsim.capacity.search import find_rate, reversals
from stratsim.errors import SpecError
from stratsim.stats.intervals import mean_interval


def curve(violation, spread=0.0, name="high"):
    """A probe of a known curve; three seeds at violation - spread, violation, violation + spread."""

    def probe(rate):
        sample = [violation(rate) + spread * step for step in (-1, 0, 1)]
        return Probe(rate, {name: sample}, {name: mean_interval(sample)})

    return probe


@pytest.mark.parametrize("start", [0.7, 60, 100, 900, 30_000])
def test_the_crossing_of_a_straight_line_is_found_from_either_side(start):
    found = find_rate(curve(lambda rate: rate / 10_000), {"high": 0.01}, start=start, precision=0.001)
    assert found.at.rate <= 100 < found.above
    assert found.above <= found.at.rate * 1.001
    assert found.expected == (found.at.rate, found.above)
    assert reversals(found) == []


def test_what_is_reported_is_on_the_safe_side_and_the_interval_holds_the_crossing():
    # t(0.975, 2) s / sqrt(3) with s = 0.001 is 0.0024841: met up to 0.0075159, missed for sure from 0.0124841 on
    found = find_rate(curve(lambda rate: rate / 10_000, 0.001), {"high": 0.01}, start=50, precision=0.001)
    assert found.at.rate == pytest.approx(75.159, rel=0.001)
    assert found.at.rate <= 75.159
    assert found.above == pytest.approx(124.841, rel=0.0011)
    low, high = found.expected
    assert low <= 100 <= high <= low * 1.001


def test_every_class_must_meet_its_target():
    def probe(rate):
        samples = {"high": [rate / 10_000] * 2, "low": [rate / 1_000] * 2}
        return Probe(rate, samples, {name: mean_interval(sample) for name, sample in samples.items()})

    assert find_rate(probe, {"high": 0.01, "low": 0.05}, start=10).at.rate == pytest.approx(50, rel=0.01)
    assert find_rate(probe, {"high": 0.001, "low": 0.05}, start=10).at.rate == pytest.approx(10, rel=0.01)


def test_a_target_that_no_rate_meets_and_one_that_every_rate_meets():
    never = find_rate(curve(lambda rate: 0.5), {"high": 0.01}, start=8)
    assert (never.at, never.above) == (None, 8 / 1024)
    always = find_rate(curve(lambda rate: 0.0), {"high": 0.01}, start=8)
    assert (always.at.rate, always.above, always.expected[1]) == (8 * 1024, None, None)


def test_of_several_crossings_the_first_counts_and_the_others_are_told():
    def bumpy(rate):
        return 0.02 if 60 <= rate < 90 else rate / 10_000 if rate < 150 else 0.02

    found = find_rate(curve(bumpy), {"high": 0.015}, start=70, precision=0.01)
    assert found.at.rate == pytest.approx(60, rel=0.01)
    assert found.at.rate < 60
    straight = find_rate(curve(bumpy), {"high": 0.015}, start=100, precision=0.01)
    assert straight.at.rate == pytest.approx(150, rel=0.01)  # nothing was tried in the bump
    falling = find_rate(curve(lambda rate: 0.3 if rate < 10 else 0.0), {"high": 0.01}, start=16)
    assert falling.at.rate > 10
    seen = find_rate(curve(lambda rate: 0.02 - rate / 1e5), {"high": 0.0199}, start=5, precision=0.1)
    assert reversals(seen)[0][0] == "high"


def test_noise_is_no_reversal():
    def probe(rate):
        sample = [0.02 + (0.001 if (rate > 1.5) == seed else 0.0) for seed in (0, 1)]
        return Probe(rate, {"high": sample}, {"high": mean_interval(sample)})

    assert reversals(find_rate(probe, {"high": 0.001}, start=2)) == []


@pytest.mark.parametrize(("start", "precision"), [(0, 0.1), (1, 0)])
def test_impossible_settings(start, precision):
    with pytest.raises(SpecError, match="must be > 0"):
        find_rate(curve(lambda rate: rate), {"high": 0.1}, start=start, precision=precision)
