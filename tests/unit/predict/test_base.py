"""What all predictors share: the order of calls, what is remembered, what is refused."""

import pickle
import subprocess
import sys

import pytest

from stratsim.errors import NotFittedError, OutsideProfileError, SpecError
from stratsim.predict import Observation, Predictor
from stratsim.predict.base import parameter

A, B, C = ("a", 1), ("b", 2), ("c", 1)


class Counting(Predictor):
    """Rate 1 / (1 + number of others); counts how often it is asked, and what it learned from."""

    def start(self):
        self.asked = []
        self.learned = []

    def rate(self, target, others):
        self.asked.append((target, others))
        return 1 / (1 + len(others))

    def learn(self, observation):
        self.learned.append(observation)


class Plain(Predictor):
    def __init__(self, value=0.5, *, other=(1, 2)):
        self.value = value
        self.other = other

    def rate(self, target, others):
        return self.value


@pytest.mark.parametrize(
    "ask",
    [
        lambda belief: belief.predict((A, B)),
        lambda belief: belief.predict_quantile((A, B), 0.5),
        lambda belief: belief.observe(Observation(A, 1.0, 1.0, ((1.0, ()),), 1.0)),
        lambda belief: belief.expected_duration_s(Observation(A, 1.0, 1.0, ((1.0, (B,)),), 1.0)),
    ],
)
def test_asking_before_fit_is_an_error(ask):
    with pytest.raises(NotFittedError, match=r"^Counting is not fitted yet: call fit\(profile\) first$"):
        ask(Counting())


def test_fit_returns_the_predictor(knowledge):
    belief = Counting()
    profile = knowledge()
    assert belief.fit(profile) is belief
    assert belief.profile_ is profile


def test_alone_is_full_speed_and_never_asked(knowledge):
    belief = Counting().fit(knowledge())
    assert belief.predict((A,)) == (1.0,)
    assert belief.predict(()) == ()
    assert belief.predict_quantile((A,), 0.3) == (1.0,)
    assert belief.asked == []


def test_a_set_is_asked_for_once_until_something_is_learned(knowledge, batch):
    belief = Counting().fit(knowledge())
    for _ in range(3):
        assert belief.predict((A, B, C)) == (1 / 3,) * 3
    assert belief.asked == [(A, (B, C)), (B, (A, C)), (C, (A, B))]
    belief.observe(batch("a", end_s=1.0))
    belief.predict((A, B, C))
    assert (len(belief.asked), belief.version_) == (3, 0), "a batch alone teaches nothing"
    belief.observe(batch("a", (0.5, "b", 2.0), end_s=2.0))
    belief.predict((A, B, C))
    assert (len(belief.asked), belief.version_) == (6, 1)


def test_others_are_sorted(knowledge):
    belief = Counting().fit(knowledge())
    belief.predict((C, B, A))
    assert belief.asked[0] == (C, (A, B))


def test_memory_is_bounded(knowledge, monkeypatch):
    monkeypatch.setattr("stratsim.predict.base._CACHE_LIMIT", 2)
    belief = Counting().fit(knowledge())
    for active in ((A, B), (A, C), (B, C)):
        belief.predict(active)
    assert len(belief._memory) == 1
    assert belief.predict((A, B)) == (0.5, 0.5)


def test_what_fades_is_asked_for_again_after_a_while(knowledge, batch):
    belief = Counting().fit(knowledge())
    belief._stale_after_s = 1.0
    for end_s, version in ((0.5, 0), (0.9, 0), (1.1, 1), (1.9, 1), (2.2, 2)):
        belief.observe(batch("a", end_s=end_s))
        assert belief.version_ == version


def test_observations_come_in_the_order_of_ends(knowledge, batch):
    belief = Counting().fit(knowledge())
    belief.observe(batch("a", (0.5, "b", 2.0), end_s=2.0))
    belief.observe(batch("b", (0.5, "a", 2.0), end_s=2.0))
    with pytest.raises(SpecError, match=r"^observations come in the order of their ends: 1\.0 s after 2\.0 s$"):
        belief.observe(batch("a", end_s=1.0))
    assert [each.target for each in belief.learned] == [("a", 1), ("b", 1)]
    assert belief.now_s_ == 2.0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"solo_s": 0.0}, "needs positive, finite times"),
        ({"duration_s": -1.0}, "needs positive, finite times"),
        ({"duration_s": float("inf")}, "needs positive, finite times"),
        ({"duration_s": float("nan")}, "needs positive, finite times"),
        ({"end_s": float("inf")}, "needs positive, finite times"),
        ({"end_s": float("nan")}, "in the order of their ends: nan s"),
        ({"intervals": ()}, r"the intervals of \('a', 1\) cover 0\.0 s of an execution of 2\.0 s"),
        ({"intervals": ((1.0, (B,)), (1.1, ()))}, r"cover 2\.1 s of an execution of 2\.0 s"),
    ],
)
def test_impossible_observations_are_refused(knowledge, changed, message):
    belief = Counting().fit(knowledge())
    sound = Observation(A, 1.0, 2.0, ((1.5, (B,)), (0.5, ())), 5.0)
    with pytest.raises(SpecError, match=message):
        belief.observe(sound._replace(**changed))
    belief.observe(sound)
    assert belief.learned == [sound]


def test_who_does_not_learn_is_not_told_much(knowledge, batch):
    belief = Plain().fit(knowledge())
    assert not belief.adapts
    assert Counting().fit(knowledge()).adapts
    belief.predict((A, B))
    belief.observe(batch("a", (0.5, "b", 2.0), end_s=2.0))
    assert belief.version_ == 0
    assert belief.now_s_ == 2.0


def test_fit_forgets_everything(knowledge, batch):
    belief = Counting().fit(knowledge())
    belief.observe(batch("a", (0.5, "b", 2.0), end_s=2.0))
    belief.predict((A, B))
    belief.fit(knowledge())
    assert (belief.learned, belief.asked, belief.version_, belief.now_s_) == ([], [], 0, -float("inf"))
    belief.observe(batch("a", end_s=1.0))


def test_unknown_batches_are_named(knowledge):
    belief = Counting().fit(knowledge())
    with pytest.raises(OutsideProfileError, match="has no model 'x'"):
        belief.predict((A, ("x", 1)))
    with pytest.raises(OutsideProfileError, match="covers batch sizes 1 to 8 of model 'a', got 9"):
        belief.predict_quantile((("a", 9), B), 0.5)
    with pytest.raises(SpecError, match=r"^probability must be within \(0, 1\), got 1$"):
        belief.predict_quantile((A, B), 1)


def test_expected_duration_weighs_the_realised_intervals(knowledge):
    """6 s alone at rate 1 and 4 s beside one at rate 1/2: 8 s of work in 10 s, so 1 s of work takes 1.25 s."""
    belief = Counting().fit(knowledge())
    seen = Observation(A, 1.0, 10.0, ((6.0, ()), (4.0, (B,))), 10.0)
    assert belief.expected_duration_s(seen) == pytest.approx(1.25)


def test_parameters_are_kept_and_shown():
    belief = Plain(0.25, other=[3])
    assert belief.get_params() == {"value": 0.25, "other": [3]}
    assert repr(belief) == "Plain(value=0.25, other=[3])"
    assert Plain(**belief.get_params()).get_params() == belief.get_params()


def test_a_predictor_can_be_pickled(knowledge, batch):
    belief = Counting().fit(knowledge())
    belief.observe(batch("a", (0.5, "b", 2.0), end_s=2.0))
    copy = pickle.loads(pickle.dumps(belief))
    assert copy.predict((A, B)) == belief.predict((A, B))
    assert copy.learned == belief.learned


def test_beliefs_load_nothing_of_the_device_or_the_engine():
    code = (
        "import sys; from stratsim.predict.registry import PREDICTORS, TRANSFER_PREDICTORS\n"
        "[kind.load(name) for kind in (PREDICTORS, TRANSFER_PREDICTORS) for name in kind.registered()]\n"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {".".join(name.split(".")[:2]) for name in done.stdout.split() if name.startswith("stratsim.")}
    assert "stratsim.predict" in loaded
    assert not loaded & {"stratsim.device", "stratsim.engine", "stratsim.policy", "stratsim.sweep"}


@pytest.mark.parametrize("value", ["1", None, True, float("nan"), -0.1, 1.1])
def test_a_parameter_must_be_a_number_within_its_bounds(value):
    with pytest.raises(SpecError, match=r"^x must be a number within \[0, 1\], got "):
        parameter("x", value, 0, 1)


@pytest.mark.parametrize(
    ("closed", "legal", "shown"),
    [
        ("both", (0, 0.5, 1), "[0, 1]"),
        ("low", (0, 0.5), "[0, 1)"),
        ("high", (0.5, 1), "(0, 1]"),
        ("neither", (0.5,), "(0, 1)"),
    ],
)
def test_bounds_may_be_open(closed, legal, shown):
    for value in (0, 0.5, 1):
        if value in legal:
            parameter("x", value, 0, 1, closed=closed)
        else:
            with pytest.raises(SpecError) as caught:
                parameter("x", value, 0, 1, closed=closed)
            assert str(caught.value) == f"x must be a number within {shown}, got {value}"
