"""The conformance suite: every registered belief passes, and it finds what is wrong with a broken one."""

import pytest

from stratsim.errors import ProfileError
from stratsim.predict import Oracle, Predictor, make_predictor
from stratsim.predict.registry import PREDICTORS
from stratsim.testing import PREDICTOR_CHECKS, check_predictor
from stratsim.testing.check_predictor import check_protocol, check_rates

SHIPPED = [name for name in PREDICTORS.registered() if name != "oracle"]
VARIANTS = [
    "gpulet(coefficients=rtx2080ti)",
    "ewma-pairs(half_life_s=0.5)",
    "ewma-pairs(use_prior=false, tau_s=0.5)",
    "nlms(pair_variance=0)",
    "rls(form=slowdown)",
    "rls(half_life_s=0.5)",
    "rls(directional=false, excitation=0.01)",
    "rls(nonnegative=true, change_threshold=3, outlier_gate=inf)",
]


def true_enough(active):
    return [1 / (len(active) + 0.1 * batch) for _, batch in active]


def oracle():
    made = Oracle()
    made.reveal(true_enough)
    return made


def test_the_shipped_predictors_are_registered():
    assert sorted(["oracle", *SHIPPED]) == [
        "constant",
        "ewma-features",
        "ewma-pairs",
        "gpulet",
        "nlms",
        "oracle",
        "rls",
        "sgd",
        "solo",
    ]


@pytest.mark.parametrize("check", PREDICTOR_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", SHIPPED)
def test_the_shipped_predictors_pass(name, check):
    check(lambda: make_predictor(name))


@pytest.mark.parametrize("text", VARIANTS)
def test_they_pass_with_parameters(text):
    check_predictor(lambda: make_predictor(text))


def test_an_oracle_that_was_told_something_passes():
    check_predictor(oracle)


class Sound(Predictor):
    """Learns the mean slowdown of all that overlapped; the broken ones replace its parts."""

    def __init__(self, first=1.5):
        self.first = first

    def start(self):
        self.sum_, self.count_ = self.first, 1

    def rate(self, target, others):
        return min(1.0, max(self.count_ / self.sum_, 1e-9))

    def learn(self, observation):
        self.sum_ += observation.duration_s / observation.solo_s
        self.count_ += 1


def test_a_sound_predictor_passes():
    check_predictor(Sound)


class RateAboveOne(Sound):
    def rate(self, target, others):
        return 1.5


class RateOfNothing(Sound):
    def rate(self, target, others):
        return 0.0


class NotANumber(Sound):
    def rate(self, target, others):
        return float("nan")


class RunsAway(Sound):
    def rate(self, target, others):
        return self.count_ / self.sum_


class Curious(Sound):
    def rate(self, target, others):
        self.count_ += 1
        return super().rate(target, others)


class FirstIsFast(Sound):
    def predict(self, active):
        return (1.0, *[0.5] * (len(active) - 1)) if len(active) > 1 else super().predict(active)


class NeverForgets(Sound):
    sum_, count_ = 1.5, 1

    def start(self):
        """Forget to forget."""


class Unpicklable(Sound):
    def start(self):
        super().start()
        self.function = lambda: None


class PicksWrong(Sound):
    def __getstate__(self):
        return {**vars(self), "sum_": 99.0, "_memory": {}}


class TakesAnyOrder(Sound):
    def observe(self, observation):
        self.now_s_ = -float("inf")
        super().observe(observation)


class LearnsFromAlone(Sound):
    def observe(self, observation):
        super().observe(observation)
        if not any(others for _, others in observation.intervals):
            self.learn(observation)
            self._memory.clear()


class KnowsEverybody(Sound):
    def predict(self, active):
        return (1.0,) * len(active) if len(active) < 2 else (0.5,) * len(active)


class ChangesItsParameters(Sound):
    def start(self):
        super().start()
        self.first = 2.0


class HidesItsParameters(Sound):
    def __init__(self, first=1.5, second=2):
        super().__init__(first)
        self._second = second


class AlwaysFitted(KnowsEverybody):
    pass


class Particular(Sound):
    def start(self):
        raise ProfileError("never good enough")


class OneSetAtATime(Predictor):
    """Takes the questions for one set."""

    def rates(self, questions):
        """Give everybody an equal share."""
        return (1.0 / len(questions),) * len(questions)


BROKEN = {
    RateAboveOne: "rates must lie within (0, 1], got (1.5, 1.5)",
    RateOfNothing: "rates must lie within (0, 1], got (0.0, 0.0)",
    NotANumber: "rates must lie within (0, 1], got (nan, nan)",
    RunsAway: "rates must lie within (0, 1]",
    Curious: "rates must lie within (0, 1]|asking changes|depend on the order|fit` must forget|differ",
    FirstIsFast: "NotFittedError is expected",
    NeverForgets: "`fit` must forget everything",
    Unpicklable: "Unpicklable cannot be pickled",
    PicksWrong: "a pickled copy predicts something else",
    TakesAnyOrder: "NotFittedError is expected|went back in time",
    LearnsFromAlone: "a batch that overlapped nobody changed the belief",
    KnowsEverybody: "KnowsEverybody answers before `fit`",
    ChangesItsParameters: "`fit` changes parameters: {'first': 1.5} became {'first': 2.0}",
    HidesItsParameters: "HidesItsParameters does not keep its parameters under their names",
    Particular: "a profile with features and measured pairs is refused",
}


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.__name__)
def test_a_broken_predictor_fails_with_the_reason(broken):
    with pytest.raises(AssertionError) as caught:
        check_predictor(broken)
    message = str(caught.value)
    assert any(reason in message for reason in BROKEN[broken].split("|")), message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("check", "broken", "message"),
    [
        ("check_order_of_the_set", FirstIsFast, "depend on the order"),
        ("check_newcomers", OneSetAtATime, "in the whole sets"),
        ("check_order_of_observations", TakesAnyOrder, "an observation went back in time"),
        ("check_unknown_batches", KnowsEverybody, "OutsideProfileError is expected for ('nobody', 1)"),
        ("check_predicting_changes_nothing", Curious, "asking changes what is answered later"),
    ],
)
def test_each_check_finds_its_own(check, broken, message):
    (found,) = [each for each in PREDICTOR_CHECKS if each.__name__ == check]
    with pytest.raises(AssertionError) as caught:
        found(broken)
    assert message in str(caught.value)


def test_a_factory_must_make_new_predictors():
    made = Sound()
    with pytest.raises(AssertionError, match="must return a new predictor on every call"):
        check_protocol(lambda: made)


def test_what_is_no_predictor_is_named():
    with pytest.raises(AssertionError, match=r"^dict is not a stratsim\.predict\.Predictor$"):
        check_protocol(dict)


def test_a_profile_may_be_refused_for_what_it_lacks():
    check_rates(lambda: make_predictor("gpulet"))
