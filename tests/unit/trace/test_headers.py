"""Column names: those that nearly are the schema's are refused, those that merely are unknown are kept."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stratsim.errors import TraceError
from stratsim.trace import read_trace
from stratsim.trace.headers import NUMBERS, TEXTS, check_header, is_result, missing_arrival

MISNAMED = [
    ("Priority", "priority", "rename it to 'priority'"),
    ("PRIORITY", "priority", "rename it to 'priority'"),
    ("prioritty", "priority", "rename it to 'priority'"),
    ("prio", "priority", "rename it to 'priority'"),
    ("Model", "model", "rename it to 'model'"),
    ("modle", "model", "rename it to 'model'"),
    ("model name", "model", "rename it to 'model'"),
    ("models", "model", "rename it to 'model'"),
    ("slo", "slo_s", "rename it to 'slo_s' if it is in seconds; --column slo="),
    ("SLO-s", "slo_s", "rename it to 'slo_s' if it is in seconds; --column slo="),
    ("slo_ms", "slo_s", "--column slo=slo_ms:ms reads it"),
    ("SLO (ms)", "slo_s", "--column slo=SLO (ms):ms reads it"),
    ("slo_us", "slo_s", "--column slo=slo_us:us reads it"),
    ("slo in milliseconds", "slo_s", "--column slo=slo in milliseconds:ms reads it"),
    ("deadline", "deadline_s", "if it is in seconds, rename it to 'deadline_s' (absolute) or"),
    ("deadline_ms", "deadline_s", "--column deadline=deadline_ms:ms reads it"),
    ("dealine_s", "deadline_s", "if it is in seconds, rename it to 'deadline_s' (absolute) or"),
    ("Bytes In", "bytes_in", "rename it to 'bytes_in'"),
    ("bytes-out", "bytes_out", "rename it to 'bytes_out'"),
    ("Client", "client", "rename it to 'client'"),
]


@pytest.mark.parametrize(("name", "right", "remedy"), MISNAMED)
def test_a_misnamed_column_is_refused_with_the_right_name(name, right, remedy):
    with pytest.raises(TraceError) as caught:
        check_header("t.csv", ["arrival_s", name])
    assert str(caught.value).startswith(f"t.csv, column {name!r}: looks like {right!r}: {remedy}")
    assert caught.value.column == name


@pytest.mark.parametrize(
    "name",
    ["tokens", "ContextTokens", "function", "app", "duration_s", "input_length", "kind", "user", "batch_size", "x",
     "model_version", "slo_class", "client_address", "timestamp", "arrival", "policy", "finish_s", ""],
)  # fmt: skip
def test_a_column_that_is_merely_unknown_is_kept(name):
    check_header("t.csv", ["arrival_s", name])


@pytest.mark.parametrize(
    "header", [["slo_s", "slo_ms"], ["slo_s", "deadline"], ["priority", "Priority"], ["deadline_s", "SLO"]]
)
def test_nothing_is_mistaken_where_the_right_column_is_there(header):
    check_header("t.csv", ["arrival_s", *header])


def test_the_schema_and_the_columns_of_results_pass():
    for name in (*NUMBERS[2:], *TEXTS):
        check_header("t.csv", ["arrival_s", name])
    results = ["request_id", "policy", "arrival_s", "status", "deadline_s", "models"]
    assert is_result(results)
    check_header("t.csv", results)
    assert not is_result(["arrival_s", "policy"])


BY_UNIT = ": rename it to 'arrival_s' if it is in seconds; --column arrival={}:UNIT reads s, ms, us, ns and iso"


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("timestamp", BY_UNIT),
        ("Time", BY_UNIT),
        ("arrival", BY_UNIT),
        ("arrival_ms", ", milliseconds: --column arrival=arrival_ms:ms reads it"),
        ("timestamp_ns", ", nanoseconds: --column arrival=timestamp_ns:ns reads it"),
        ("arrival-norm", ": rename it to 'arrival_norm'"),
    ],
)
def test_a_file_without_arrivals_names_the_column_to_rename(write, name, remedy):
    hint = f"column {name!r} looks like it{remedy.format(name)}"
    assert missing_arrival(["model", name]) == hint
    for path in (write(f"{name},model\n0,bert\n"), write(json.dumps({name: 0, "model": "bert"}) + "\n", "t.jsonl")):
        with pytest.raises(TraceError) as caught:
            read_trace(path)
        assert str(caught.value) == f"{path}, row 1, column 'arrival_s': column is missing; {hint}"


def test_a_name_with_its_unit_needs_no_question(write):
    with pytest.raises(TraceError, match="rename it to 'arrival_s' if it is in seconds; --column arrival=Arrival S:s"):
        read_trace(write("Arrival S,model\n0,bert\n"))


def test_no_guess_without_a_likeness():
    assert missing_arrival(["when", "model"]) == ""


def test_every_format_of_our_own_refuses_a_misnamed_column(write, tmp_path):
    pq.write_table(pa.table({"arrival_s": [0.0], "Priority": ["high"]}), tmp_path / "t.parquet")
    requests = {"arrival_s": [0], "Priority": ["high"]}
    clients = {"format": "stratsim-clients", "version": 1, "clients": [], "requests": requests}
    for path in (
        write("arrival_s,Priority\n0,high\n"),
        write('{"arrival_s": 0, "Priority": "high"}\n', "t.jsonl"),
        write(json.dumps(clients), "t.json"),
        tmp_path / "t.parquet",
    ):
        with pytest.raises(TraceError, match="column 'Priority': looks like 'priority': rename it"):
            read_trace(path)
