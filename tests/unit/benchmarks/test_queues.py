"""Every simulator of the benchmark replays the same queue: known answers."""

from dataclasses import replace

import numpy as np
import pytest
import queues


def compiled_slowly(names):
    """Mark those whose kernels take half a minute to compile."""
    return [pytest.param(name, marks=[pytest.mark.slow] if name.endswith("_fast") else []) for name in names]


def waits_of(name, gaps_s):
    if missing := queues.QUEUES[name].missing:
        pytest.skip(f"{', '.join(missing)} not installed")
    return queues.load(name).waits(gaps_s)


def test_lindley_by_hand():
    """Served at 1.000, 1.010, 1.020 and, after an idle while, on arrival."""
    waits = queues.lindley(np.array([1.0, 0.004, 0.004, 0.030]), 0.010)
    assert waits == pytest.approx([0.0, 0.006, 0.012, 0.0], abs=1e-15)


def test_urgent_first_by_hand(monkeypatch):
    """While the first is served from 1.000 to 1.010 three come; of class 1, 0 and 0, the last one due the earliest."""
    workload = queues.customers(np.array([1.0, 0.001, 0.001, 0.001]))
    by_hand = replace(workload, priority=np.array([1, 1, 0, 0], np.int8), deadline_s=np.array([2.0, 1.1, 1.9, 1.8]))
    monkeypatch.setattr(queues, "customers", lambda gaps_s: by_hand)
    assert queues.urgent_first(workload.arrival_s, 0.010) == pytest.approx([0.0, 0.029, 0.018, 0.007], abs=1e-12)


def test_the_order_of_equal_services_leaves_the_sum_of_waits_as_it_is():
    gaps_s = queues.draw_gaps(10_000)
    by_class, by_arrival = queues.urgent_first(gaps_s), queues.lindley(gaps_s)
    assert by_class.sum() == pytest.approx(by_arrival.sum(), rel=1e-12)
    assert (by_class != by_arrival).mean() > 0.1


def test_closed_form_by_hand():
    """At load 1/2 the mean wait of M/D/1 is half a service."""
    assert queues.mean_wait_s(0.5, 0.010) == pytest.approx(0.005)
    assert queues.mean_wait_s() == pytest.approx(0.7 * 0.010 / 0.6)


def test_gaps_offer_the_load():
    gaps_s = queues.draw_gaps(100_000)
    assert gaps_s.mean() == pytest.approx(queues.SERVICE_S / queues.LOAD, rel=4 / np.sqrt(len(gaps_s)))


@pytest.mark.slow_cases("ciw_node", "numba_fifo")
@pytest.mark.parametrize("name", compiled_slowly(sorted(queues.QUEUES.keys() - {"sched_sim_fcfs"})))
def test_waits_are_those_that_are_known_to_the_last_bit(name):
    gaps_s = queues.draw_gaps(1_000)
    expected = queues.known_waits(name, gaps_s)
    assert (expected > 0).mean() > 0.5  # or agreement would say nothing
    assert np.array_equal(waits_of(name, gaps_s), expected)


def test_sched_sim_serves_in_two_halves_and_rounds_twice():
    gaps_s = queues.draw_gaps(1_000)
    assert np.abs(waits_of("sched_sim_fcfs", gaps_s) - queues.lindley(gaps_s)).max() < 1e-12


@pytest.mark.slow_cases("ciw_node", "numba_fifo")
@pytest.mark.parametrize("name", compiled_slowly(queues.QUEUES))
def test_one_customer_does_not_wait(name):
    assert waits_of(name, np.array([0.5])) == pytest.approx([0.0], abs=1e-15)


def test_what_is_not_installed_is_said():
    assert queues.Queue("a", "b", ("numpy", "no-such-distribution")).missing == ["no-such-distribution"]
    assert queues.Queue("a", "b").missing == []
