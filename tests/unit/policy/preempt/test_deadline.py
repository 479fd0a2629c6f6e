"""K-EDF: the k earliest deadlines run. Worked out by hand; times in ms."""

import numpy as np
import pytest

from stratsim.errors import SpecError
from stratsim.model.request import Status
from stratsim.policy.preempt import KEdf
from stratsim.policy.queueing import Edf
from stratsim.validate.suites.decisions import serve

IDEAL = {"mechanism": "ideal", "drop": "never", "max_batch": 1}


def test_what_is_due_earlier_stops_what_is_due_later():
    """The second runs 2 to 5 and the first goes on. Without preemption it would end at 13, after its deadline of 8."""
    jobs = [(0, 10, "low", 30), (2, 3, "low", 8)]
    assert serve(KEdf(**IDEAL), jobs).finish == pytest.approx([13, 5])
    assert serve(Edf(drop="never"), jobs).status == [Status.MET, Status.LATE]


def test_among_equal_deadlines_nothing_is_stopped():
    assert serve(KEdf(**IDEAL), [(0, 10, "low", 30), (2, 3, "low", 30)]).finish == pytest.approx([10, 13])


def test_stops_nest():
    """The first from 1, the second from 2, the third 4 to 5; the second to 8, the fourth to 10, then the first."""
    jobs = [(1, 6, "low", 90), (2, 5, "low", 50), (4, 1, "low", 10), (5, 2, "low", 60)]
    assert serve(KEdf(**IDEAL), jobs).finish == pytest.approx([15, 8, 5, 10])


def test_two_run_at_once():
    """At equal shares: three jobs, of which the one due last waits; k = 1 serves them one by one."""
    jobs = [(0, 4, "low", 99), (0, 4, "low", 20), (2, 2, "low", 10)]
    shared = {"device_model": "processor-sharing", "max_concurrency": 2}
    # At 2 the first two have 3 left each and the first stops. The third ends at 6, the second has 1 left and the first
    # goes on: the second ends at 8, the first, with 2 left, at 10.
    assert serve(KEdf(**IDEAL), jobs, **shared).finish == pytest.approx([10, 8, 6])
    assert serve(KEdf(k=1, **IDEAL), jobs, **shared).finish == pytest.approx([10, 6, 4])


def test_the_system_runs_one_at_a_time():
    """Two GPUs, two jobs of 10: 10 and 20 as in XSched, where k = 1 queue of all runs; by GPU both end at 10."""
    jobs = [(0, 10, "low", 90), (0, 10, "low", 91)]
    assert serve(KEdf(ranking="system", **IDEAL), jobs, gpus=2).finish == pytest.approx([10, 20])
    assert serve(KEdf(ranking="system", k=2, **IDEAL), jobs, gpus=2).finish == pytest.approx([10, 10])
    assert serve(KEdf(**IDEAL), jobs, gpus=2).finish == pytest.approx([10, 10])


def test_the_system_stops_what_is_due_later_wherever_it_runs():
    """Due at 90 from 0; due at 20 from 3 to 6, on the other GPU; then the first goes on until 13."""
    jobs = [(0, 10, "low", 90), (3, 3, "low", 20)]
    found = serve(KEdf(ranking="system", **IDEAL), jobs, gpus=2)
    assert found.finish == pytest.approx([13, 6])


def test_without_later_arrivals_it_is_edf():
    draws = np.random.default_rng(3)
    jobs = [(0, float(draws.uniform(1, 9)), "low", float(draws.uniform(1, 90))) for _ in range(12)]
    assert serve(KEdf(**IDEAL), jobs).finish == pytest.approx(serve(Edf(drop="never"), jobs).finish)


def test_parameters_are_checked():
    with pytest.raises(SpecError, match="k must be a whole number"):
        KEdf(k=0)
    with pytest.raises(SpecError, match="ranking must be one of gpu, system"):
        KEdf(ranking="all")
    with pytest.raises(SpecError, match="mechanism must be one of gated, kernel, reset, context, ideal"):
        KEdf(mechanism="magic")
