"""Files that were right once: any value of any document replaced, any cell of any table, any byte."""

import csv
import gzip
import json
import shutil

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratsim import bundled
from stratsim.cli import main
from stratsim.results.sweep_rows import checksum

pytestmark = pytest.mark.slow  # hundreds of processes with limits of their own


READERS = {
    "manifest.json": [["explain", "{run}", "--summary"], ["compare", "{run}"], ["replay", "--again", "{run}"]],
    "summary.json": [
        ["compare", "{run}"],
        ["report", "{run}", "--out", "page.html"],
        ["plot", "{run}", "--kind", "violations", "--out", "f.png"],
    ],
    "profile.json": [
        ["profile", "show", "{file}"],
        ["replay", "--profile", "{file}", "--limit", "10"],
        ["profile", "pairs", "{file}", "--out", "pairs.json"],
        ["device", "list", "--profile", "{file}"],
    ],
}

RAW = ("NaN", "Infinity", "1e999", "-1e400", "9" * 400, "9" * 5000, "[" * 5000 + "]" * 5000, '"\\ud800"')
"""Texts that no value of ours is written as."""
VALUES = st.one_of(
    st.sampled_from(
        [
            None,
            True,
            False,
            0,
            -1,
            1,
            2**63,
            2**64,
            -(2**70),
            1e308,
            -1e308,
            5e-324,
            0.0,
            -0.0,
            "",
            [],
            {},
            [[]],
            [None],
        ]
    ),
    st.sampled_from(["../../x", "/dev/zero", "x.py:X", "=1+1", "\x1b[31m", "\u202e", "a\x00b", "\n", "x" * 10_000]),
    st.sampled_from([{"": {}}, {"a": [{"b": 1}]}, [1, "a", None], {"1": 1e-300}]),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
).map(json.dumps)
VALUE = st.one_of(VALUES, st.sampled_from(RAW))


def places(document, path=()):
    """Yield the paths of all values in a document."""
    yield path
    if isinstance(document, dict):
        for key, value in document.items():
            yield from places(value, (*path, key))
    elif isinstance(document, list):
        for index, value in enumerate(document[:3]):
            yield from places(value, (*path, index))


def replaced(document, path, text, how):
    """Return the document as text with the value at a path replaced, left out, or there twice."""
    if not path:
        return text
    document = json.loads(json.dumps(document))
    holder = document
    for part in path[:-1]:
        holder = holder[part]
    mark = "\x00here\x00"
    if how == "gone":
        del holder[path[-1]]
    elif how == "renamed" and isinstance(holder, dict):
        holder[mark] = holder.pop(path[-1])
        return json.dumps(document).replace(json.dumps(mark), text if text.startswith('"') else '"\\u001b[1m"')
    else:
        holder[path[-1]] = mark
    return json.dumps(document).replace(json.dumps(mark), text)


@pytest.mark.parametrize("name", READERS)
def test_any_value_of_a_document(attack, examples, honest, tmp_path, name):
    source = bundled.names("profiles")["asymmetric-six"] if name == "profile.json" else honest / name
    document = json.loads(source.read_text())
    paths = sorted(places(document), key=str)

    @examples
    @given(st.sampled_from(paths), VALUE, st.sampled_from(["other", "gone", "renamed"]), st.sampled_from(READERS[name]))
    def attacked(path, text, how, argv):
        run = shutil.copytree(honest, tmp_path / "run", dirs_exist_ok=True)
        file = tmp_path / name if name == "profile.json" else run / name
        file.write_text(replaced(document, path, text, how))
        attack(*(arg.format(run=run, file=file) for arg in argv))

    attacked()


TABLES = {
    "requests": [
        ["explain", "{run}", "--worst", "2"],
        ["compare", "{run}"],
        ["plot", "{run}", "--kind", "latency-cdf", "--out", "f.png"],
        ["report", "{run}", "--out", "page.html"],
    ],
    "batches": [
        ["explain", "{run}", "--summary"],
        ["plot", "{run}", "--kind", "timeline", "--policy", "fifo", "--out", "f.png"],
        ["plot", "{run}", "--kind", "latency-parts", "--out", "f.png"],
    ],
    "pauses": [["explain", "{run}", "--summary"], ["report", "{run}", "--out", "page.html"]],
}
CELLS = [
    "",
    "-7",
    "=1+1",
    "nan",
    "inf",
    "1e308",
    "-1e308",
    "5e-324",
    "9" * 30,
    "0",
    "x",
    "\x1b[31m",
    "high",
    "fifo",
    "true",
]


@pytest.mark.parametrize("name", TABLES)
def test_any_cell_of_a_table(attack, examples, honest, tmp_path, name):
    rows = [list(map(text, row.values())) for row in pq.read_table(honest / f"{name}.parquet").to_pylist()]
    columns = pq.read_schema(honest / f"{name}.parquet").names

    @examples
    @given(
        st.integers(0, len(columns) - 1),
        st.integers(0, len(rows) - 1),
        st.one_of(st.sampled_from(CELLS), st.text(max_size=5)),
        st.sampled_from(["cell", "column", "without", "twice", "rows", "short"]),
        st.sampled_from(TABLES[name]),
    )
    def attacked(column, row, cell, how, argv):
        run = shutil.copytree(honest, tmp_path / "run", dirs_exist_ok=True)
        (run / f"{name}.parquet").unlink()
        content = written(columns, rows, column, row, cell, how)
        (run / f"{name}.csv.gz").write_bytes(gzip.compress(content.encode("utf-8", "surrogatepass"), 1))
        attack(*(arg.format(run=run) for arg in argv))

    attacked()


def text(value):
    return "" if value is None else repr(value) if isinstance(value, float) else str(value)


def written(columns, rows, column, row, cell, how):
    """Return such a table as CSV."""
    return "\n".join(",".join(each) for each in changed(columns, rows, column, row, cell, how)) + "\n"


def changed(columns, rows, column, row, cell, how):
    """Return a table with a cell or a column of other content, or a column or row missing or there twice."""
    columns, rows = list(columns), [list(each) for each in rows]
    if how == "cell":
        rows[row][column] = cell
    elif how == "column":
        for each in rows:
            each[column] = cell
    elif how == "without":
        for each in (columns, *rows):
            del each[column]
    elif how == "twice":
        for each in (columns, *rows):
            each.append(each[column])
    elif how == "rows":
        rows[row] = rows[(row * 7 + 1) % len(rows)]
    else:
        rows[row] = rows[row][:column]
    return [columns, *rows]


@pytest.mark.parametrize("name", ["manifest.json", "requests.parquet", "batches.parquet", "timeline.json"])
def test_any_byte(attack, examples, honest, tmp_path, name):
    content = (honest / name).read_bytes()
    commands = [
        ["explain", "{run}", "--summary"],
        ["report", "{run}", "--out", "page.html"],
        ["replay", "--again", "{run}"],
    ]

    @examples
    @given(
        st.integers(0, len(content) - 1), st.binary(min_size=1, max_size=4), st.booleans(), st.sampled_from(commands)
    )
    def attacked(at, other, cut, argv):
        run = shutil.copytree(honest, tmp_path / "run", dirs_exist_ok=True)
        (run / name).write_bytes(content[:at] + (b"" if cut else other + content[at + len(other) :]))
        attack(*(arg.format(run=run) for arg in argv))

    attacked()


SWEEP = """
title = "t"
[sweep]
seeds = [1, 2]
until = { metric = "high_violation", half_width = 0.2, most = 3 }
[base]
profile = "asymmetric-six"
policy = "fifo,edf"
load_unit = "saturation"
[arrivals]
requests = 30
[axes]
load = [0.5, 0.9]
"""
STORE_READERS = [
    ["sweep", "show", "{store}"],
    ["sweep", "resume", "{store}", "--quiet"],
    ["sweep", "replay", "{store}", "{row}", "--out", "again"],
    ["compare", "{store}"],
    ["compare", "{store}", "--rows", "all"],
    ["plot", "{store}", "--kind", "load", "--out", "f.png"],
    ["plot", "{store}", "--kind", "equity", "--out", "f.png"],
    ["plot", "{store}", "--kind", "differences", "--out", "f.png"],
    ["plot", "{store}", "--kind", "heatmap", "--x", "load", "--y", "seed", "--out", "f.png"],
    ["report", "{store}", "--out", "page.html"],
]


@pytest.fixture(scope="session")
def swept(tmp_path_factory):
    """The folder of a sweep of eight runs, or of twelve."""
    folder = tmp_path_factory.mktemp("swept")
    (folder / "sweep.toml").write_text(SWEEP)
    assert main(["sweep", "run", str(folder / "sweep.toml"), "--out", str(folder / "sweep"), "--quiet"]) == 0
    return folder / "sweep"


def rows_of(folder):
    with (folder / "results.csv").open(newline="") as file:
        return list(csv.reader(file))


@pytest.mark.parametrize("name", ["manifest.json", "summary.json", "saturation.json"])
def test_any_value_of_a_document_of_a_sweep(attack, examples, swept, tmp_path, name):
    document = json.loads((swept / name).read_text())
    paths = sorted(places(document), key=str)
    row = rows_of(swept)[1][0]

    @examples
    @given(st.sampled_from(paths), VALUE, st.sampled_from(["other", "gone", "renamed"]), st.sampled_from(STORE_READERS))
    def attacked(path, text, how, argv):
        store = shutil.copytree(swept, tmp_path / "sweep", dirs_exist_ok=True)
        (store / name).write_text(replaced(document, path, text, how), "utf-8", "surrogatepass")
        attack(*(arg.format(store=store, row=row) for arg in argv))

    attacked()


def test_any_cell_of_the_rows_of_a_sweep_whose_checksums_fit(attack, examples, swept, tmp_path):
    columns, *rows = rows_of(swept)

    @examples
    @given(
        st.integers(0, len(columns) - 2),
        st.integers(0, len(rows) - 1),
        st.one_of(st.sampled_from(CELLS), st.text(max_size=5), VALUE),
        st.sampled_from(["cell", "column", "without", "twice", "rows", "short"]),
        st.sampled_from(STORE_READERS),
    )
    def attacked(column, row, cell, how, argv):
        store = shutil.copytree(swept, tmp_path / "sweep", dirs_exist_ok=True)
        plain = changed(columns[:-1], [each[:-1] for each in rows], column, row, cell, how)
        with (store / "results.csv").open("w", newline="", encoding="utf-8", errors="surrogatepass") as file:
            csv.writer(file, lineterminator="\n").writerows(
                [[*plain[0], columns[-1]], *([*each, checksum(each)] for each in plain[1:])]
            )
        attack(*(arg.format(store=store, row=rows[0][0]) for arg in argv))

    attacked()
