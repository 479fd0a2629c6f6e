"""The timeline: the documented format, hand-worked runs, and what of a long run is chosen."""

import io
import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from stratsim.engine.result import BatchTable, PauseTable, RequestTable, Result
from stratsim.errors import SpecError
from stratsim.results.timeline import Timeline, Window, read_window, timeline_events
from stratsim.results.timeline import spans as spans_module
from stratsim.results.timeline.spans import batches_in, choose_spans

NAN, INF = np.nan, np.inf


def written(results, **options):
    file = io.StringIO()
    timeline = Timeline(file, **options)
    for result in results:
        timeline.add(result)
    timeline.close()
    return json.loads(file.getvalue())


def boxes(events):
    return [event for event in events if event["ph"] == "X" and event["cat"] != "stretch"]


# The format -----------------------------------------------------------------------------------------------------------

NEEDED = {
    "M": {"name", "pid", "tid", "args"},
    "X": {"name", "cat", "pid", "tid", "ts", "dur", "args"},
    "i": {"name", "cat", "pid", "tid", "ts", "s", "args"},
    "C": {"name", "pid", "ts", "args"},
    "s": {"name", "cat", "id", "pid", "tid", "ts"},
    "t": {"name", "cat", "id", "pid", "tid", "ts"},
    "f": {"name", "cat", "id", "pid", "tid", "ts", "bp"},
}
"""What events of each phase must say, by "Trace Event Format" (Google, 2016)."""


def check_format(content):
    """Hold a file against the documented format, and what it says against itself."""
    assert content["displayTimeUnit"] in {"ms", "ns"}
    assert isinstance(content["otherData"], dict)
    events = content["traceEvents"]
    processes = {e["pid"] for e in events if e["ph"] == "M" and e["name"] == "process_name"}
    threads = {(e["pid"], e["tid"]) for e in events if e["ph"] == "M" and e["name"] == "thread_name"}
    opened, ended = set(), set()
    for event in events:
        phase = event["ph"]
        assert NEEDED[phase] <= set(event), event
        assert event["pid"] in processes
        assert all(isinstance(event[name], int) for name in ("pid", "tid"))
        if phase == "M":
            continue
        assert isinstance(event["ts"], float)
        assert event["ts"] >= 0
        if phase == "X":
            assert event["dur"] >= 0
        elif phase == "i":
            assert event["s"] in {"g", "p", "t"}
        elif phase == "C":
            assert event["args"]
            assert all(isinstance(value, int) and value >= 0 for value in event["args"].values())
        else:
            key = (event["cat"], event["name"], event["id"])
            assert (key in opened) == (phase != "s"), "an arrow starts once, and before it goes on"
            assert key not in ended
            (ended if phase == "f" else opened).add(key)
        if phase != "C":
            assert (event["pid"], event["tid"]) in threads
    assert opened == ended
    check_bound(events)


def check_bound(events):
    """Every part of an arrow lies in a box of its row that comes before it in the file: that is what it is bound to."""
    open_boxes = {}
    for event in events:
        row = event["pid"], event["tid"]
        if event["ph"] == "X":
            open_boxes[row] = event
        elif event["ph"] in {"s", "t", "f"}:
            box = open_boxes[row]
            assert box["ts"] <= event["ts"] < box["ts"] + box["dur"]


def test_the_file_is_in_the_trace_event_format(make_result):
    content = written([make_result(1, gpus=2), make_result(1, gpus=2, policy="edf")])
    assert set(content) == {"displayTimeUnit", "otherData", "traceEvents"}
    assert {event["ph"] for event in content["traceEvents"]} == set(NEEDED)
    check_format(content)
    check_format(written([make_result(1, requests=400), make_result(2, requests=400, policy="edf")], cap=20))
    check_format(written([make_result(1, requests=400)], window=Window(1.1, 1.2)))


def test_processes_and_rows_are_named(make_result):
    events = written([make_result(1, gpus=2), make_result(1, gpus=2, policy="edf")])["traceEvents"]
    names = {e["pid"]: e["args"]["name"] for e in events if e["name"] == "process_name"}
    assert names == {
        1: "fifo, GPU 0", 2: "fifo, GPU 1", 3: "fifo, requests",
        4: "edf, GPU 0", 5: "edf, GPU 1", 6: "edf, requests",
    }  # fmt: skip
    places = {e["pid"]: e["args"]["sort_index"] for e in events if e["name"] == "process_sort_index"}
    assert sorted(places, key=places.get) == [3, 1, 2, 6, 4, 5]
    rows = [e["args"]["name"] for e in events if e["name"] == "thread_name" and e["pid"] == 1]
    assert rows == ["slot 0", "slot 1", "h2d", "d2h"]


def test_events_of_a_row_do_not_overlap_and_come_in_order(make_result):
    events = boxes(timeline_events(make_result(2, requests=600, gpus=2)))
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
        e for e in timeline_events(result) if e.get("cat") == "execution" and e["args"]["batch"] == row
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
    events = list(timeline_events(make_result(deadlines=False)))
    assert {e["args"]["deadline_slack_ms"] for e in boxes(events)} == {None}
    assert {e["args"]["deadline_after_ms"] for e in events if e.get("cat") == "arrival"} == {None}
    assert [e for e in events if e.get("cat") == "deadline"] == []


# A run by hand --------------------------------------------------------------------------------------------------------


@pytest.fixture
def by_hand():
    """Times in ms; A and B are models.

    request   arrives   deadline   becomes
    0  A high    1         12      batch 0: dispatch 2, copy-in 2-3, execution 3-5 and 7-9, copy-out 9-10: met
    1  A high    2         12      in batch 0
    2  B low     2          8      batch 1: dispatch 4, copy-in 4-5, execution 5-7, copy-out 7-9: late
    3  B low     3          -      dropped at 6
    4  A low     4         20      waits until the end
    """
    ms = 1e-3
    requests = RequestTable(
        arrival_s=ms * np.array([1.0, 2, 2, 3, 4]),
        model=np.array([0, 0, 1, 1, 0], dtype=np.int32),
        priority=np.array([0, 0, 1, 1, 1], dtype=np.int8),
        deadline_s=ms * np.array([12, 12, 8, INF, 20]),
        bytes_in=np.full(5, 1),
        bytes_out=np.full(5, 1),
        client=np.full(5, -1, dtype=np.int32),
        status=np.array([1, 1, 2, 3, 0], dtype=np.int8),
        batch=np.array([0, 0, 1, -1, -1], dtype=np.int32),
        dropped_s=ms * np.array([NAN, NAN, NAN, 6, NAN]),
        reason=np.array([-1, -1, -1, 0, -1], dtype=np.int16),
        finish_s=ms * np.array([10, 10, 9, NAN, NAN]),
    )
    times = ms * np.array([[2.0, 4], [2, 4], [3, 5], [3, 5], [9, 7], [9, 7], [10, 9]])
    codes = [np.array(each, dtype=np.int16) for each in ([0, 0], [0, 1], [2, 1], [0, 1])]
    batches = BatchTable(*codes, *times, solo_s=ms * np.array([4.0, 2]))
    at = [ms * np.array([each], dtype=float) for each in (5, 5, 5, 7, 0)]
    pauses = PauseTable(np.array([0]), *at)
    return Result(
        policy="it", requests=requests, batches=batches, models=("A", "B"), clients=(), reasons=("infeasible",),
        gpus=1, events=0, start_s=0.001, end_s=0.010, wall_s=0.0, pauses=pauses,
    )  # fmt: skip


def test_an_arrow_leads_along_every_part_of_a_batch(by_hand):
    events = list(timeline_events(by_hand))
    rows = {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name" and e["pid"] == 1}
    arrows = [(e["id"], e["ph"], e["ts"] / 1e3, rows[e["tid"]]) for e in events if e["ph"] in {"s", "t", "f"}]
    assert [arrow for arrow in arrows if arrow[0] == 0] == [
        (0, "s", 2.0, "h2d"), (0, "t", 3.0, "slot 0"), (0, "t", 7.0, "slot 0"), (0, "f", 9.0, "d2h"),
    ]  # fmt: skip
    assert [arrow for arrow in arrows if arrow[0] == 1] == [
        (1, "s", 4.0, "h2d"), (1, "t", 5.0, "slot 0"), (1, "f", 7.0, "d2h"),
    ]  # fmt: skip


def test_arrivals_deadlines_and_drops_are_instants(by_hand):
    found = [
        (e["cat"], e["name"], e["ts"] / 1e3, e["args"]["request"]) for e in timeline_events(by_hand) if e["ph"] == "i"
    ]
    assert sorted(found, key=lambda each: (each[0], each[3])) == [
        ("arrival", "A", 1.0, 0), ("arrival", "A", 2.0, 1), ("arrival", "B", 2.0, 2), ("arrival", "B", 3.0, 3),
        ("arrival", "A", 4.0, 4),
        ("deadline", "late", 8.0, 2),  # those at 12 and 20 ms lie after the end
        ("drop", "infeasible", 6.0, 3),
    ]  # fmt: skip
    (first, *_) = (e for e in timeline_events(by_hand) if e["ph"] == "i")
    assert first["args"] == {"request": 0, "model": "A", "class": "high", "batch": 0, "deadline_after_ms": 11.0}


def counted(events, name):
    return [
        (round(e["ts"] / 1e3, 6), e["args"]["high"], e["args"]["low"])
        for e in events
        if e["ph"] == "C" and e["name"] == name
    ]


def test_counters_say_how_many_wait_by_class_and_model(by_hand):
    events = list(timeline_events(by_hand))
    # 2: request 0 leaves with 1, which has just come; 2 comes. 4: 2 leaves, 4 comes. 6: 3 is dropped.
    assert counted(events, "waiting") == [(1, 1, 0), (2, 0, 1), (3, 0, 2), (4, 0, 2), (6, 0, 1)]
    assert counted(events, "waiting: A") == [(1, 1, 0), (2, 0, 0), (4, 0, 1)]
    assert counted(events, "waiting: B") == [(1, 0, 0), (2, 0, 1), (3, 0, 2), (4, 0, 1), (6, 0, 0)]


def test_a_window_begins_with_what_waits_then(by_hand):
    spans, note = choose_spans(by_hand, Window(0.0035, 0.0055), 5_000)
    events = list(timeline_events(by_hand, spans))
    assert note == "it: the window from 0.0035 to 0.0055 s"
    assert counted(events, "waiting") == [(3.5, 0, 2), (4, 0, 2)]
    assert counted(events, "waiting: B") == [(3.5, 0, 2), (4, 0, 1)]
    assert [(e["cat"], e["args"]["request"]) for e in events if e["ph"] == "i"] == [("arrival", 4)]
    assert {e["args"]["batch"] for e in boxes(events)} == {0, 1}
    (stretch,) = (e for e in events if e.get("cat") == "stretch")
    assert (stretch["ts"], stretch["dur"], stretch["args"]) == (3500.0, 2000.0, {"arrivals": 1})


@pytest.mark.parametrize(
    ("window", "rows"), [((None, 0.003), [0]), ((0.0095, None), [0]), ((0.0091, 0.02), [0]), ((0.009, None), [0, 1])]
)
def test_a_window_holds_what_is_in_flight_in_it(by_hand, window, rows):
    spans, _ = choose_spans(by_hand, Window(*window), 5_000)
    assert batches_in(by_hand, spans).tolist() == rows


def test_a_window_after_the_end_is_said(by_hand):
    content = written([by_hand], window=Window(5.0))
    assert content["otherData"]["notes"] == ["it: nothing from 5 s on: the run ends at 0.01 s"]
    check_format(content)


def test_a_window_of_too_much_is_cut(by_hand, monkeypatch):
    monkeypatch.setattr(spans_module, "MOST", 3)
    (span,), note = choose_spans(by_hand, Window(0.0), 5_000)
    assert (span.from_s, span.to_s) == (0.0, 0.003)  # the fourth arrival
    assert "only what is before 0.003 s" in note


@pytest.mark.parametrize("window", [(2.0, 1.0), (1.0, 1.0), (NAN, 1.0), (0.0, INF)])
def test_a_window_that_is_none_is_refused(window):
    with pytest.raises(SpecError, match="--timeline-from"):
        Window(*window).checked()


# What is worth a look -------------------------------------------------------------------------------------------------


def test_a_short_run_is_there_whole(make_result):
    result = make_result()
    content = written([result])
    assert {e["args"]["batch"] for e in boxes(content["traceEvents"])} == set(range(len(result.batches)))
    assert content["otherData"]["notes"] == []


def test_of_a_long_run_the_busiest_moment_and_the_worst_requests_are_there(make_result, monkeypatch):
    monkeypatch.setattr(spans_module, "BUSIEST", 20)
    monkeypatch.setattr(spans_module, "AROUND", 4)
    monkeypatch.setattr(spans_module, "WORST", 1)
    result = make_result(3, requests=3000)
    content = written([result], cap=100)
    requests = result.requests
    for status, score in ((2, requests.finish_s - requests.deadline_s), (3, requests.dropped_s - requests.arrival_s)):
        for priority in (0, 1):
            own = np.flatnonzero((requests.status == status) & (requests.priority == priority))
            row = own[np.argmax(score[own])]
            end_us = (requests.finish_s[row] if status == 2 else requests.dropped_s[row]) * 1e6
            stretches = [
                e for e in content["traceEvents"] if e.get("cat") == "stretch" and f"request {row}:" in e["name"]
            ]
            assert len(stretches) == 1
            assert stretches[0]["ts"] - 1e-3 <= end_us <= stretches[0]["ts"] + stretches[0]["dur"] + 1e-3
    kept = {e["args"]["batch"] for e in boxes(content["traceEvents"])}
    assert 20 <= len(kept) < 20 + 4 * 4 + 30  # those in flight at the ends too
    said = f"fifo: {len(kept)} of {len(result.batches)} batches, around the busiest moment and the worst requests"
    assert content["otherData"]["notes"] == [f"{said} (--timeline-from and --timeline-to choose a window)"]


def test_where_nothing_failed_the_closest_are_the_worst(by_hand):
    requests = by_hand.requests
    met = replace(requests, status=np.full(5, 1, dtype=np.int8), finish_s=requests.arrival_s + 0.004)
    spans, _ = choose_spans(replace(by_hand, requests=met), None, 1)
    said = "; ".join(span.why for span in spans)
    assert "request 0: high, 7 ms to spare" in said
    assert "request 3: low, 4 ms" in said  # without a deadline: its latency
    assert said.index("request 2: low, 2 ms to spare") >= 0


def test_stretches_do_not_overlap(make_result):
    spans, _ = choose_spans(make_result(4, requests=3000), None, 100)
    assert all(one.to_s < other.from_s for one, other in pairwise(spans))


def test_the_window_is_found_again(by_hand, tmp_path):
    path = tmp_path / "timeline.json"
    with path.open("w") as file:
        timeline = Timeline(file, Window(0.002, None))
        timeline.add(by_hand)
        timeline.close()
    assert read_window(path) == Window(0.002, None)
    for text in ("", "[]", '{"displayTimeUnit": "ms",\n"otherData": {"window_s": [2, 1]},\n', "\n" + "[" * 10_000):
        path.write_text(text)
        assert read_window(path) is None
    assert read_window(tmp_path / "none") is None
