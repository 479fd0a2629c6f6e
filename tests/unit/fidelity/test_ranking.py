"""Policies compared live and simulated."""

import numpy as np
import pytest

from stratsim.engine import BatchTable, RequestTable, Result
from stratsim.fidelity.levels.ranking import Compared, compare_policies, paired_difference
from stratsim.model.request import Status


def result(latency_s, missed=0):
    """Requests a second apart with these latencies; the first `missed` are late."""
    count = len(latency_s)
    arrival_s = np.arange(count, dtype=float)
    whole = np.zeros(count, dtype=np.int64)
    status = np.where(np.arange(count) < missed, Status.LATE, Status.MET)
    requests = RequestTable(
        *(arrival_s, whole, whole, arrival_s + 1, whole, whole, whole, status, whole - 1),
        *(np.full(count, np.nan), whole - 1, arrival_s + np.asarray(latency_s)),
    )
    batches = BatchTable(*[np.empty(0)] * 12)
    return Result("by hand", requests, batches, ("a",), (), (), 1, 0, 0.0, float(count), 0.0)


def compared(live_s, simulated_s, live_missed=0, simulated_missed=0):
    chosen = np.ones(len(live_s), dtype=bool)
    return Compared(result(live_s, live_missed), result(simulated_s, simulated_missed), chosen)


def constant(live_s, simulated_s, **missed):
    return compared(np.full(40, live_s), np.full(40, simulated_s), **missed)


def test_a_significant_difference_is_preserved_by_its_sign():
    fast = [constant(1.0, 1.2), constant(1.1, 1.2), constant(1.0, 1.2)]
    slow = [constant(2.0, 1.3), constant(2.1, 1.3), constant(2.1, 1.3)]
    found = paired_difference(fast, slow, "latency")
    assert found["live"] == pytest.approx(-31 / 30)
    assert found["low"] < found["live"] < found["high"] < 0
    assert found["simulated"] == pytest.approx(-0.1)
    assert (found["preserved"], found["significant"], found["interval"]) == (True, True, "repeats")


def test_a_reversed_difference_is_not():
    fast, slow = [constant(1.0, 1.5), constant(1.1, 1.5)], [constant(2.0, 1.3), constant(2.1, 1.3)]
    assert not paired_difference(fast, slow, "latency")["preserved"]
    (found, _) = compare_policies({"fast": fast, "slow": slow})
    assert (found["live"], found["simulated"]) == (["fast", "slow"], ["slow", "fast"])
    assert not found["preserved"]


@pytest.mark.parametrize(("simulated_s", "preserved"), [(1.02, True), (1.5, False)])
def test_what_is_alike_live_must_be_alike_in_the_simulator(simulated_s, preserved):
    one = [constant(1.0, simulated_s), constant(1.1, simulated_s)]
    other = [constant(1.1, 1.0), constant(1.0, 1.0)]
    found = paired_difference(one, other, "latency")
    assert found["low"] < 0 < found["high"]
    assert not found["significant"]
    assert found["preserved"] is (preserved or abs(simulated_s - 1.0) <= found["high"])


def test_violations_count_drops_and_all():
    one, other = [constant(1.0, 1.0, live_missed=10, simulated_missed=9)] * 2, [constant(1.0, 1.0)] * 2
    found = paired_difference(one, other, "violation")
    assert (found["live"], found["simulated"]) == (0.25, 0.225)


def test_one_repeat_is_bootstrapped_over_blocks():
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.1, 400)
    found = paired_difference(
        [compared(1 + noise, 1 + noise)], [compared(np.full(400, 1.1), np.full(400, 1.1))], "latency"
    )
    assert found["interval"] == "blocks"
    error = 0.1 / np.sqrt(400)
    assert found["high"] - found["low"] == pytest.approx(2 * 1.96 * error, rel=0.4)
    assert found["low"] < -0.1 < found["high"]


def test_requests_that_one_policy_did_not_answer_are_left_out():
    half = np.where(np.arange(40) < 20, np.nan, 1.0)
    found = paired_difference([compared(half, half)], [constant(2.0, 2.0)], "latency")
    assert found["live"] == pytest.approx(-1)


def test_one_policy_has_no_ranking():
    assert compare_policies({"alone": [constant(1.0, 1.0)]}) == []
