"""Times as seconds since 1970 count from the first arrival; smaller ones are left alone."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stratsim.model.tolerance import latest_finish_s
from stratsim.trace import ClientSpec, OneAtATimeSpec, Trace, read_trace
from stratsim.trace.epoch import rebased
from stratsim.trace.rule import complete

NOTE = "times count from the first arrival, 1.7e+09 s"


def test_csv_counts_from_the_first_arrival(write):
    trace = read_trace(write("arrival_s,deadline_s\n1700000002,1700000002.5\n1700000000,1700000001\n1700000004,\n"))
    assert trace.arrival_s.tolist() == [0, 2, 4]
    assert trace.deadline_s.tolist() == [1, 2.5, np.inf]
    assert trace.notes[-1] == NOTE
    assert trace.notes[0].startswith("sorted by arrival")


def test_parquet_and_json_lines_do_too(write, tmp_path):
    pq.write_table(pa.table({"arrival_s": [1.7e9, 1.7e9 + 1]}), tmp_path / "t.parquet")
    lines = write('{"arrival_s": 1700000000}\n{"arrival_s": 1700000001}\n', "t.jsonl")
    for path in (tmp_path / "t.parquet", lines):
        trace = read_trace(path)
        assert (trace.arrival_s.tolist(), trace.notes) == ([0, 1], (NOTE,))


@pytest.mark.parametrize("start", [0.0, 0.1, 1234.5678901234567, 999_999.9])
def test_smaller_starts_stay_bit_for_bit(write, start):
    trace = read_trace(write(f"arrival_s,deadline_s\n{start!r},{start + 1 / 3!r}\n"))
    assert trace.arrival_s.tolist() == [start]
    assert trace.deadline_s.tolist() == [start + 1 / 3]
    assert trace.notes == ()


def test_the_limit_is_a_million_seconds_and_shapes_have_none(write):
    assert read_trace(write("arrival_s\n1e6\n1000001\n")).arrival_s.tolist() == [0, 1]
    assert read_trace(write("arrival_norm\n1e9\n2e9\n")).arrival_s.tolist() == [1e9, 2e9]


def test_a_deadline_of_microseconds_keeps_its_meaning(write, profile):
    trace = read_trace(write("arrival_s,slo_s\n1700000000,0.001\n"))
    workload = complete(trace, profile.for_scheduler(), resolve=profile.resolve)
    deadline_s = float(workload.deadline_s[0])
    assert latest_finish_s(deadline_s) >= 0.001
    assert not latest_finish_s(deadline_s) >= 0.0010001


def test_clients_move_with_the_requests(write):
    clients = [
        {"id": "a", "start_s": 1.7e9 + 5, "stop_s": 1.7e9 + 60},
        {"id": "b", "limit": 3},
        {"id": "c", "start_s": 1.7e9, "limit": 3},
    ]
    content = {"format": "stratsim-clients", "version": 1, "clients": clients, "requests": {"arrival_s": [1.7e9 + 1]}}
    trace = read_trace(write(json.dumps(content), "c.json"))
    a, b, c = trace.closed_loop
    assert (a.start_s, a.stop_s) == (5, 60)
    assert (b.start_s, b.stop_s, c.start_s) == (0, np.inf, 0)
    assert trace.arrival_s.tolist() == [1]
    assert NOTE in trace.notes


def test_the_end_of_clients_that_send_one_at_a_time_moves_too():
    one, two = OneAtATimeSpec("a", 1.7e9 + 60, ("m",)), OneAtATimeSpec("b")
    trace = rebased(Trace(arrival_s=np.asarray([1.7e9, 1.7e9 + 1]), one_at_a_time=(one, two)))
    assert trace.one_at_a_time == (OneAtATimeSpec("a", 60.0, ("m",)), two)
    stopped = Trace(arrival_s=np.asarray([1.7e9]), one_at_a_time=(OneAtATimeSpec("a", 60.0),))
    assert rebased(stopped) is stopped


@pytest.mark.parametrize(
    "clients",
    [
        (ClientSpec("a", stop_s=60.0), ClientSpec("b", start_s=2e6, limit=1)),
        (ClientSpec("a", limit=1),),
        (ClientSpec("a", start_s=5.0, limit=1),),
    ],
)
def test_clients_whose_times_are_no_dates_stay(clients):
    trace = Trace(arrival_s=np.empty(0), closed_loop=clients)
    assert rebased(trace) is trace
