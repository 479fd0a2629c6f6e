"""Moving averages: the known answer, the forms, and the two beliefs made from them."""

from math import exp

import pytest

from stratsim.errors import ProfileError, SpecError
from stratsim.predict import make_predictor
from stratsim.predict.ewma import Ewma, EwmaFeatures, EwmaPairs, Smoothing
from stratsim.predict.static import Coefficients, Gpulet

PAIR = (("a", 1), ("b", 1))


def step_response(average, count=5):
    for i in range(count):
        average.update(1.0, float(i))
    return average.value


def test_the_unit_step():
    assert step_response(Ewma(Smoothing(alpha=0.3), 0.0)) == pytest.approx(0.831930, abs=1e-9) == 1 - 0.7**5


def test_bias_correction_and_starting_at_the_first_value_give_the_step_itself():
    assert step_response(Ewma(Smoothing(alpha=0.3), 0.0, debias=True)) == pytest.approx(1.0)
    assert step_response(Ewma(Smoothing(alpha=0.3))) == pytest.approx(1.0)


def test_bias_correction_divides_by_the_weight_so_far():
    average = Ewma(Smoothing(alpha=0.3), 0.0, debias=True)
    average.update(2.0)
    average.update(4.0)
    assert average.value == pytest.approx((0.7 * 0.3 * 2 + 0.3 * 4) / (1 - 0.7**2))


def test_the_forms_of_smoothing():
    assert Smoothing(alpha=0.3).weight(5.0) == 0.3
    assert Smoothing(samples=9).weight(5.0) == pytest.approx(0.2)
    assert Smoothing(tau_s=10.0).weight(5.0) == pytest.approx(1 - exp(-0.5))


def test_the_time_form_forgets_by_time():
    average = Ewma(Smoothing(tau_s=10.0), 0.0)
    for value, now_s in ((1.0, 0.0), (0.0, 10.0), (0.0, 30.0)):
        average.update(value, now_s)
    assert average.value == pytest.approx(exp(-3.0)), "the first counts in full"


def test_a_partial_sample_counts_accordingly():
    """Two halves are one whole."""
    whole, halves = Ewma(Smoothing(alpha=0.3), 0.0), Ewma(Smoothing(alpha=0.3), 0.0)
    whole.update(1.0)
    halves.update(1.0, share=0.5)
    halves.update(1.0, share=0.5)
    assert halves.value == pytest.approx(whole.value)


def test_the_spread():
    average = Ewma(Smoothing(alpha=0.1))
    assert (average.value, average.deviation) == (None, 0.0)
    for i in range(200):
        average.update(3.0 + (-1) ** i)
    assert average.deviation == pytest.approx(1.0, abs=0.05)
    average.move(10.0)
    assert average.value == 10.0
    assert average.deviation == pytest.approx(1.0, abs=0.05), "moving keeps the spread"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "exactly one of alpha, samples and tau_s must be given, got none"),
        ({"alpha": 0.3, "tau_s": 1.0}, "must be given, got alpha, tau_s"),
        ({"alpha": 0.0}, r"alpha must be a number within \(0, 1\], got 0"),
        ({"samples": 0.5}, r"samples must be a number within \[1, inf\), got 0\.5"),
        ({"tau_s": -1}, r"tau_s must be a number within \(0, inf\), got -1"),
    ],
)
def test_unusable_forms_are_refused(given, message):
    with pytest.raises(SpecError, match=message):
        Smoothing(**given)


@pytest.mark.parametrize("name", ["ewma-pairs", "ewma-features"])
def test_two_forms_at_once_are_refused(name):
    with pytest.raises(SpecError, match=f"predictor '{name}.*exactly one of alpha, samples and tau_s"):
        make_predictor(f"{name}(alpha=0.2, samples=4)")


# Pairs.


def test_a_pair_is_learned_from_what_it_did_while_it_overlapped(knowledge, batch):
    """Half of the work at slowdown 4: the loss 0.6 over an overlap of 0.8 is 3/4."""
    belief = EwmaPairs(use_prior=False).fit(knowledge())
    belief.observe(batch("a", (0.5, "b", 4.0)))
    assert 1 / belief.predict(PAIR)[0] == pytest.approx(4.0)
    assert set(belief.table_) == {(("a", 1), "b")}, "b beside a, or another batch size, would be another entry"


def test_what_is_not_known_of_a_pair_is_taken_from_the_pairs_that_are_like_it(knowledge):
    """Measured: a beside b 3 (a loss of rate of 2/3), a beside c 2 (1/2), b beside c 1.2 (1/6).

    a beside itself: the target a says (2/3 + 1/2) / 2 = 7/12, nobody was beside a. c beside b: the co-runner b says
    2/3. b beside itself: the target b says 1/6, the co-runner b 2/3, half and half 5/12. c beside a: nothing is known
    of either, and all three pairs say 4/9.
    """
    belief = EwmaPairs().fit(knowledge(pairs=[("a", "b", 3.0), ("a", "c", 2.0), ("b", "c", 1.2)]))
    known = {"aa": 12 / 5, "cb": 3.0, "bb": 12 / 7, "ca": 9 / 5}
    for (own, other), slowdown in known.items():
        assert 1 / belief.predict(((own, 1), (other, 1)))[0] == pytest.approx(slowdown)


def test_without_any_pair_the_prior_counts_and_then_what_was_observed(knowledge, batch):
    """After a has run beside b at 4 this is all that is known, of another batch size first and of every other pair."""
    belief = EwmaPairs(prior_slowdown=1.5, use_prior=False).fit(knowledge())
    assert 1 / belief.predict(PAIR)[0] == pytest.approx(1.5)
    belief.observe(batch("a", (1.0, "b", 4.0), end_s=1.0))
    assert 1 / belief.predict((("a", 2), ("b", 1)))[0] == pytest.approx(4.0)
    assert 1 / belief.predict(PAIR)[1] == pytest.approx(4.0)
    # a beside c at 2, later: a's pairs lose 3/4 and 1/2 of the rate, 5/8; beside b it is still 3/4.
    belief.observe(batch("a", (1.0, "c", 2.0), end_s=2.0))
    assert 1 / belief.predict((("a", 1), ("a", 1)))[0] == pytest.approx(8 / 3)
    assert 1 / belief.predict((("c", 1), ("b", 1)))[0] == pytest.approx(4.0)
    # a beside b again, at 2: its entry goes 0.3 of the way, and what is known of others beside b is that.
    belief.observe(batch("a", (1.0, "b", 2.0), end_s=3.0))
    assert 1 / belief.predict((("c", 1), ("b", 1)))[0] == pytest.approx(4.0 - 0.3 * 2.0)


def test_pairs_that_are_all_alike_are_as_good_as_a_constant(knowledge):
    """Every measured pair says 2.3, give or take 3 %; those that were not measured are no further off."""
    slowdowns = {("a", "b"): 2.3, ("b", "a"): 2.3 * 1.03, ("c", "a"): 2.3 * 0.97}
    belief = EwmaPairs().fit(knowledge(pairs=[(*pair, slowdown) for pair, slowdown in slowdowns.items()]))
    for own, other in ("aa", "ac", "bb", "bc", "cb", "cc"):
        assert 1 / belief.predict(((own, 1), (other, 1)))[0] == pytest.approx(2.3, rel=0.03)


def test_an_entry_moves_from_its_prior_by_alpha(knowledge, batch):
    belief = EwmaPairs(alpha=0.3, prior_slowdown=2.0).fit(knowledge())
    belief.observe(batch("a", (1.0, "b", 4.0)))
    assert 1 / belief.predict(PAIR)[0] == pytest.approx(2.0 + 0.3 * (4.0 - 2.0))


def test_measured_pairs_are_priors_at_the_nearest_batch_sizes(knowledge):
    profile = knowledge(pairs=[("a", "b", 3.0)])
    larger = type(profile.pairs[0])("a", 8, "b", 8, 5.0)
    held_out = type(profile.pairs[0])("b", 1, "a", 1, 9.0, held_out=True)
    profile = type(profile)("made", profile.models, profile.h2d, profile.d2h, (*profile.pairs, larger, held_out))
    belief = EwmaPairs(prior_slowdown=1.25).fit(profile)
    assert 1 / belief.predict(PAIR)[0] == pytest.approx(3.0)
    assert 1 / belief.predict((("a", 7), ("b", 6)))[0] == pytest.approx(5.0)
    assert 1 / belief.predict(PAIR)[1] == pytest.approx(4.0), "not the pair held out, but all that is known: 3 and 5"


def test_excesses_add_up_and_are_shared_out(knowledge, batch):
    """Equal sharing among three: slowdown 3 beside two others, an excess of 1 for each of them."""
    belief = EwmaPairs(use_prior=False).fit(knowledge())
    belief.observe(batch("a", (1.0, "bc", 3.0)))
    assert 1 / belief.predict(PAIR)[0] == pytest.approx(2.0)
    assert 1 / belief.predict((("a", 1), ("b", 1), ("c", 1)))[0] == pytest.approx(3.0)


def test_a_loss_that_the_overlap_cannot_explain_is_cut(knowledge, batch):
    belief = EwmaPairs(use_prior=False, max_slowdown=10.0).fit(knowledge())
    slow = batch("a", (0.01, "b", 1.0))
    belief.observe(slow._replace(solo_s=0.001))
    assert 1 / belief.predict(PAIR)[0] == pytest.approx(10.0)
    fast = slow._replace(solo_s=0.02, end_s=1.0)
    for _ in range(30):
        belief.observe(fast)
    assert belief.predict(PAIR)[0] == 1.0


def test_an_entry_fades_to_the_constant(knowledge, batch):
    belief = EwmaPairs(use_prior=False, prior_slowdown=1.5, half_life_s=10.0).fit(knowledge(pairs=[("b", "a", 4.5)]))
    belief.observe(batch("a", (1.0, "b", 3.5), end_s=10.0))
    assert 1 / belief.predict(PAIR)[0] == pytest.approx(3.5)
    assert 1 / belief.predict(PAIR)[1] == pytest.approx(3.0), "measured before the run, that is at 0 s"
    belief.observe(batch("c", end_s=20.0))
    assert 1 / belief.predict(PAIR)[0] == pytest.approx(2.5)
    belief.observe(batch("a", (1.0, "b", 2.5), end_s=20.0))
    assert 1 / belief.predict(PAIR)[0] == pytest.approx(2.5), "goes on from where it has come to"


def test_quantiles_come_from_the_spread_of_a_pair(knowledge, batch):
    belief = EwmaPairs(alpha=0.1).fit(knowledge())
    assert belief.predict_quantile(PAIR, 0.75) == belief.predict(PAIR)
    for i in range(100):
        belief.observe(batch("a", (1.0, "b", 3.0 + 0.5 * (-1) ** i), end_s=i))
    low, middle, high = (1 / belief.predict_quantile(PAIR, q)[0] for q in (0.25, 0.5, 0.75))
    assert middle == pytest.approx(1 / belief.predict(PAIR)[0])
    assert low - middle == pytest.approx(middle - high) == pytest.approx(0.674 * 0.5, rel=0.1)


# Company.


FEATURES = {"a": (0.2, 0.3, 0.1), "b": (0.5, 0.6, 0.4), "c": (0.9, 0.2, 0.8)}
TRUTH = Coefficients(0.0, 1.0, 0.0, 1.0, 1.0)
"""The slowdown is 1 plus the other's L2 and DRAM utilisation."""


@pytest.fixture
def fitted(knowledge):
    pairs = [(own, other, 1 + FEATURES[other][1] + FEATURES[other][2]) for own in FEATURES for other in FEATURES]
    profile = knowledge(features=FEATURES, pairs=pairs)
    return EwmaFeatures(alpha=0.5).fit(profile), Gpulet().fit(profile)


def test_before_the_first_batch_the_present_company_counts(fitted):
    belief, static = fitted
    assert static.coefficients_ == pytest.approx(TRUTH, abs=1e-9)
    assert belief.predict(PAIR) == pytest.approx(static.predict(PAIR))
    three = (("a", 1), ("b", 1), ("c", 1))
    assert 1 / belief.predict(three)[0] == pytest.approx(1 + 0.6 + 0.4 + 0.2 + 0.8), "their sum, not the worst"


def test_company_is_weighed_by_the_time_spent_in_it(fitted, batch):
    """A quarter of the time beside b (L2 0.4, DRAM 0.6): 0.1 and 0.15. Then all of it beside c (0.8, 0.2)."""
    belief, _ = fitted
    belief.observe(batch("a", (0.25, "b", 1.0)))
    assert 1 / belief.predict(PAIR)[0] == pytest.approx(1 + 0.10 + 0.15)
    assert 1 / belief.predict((("a", 2), ("c", 1)))[0] == pytest.approx(1.25), "whoever is asked about"
    belief.observe(batch("a", (1.0, "c", 1.0), end_s=1.0))
    assert 1 / belief.predict(PAIR)[0] == pytest.approx(1 + (0.10 + 0.8) / 2 + (0.15 + 0.2) / 2)
    assert 1 / belief.predict(PAIR)[1] == pytest.approx(1 + 0.1 + 0.3), "b has kept no company yet"


def test_the_regression_needs_pairs(knowledge):
    with pytest.raises(ProfileError, match="has no measured pairs to fit to"):
        EwmaFeatures().fit(knowledge())
