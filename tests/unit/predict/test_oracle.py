"""The oracle refuses to start until somebody tells it the truth."""

import pickle

import pytest

from stratsim.errors import SpecError
from stratsim.predict import Oracle, make_predictor

PAIR = (("a", 1), ("b", 1))


def truth(active):
    """Every batch runs at half of its speed, a at a quarter."""
    return [0.25 if model == "a" else 0.5 for model, _ in active]


def test_asked_for_by_name_it_is_an_empty_shell(knowledge):
    belief = make_predictor("oracle")
    assert isinstance(belief, Oracle)
    message = r"^the oracle belief is the simulated device's truth: only an experiment can reveal it$"
    with pytest.raises(SpecError, match=message):
        belief.fit(knowledge())


def test_it_repeats_what_it_was_told(knowledge):
    belief = Oracle()
    belief.reveal(truth)
    belief.fit(knowledge())
    assert belief.predict(PAIR) == (0.25, 0.5)
    assert belief.predict(PAIR[::-1]) == (0.5, 0.25)
    assert belief.predict(PAIR[:1]) == (1.0,)
    assert not belief.adapts
    assert pickle.loads(pickle.dumps(belief)).predict(PAIR) == (0.25, 0.5)


def test_a_new_truth_needs_a_new_start(knowledge):
    belief = Oracle()
    belief.reveal(truth)
    belief.fit(knowledge()).predict(PAIR)
    belief.reveal(lambda active: [0.1] * len(active))
    assert belief.fit(knowledge()).predict(PAIR) == (0.1, 0.1)
