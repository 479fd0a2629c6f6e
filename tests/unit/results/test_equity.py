import numpy as np
import pytest

from stratsim import simulate
from stratsim.model.cluster import Cluster
from stratsim.model.parts import Link
from stratsim.policy.base import Drop, Start
from stratsim.policy.queueing import Fifo
from stratsim.results import summarize
from stratsim.testing import make_profile, make_workload

PROFILE = make_profile({"a": 0.010, "b": 0.004}, h2d=Link(0.001, 1e6), bytes_in={"a": 1_000})  # a: 12 ms, b: 4 ms


class DropLow(Fifo):
    """Gives every low-priority request up as soon as it sees it."""

    def decide(self, view):
        for request in list(view._waiting.values()):
            yield Drop(request, "low") if request.priority else Start((request,))


def summary(rows, policy, **cluster):
    result = simulate(make_workload(rows, profile=PROFILE), PROFILE, policy, cluster=Cluster(**cluster))
    return summarize(result, profile=PROFILE.for_scheduler())


def test_slowdowns_of_requests_and_executions_known_answer():
    # a runs from 2 to 12 ms; b has no input and waits for the only slot from 2 ms to 12 ms, so it takes 14 instead of 4
    rows = [(0.0, "a", "high", 0.1), (0.002, "b", "low", 0.1)]
    classes = summary(rows, Fifo(), max_concurrency=1)["classes"]
    assert classes["high"]["slowdown"] == pytest.approx({"mean": 1.0, "max": 1.0, "progress": 1.0})
    assert classes["low"]["slowdown"] == pytest.approx({"mean": 3.5, "max": 3.5, "progress": 1 / 3.5})
    assert classes["low"]["execution_slowdown"] == pytest.approx({"mean": 1.0, "max": 1.0, "progress": 1.0})
    assert classes["low"]["starvation_s"]["start"] == pytest.approx(0.0, abs=1e-12)  # prefetched at once
    assert classes["low"]["starvation_s"]["completion"] == pytest.approx(0.014)


def test_executions_that_share_are_slowed():
    classes = summary([(0.0, "b", "high"), (0.0, "b", "low")], Fifo())["classes"]
    for name in ("high", "low"):
        assert classes[name]["execution_slowdown"] == pytest.approx({"mean": 2.0, "max": 2.0, "progress": 0.5})


def test_a_drop_is_voluntary_if_it_could_still_have_been_in_time():
    # alone b takes 4 ms: the second has exactly that, the third a little less, the fourth has no deadline
    rows = [(0.0, "b", "high", 0.1), (0.1, "b", "low", 0.104), (0.2, "b", "low", 0.2039), (0.3, "b", "low")]
    low = summary(rows, DropLow())["classes"]["low"]
    assert (low["dropped"], low["dropped_voluntary"], low["late"]) == (3, 2, 0)
    assert (low["dropped_share"], low["late_share"]) == (1.0, 0.0)


def test_gap_ratio_and_index_of_the_classes(make_result):
    found = summarize(make_result(requests=400))
    high, low = (found["classes"][name]["violation"] for name in ("high", "low"))
    assert found["equity"]["violation_gap"] == low - high
    assert found["equity"]["violation_ratio"] == low / high
    index = (2 - high - low) ** 2 / (2 * ((1 - high) ** 2 + (1 - low) ** 2))
    assert found["equity"]["jain_classes"] == pytest.approx(index)


def test_a_class_without_deadlines_has_no_gap(make_result):
    assert set(summarize(make_result(deadlines=False))["equity"].values()) == {None}


def test_shares_of_a_class_add_up(make_result):
    for figures in summarize(make_result(requests=400))["classes"].values():
        assert figures["violation"] == pytest.approx(figures["late_share"] + figures["dropped_share"])
        assert 0 <= figures["min_model_satisfaction"] <= 1 - figures["violation"]


def test_what_needs_solo_times_is_none_without(make_result):
    for figures in summarize(make_result())["classes"].values():
        assert figures["dropped_voluntary"] is None
        assert set(figures["slowdown"].values()) == {None}
        assert figures["execution_slowdown"]["mean"] > 1
        assert np.isfinite(figures["starvation_s"]["start"])
