"""Our own columns as JSON lines and as Parquet."""

import gzip
import hashlib
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stratsim.errors import MissingExtraError, TraceError
from stratsim.trace import read_trace
from stratsim.trace.source import load


@pytest.fixture
def parquet(tmp_path):
    def _write(columns):
        path = tmp_path / "trace.parquet"
        pq.write_table(pa.table(columns), path)
        return path

    return _write


def test_json_lines(write):
    text = (
        '{"arrival_s": 0, "model": "bert", "priority": "high", "tokens": 7, "kind": "x"}\n'
        '\n{"arrival_s": 1.5, "model": "bert", "priority": "low", "slo_s": 0.5, "tokens": 8}\n'
    )
    trace = read_trace(write(text, "t.json"))
    assert trace.format == "jsonl"
    assert trace.arrival_s.tolist() == [0, 1.5]
    assert trace.slo_s.tolist() == [np.inf, 0.5]
    assert trace.extra["tokens"].tolist() == [7, 8]
    assert trace.extra["kind"].decode() == ["x", None]
    assert trace.row_of(1) == 3


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"arrival_s": "1"}', "row 2, column 'arrival_s': is not a number (got '1')"),
        ('{"arrival_s": true}', "row 2, column 'arrival_s': is not a number (got True)"),
        ('{"arrival_s": null}', "row 2, column 'arrival_s': is empty"),
        ('{"arrival_s": -1}', "row 2, column 'arrival_s': must not be negative (got -1.0)"),
        ('{"arrival_s": 1, "model": 5}', "row 2, column 'model': is not a string (got 5)"),
        ('{"arrival_s": 1, "model"', "row 2: is not a JSON object"),
        ("[1]", "row 2: is not a JSON object"),
        ('{"arrival_s": NaN}', "row 2: is not a JSON object"),
    ],
)
def test_bad_json_lines_are_placed(write, line, message):
    with pytest.raises(TraceError) as caught:
        read_trace(write('{"arrival_s": 0}\n' + line + "\n"))
    assert message in str(caught.value)


def test_json_columns_of_mixed_kind_stay_as_they_are(write):
    trace = read_trace(write('{"arrival_s": 0, "x": 1}\n{"arrival_s": 1, "x": "a"}\n{"arrival_s": 2, "x": null}\n'))
    assert trace.extra["x"].tolist() == [1, "a", None]


def test_a_json_number_beyond_64_bits_keeps_its_digits(write):
    trace = read_trace(write('{"arrival_s": 0, "x": 1}\n{"arrival_s": 1, "x": 99999999999999999999}\n'))
    assert trace.extra["x"].tolist() == [1, 99999999999999999999]


def test_columns_are_equal_over_many_blocks(write, monkeypatch):
    monkeypatch.setattr("stratsim.trace.tables.json._BLOCK", 2)
    lines = ['{"arrival_s": 0}', '{"arrival_s": 1}', '{"arrival_s": 2, "x": 5, "y": "b"}', '{"arrival_s": 3, "x": 6}']
    trace = read_trace(write("\n".join([*lines, '{"arrival_s": 4, "y": "a"}'])))
    assert trace.arrival_s.tolist() == [0, 1, 2, 3, 4]
    assert trace.extra["x"].tolist() == [None, None, 5, 6, None]
    assert trace.extra["y"].decode() == [None, None, "b", None, "a"]


def test_parquet(parquet):
    path = parquet(
        {
            "arrival_s": pa.array([0.0, 1.5]),
            "model": pa.array(["a", "b"]).dictionary_encode(),
            "priority": ["low", "high"],
            "deadline_s": pa.array([None, 2.0]),
            "bytes_in": pa.array([1, 2], type=pa.int32()),
            "client": pa.array([None, None], type=pa.null()),
            "tokens": [3, 4],
            "kind": pa.array(["x", None]),
            "flag": [True, False],
        }
    )
    trace = read_trace(path)
    assert trace.format == "parquet"
    assert trace.model.decode() == ["a", "b"]
    assert trace.deadline_s.tolist() == [np.inf, 2.0]
    assert trace.bytes_in.tolist() == [1, 2]
    assert trace.client is None
    assert trace.extra["tokens"].tolist() == [3, 4]
    assert trace.extra["kind"].decode() == ["x", None]
    assert trace.extra["flag"].tolist() == [True, False]
    assert trace.row_of(1) == 2


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"arrival_s": ["x"]}, "column 'arrival_s': must hold numbers, holds string"),
        ({"arrival_s": [0.0], "model": [5]}, "column 'model': must hold strings, holds int64"),
        ({"arrival_s": [0.0, float("nan")]}, "row 2, column 'arrival_s': is empty"),
        ({"arrival_s": [0.0], "priority": ["urgent"]}, "row 1, column 'priority': unknown priority"),
        ({"model": ["a"]}, "column 'arrival_s': column is missing"),
        ({"arrival_s": pa.array([], type=pa.float64())}, "has no requests"),
    ],
)
def test_bad_parquet_is_placed(parquet, columns, message):
    with pytest.raises(TraceError) as caught:
        read_trace(parquet(columns))
    assert message in str(caught.value)


def test_parquet_results_may_hold_infinite_deadlines(parquet):
    columns = {"policy": ["fifo"], "status": ["met"], "arrival_s": [0.0], "deadline_s": [np.inf]}
    assert read_trace(parquet(columns)).deadline_free


def test_parquet_is_mapped_and_has_the_digest_of_its_file(parquet):
    path = parquet({"arrival_s": [0.0, 1.0]})
    source = load(path)
    assert source.data == b"PAR1"
    assert source.on_disk == path
    assert source.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_parquet_out_of_a_gzip_file(parquet, tmp_path):
    plain = parquet({"arrival_s": [0.0, 1.0]})
    packed = tmp_path / "trace.parquet.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert load(packed).on_disk is None
    assert read_trace(packed).arrival_s.tolist() == read_trace(plain).arrival_s.tolist() == [0.0, 1.0]


def test_a_damaged_parquet_file(write):
    with pytest.raises(TraceError, match="is not a valid Parquet file"):
        read_trace(write(b"PAR1 and no more"))


def test_parquet_without_pyarrow_says_what_to_install(parquet, monkeypatch):
    path = parquet({"arrival_s": [0.0]})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'stratsim\[parquet\]'"):
        read_trace(path)
