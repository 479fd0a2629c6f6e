"""Safety margins from how far estimates have been off."""

import numpy as np
import pytest

from stratsim.policy.strait.margins import Margins
from stratsim.rng import Streams


def learned(errors, model="a", **options):
    margins = Margins(["a", "b"], **{"quantile": 0.9} | options)
    for error in errors:
        margins.learn(model, 1.0, 1.0 + error)
    return margins


def test_no_margin_until_enough_is_known():
    assert learned([0.5] * 19).stretch == {"a": 1.0, "b": 1.0}
    assert learned([0.5] * 20).stretch == pytest.approx({"a": 1.5, "b": 1.5})


def test_a_model_is_judged_by_its_own_errors_once_it_has_enough():
    margins = learned([0.5] * 30)
    for _ in range(20):
        margins.learn("b", 1.0, 1.1)
    assert margins.stretch == pytest.approx({"a": 1.5, "b": 1.1})


def test_errors_on_the_safe_side_give_no_margin():
    assert learned([-0.3] * 50).stretch == {"a": 1.0, "b": 1.0}


def test_the_error_is_relative_to_what_was_expected():
    margins = Margins(["a"], 1.0, least=1)
    margins.learn("a", 0.010, 0.013)
    assert margins.stretch["a"] == pytest.approx(1.3)


@pytest.mark.parametrize("quantile", [0.5, 0.9, 1.0])
def test_the_margin_is_the_quantile_of_the_last_errors(quantile):
    errors = Streams(1).get("errors").uniform(0.0, 1.0, 250)
    found = learned(errors.tolist(), quantile=quantile, window=100).stretch["a"] - 1.0
    ordered = np.sort(errors[-100:])
    assert found == pytest.approx(ordered[min(int(quantile * 100), 99)])


def test_zero_switches_margins_off():
    assert learned([0.5] * 50, quantile=0.0).stretch == {"a": 1.0, "b": 1.0}


def test_an_estimate_of_nothing_teaches_nothing():
    margins = Margins(["a"], 1.0, least=1)
    margins.learn("a", 0.0, 0.5)
    assert margins.stretch["a"] == 1.0
