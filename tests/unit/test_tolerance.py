"""The one tolerance with which times are compared."""

import math

import pytest

from stratsim.model.tolerance import TIME_RTOL, meets


def test_a_plan_that_ends_at_the_deadline_meets_it():
    assert 0.004 + 0.002 + 0.003 > 0.009  # what the tolerance is for
    assert meets(0.004 + 0.002 + 0.003, 0.009)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 86_400.0])
def test_the_tolerance_is_relative(scale):
    assert meets(scale * (1 + TIME_RTOL / 2), scale)
    assert not meets(scale * (1 + 3 * TIME_RTOL), scale)


def test_no_deadline_is_always_met():
    assert meets(1e9, math.inf)


def test_never_is_late():
    assert not meets(math.inf, 1e9)
    assert not meets(math.nan, 1e9)


def test_at_zero():
    assert meets(0.0, 0.0)
    assert not meets(1e-300, 0.0)
