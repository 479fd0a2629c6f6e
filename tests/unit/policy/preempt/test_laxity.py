"""LAX with preemption: worked out by hand, times in ms."""

import pytest

from stratsim.model.request import Status
from stratsim.policy.least_slack import Lax
from stratsim.policy.preempt import PreemptLax
from stratsim.validate.suites.decisions import DISCRIMINATING, serve

IDEAL = {"mechanism": "ideal", "drop": "never", "max_batch": 1}
M, L = Status.MET, Status.LATE


def test_a_promoted_request_stops_high_priority():
    """High (10, due 50) from 0; low (10, due 12) is promoted at 2, runs until 12; then high until 20."""
    found = serve(PreemptLax(reserve=1.0, **IDEAL), DISCRIMINATING)
    assert found.finish == pytest.approx([20, 12])
    assert found.status == [M, M]
    assert serve(Lax(reserve=1.0, drop="never"), DISCRIMINATING).status == [M, L]


def test_at_equal_rank_nothing_is_stopped():
    found = serve(PreemptLax(reserve=1.0, critical="equal", **IDEAL), DISCRIMINATING)
    assert found.finish == pytest.approx([10, 20])


def test_until_then_high_priority_stops_low_priority():
    """Low (10, due 99) from 0, high (3) at 2: low goes on at 5."""
    jobs = [(0, 10, "low", 99), (2, 3, "high", 99)]
    assert serve(PreemptLax(**IDEAL), jobs).finish == pytest.approx([13, 5])


def test_the_system_runs_only_the_highest_rank():
    """Two GPUs: low from 0 is stopped at 2 by high on the other GPU, until 12; it ends at 20. By GPU both run."""
    jobs = [(0, 10, "low", 99), (2, 10, "high", 99)]
    assert serve(PreemptLax(ranking="system", **IDEAL), jobs, gpus=2).finish == pytest.approx([20, 12])
    assert serve(PreemptLax(**IDEAL), jobs, gpus=2).finish == pytest.approx([10, 12])


def test_the_system_runs_all_of_the_highest_rank():
    jobs = [(0, 10, "high", 99), (0, 10, "high", 99), (0, 10, "low", 99)]
    assert serve(PreemptLax(ranking="system", **IDEAL), jobs, gpus=2).finish == pytest.approx([10, 10, 20])


def test_a_stopped_request_is_promoted_too():
    """Low (10, due 20, promoted at 10) has done 2 when high (30) stops it; from 10 it runs its other 8, until 18."""
    jobs = [(0, 10, "low", 20), (2, 30, "high", 99)]
    assert serve(PreemptLax(reserve=1.0, **IDEAL), jobs).finish == pytest.approx([18, 40])
