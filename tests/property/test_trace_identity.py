"""Convert, read, convert: the second file is the first, byte for byte, whatever columns a trace has beside ours."""

import json
import tempfile
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratsim.trace import read_trace
from stratsim.trace.write import write_trace

texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=6)
odd = st.sampled_from(
    ["007", "1.50", "nan", "NaN", "inf", "None", "null", "true", "-0", "+1", "1e5", " x", "x ", '"', 'a"b', "a,b",
     "a\nb", "a\r\nb", "a\rb", "9007199254740993", "18446744073709551616", "[1, 2]", "\u2028", "é", "0x10"]
)  # fmt: skip
cells = st.one_of(texts, odd, st.integers(-(2**70), 2**70).map(str), st.floats().map(repr))
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | odd,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)
names = st.lists(st.sampled_from(["id", "code", "hash ids", "a,b", 'q"q', "naïve", "1"]), max_size=3, unique=True)


@st.composite
def columns(draw, kind):
    n = draw(st.integers(1, 6))
    return n, {name: draw(st.lists(kind, min_size=n, max_size=n)) for name in draw(names)}


def twice(first, suffix):
    """Convert a file twice; return both results."""
    with tempfile.TemporaryDirectory() as folder:
        path, one, two = Path(folder) / "trace", Path(folder) / f"one{suffix}", Path(folder) / f"two{suffix}"
        path.write_bytes(first)
        write_trace(read_trace(path), one)
        write_trace(read_trace(one), two)
        return one.read_bytes(), two.read_bytes()


def as_jsonl(n, found):
    rows = [{"arrival_s": float(row)} | {name: cells[row] for name, cells in found.items()} for row in range(n)]
    return "\n".join(map(json.dumps, rows)).encode()


def quoted(cell):
    return '"' + cell.replace('"', '""') + '"'


def as_csv(n, found):
    lines = [",".join(["arrival_s", *map(quoted, found)])]
    lines += [",".join([str(row), *(quoted(cells[row]) for cells in found.values())]) for row in range(n)]
    return ("\n".join(lines) + "\n").encode()


@given(table=columns(cells))
def test_csv_is_the_same_after_csv(table):
    one, two = twice(as_csv(*table), ".csv")
    assert one == two


@given(table=columns(cells))
def test_every_cell_of_csv_is_kept_to_the_character(table):
    n, found = table
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder) / "t.csv", Path(folder) / "o.csv"
        path.write_bytes(as_csv(n, found))
        write_trace(read_trace(path), out)
        import csv

        with out.open(newline="", encoding="utf-8") as file:
            header, *rows = csv.reader(file)
    assert header == ["arrival_s", *found]
    assert [list(row[1:]) for row in rows] == [[cells[row] for cells in found.values()] for row in range(n)]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
@given(table=columns(values))
def test_json_lines_are_the_same_after_any_format(suffix, table):
    one, two = twice(as_jsonl(*table), suffix)
    assert one == two


@given(table=columns(values))
def test_every_value_of_json_lines_is_kept(table):
    n, found = table
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder) / "t.jsonl", Path(folder) / "o.jsonl"
        path.write_bytes(as_jsonl(n, found))
        write_trace(read_trace(path), out)
        rows = [json.loads(line) for line in out.read_text(encoding="utf-8").split("\n") if line]
    assert [[row[name] for name in found] for row in rows] == [
        [cells[row] for cells in found.values()] for row in range(n)
    ]


arrow = st.sampled_from(
    [
        pa.array([1, None, 3], type=pa.int64()),
        pa.array([2**63, 2**64 - 1, 0], type=pa.uint64()),
        pa.array([1, 2, 3], type=pa.int8()),
        pa.array([0.5, None, float("nan")], type=pa.float64()),
        pa.array([0.5, 1.5, -0.0], type=pa.float32()),
        pa.array([True, None, False]),
        pa.array([[1, 2], [], None], type=pa.list_(pa.int32())),
        pa.array([{"a": 1, "b": "x"}, None, {"a": 2, "b": None}]),
        pa.array([[("k", 1)], [], None], type=pa.map_(pa.string(), pa.int64())),
        pa.array([1, 1715472000123456789, None], type=pa.timestamp("ns", tz="UTC")),
        pa.array([Decimal("1.50"), Decimal("2.25"), None], type=pa.decimal128(20, 2)),
        pa.array(["", None, "007"]),
        pa.array(["a", "b", "a"]).dictionary_encode(),
        pa.array([5, 6, 5]).dictionary_encode(),
        pa.array([b"\x00\xff", None, b"x"]),
        pa.array(["x", None, "y"], type=pa.large_string()),
        pa.nulls(3),
    ]
)


@given(found=st.lists(arrow, min_size=1, max_size=3))
def test_parquet_keeps_every_type_and_value(found):
    given_table = pa.table({"arrival_s": [0.0, 1.0, 2.0]} | {f"x{n}": column for n, column in enumerate(found)})
    with tempfile.TemporaryDirectory() as folder:
        path, one, two = (Path(folder) / name for name in ("t.parquet", "one.parquet", "two.parquet"))
        pq.write_table(given_table, path)
        write_trace(read_trace(path), one)
        write_trace(read_trace(one), two)
        assert one.read_bytes() == two.read_bytes()
        written = pq.read_table(one)
    for name in given_table.column_names:
        right, there = given_table.column(name).combine_chunks(), written.column(name).combine_chunks()
        assert repr(there.to_pylist()) == repr(right.to_pylist())
        if not pa.types.is_null(right.type) and not pa.types.is_string(right.type):
            assert there.type == right.type or pa.types.is_dictionary(right.type)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
@given(found=st.lists(arrow, min_size=1, max_size=3))
def test_parquet_becomes_text_once(suffix, found):
    table = pa.table({"arrival_s": [0.0, 1.0, 2.0]} | {f"x{n}": column for n, column in enumerate(found)})
    with tempfile.TemporaryDirectory() as folder:
        pq.write_table(table, Path(folder) / "t")
        one, two = twice((Path(folder) / "t").read_bytes(), suffix)
    assert one == two


def test_digits_survive_every_pair_of_formats(tmp_path):
    first = tmp_path / "t.jsonl"
    first.write_text('{"arrival_s": 0, "id": 18446744073709551615}\n{"arrival_s": 1, "id": null}\n')
    for one in (".csv", ".jsonl", ".parquet"):
        for other in (".csv", ".jsonl", ".parquet"):
            write_trace(read_trace(first), tmp_path / f"a{one}", overwrite=True)
            write_trace(read_trace(tmp_path / f"a{one}"), tmp_path / f"b{other}", overwrite=True)
            back = read_trace(tmp_path / f"b{other}").extra["id"]
            found = back.values() if hasattr(back, "values") else np.asarray(back).tolist()
            assert found == [18446744073709551615, None], (one, other)
