"""Linear learners: numbers known by hand, and what each of them makes of a wrong start or a changed world."""

from math import inf

import pytest

from stratsim.errors import OutsideProfileError, SpecError
from stratsim.predict import make_predictor
from stratsim.predict.online import Nlms, Sgd
from stratsim.predict.rls import Rls
from stratsim.rng import Streams

PAIR = (("a", 1), ("b", 1))
BARE = {"pair_variance": 0.0, "prior_slowdown": 1.0}
"""One weight, the number of co-runners (no features, no pair terms), starting at 0."""


def slowdown(belief, active=PAIR):
    return 1 / belief.predict(active)[0]


# The form: half of the work at slowdown 4.


@pytest.mark.parametrize(("form", "learned"), [("rate", 4.0), ("slowdown", 2.875)])
def test_the_rate_form_is_consistent_the_slowdown_form_is_not(knowledge, batch, form, learned):
    """10 ms of work, half of it at rate 1/4: T = 25 ms, of which 0.8 overlap. 0.6 / 0.8 = 0.75; 1.5 / 0.8 = 1.875."""
    one = batch("a", (0.5, "b", 4.0))
    assert one.duration_s == pytest.approx(0.025)
    belief = Rls(form=form, forgetting=1.0, variance=1e9, outlier_gate=inf, **BARE).fit(knowledge())
    belief.observe(one)
    assert slowdown(belief) == pytest.approx(learned, rel=1e-6)


@pytest.mark.parametrize("work", [0.2, 0.5, 0.9, 1.0])
def test_the_rate_form_is_right_for_any_overlap(knowledge, batch, work):
    belief = Rls(forgetting=1.0, variance=1e9, outlier_gate=inf, **BARE).fit(knowledge())
    one = batch("a", (work, "b", 4.0))
    belief.observe(one)
    assert slowdown(belief) == pytest.approx(4.0, rel=1e-6)
    assert belief.expected_duration_s(one) == pytest.approx(one.duration_s, rel=1e-6)


def test_intervals_with_different_company_are_told_apart(knowledge, batch):
    """Every batch meets b at 1.25 and c at 5, for different shares: both are found, which no average of them tells."""
    belief = Rls(forgetting=1.0, variance=1e6, pair_variance=1e6, outlier_gate=inf).fit(knowledge())
    for i in range(40):
        share = 0.1 + 0.02 * i
        belief.observe(batch("a", (share, "b", 1.25), (0.95 - share, "c", 5.0), end_s=i))
    assert slowdown(belief, (("a", 1), ("b", 1))) == pytest.approx(1.25, rel=1e-3)
    assert slowdown(belief, (("a", 1), ("c", 1))) == pytest.approx(5.0, rel=1e-3)


# NLMS and SGD.


def test_nlms_known_answer(knowledge, batch):
    """mu = 0.5, epsilon = 0, x = 1, y = 2 three times: 1, 1.5, 1.75."""
    belief = Nlms(share=0.5, epsilon=0.0, form="slowdown", **BARE).fit(knowledge())
    weights = []
    for i in range(3):
        belief.observe(batch("a", (1.0, "b", 3.0), end_s=i))
        weights.append(belief.weights_[0])
    assert weights == pytest.approx([1.0, 1.5, 1.75])
    assert slowdown(belief) == pytest.approx(2.75)


def test_sgd_by_hand(knowledge, batch):
    """x = 1, y = 1 - 1/2: w = 0.1 * 0.5, then 0.05 + 0.1 * 0.45."""
    belief = Sgd(step_size=0.1, **BARE).fit(knowledge())
    for i, weight in enumerate([0.05, 0.095]):
        belief.observe(batch("a", (1.0, "b", 2.0), end_s=i))
        assert belief.weights_[0] == pytest.approx(weight)


def test_sgd_options(knowledge, batch):
    """Clip 0.2: w = 0.1 * 0.2 twice. Decay: step 0.1, then 0.1 / (1 + 1/1), error 0.45. L2: shrink by 0.98 first."""
    seen = [batch("a", (1.0, "b", 2.0), end_s=i) for i in range(2)]
    weights = {}
    for name, value in (("clip", 0.2), ("step_decay", 1.0), ("weight_decay", 0.2)):
        belief = Sgd(step_size=0.1, **{name: value}, **BARE).fit(knowledge())
        for each in seen:
            belief.observe(each)
        weights[name] = belief.weights_[0]
    assert weights == pytest.approx(
        {"clip": 0.04, "step_decay": 0.05 + 0.05 * 0.45, "weight_decay": 0.98 * 0.05 + 0.045}
    )


# The static start.


def test_without_pairs_one_slowdown_for_all(knowledge):
    for name in ("sgd", "nlms", "rls"):
        belief = make_predictor(f"{name}(prior_slowdown=2)").fit(knowledge())
        assert belief.predict(PAIR) == pytest.approx((0.5, 0.5))
        assert belief.predict((("a", 1),) * 3) == pytest.approx((1 / 3,) * 3), "an equal share for everybody"


ASYMMETRIC = [("a", "b", 4.0), ("b", "a", 1.1), ("a", "c", 1.5), ("c", "a", 1.5), ("b", "c", 1.2), ("c", "b", 3.0)]


@pytest.mark.parametrize("name", ["sgd", "nlms", "rls"])
def test_measured_pairs_are_the_start(knowledge, name):
    """Who hurts whom can be said, although the models have no features at all."""
    belief = make_predictor(f"{name}(pair_variance=1000)").fit(knowledge(pairs=ASYMMETRIC))
    for own, other, measured in ASYMMETRIC:
        assert slowdown(belief, ((own, 1), (other, 1))) == pytest.approx(measured, rel=0.05)
    cold = make_predictor(f"{name}(warm_start=false)").fit(knowledge(pairs=ASYMMETRIC))
    assert slowdown(cold) == pytest.approx(1.5)


def test_features_carry_over_to_pairs_that_nobody_measured(knowledge):
    """Loss = memory of the other: pairs with c are predicted from pairs without it."""
    features = {"a": (0.1, 0.2), "b": (0.1, 0.6), "d": (0.1, 0.4), "c": (0.1, 0.5)}
    pairs = [(own, other, 1 / (1 - features[other][1])) for own in "abd" for other in "abd"]
    belief = Rls(pair_variance=0.0).fit(knowledge("abdc", features=features, pairs=pairs))
    assert slowdown(belief, (("a", 1), ("c", 1))) == pytest.approx(2.0, rel=0.05)


def test_held_out_pairs_are_left_out(knowledge):
    made = knowledge(pairs=[("a", "b", 3.0)])
    held = made.pairs[0].__class__("a", 1, "b", 1, 3.0, held_out=True)
    belief = Rls().fit(type(made)("held", made.models, made.h2d, made.d2h, (held,)))
    assert slowdown(belief) == pytest.approx(1.5)


# A poisoned start: one pair is believed three times too slow.


def poisoned(**parameters):
    return Rls(pair_variance=50.0, prior_slowdown=1.5, **parameters)


POISON = [("a", "b", 4.5), ("b", "a", 1.5), ("a", "c", 1.5), ("c", "a", 1.5), ("b", "c", 1.5), ("c", "b", 1.5)]


def others_run(belief, batch, until_s, step_s=0.05):
    """What a scheduler sees that never lets a and b meet: other pairs and batches alone."""
    for i in range(round(until_s / step_s)):
        end_s = belief.now_s_ if belief.now_s_ > 0 else 0.0
        own, other = (("a", "c"), ("b", "c"), ("c", "a"), ("c", "b"))[i % 4]
        belief.observe(batch(own, (0.7, other, 1.5), end_s=end_s + step_s))
        belief.observe(batch(own, end_s=end_s + step_s))


def test_a_poisoned_pair_stays_poisoned_without_observation_or_decay(knowledge, batch):
    belief = poisoned().fit(knowledge(pairs=POISON))
    before = slowdown(belief)
    assert before > 3.0
    others_run(belief, batch, 60.0)
    assert slowdown(belief) > 2.7


def test_decay_lets_a_poisoned_pair_recover(knowledge, batch):
    belief = poisoned(half_life_s=10.0).fit(knowledge(pairs=POISON))
    others_run(belief, batch, 60.0)
    assert slowdown(belief) == pytest.approx(1.5, rel=0.15)


def test_a_few_tries_let_a_poisoned_pair_recover(knowledge, batch):
    belief = poisoned().fit(knowledge(pairs=POISON))
    for i in range(25):
        belief.observe(batch("a", (0.8, "b", 1.5), end_s=float(i)))
    assert slowdown(belief) == pytest.approx(1.5, rel=0.1)


def quartiles(belief):
    return [belief.predict_quantile(PAIR, q)[0] for q in (0.25, 0.5, 0.75)]


def test_the_lower_quartile_lets_an_unsure_belief_be_tried(knowledge, batch):
    belief = poisoned(half_life_s=10.0).fit(knowledge(pairs=POISON))
    fresh = quartiles(belief)
    assert fresh == sorted(fresh)
    assert fresh[1] == pytest.approx(belief.predict(PAIR)[0])
    for i in range(200):
        belief.observe(batch("a", (0.8, "b", 4.5), end_s=0.05 * i))
    sure = quartiles(belief)
    assert 0 < sure[2] - sure[0] < (fresh[2] - fresh[0]) / 2, "what was seen often is known better"
    others_run(belief, batch, 40.0)
    doubtful = quartiles(belief)
    assert doubtful[2] - doubtful[0] > 2 * (sure[2] - sure[0]), "what was not seen for long is doubted again"


def test_doubt_grows_while_nothing_is_learned(knowledge, batch):
    """Between samples the fading is computed, not applied: the same as if a sample about others had come."""
    belief = poisoned(half_life_s=10.0).fit(knowledge(pairs=POISON))
    for i in range(100):
        belief.observe(batch("a", (0.8, "b", 4.5), end_s=0.1 * i))
    sure = quartiles(belief)
    for at_s in (20.0, 40.0, 80.0):
        belief.observe(batch("c", end_s=at_s))
    doubtful = quartiles(belief)
    assert doubtful[2] - doubtful[0] > 2 * (sure[2] - sure[0])
    keep = belief._kept()
    belief.fade(keep)
    belief._faded_s = belief.as_of_s_
    assert quartiles(belief) == pytest.approx(doubtful)


@pytest.mark.parametrize("name", ["sgd", "nlms"])
def test_pair_terms_fade_in_every_learner(knowledge, batch, name):
    belief = make_predictor(f"{name}(half_life_s=5, pair_variance=50)").fit(knowledge(pairs=POISON))
    before = slowdown(belief)
    belief.observe(batch("c", end_s=50.0))
    assert slowdown(belief) < 0.7 * before, "a batch alone teaches nothing but the time"


# A changed world: RLS follows within about 1 / (1 - lambda) batches, SGD slower, a static belief not at all.


def errors_through_a_change(belief, batch, *, change=600, count=1000, noise=0.02):
    """Return the relative error of each duration as it was believed before it was seen; slowdown 1.4, then 2.5."""
    draws = Streams(5).get("regime")
    errors = []
    for i in range(count):
        own, other = (("a", "b"), ("b", "c"), ("c", "a"))[i % 3]
        true = (1.4 if i < change else 2.5) * float(1 + noise * draws.normal())
        one = batch(own, (float(draws.uniform(0.3, 1.0)), other, true), end_s=i)
        errors.append(abs(belief.expected_duration_s(one) / one.duration_s - 1))
        belief.observe(one)
    return lambda first, last: sum(errors[change + first : change + last]) / (last - first)


FEATURES = {"a": (0.2, 0.6), "b": (0.5, 0.1), "c": (0.3, 0.3)}
TEXTBOOK = "directional=false, trace_cap=inf, pair_variance=0, change_threshold=inf, outlier_gate=inf"
"""RLS without safeguards: all that recovers is forgetting."""


@pytest.fixture
def recovery(knowledge, batch):
    def run(name):
        return errors_through_a_change(make_predictor(name).fit(knowledge(features=FEATURES)), batch)

    return run


def test_forgetting_recovers_within_its_memory(recovery):
    """lambda = 0.98: 1 / e of the error is left after 50 batches, e^-3 after 150; SGD of equal noise takes longer."""
    rls, sgd = recovery(f"rls(forgetting=0.98, {TEXTBOOK})"), recovery("sgd(step_size=0.007)")
    first = rls(0, 5)
    assert rls(45, 55) < 0.55 * first
    assert rls(145, 155) < 0.1 * first
    assert rls(-50, 0) == pytest.approx(sgd(-50, 0), abs=0.003), "as good as each other before"
    assert sgd(45, 55) > rls(45, 55)
    assert sgd(145, 155) > 2 * rls(145, 155)


def test_a_static_belief_never_recovers(recovery):
    static = recovery("constant(slowdown=1.4)")
    assert static(-50, 0) < 0.02
    assert static(350, 400) == pytest.approx(static(0, 50), rel=0.15) == pytest.approx(0.34, abs=0.05)


def test_change_detection_recovers_at_once(recovery):
    guarded, unguarded = recovery("rls"), recovery("rls(change_threshold=inf)")
    assert guarded(10, 30) < 0.03
    assert unguarded(10, 30) > 0.2
    assert guarded(-50, 0) == unguarded(-50, 0), "no false alarm"


def test_a_trace_cap_under_exponential_forgetting_stops_recovery(recovery):
    """What the features do not excite winds up to the cap; scaling down takes the gain from what is excited."""
    frozen = recovery("rls(directional=false, change_threshold=inf)")
    directional = recovery("rls(forgetting=0.98, change_threshold=inf)")
    assert frozen(350, 400) > 0.15
    assert directional(350, 400) < 0.05


# What may be asked, and what teaches nothing.


@pytest.mark.parametrize("name", ["sgd", "nlms", "rls"])
def test_batches_that_met_nobody_teach_nothing(knowledge, batch, name):
    belief = make_predictor(name).fit(knowledge())
    before = belief.predict(PAIR)
    belief.observe(batch("a", end_s=1.0, solo_s=0.02))
    assert belief.predict(PAIR) == before
    assert belief.version_ == 0
    assert belief.now_s_ == 1.0


@pytest.mark.parametrize("name", ["sgd", "nlms", "rls"])
def test_an_unknown_co_runner_is_named(knowledge, batch, name):
    belief = make_predictor(name).fit(knowledge())
    with pytest.raises(OutsideProfileError, match="has no model 'z'"):
        belief.observe(batch("a", (0.5, "z", 2.0)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rls(forgetting=1.01)", r"forgetting must be a number within \(0, 1\], got 1\.01"),
        ("rls(forgetting=0)", r"forgetting must be a number within \(0, 1\], got 0"),
        ("rls(form=ratio)", r"form must be one of rate, additive, slowdown, got 'ratio'"),
        (
            "rls(features=compute)",
            r"features must be a list of names from compute, memory, l2, busy, batch, got 'compute'",
        ),
        ("rls(features=['flops'])", r"features must be a list .* got \['flops'\]"),
        ("rls(half_life_s=0)", r"half_life_s must be a number within \(0, inf\], got 0"),
        ("rls(min_rate=0)", r"min_rate must be a number within \(0, 1\], got 0"),
        ("rls(nonnegative=1, noise=0)", r"noise must be a number within \(0, inf\), got 0"),
        ("rls(trace_cap=none)", r"trace_cap must be a number within \(0, inf\], got 'none'"),
        ("rls(excitation=-1)", r"excitation must be a number within \[0, inf\), got -1"),
        ("sgd(step_size=0)", r"step_size must be a number within \(0, inf\), got 0"),
        ("sgd(weight_decay=21)", r"weight_decay must be a number within \[0, 20\], got 21"),
        ("nlms(share=2)", r"share must be a number within \(0, 2\), got 2"),
        ("nlms(epsilon=true)", r"epsilon must be a number within \[0, inf\), got True"),
        ("nlms(prior_slowdown=0.9)", r"prior_slowdown must be a number within \[1, inf\), got 0\.9"),
        ("nlms(mu=1)", r"predictor 'nlms' has no parameter 'mu'; known: "),
    ],
)
def test_bad_parameters_are_refused_at_once(text, message):
    with pytest.raises(SpecError, match=message):
        make_predictor(text)
