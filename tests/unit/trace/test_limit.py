"""A limit stops reading early: the first requests are those of the whole file, and the rest is not looked at."""

import bz2
import gzip
import lzma
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratsim.errors import LimitError, TraceError
from stratsim.trace import read_trace
from stratsim.trace.read import _MORE_ROWS

ROWS = 150_000
"""Of each file, some megabytes: far more than what is read at a time."""
PACKED = {
    "csv": lambda data: data,
    "gzip": lambda data: gzip.compress(data, 1),
    "bzip2": lambda data: bz2.compress(data, 1),
    "xz": lambda data: lzma.compress(data, preset=0),
}


def csv(rows):
    return "arrival_s,model,weight\n" + "".join(f"{k / 1000},{'ab'[k % 2]},{k}\n" for k in range(rows))


def jsonl(rows):
    return "".join(f'{{"arrival_s": {k / 1000}, "model": "{"ab"[k % 2]}"}}\n' for k in range(rows))


def same(one, other):
    assert one.arrival_s.tolist() == other.arrival_s.tolist()
    assert (one.model.names, one.model.codes.tolist()) == (other.model.names, other.model.codes.tolist())
    assert one.sha256 == other.sha256
    assert one.notes == other.notes
    assert {name: np.asarray(column).tolist() for name, column in one.extra.items()} == {
        name: np.asarray(column).tolist() for name, column in other.extra.items()
    }


@pytest.mark.slow_cases("bzip2", "gzip", "xz")
@pytest.mark.parametrize("packing", PACKED)
def test_what_comes_far_behind_the_limit_is_not_looked_at(tmp_path, packing):
    path = tmp_path / "trace"
    path.write_bytes(PACKED[packing]((csv(ROWS) + "no number,a,0\n").encode()))
    with pytest.raises(TraceError, match=f"row {ROWS + 2}.*is not a number"):
        read_trace(path)
    found = read_trace(path, limit=100)
    assert found.arrival_s.tolist() == [k / 1000 for k in range(100)]
    assert list(found.extra["weight"]) == list(range(100))


@pytest.mark.slow
def test_of_json_lines_neither(tmp_path):
    (tmp_path / "trace").write_text(jsonl(ROWS) + "nothing\n")
    assert len(read_trace(tmp_path / "trace", limit=7)) == 7


def test_of_parquet_no_more_rows_are_counted_against_the_memory_budget(tmp_path, monkeypatch):
    """A million rows in less than 100 kB of memory budget: 8 bytes a cell are 8 MB."""
    pq.write_table(pa.table({"arrival_s": np.arange(1e6) / 1000}), tmp_path / "trace")
    monkeypatch.setenv("STRATSIM_MEMORY", "90K")
    with pytest.raises(LimitError):
        read_trace(tmp_path / "trace")
    assert read_trace(tmp_path / "trace", limit=10).arrival_s.tolist() == [k / 1000 for k in range(10)]


@pytest.fixture(scope="module")
def whole_file(tmp_path_factory):
    """Of a kind: a file, and all of its requests."""

    @lru_cache
    def made(kind):
        path = tmp_path_factory.mktemp("limited") / kind
        if kind == "parquet":
            table = {"arrival_s": np.arange(5000) / 1000, "model": ["ab"[k % 2] for k in range(5000)]}
            pq.write_table(pa.table(table | {"weight": np.arange(5000)}), path)
        else:
            path.write_text(csv(ROWS) if kind == "csv" else jsonl(ROWS))
        return path, read_trace(path)

    return made


@pytest.mark.slow_cases("csv", "jsonl")
@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
@settings(max_examples=3, deadline=None, derandomize=True)
@given(limit=st.integers(1, 4000))
def test_the_requests_are_the_first_of_the_whole_file(whole_file, kind, limit):
    path, whole = whole_file(kind)
    same(read_trace(path, limit=limit), whole.head(limit))


def test_rows_out_of_order_are_sorted_before_they_are_counted(tmp_path):
    """The rows that are read first are not in order: so the first request may be anywhere."""
    rows = [1.0, 0.5, *np.arange(2.0, ROWS).tolist(), 0.25]
    (tmp_path / "trace").write_text("arrival_s\n" + "".join(f"{at_s}\n" for at_s in rows))
    assert read_trace(tmp_path / "trace", limit=3).arrival_s.tolist() == [0.25, 0.5, 1.0]


def test_a_quoted_cell_over_several_lines_is_not_cut(tmp_path):
    cells = "".join(f'{k / 1000},"a\nb\nc"\n' for k in range(ROWS))
    (tmp_path / "trace").write_text("arrival_s,model\n" + cells)
    found = read_trace(tmp_path / "trace", limit=_MORE_ROWS)
    assert found.model.names == ("a\nb\nc",)
    assert len(found) == _MORE_ROWS


def test_a_file_shorter_than_the_limit_is_read_whole(tmp_path):
    (tmp_path / "trace").write_text(csv(50))
    assert len(read_trace(tmp_path / "trace", limit=10**9)) == 50
