"""`limit`: of rows that are requests in order no more is read than it takes; the answer is that of the whole file."""

import gzip

import numpy as np
import pytest

from stratsim import read_trace
from stratsim.errors import LimitError
from stratsim.trace import read
from stratsim.trace.source import load

ROWS = 200


@pytest.fixture(autouse=True)
def _few_more(monkeypatch):
    """Twice the limit and ten more rows are read, instead of ten thousand."""
    monkeypatch.setattr(read, "_MORE_ROWS", 10)


def written(path, lines):
    path.write_text("\n".join(lines) + "\n")
    return path


def same(one, other):
    assert np.array_equal(one.arrival_s, other.arrival_s)
    assert (one.model is None) == (other.model is None)
    assert one.model is None or one.model.decode() == other.model.decode()
    assert (one.sha256, one.format) == (other.sha256, other.format)


@pytest.fixture
def arrivals():
    return ["arrival_s,model", *[f'{i / 100},"m{i % 3}"' for i in range(ROWS)]]


@pytest.mark.parametrize("packed", [False, True])
def test_the_first_requests_are_those_of_the_whole_file(tmp_path, arrivals, packed):
    path = written(tmp_path / "t.csv", arrivals)
    if packed:
        path.write_bytes(gzip.compress(path.read_bytes()))
    assert load(path, head=20).head == 20
    same(read_trace(path, limit=5), read_trace(path).head(5))


def test_rows_out_of_order_make_it_read_on(tmp_path, arrivals):
    """The third row is late, and the earliest of all comes last, which only the whole file tells."""
    early = [*arrivals[:3], "1.5,m0", *arrivals[3:], "0,m2"]
    path = written(tmp_path / "t.csv", early)
    same(read_trace(path, limit=5), read_trace(path).head(5))
    assert sum(read_trace(path, limit=5).arrival_s == 0.0) == 2


def test_a_file_that_ends_in_a_quoted_line_feed_is_cut_before_it(tmp_path):
    rows = [f'{i},"two\nlines"' for i in range(ROWS)]
    path = written(tmp_path / "t.csv", ["arrival_s,note", *rows])
    same(read_trace(path, limit=7), read_trace(path).head(7))


def test_json_lines(tmp_path):
    path = written(tmp_path / "t.jsonl", [f'{{"arrival_s": {i}, "model": "a"}}' for i in range(ROWS)])
    assert load(path, head=20).head == 20
    same(read_trace(path, limit=5), read_trace(path).head(5))


def test_a_document_is_read_whole(tmp_path):
    rows = ",\n".join(f'{{"arrival_s": {i}, "model": "a"}}' for i in range(ROWS))
    path = written(tmp_path / "t.json", [f"[\n{rows}\n]"])
    assert load(path, head=20).head is None
    same(read_trace(path, limit=5), read_trace(path).head(5))


def test_rows_that_are_no_requests_are_read_whole(tmp_path):
    """Requests per second, one number a line: the first requests are not the first lines."""
    path = written(tmp_path / "t.csv", [str(i % 3) for i in range(ROWS)])
    counts = "counts(interval_s=1)"
    same(read_trace(path, format=counts, limit=5), read_trace(path, format=counts).head(5))


def test_requests_of_a_coarse_time_stamp_are_placed_as_in_the_whole_file(tmp_path):
    """Ten requests a second, whole seconds: the third is placed by how many there are, which five rows do not tell."""
    head = "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type"
    path = written(tmp_path / "t.csv", [head, *[f"{i // 10},m,1,1,2,API log" for i in range(ROWS)]])
    same(read_trace(path, limit=15), read_trace(path).head(15))


def test_parquet(tmp_path, arrivals):
    csv = pytest.importorskip("pyarrow.csv")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "t.parquet"
    parquet.write_table(csv.read_csv(written(tmp_path / "t.csv", arrivals)), path)
    same(read_trace(path, limit=5), read_trace(path).head(5))


def test_what_is_too_large_as_a_whole_can_be_begun(tmp_path, monkeypatch):
    """8 MB against a budget of 6 MB."""
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(b"arrival_s\n" + b"".join(b"%07d\n" % i for i in range(1_000_000))))
    monkeypatch.setenv("STRATSIM_MEMORY", "6M")
    with pytest.raises(LimitError, match="unpacks to more than"):
        read_trace(path)
    assert read_trace(path, limit=4).arrival_s.tolist() == [0.0, 1.0, 2.0, 3.0]
