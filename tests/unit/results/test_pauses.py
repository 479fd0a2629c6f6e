"""Runs that preempt: invariants, tables, summary and timeline heed the pauses."""

import dataclasses

import numpy as np
import pytest

from stratsim import simulate
from stratsim.errors import SpecError
from stratsim.model.cluster import Cluster
from stratsim.model.columns import PAUSE_KINDS
from stratsim.policy.preempt import PreemptReset
from stratsim.policy.queueing import PriorityEdf
from stratsim.results import invariants, read_results, summarize, write_results
from stratsim.results.timeline import timeline_events
from stratsim.testing import make_profile, make_workload

PROFILE = make_profile({"h": 0.002, "l": 0.010}, kernels={"h": 2, "l": 10})
ROWS = [(0.0, "l", "low", 1.0), (0.0035, "h", "high", 1.0), (0.007, "h", "high", 1.0)]
ALONE = Cluster(device_model="exclusive", max_concurrency=1, prefetch=0, transfers=False)


def run(policy, name):
    return simulate(make_workload(ROWS, profile=PROFILE), PROFILE, policy, cluster=ALONE, name=name)


@pytest.fixture(scope="module")
def result():
    """Low 0 to 3.5, of which 0.5 is lost, 5.5 to 7, of which 0.5 again, 9 to the end at 15; high 3.5 to 5.5, 7 to 9."""
    return run(PreemptReset(latency_s=0.0, max_batch=1), "reset")


def test_the_run_is_as_worked_out(result):
    assert invariants(result, 1) == []
    assert result.stretches().batch.tolist() == [0, 0, 0, 1, 2]
    assert (result.stretches().start_s * 1e3).tolist() == pytest.approx([0, 5.5, 9, 3.5, 7])
    assert (result.stretches().end_s * 1e3).tolist() == pytest.approx([3.5, 7, 15, 5.5, 9])
    assert (result.executed_s * 1e3).tolist() == pytest.approx([11, 2, 2])


@pytest.mark.parametrize(
    ("column", "row", "value", "line"),
    [
        ("suspend_s", 1, 0.010, "I10: freed_s before suspend_s"),
        ("stopped_s", 1, 0.0095, "I10: restart_s before stopped_s"),
        ("restart_s", 0, np.nan, "I10: never resumed"),
        ("restart_s", 0, 0.008, "I10: begins before the batch's pause before it has ended"),
        ("restart_s", 1, 1.0, "I10: after the batch ended"),
        ("lost_s", 0, -0.1, "I10: lost_s below 0"),
        ("lost_s", 0, 0.002, "I3: executed faster than alone"),
        ("batch", 0, 7, "I10: of a batch that does not exist"),
        ("freed_s", 0, 0.004, "I4: GPU 0 executed 2 batches at once"),
    ],
)
def test_each_violation_is_reported(result, column, row, value, line):
    values = getattr(result.pauses, column).copy()
    values[row] = value
    broken = dataclasses.replace(result, pauses=dataclasses.replace(result.pauses, **{column: values}))
    found = invariants(broken, 1)
    assert any(text.startswith(line) for text in found), found


def test_the_summary_counts_execution_without_pauses(result):
    gpu = summarize(result)["gpu"][0]
    assert gpu["utilization"] == pytest.approx(1.0)
    assert gpu["mean_concurrency"] == pytest.approx(1.0)
    assert gpu["max_slowdown"] == pytest.approx(1.1)


@pytest.mark.parametrize("parquet", [True, False])
def test_tables_are_written_and_read_back(result, tmp_path, parquet):
    plain = run(PriorityEdf(max_batch=1), "plain")
    runs = [plain, result]
    write_results(runs, tmp_path / "out", manifest={}, summaries=[summarize(each) for each in runs], parquet=parquet)
    stored = read_results(tmp_path / "out")
    pauses = stored.pauses()
    assert list(pauses.columns) == list(PAUSE_KINDS)
    assert pauses["policy"].tolist() == ["reset", "reset"]
    assert pauses["restart_s"].tolist() == result.pauses.restart_s.tolist()
    batches = stored.batches(["policy", "pauses", "paused_s", "lost_s", "slowdown"])
    assert batches["pauses"].tolist() == [0, 0, 0, 2, 0, 0]
    assert (batches["paused_s"] * 1e3).tolist() == pytest.approx([0, 0, 0, 4, 0, 0])
    assert (batches["lost_s"] * 1e3).tolist() == pytest.approx([0, 0, 0, 1, 0, 0])
    assert batches["slowdown"].tolist() == pytest.approx([1, 1, 1, 1.1, 1, 1])


def test_without_preemption_there_is_no_table(tmp_path):
    plain = run(PriorityEdf(max_batch=1), "plain")
    write_results([plain], tmp_path / "out", manifest={}, summaries=[summarize(plain)])
    with pytest.raises(SpecError, match=r"has neither pauses\.parquet nor pauses\.csv\.gz"):
        read_results(tmp_path / "out").pauses()


def test_the_timeline_shows_every_stretch_and_every_pause(result):
    events = [event for event in timeline_events(result) if event["ph"] == "X" and event["args"].get("batch") == 0]
    shown = [(event["cat"], event["ts"] / 1e3, event["dur"] / 1e3) for event in events]
    expected = [("execution", 0, 3.5), ("pause", 3.5, 2), ("execution", 5.5, 1.5), ("pause", 7, 2), ("execution", 9, 6)]
    assert [name for name, *_ in shown] == [name for name, *_ in expected]
    assert [span for _, *span in shown] == [pytest.approx(span) for _, *span in expected]
