"""What the timeline gets: boxes, waiting requests and stretches, against runs whose answer is known."""

import numpy as np
import pytest

from stratsim import simulate
from stratsim.explain.parts import read_run
from stratsim.model.cluster import Cluster
from stratsim.policy.preempt import PreemptIdeal
from stratsim.results import read_results, summarize, write_results
from stratsim.testing import make_profile, make_workload
from stratsim_plots.report import timeline as timeline_module
from stratsim_plots.report.boxes import boxes_of, waiting_of
from stratsim_plots.report.timeline import UNIT_S, make_timeline
from stratsim_plots.report.worst import find_worst


@pytest.fixture
def preempted(tmp_path):
    """Low from 0 to 3.5 ms, high until 5.5, low until 12: one slot suffices."""
    profile = make_profile({"h": 0.002, "l": 0.010})
    workload = make_workload([(0.0, "l", "low", 0.011), (0.0035, "h", "high", 1.0)], profile=profile)
    cluster = Cluster(device_model="exclusive", max_concurrency=1, prefetch=0, transfers=False)
    result = simulate(workload, profile, PreemptIdeal(), cluster=cluster)
    write_results([result], tmp_path / "out", manifest={}, summaries=[summarize(result)])
    return read_run(read_results(tmp_path / "out"))


@pytest.fixture(scope="module")
def runs(results):
    stored = read_results(results)
    return [read_run(stored, policy) for policy in stored.policies]


def test_a_batch_that_was_stopped_has_a_box_for_each_stretch(preempted):
    boxes = boxes_of(preempted)
    assert boxes.rows == [(0, "slot 0")]
    assert boxes.batch.tolist() == [0, 1, 0]
    assert (boxes.start_s * 1e3).tolist() == pytest.approx([0, 3.5, 5.5])
    assert (boxes.end_s * 1e3).tolist() == pytest.approx([3.5, 5.5, 12])


def test_coded_times_are_those_of_the_run(preempted):
    data = make_timeline([preempted], ["it"], [find_worst(preempted, 1)]).data
    (run,) = data["runs"]
    starts = np.cumsum(run["boxes"]["start"]) * UNIT_S + data["start_s"]
    assert (starts * 1e3).tolist() == pytest.approx([0, 3.5, 5.5])
    assert [length * UNIT_S * 1e3 for length in run["boxes"]["length"]] == pytest.approx([3.5, 2, 6.5])
    assert run["batches"] == {
        "id": [0, 1], "model": [1, 0], "size": [1, 1], "high": [0, 1], "dispatch": [0, 35000],
        "slowdown": [pytest.approx(1.0), pytest.approx(1.0)], "slack_ms": [pytest.approx(-1), pytest.approx(994.5)],
    }  # fmt: skip
    (request,) = data["requests"]
    assert (request["id"], request["arrival"], request["deadline"], request["end"]) == (0, 0, 110_000, 120_000)


@pytest.mark.slow
def test_boxes_of_a_row_do_not_overlap(runs):
    for run in runs:
        boxes = boxes_of(run)
        assert np.all(np.diff(boxes.start_s) >= 0)
        for row in range(len(boxes.rows)):
            own = boxes.row == row
            assert own.any()
            assert np.all(boxes.start_s[own][1:] >= boxes.end_s[own][:-1])


@pytest.mark.slow
def test_no_execution_time_is_lost_or_counted_twice(runs):
    for run in runs:
        boxes = boxes_of(run)
        slots = np.array([name.startswith("slot ") for _, name in boxes.rows])[boxes.row]
        drawn_s = (boxes.end_s - boxes.start_s)[slots].sum()
        stopped_s = (run.pauses["on_s"] - run.pauses["gone_s"]).sum()
        held_s = (run.batches["execution_end_s"] - run.batches["execution_start_s"]).sum()
        assert drawn_s == pytest.approx(held_s - stopped_s, rel=1e-12)
    assert any(len(run.pauses) for run in runs)


def test_waiting_is_what_has_arrived_and_not_gone(runs):
    for run in runs:
        waiting = waiting_of(run)
        requests = run.requests
        gone_s = requests["dispatch_s"].fillna(requests["dropped_s"]).fillna(np.inf)
        for index in np.linspace(0, len(waiting.at_s) - 1, 25).astype(int):
            at_s = waiting.at_s[index]
            there = requests[(requests["arrival_s"] <= at_s) & (gone_s > at_s)]
            assert (there["priority"] == "high").sum() == waiting.high[index]
            assert (there["priority"] == "low").sum() == waiting.low[index]
        assert (waiting.high[-1], waiting.low[-1]) == (0, 0)


@pytest.mark.slow
def test_stretches_hold_everything_within_them(runs):
    worst = [find_worst(run, 2) for run in runs]
    made = make_timeline(runs, ["a", "b", "c"], worst)
    assert made.shared
    for run, coded in zip(runs, made.data["runs"], strict=True):
        there = set(coded["batches"]["id"])
        for span in coded["spans"]:
            from_s, to_s = (made.data["start_s"] + at * UNIT_S for at in span)
            inside = (run.batches["execution_start_s"] < to_s - 1e-6) & (run.batches["execution_end_s"] > from_s + 1e-6)
            assert set(run.batches.index[inside]) <= there
    for number, each in enumerate(worst):
        for about in each.explanations:
            place = made.data["requests"][made.requests[number, about.request]]
            assert (place["run"], place["id"]) == (number, about.request)


@pytest.mark.slow
def test_a_page_that_would_be_too_large_has_only_each_policys_own(runs, monkeypatch):
    worst = [find_worst(run, 1) for run in runs]
    shared = make_timeline(runs, ["a", "b", "c"], worst)
    monkeypatch.setattr(timeline_module, "MOST", 10)
    own = make_timeline(runs, ["a", "b", "c"], worst)
    assert (shared.shared, own.shared) == (True, False)
    assert sum(some for some, _ in own.kept) <= sum(some for some, _ in shared.kept)
    assert [every for _, every in own.kept] == [len(run.batches) for run in runs]
