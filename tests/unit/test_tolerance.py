"""The one tolerance with which times are compared."""

import math

import pytest

from stratsim.model.tolerance import TIME_RTOL, latest_finish_s


def test_a_plan_that_ends_at_the_deadline_meets_it():
    assert 0.004 + 0.002 + 0.003 > 0.009  # what the tolerance is for
    assert latest_finish_s(0.009) >= 0.004 + 0.002 + 0.003


@pytest.mark.parametrize("scale", [1e-6, 1.0, 86_400.0])
def test_the_tolerance_is_relative(scale):
    assert scale * (1 + TIME_RTOL / 2) <= latest_finish_s(scale)
    assert not scale * (1 + 3 * TIME_RTOL) <= latest_finish_s(scale)


def test_no_deadline_is_always_met():
    assert latest_finish_s(math.inf) >= 1e9


def test_never_is_late():
    assert not math.inf <= latest_finish_s(1e9)
    assert not math.nan <= latest_finish_s(1e9)


def test_at_zero():
    assert latest_finish_s(0.0) >= 0.0
    assert not latest_finish_s(0.0) >= 1e-300
