"""Writing: all of it or nothing."""

import gzip
import json
import os
import sys

import numpy as np
import pytest

from stratsim.errors import MissingExtraError, OutputError, SpecError, TraceError
from stratsim.trace import ClientSpec, Names, Trace, read_trace
from stratsim.trace.write import replacing, write_trace

TRACE = Trace(
    arrival_s=np.asarray([0.5, 1.5]),
    model=Names.encode(["a", "b"]),
    priority=np.asarray([0, 1], dtype=np.int8),
    slo_s=np.asarray([0.25, np.inf]),
)


def test_csv_as_a_person_reads_it(tmp_path):
    write_trace(TRACE, tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text() == "arrival_s,model,priority,slo_s\n0.5,a,high,0.25\n1.5,b,low,\n"


def test_gzip_holds_neither_name_nor_time(tmp_path):
    write_trace(TRACE, tmp_path / "t.csv.gz")
    data = (tmp_path / "t.csv.gz").read_bytes()
    assert data[3:8] == bytes(5)  # no flags, no time stamp
    assert gzip.decompress(data).startswith(b"arrival_s,model")


def test_json_lines_as_a_person_reads_them(tmp_path):
    write_trace(TRACE, tmp_path / "t.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "t.jsonl").read_text().splitlines()]
    assert lines[1] == {"arrival_s": 1.5, "model": "b", "priority": "low", "slo_s": None}


def test_an_existing_file_is_left_alone(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("precious")
    with pytest.raises(OutputError, match=r"t.csv: exists already; --overwrite replaces it"):
        write_trace(TRACE, path)
    assert path.read_text() == "precious"
    write_trace(TRACE, path, overwrite=True)
    assert len(read_trace(path)) == 2


def fail_midway(path, error, overwrite=False):
    with replacing(path, overwrite=overwrite) as file:
        file.write(b"half")
        raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_interrupted_write_leaves_nothing(tmp_path, error):
    with pytest.raises(error):
        fail_midway(tmp_path / "t.csv", error)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_overwrite_keeps_the_old_file(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt):
        fail_midway(path, KeyboardInterrupt, overwrite=True)
    assert [entry.name for entry in tmp_path.iterdir()] == ["t.csv"]
    assert path.read_text() == "old"


def test_a_folder_that_does_not_exist(tmp_path):
    with pytest.raises(OutputError, match="cannot be written: No such file or directory"):
        write_trace(TRACE, tmp_path / "no" / "t.csv")


def test_a_folder_in_the_place_of_the_file(tmp_path):
    (tmp_path / "t.csv").mkdir()
    with pytest.raises(OutputError, match="is a directory"):
        write_trace(TRACE, tmp_path / "t.csv", overwrite=True)


def test_a_full_disk_is_reported(tmp_path):
    with pytest.raises(OutputError, match="cannot be written: No space left on device"):
        fail_midway(tmp_path / "t.csv", OSError(28, os.strerror(28)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["t.txt", "t", ".csv", "t.gz"])
def test_an_unknown_suffix(tmp_path, name):
    with pytest.raises(SpecError, match=r"the name must end in one of \.csv, \.csv\.gz, "):
        write_trace(TRACE, tmp_path / name)


def test_closed_loop_clients_need_json(tmp_path):
    trace = Trace(arrival_s=np.empty(0), closed_loop=(ClientSpec("a", limit=1),))
    with pytest.raises(SpecError, match=r"closed-loop clients need the suffix \.json"):
        write_trace(trace, tmp_path / "t.csv")
    assert list(tmp_path.iterdir()) == []


def test_infinity_does_not_fit_into_json(tmp_path):
    trace = Trace(arrival_s=np.zeros(1), extra={"x": np.asarray([np.inf])})
    for name in ("t.jsonl", "t.json"):
        with pytest.raises(SpecError, match="column 'x' holds infinity"):
            write_trace(trace, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_an_extra_column_with_a_known_name(tmp_path):
    trace = Trace(arrival_s=np.zeros(1), extra={"arrival_s": np.zeros(1)})
    with pytest.raises(SpecError, match="extra column 'arrival_s'"):
        write_trace(trace, tmp_path / "t.csv")


def test_parquet_without_pyarrow(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError):
        write_trace(TRACE, tmp_path / "t.parquet")
    assert list(tmp_path.iterdir()) == []


def clients(**changes):
    content = {"format": "stratsim-clients", "version": 1, "clients": [{"id": "a", "limit": 2}]}
    return json.dumps({**content, **changes})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (clients(version=2), "is written in version 2 of stratsim-clients, this stratsim reads version 1"),
        (clients(version=None), "is written in version None"),
        (clients(format="other"), "format must be 'stratsim-clients', got 'other'"),
        (clients(clients=[]), "has neither clients nor requests"),
        (clients(clients=[{"id": "a"}]), "client 'a' never ends: give stop_s or limit - at `$.clients[0]`"),
        (clients(clients=[{"id": "a", "limit": 0}]), "Expected `int` >= 1 - at `$.clients[0].limit`"),
        (clients(clients=[{"id": "a", "limit": 1, "think_s": -1}]), "`float` >= 0.0 - at `$.clients[0].think_s`"),
        (clients(clients=[{"id": "a", "limit": 1, "priority": "mid"}]), "unknown priority 'mid', must be high or low"),
        (clients(clients=[{"id": "a", "stop_s": 1, "start_s": 2}]), "stops at 1.0 s, before it starts at 2.0 s"),
        (clients(clients=[{"id": "a", "limit": 1, "slo_s": 1, "deadline": False}]), "they exclude each other"),
        (clients(clients=[{"id": "a", "limit": 1}] * 2), "client id 'a' occurs twice"),
        (clients(clients=[{"id": "a", "limit": 1, "thnk": 1}]), "unknown field `thnk` - at `$.clients[0]`"),
        (clients(requests={"arrival_s": [0], "model": []}), "columns of requests differ in length"),
        (clients(requests={"arrival_s": [0, -1]}), "row 2, column 'arrival_s': must not be negative"),
        (clients(requests={"arrival_norm": [0, 1]}), "clients that wait for replies need arrivals in seconds"),
        (
            clients(one_at_a_time=[{"id": "b"}], requests={"arrival_s": [0], "client": ["B"]}),
            "one_at_a_time: no request is of client 'b'",
        ),
        (clients(one_at_a_time=[{"id": "a"}]), "client id 'a' occurs twice"),
        (clients(one_at_a_time=[{"id": "b", "stop": 1}]), "unknown field `stop` - at `$.one_at_a_time[0]`"),
        (clients(one_at_a_time=[{"id": "b", "stop_s": -1}]), "`float` >= 0.0 - at `$.one_at_a_time[0].stop_s`"),
    ],
)
def test_bad_client_files(write, text, message):
    with pytest.raises(TraceError) as caught:
        read_trace(write(text, "c.json"))
    assert message in str(caught.value)


def test_the_priority_of_a_client_in_any_case(write):
    (client,) = read_trace(write(clients(clients=[{"id": "a", "limit": 1, "priority": "High"}]), "c.json")).closed_loop
    assert client.priority == 0


def test_a_client_file_with_the_least_that_is_needed(write):
    trace = read_trace(write(clients(), "c.json"))
    assert trace.closed_loop == (ClientSpec("a", limit=2),)
    assert trace.notes == ("closed-loop clients: how many requests arrive depends on the policy",)
    assert not trace.deadline_free
