import io
import json
from itertools import pairwise

import numpy as np
import pytest

from stratsim.results.timeline import Timeline, timeline_events


def written(results, **options):
    file = io.StringIO()
    timeline = Timeline(file, **options)
    for result in results:
        timeline.add(result)
    timeline.close()
    return json.loads(file.getvalue())


def test_the_file_is_in_the_trace_event_format(make_result):
    content = written([make_result(1, gpus=2), make_result(1, gpus=2, policy="edf")])
    assert set(content) == {"displayTimeUnit", "otherData", "traceEvents"}
    for event in content["traceEvents"]:
        assert {"name", "ph", "pid", "tid", "args"} <= set(event)
        assert event["ph"] in {"M", "X"}
        if event["ph"] == "X":
            assert event["ts"] >= 0
            assert event["dur"] > 0


def test_processes_and_rows_are_named(make_result):
    events = written([make_result(1, gpus=2), make_result(1, gpus=2, policy="edf")])["traceEvents"]
    names = {e["pid"]: e["args"]["name"] for e in events if e["name"] == "process_name"}
    assert names == {1: "fifo, GPU 0", 2: "fifo, GPU 1", 3: "edf, GPU 0", 4: "edf, GPU 1"}
    rows = [e["args"]["name"] for e in events if e["name"] == "thread_name" and e["pid"] == 1]
    assert rows == ["slot 0", "slot 1", "h2d", "d2h"]
    known = {(e["pid"], e["tid"]) for e in events if e["name"] == "thread_name"}
    assert {(e["pid"], e["tid"]) for e in events if e["ph"] == "X"} == known


def test_events_of_a_row_do_not_overlap_and_come_in_order(make_result):
    events = [e for e in timeline_events([make_result(2, requests=600, gpus=2)]) if e["ph"] == "X"]
    for pid in (1, 2):
        times = [e["ts"] for e in events if e["pid"] == pid]
        assert times == sorted(times)
    rows = {}
    for event in events:
        rows.setdefault((event["pid"], event["tid"]), []).append(event)
    for row in rows.values():
        assert all(a["ts"] + a["dur"] <= b["ts"] + 1e-4 for a, b in pairwise(row))  # 0.1 ns


def test_an_event_says_what_its_batch_was(make_result):
    result = make_result()
    row = 4
    (event,) = (
        e for e in timeline_events([result]) if e.get("cat") == "execution" and e["args"]["batch"] == row
    )  # fmt: skip
    batches, requests = result.batches, result.requests
    members = np.flatnonzero(requests.batch == row)
    assert event["name"] == f"{result.models[batches.model[row]]} x{len(members)}"
    assert event["ts"] == pytest.approx(batches.execution_start_s[row] * 1e6)
    assert event["dur"] == pytest.approx((batches.execution_end_s[row] - batches.execution_start_s[row]) * 1e6)
    assert event["args"]["requests"] == members.tolist()
    assert event["args"]["class"] == ("high", "low")[batches.priority[row]]
    assert event["args"]["slowdown"] == pytest.approx(event["dur"] / batches.solo_s[row] / 1e6, abs=1e-5)
    slack = (requests.deadline_s[members] - requests.finish_s[members]).min() * 1e3
    assert event["args"]["deadline_slack_ms"] == pytest.approx(slack, abs=1e-5)


def test_without_a_deadline_there_is_no_slack(make_result):
    events = [e for e in timeline_events([make_result(deadlines=False)]) if e["ph"] == "X"]
    assert {e["args"]["deadline_slack_ms"] for e in events} == {None}


def test_the_cap_is_noted(make_result):
    result = make_result()
    content = written([result], cap=10)
    drawn = [e for e in content["traceEvents"] if e["ph"] == "X"]
    assert {e["args"]["batch"] for e in drawn} == set(range(10))
    assert content["otherData"]["notes"] == [f"fifo: the first 10 of {len(result.batches)} batches"]
    assert written([result])["otherData"]["notes"] == []
