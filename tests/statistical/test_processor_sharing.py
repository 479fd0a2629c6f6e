"""Processor sharing: the closed forms of the validation, and the distributions behind them."""

import pytest

from stratsim.rng import Streams
from stratsim.stats.intervals import mean_interval
from stratsim.validate import Setting, Status, plan, validate
from stratsim.validate.suites import sharing


@pytest.mark.parametrize(
    "check", plan({"sharing": sharing.CHECKS}), ids=lambda planned: planned.check.claims[0].name.partition(":")[0]
)
def test_the_simulation_meets_the_closed_forms(check):
    for case in validate([check], Setting(quick=True)).cases:
        assert case.status is Status.PASSED, case


def test_insensitivity_is_one_figure_and_fifo_three():
    expected = {claim.name: claim.expected for check in sharing.CHECKS for claim in check.claims}
    shared = [value for name, value in expected.items() if name.startswith("M/G/1-PS")]
    queued = [value for name, value in expected.items() if name.startswith("M/G/1 FIFO")]
    assert shared == pytest.approx([33.3333] * 3, abs=5e-5)
    assert queued == pytest.approx([21.6667, 33.3333, 56.6667], abs=5e-5)


@pytest.mark.parametrize("name", sharing.WORKS)
def test_the_work_is_what_it_says(name):
    work = sharing.WORKS[name]
    draws = work.factors(Streams(0).get("check"), 400_000).reshape(40, -1)
    assert draws.mean() == pytest.approx(1.0, rel=0.01)
    if work.squared_cv:
        assert 1.0 in mean_interval(draws.mean(axis=1), 0.99)
        assert 1.0 + work.squared_cv in mean_interval((draws**2).mean(axis=1), 0.99)
    else:
        assert (draws == 1.0).all()
