"""One slot, one request at a time: the closed forms of the validation, and the formulas behind them.

The estimates are those of `stratsim validate --quick`: replications with fixed seeds, 99 % intervals. Its one rare
event, which needs all replications whatever the mode, is left to the command.
"""

import numpy as np
import pytest

from stratsim.model.request import Priority
from stratsim.policy.queueing import Fifo, PriorityFifo
from stratsim.stats.intervals import mean_interval
from stratsim.validate import Setting, Status, plan, validate
from stratsim.validate.suites import queueing
from stratsim.validate.suites.queueing import mean_wait, poisson, serve, tail, two_classes, waits

CHECKS = [check for check in queueing.CHECKS if "P(W > 90 ms)" not in check.claims[0].name]


@pytest.mark.parametrize(
    "check", plan({"queueing": CHECKS}), ids=lambda planned: planned.check.claims[0].name.partition(":")[0]
)
def test_the_simulation_meets_the_closed_forms(check):
    for case in validate([check], Setting(quick=True)).cases:
        assert case.status is Status.PASSED, case


def test_the_formulas_give_the_published_figures():
    assert mean_wait(0.7) == pytest.approx(11.6667, abs=5e-5)
    published = {0: 0.7, 10: 0.395874, 20: 0.206328, 30: 0.105322, 50: 0.027276, 90: 0.001830}
    for t, probability in published.items():
        assert tail(0.7, t) == pytest.approx(probability, abs=5e-7)
    assert tail(0.5, 0) == pytest.approx(0.5)
    expected = {claim.name: claim.expected for check in queueing.CHECKS for claim in check.claims}
    assert expected["two priorities: mean wait of the high class"] == pytest.approx(5.3846, abs=5e-5)
    assert expected["two priorities: mean wait of the low class"] == pytest.approx(17.9487, abs=5e-5)
    assert expected["two priorities: sum of rho W over the classes"] == pytest.approx(8.1667, abs=5e-5)


def test_the_checks_can_fail():
    """The mean wait of another load lies far outside the interval, so passing means something."""
    means = [waits(serve(Fifo, poisson(70, seed)))[500:].mean() for seed in range(8)]
    interval = mean_interval(means, 0.99)
    assert mean_wait(0.7) in interval
    assert mean_wait(0.65) not in interval
    assert mean_wait(0.75) not in interval


def test_each_rate_has_draws_of_its_own():
    assert (poisson(70, 0, 5) * 70 != poisson(35, 0, 5) * 35).all()
    assert (poisson(70, 0, 5) == poisson(70, 0, 9)[:5]).all()


def test_arrivals_are_poisson_and_classes_fair():
    gaps = 70 * np.diff(poisson(70, 3, 40_001)).reshape(40, -1)
    assert 1.0 in mean_interval(gaps.mean(axis=1), 0.99)
    assert 2.0 in mean_interval((gaps**2).mean(axis=1), 0.99)
    _, level = two_classes(0, 20_000)
    assert 0.5 in mean_interval(level.reshape(20, -1).mean(axis=1), 0.99)


def test_priorities_do_change_who_waits():
    arrival_s, level = two_classes(0, 2_000)
    first, priority = (waits(serve(policy, arrival_s, level.tolist())) for policy in (Fifo, PriorityFifo))
    high = level == Priority.HIGH
    assert priority[high].mean() < first[high].mean() < priority[~high].mean()
