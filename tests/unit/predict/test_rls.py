"""The safeguards of the RLS belief, one by one, each against the same filter without it."""

from math import inf

import pytest

from stratsim.errors import SpecError
from stratsim.predict.rls import Rls
from stratsim.rng import Streams

PAIR = (("a", 1), ("b", 1))
QUIET = {"pair_variance": 0.0, "prior_slowdown": 1.25, "change_threshold": inf}
"""One weight, 0.2: the loss of rate beside one other."""


def settled(knowledge, batch, count=60, *, noise=0.01, **parameters):
    """Return a belief that has seen many batches at slowdown 1.25, and the time of the last."""
    belief = Rls(**{**QUIET, **parameters}).fit(knowledge())
    draws = Streams(3).get("settled")
    for i in range(count):
        belief.observe(batch("a", (1.0, "b", 1.25 * float(1 + noise * draws.normal())), end_s=float(i)))
    return belief


def test_an_outlier_is_clipped_to_the_gate(knowledge, batch):
    """One batch at slowdown 20 (a loss of 0.95 against 0.2) moves the belief by no more than four deviations' worth."""
    moved = {}
    for gate in (4.0, inf):
        belief = settled(knowledge, batch, outlier_gate=gate)
        before, noise = belief.weights_[0], belief.noise_
        belief.observe(batch("a", (1.0, "b", 20.0), end_s=100.0))
        moved[gate] = (belief.weights_[0] - before) / noise
    assert 0 < moved[4.0] < moved[inf] / 3


def test_the_noise_is_estimated_and_has_a_floor(knowledge, batch):
    noisy = settled(knowledge, batch, count=400, noise=0.03)
    assert noisy.noise_ == pytest.approx(0.03 * 0.8, rel=0.25), "1 - 1/s has 1/s of the relative noise of s"
    assert settled(knowledge, batch, count=1000, noise=0.0).noise_ == pytest.approx(0.005), "a tenth of 0.05"


def test_a_change_is_found_and_counted(knowledge, batch):
    belief = settled(knowledge, batch, change_threshold=20.0)
    assert belief.changes_ == 0
    for i in range(12):
        belief.observe(batch("a", (1.0, "b", 2.5), end_s=100.0 + i))
    assert belief.changes_ >= 1
    assert 1 / belief.predict(PAIR)[0] == pytest.approx(2.5, rel=0.02)


def test_nonnegative_keeps_co_runners_from_speeding_up(knowledge, batch):
    """a is slowed less beside the hungrier c: unguarded, the weight of the others' memory goes below 0."""
    features = {"a": (0.1, 0.1), "b": (0.1, 0.2), "c": (0.1, 0.9)}
    lowest = {}
    for guarded in (False, True):
        belief = Rls(pair_variance=0.0, nonnegative=guarded).fit(knowledge(features=features))
        for i in range(60):
            other, slowdown = (("b", 2.0), ("c", 1.2))[i % 2]
            belief.observe(batch("a", (0.8, other, slowdown), end_s=float(i)))
        weights = dict(zip(belief.names_, belief.weights_, strict=True))
        lowest[guarded] = min(weights["others' compute"], weights["others' memory"])
    assert lowest[False] < -0.1
    assert lowest[True] == 0.0


def test_a_rate_never_falls_below_the_least(knowledge, batch):
    belief = Rls(min_rate=0.05, outlier_gate=inf).fit(knowledge())
    for i in range(50):
        belief.observe(batch("a", (1.0, "b", 1000.0), end_s=float(i)))
    assert belief.predict(PAIR)[0] == 0.05
    assert belief.predict((("a", 1), ("b", 1), ("b", 1), ("b", 1)))[0] == 0.05


@pytest.mark.parametrize("directional", [True, False])
def test_the_trace_cap_is_in_units_of_the_start(knowledge, batch, directional):
    belief = Rls(trace_cap=2.0, forgetting=0.9, directional=directional, warm_start=False).fit(knowledge())
    cap = 2.0 * belief.filter_.prior_trace
    most = 0.0
    for i in range(200):
        belief.observe(batch("a", (0.8, "b", 1.5), end_s=float(i)))
        most = max(most, belief.filter_.trace)
    assert most <= cap * (1 + 1e-9)
    if not directional:
        assert most == pytest.approx(cap), "it was reached"


def test_one_pair_of_models_alone_leaves_what_is_known_of_the_others(knowledge, batch):
    """A thousand batches of a and b: what was known of c stays known, which plain forgetting doubts."""
    doubt = {}
    for directional in (True, False):
        belief = Rls(directional=directional, trace_cap=inf, change_threshold=inf).fit(knowledge())
        for i in range(100):
            belief.observe(batch("c", (0.8, "a", 1.5 + 0.01 * (i % 3)), end_s=float(i)))
        for i in range(1000):
            belief.observe(batch("a", (0.8, "b", 2.0 + 0.01 * (i % 3)), end_s=100.0 + i))
        low, high = (belief.predict_quantile((("c", 1), ("a", 1)), q)[0] for q in (0.25, 0.75))
        doubt[directional] = high - low
        assert 1 / belief.predict((("c", 1), ("a", 1)))[0] == pytest.approx(1.5, rel=0.1)
    assert doubt[True] < 0.05
    assert doubt[False] > 3 * doubt[True]


def test_a_quantile_of_the_duration_holds_the_scatter_of_batches(knowledge, batch):
    """By hand: one weight of 0.2 with variance 100, noise 0.05: the loss of rate is normal, 0.2 +- 0.05 sqrt(1 + 100).

    The batch takes 10 ms alone. It met b for all of its time: the regressor is 1.
    """
    belief = Rls(**QUIET).fit(knowledge())
    seen = batch("a", (1.0, "b", 1.25), end_s=0.0)
    z = 0.5
    probability = 0.6914624612740131  # of a standard normal below 0.5
    loss = 0.2 + z * 0.05 * 101**0.5
    assert belief.duration_quantile_s(seen, 0.5) == pytest.approx(belief.expected_duration_s(seen))
    assert belief.duration_quantile_s(seen, probability) == pytest.approx(0.010 / (1 - loss))
    assert belief.duration_quantile_s(seen, 1 - probability) == pytest.approx(0.010 / (1 - (0.2 - (loss - 0.2))))
    with pytest.raises(SpecError, match=r"probability must be within \(0, 1\), got 95"):
        belief.duration_quantile_s(seen, 95)


@pytest.mark.parametrize("form", ["rate", "additive", "slowdown"])
def test_intervals_of_the_duration_cover_as_often_as_they_say(knowledge, batch, form):
    belief = settled(knowledge, batch, count=400, noise=0.03, form=form)
    draws, covered = Streams(4).get("covered"), []
    for i in range(2000):
        seen = batch("a", (1.0, "b", 1.25 * float(1 + 0.03 * draws.normal())), end_s=400.0 + i)
        low_s, high_s = (belief.duration_quantile_s(seen, probability) for probability in (0.05, 0.95))
        covered.append(low_s <= seen.duration_s <= high_s)
    assert sum(covered) / len(covered) == pytest.approx(0.9, abs=0.03)
