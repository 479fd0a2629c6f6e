"""Reading never fails in any way but one: a TraceError on one line. And what it returns keeps the schema's promises."""

import csv
import gzip
import io
import json
import math
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stratsim.errors import TraceError
from stratsim.trace import Names, Trace, formats, read_trace

cells = st.one_of(
    st.sampled_from(["", "0", "1", "-1", "1e3", "nan", "inf", "high", "low", " 2", "1_0", "True", '"', "5e-324"]),
    st.floats().map(repr),
    st.integers(-5, 2**70).map(str),
    st.text(max_size=4),
)  # fmt: skip
names = st.sampled_from(
    ["arrival_s", "arrival_norm", "model", "priority", "slo_s", "deadline_s", "bytes_in", "client", "policy", "x"]
)  # fmt: skip


def read_bytes(data, **options):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace"
        path.write_bytes(data)
        return read_trace(path, **options)


def attempt(data, **options):
    """Return the trace, or None if it was refused as it should be: a TraceError that names the file on one line."""
    try:
        return read_bytes(data, **options)
    except TraceError as error:
        text = str(error)
        assert "trace" in text
        assert len(text.splitlines()) == 1
        return None


def assert_promises(trace):
    """Assert all that a validated trace promises."""
    n = len(trace)
    assert isinstance(trace, Trace)
    assert np.isfinite(trace.arrival_s).all()
    assert (trace.arrival_s >= 0).all()
    assert (np.diff(trace.arrival_s) >= 0).all()
    assert trace.slo_s is None or trace.deadline_s is None
    if trace.priority is not None:
        assert set(trace.priority.tolist()) <= {0, 1}
    if trace.deadline_s is not None:
        assert (trace.deadline_s >= trace.arrival_s).all()
    if trace.slo_s is not None:
        assert (trace.slo_s >= 0).all()
    for name in ("model", "client", *trace.extra):
        column = trace.extra[name] if name in trace.extra else getattr(trace, name)
        assert column is None or len(column) == n
        if isinstance(column, Names) and n:
            assert column.codes.max() < len(column.names)
            assert len(set(column.names)) == len(column.names)
    assert trace.model is None or trace.model.complete
    assert [trace.row_of(index) for index in range(n)].count(0) == 0


@pytest.mark.parametrize("name", [None, *formats()])
@given(data=st.binary(max_size=60))
@example(data=b"{")
@example(data=b"[")
@example(data=b"{}")
@example(data=b"PAR1")
@example(data=b"\x1f\x8b")
@example(data=b'"')
@example(data=b",,,\n")
@example(data=b"\xef\xbb\xbf")
@example(data=b"\r!")
@example(data=b"\x01\x0b\x01")
def test_junk_is_refused_on_one_line(name, data):
    trace = attempt(data, format=name)
    if trace is not None:
        assert_promises(trace)


@given(data=st.data())
def test_any_table_is_read_or_refused(data):
    header = data.draw(st.lists(names, min_size=1, max_size=5))
    rows = data.draw(st.lists(st.lists(cells, min_size=1, max_size=len(header) + 1), max_size=5))
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    trace = attempt(text.getvalue().encode("utf-8", "surrogatepass"), format="csv")
    if trace is not None:
        assert_promises(trace)


values = (
    st.none() | st.booleans() | st.integers(-5, 2**70) | st.floats() | st.text(max_size=3) | st.lists(st.integers())
)


@given(records=st.lists(st.dictionaries(names, values, max_size=5), min_size=1, max_size=5))
def test_any_json_lines_are_read_or_refused(records):
    text = "\n".join(json.dumps(record) for record in records)
    trace = attempt(text.encode(), format="jsonl")
    if trace is not None:
        assert_promises(trace)


keys = st.sampled_from(["time", "tasks", "format", "version", "clients", "requests", "deadlines", "timestamp", "id"])
documents = st.recursive(values, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4))


@pytest.mark.parametrize("name", [None, "clients", "disb", "mooncake"])
@given(document=st.dictionaries(keys, documents, min_size=1, max_size=4))
def test_any_json_document_is_read_or_refused(name, document):
    trace = attempt(json.dumps(document).encode(), format=name)
    if trace is not None:
        assert_promises(trace)


rows_of_csv = st.lists(
    st.tuples(
        st.floats(0, 1e6, exclude_max=True),  # from there on times count from the first arrival
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(["high", "low"]),
        st.none() | st.floats(0, 1e9),
    ),
    min_size=1,
    max_size=20,
)


@given(rows=rows_of_csv)
def test_reading_agrees_with_a_plain_loop(rows):
    text = "arrival_s,model,priority,slo_s\n"
    text += "".join(f"{a!r},{m},{p},{'' if s is None else repr(s)}\n" for a, m, p, s in rows)
    trace = read_bytes(text.encode())
    wanted = sorted(rows, key=lambda row: row[0])  # stable, as reading promises
    assert trace.arrival_s.tolist() == [row[0] for row in wanted]
    assert trace.model.decode() == [row[1] for row in wanted]
    assert trace.priority.tolist() == [int(row[2] == "low") for row in wanted]
    slo = [math.inf if row[3] is None else row[3] for row in wanted]
    assert (trace.deadline_free and set(slo) == {math.inf}) or trace.slo_s.tolist() == slo
    assert [rows[trace.row_of(index) - 2] for index in range(len(rows))] == wanted


@given(rows=rows_of_csv, where=st.integers(0, 19), blank=st.booleans(), bad=st.sampled_from(["-1", "x", "", "inf"]))
def test_the_row_in_the_message_is_the_line_of_the_file(rows, where, blank, bad):
    lines = ["arrival_s,model", *(f"{row[0]!r},{row[1]}" for row in rows)]
    row = 1 + where % len(rows)
    lines[row] = f"{bad},a"
    if blank:
        lines.insert(row, "")
        row += 1
    with pytest.raises(TraceError) as caught:
        read_bytes("\n".join(lines).encode())
    assert caught.value.row == row + 1
    assert caught.value.column == "arrival_s"


@given(cut=st.integers(0, 10_000), rows=st.integers(1, 50))
def test_a_gzip_file_cut_anywhere_is_refused(cut, rows):
    whole = gzip.compress(("arrival_s\n" + "".join(f"{n}\n" for n in range(rows))).encode(), mtime=0)
    assert attempt(whole[: cut % len(whole)]) is None


counts = st.lists(st.lists(st.integers(0, 5), min_size=3, max_size=3), min_size=1, max_size=6)


@given(counts=counts, seed=st.integers(0, 2**32))
def test_counts_per_minute_are_preserved(counts, seed):
    text = "HashFunction,1,2,3\n" + "".join(f"f{n},{a},{b},{c}\n" for n, (a, b, c) in enumerate(counts))
    if not np.sum(counts):
        assert attempt(text.encode()) is None
        return
    trace = read_bytes(text.encode(), seed=seed)
    assert_promises(trace)
    functions = trace.extra["function"]
    found = np.zeros((len(counts), 3), dtype=int)
    row = np.asarray([int(name[1:]) for name in functions.names])[functions.codes]
    np.add.at(found, (row, (trace.arrival_s // 60).astype(int)), 1)
    assert found.tolist() == counts
    assert [trace.row_of(index) - 2 for index in range(len(trace))] == row.tolist()


@given(limit=st.integers(1, 30), rows=rows_of_csv)
def test_a_limit_keeps_the_first(limit, rows):
    text = "arrival_s,model\n" + "".join(f"{row[0]!r},{row[1]}\n" for row in rows)
    whole, part = read_bytes(text.encode()), read_bytes(text.encode(), limit=limit)
    assert part.arrival_s.tolist() == whole.arrival_s[:limit].tolist()
    assert part.model.decode() == whole.model.decode()[:limit]
    assert part.head(limit).model.names == part.model.names
