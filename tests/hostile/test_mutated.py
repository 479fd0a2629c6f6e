"""Files that were right once: any value of any document replaced, any cell of any table, any byte."""

import csv
import gzip
import io
import json
import shutil
import sqlite3

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


EPOCH_NS = 1_725_000_000_000_000_000
MEASUREMENTS = {
    "perf-analyzer": {
        "experiments": [
            {
                "experiment": {"mode": "concurrency", "value": 1},
                "requests": [{"timestamp": EPOCH_NS, "response_timestamps": [EPOCH_NS + 5_000_000]}],
                "window_boundaries": [EPOCH_NS, EPOCH_NS + 9_000_000],
            }
        ],
        "version": "2.60.0",
        "service_kind": "triton",
    },
    "aiperf": {
        "metadata": {
            "request_start_ns": EPOCH_NS,
            "request_end_ns": EPOCH_NS + 5_000_000,
            "benchmark_phase": "profiling",
        },
        "metrics": {"request_latency": {"value": 5.0, "unit": "ms"}},
        "error": None,
    },
    "trtexec": [{"startComputeMs": 0.0, "endComputeMs": 2.0, "computeMs": 2.0, "h2dMs": 0.1, "d2hMs": 0.1}],
    "nvbandwidth": {
        "nvbandwidth": {
            "version": "v0.6",
            "testcases": [
                {"name": f"{way}_memcpy_ce", "status": "Passed", "bandwidth_matrix": [["24.6"]], "sum": 24.6}
                for way in ("host_to_device", "device_to_host")
            ],
        }
    },
}
"""Files of other tools that are right, by the kind that `profile import` knows them as."""


@pytest.mark.parametrize("kind", MEASUREMENTS)
def test_any_value_of_a_file_of_measurements(attack, examples, tmp_path, kind):
    document = MEASUREMENTS[kind]
    paths = sorted(places(document), key=str)
    argv = ["profile", "import", kind, "file.json", "--model", "m", "--batch", "1", "--into", "rtx3080-disb"]

    @examples
    @given(st.sampled_from(paths), VALUE, st.sampled_from(["other", "gone", "renamed"]))
    def attacked(path, text, how):
        (tmp_path / "here" / "file.json").write_text(replaced(document, path, text, how))
        attack(*argv, "--out", "made.json", "--overwrite")

    attacked()


STAMPS = ("REQUEST_START", "QUEUE_START", "COMPUTE_START", "COMPUTE_INPUT_END", "COMPUTE_OUTPUT_START", "COMPUTE_END")
LOGS = {
    "triton": [
        {
            "id": number,
            "model_name": "vgg19",
            "timestamps": [
                {"name": name, "ns": EPOCH_NS + number * 100_000_000 + at * 1_000_000}
                for at, name in enumerate((*STAMPS, "REQUEST_END"))
            ],
        }
        for number in range(1, 61)
    ],
    "aiperf": MEASUREMENTS["aiperf"],
}
"""Logs of servers that are right; of aiperf one line of many."""


@pytest.mark.parametrize("kind", LOGS)
def test_any_value_of_a_log_of_a_server(attack, examples, tmp_path, kind):
    paths = sorted(places(LOGS[kind]), key=str)
    machine = ["--model", "vgg19", "--profile", "rtx3080-disb", "--policy", "fifo", "--set", "max_batch=1"]
    commands = [
        ["observe", "log", "--model", "vgg19"],
        ["replay", "log", *machine],
        ["calibrate", "log", *machine, "--out", "made.json", "--overwrite"],
    ]
    sent = [
        MEASUREMENTS["aiperf"]
        | {"metadata": {"request_start_ns": EPOCH_NS + 10**8 * at, "request_end_ns": EPOCH_NS + 10**8 * at + 5 * 10**6}}
        for at in range(1, 60)
    ]
    lines = [] if kind == "triton" else [json.dumps(line) for line in sent]

    @examples
    @given(st.sampled_from(paths), VALUE, st.sampled_from(["other", "gone", "renamed"]), st.sampled_from(commands))
    def attacked(path, text, how, command):
        content = "\n".join([replaced(LOGS[kind], path, text, how), *lines])
        (tmp_path / "here" / "log").write_text(content)
        attack("fidelity", *command)

    attacked()


PAIR_CELLS = ["", "-7", "nan", "inf", "1e308", "5e-324", "0", "x", "\x1b[31m", "=1+1", "9" * 400, "vgg19", "120"]


IMPORTED_CELLS = [*PAIR_CELLS, "1:GPU", "9:CPU", "vgg19,vgg19", "[CUDA memcpy Host-to-Device]", '"', "1,5"]
IMPORTED_TABLES = {
    "model-analyzer": (
        "Model,Batch,Concurrency,Instance Group,Throughput (infer/sec),Server Compute Infer time (ms)",
        [["vgg19", "1", "1", "1:GPU", "400.1", "2.4"], ["vgg19", "2", "1", "1:GPU", "500.2", "3.9"]],
    ),
    "nsys": (
        "Start (ns),Duration (ns),Bytes (MB),Throughput (MB/s),SrcMemKd,DstMemKd,Device,Strm,Name",
        [
            ["1000", "2000", "", "", "", "", "NVIDIA H200 (0)", "7", "void gemm<float, 4>"],
            [
                "5000",
                "9000",
                "0.6",
                "24000",
                "Pinned",
                "Device",
                "NVIDIA H200 (0)",
                "7",
                "[CUDA memcpy Host-to-Device]",
            ],
        ],
    ),
}
"""Tables of other tools that are right, by the kind that `profile import` knows them as: header, rows."""


@pytest.mark.parametrize("kind", IMPORTED_TABLES)
def test_any_cell_of_a_table_of_measurements(attack, examples, tmp_path, kind):
    header, rows = IMPORTED_TABLES[kind]
    columns = header.split(",")
    argv = ["profile", "import", kind, "file.csv", "--model", "vgg19", "--inferences", "1", "--into", "rtx3080-disb"]

    @examples
    @given(
        st.integers(0, len(columns) - 1),
        st.integers(0, len(rows) - 1),
        st.one_of(st.sampled_from(IMPORTED_CELLS), st.text(max_size=5)),
        st.sampled_from(["cell", "column", "without", "twice", "rows", "short"]),
    )
    def attacked(column, row, cell, how):
        table = io.StringIO()
        csv.writer(table).writerows(changed(columns, rows, column, row, cell, how))
        (tmp_path / "here" / "file.csv").write_bytes(table.getvalue().encode("utf-8", "surrogatepass"))
        attack(*argv, "--out", "made.json", "--overwrite")

    attacked()


def test_any_byte_of_an_export_of_nsys(attack, examples, tmp_path):
    path = tmp_path / "here" / "report.sqlite"
    with sqlite3.connect(path) as database:
        database.executescript(
            "CREATE TABLE StringIds (id INTEGER, value TEXT); INSERT INTO StringIds VALUES (1, 'gemm');"
            "CREATE TABLE CUPTI_ACTIVITY_KIND_KERNEL (start INTEGER, end INTEGER, shortName INTEGER, demangledName "
            "INTEGER, deviceId INTEGER, streamId INTEGER);"
            "INSERT INTO CUPTI_ACTIVITY_KIND_KERNEL VALUES (0, 1000, 1, 1, 0, 7), (2000, 4000, 1, 1, 0, 7);"
        )
    database.close()
    whole = path.read_bytes()
    argv = ["profile", "import", "nsys", "report.sqlite", "--model", "vgg19", "--inferences", "2"]

    @examples
    @given(st.integers(0, len(whole) - 1), st.integers(0, 255), st.sampled_from(["byte", "cut", "page"]))
    def attacked(at, byte, how):
        changed_bytes = {
            "byte": whole[:at] + bytes([byte]) + whole[at + 1 :],
            "cut": whole[:at],
            "page": whole[:at] + bytes([byte]) * 100 + whole[at + 100 :],
        }[how]
        path.write_bytes(changed_bytes)
        attack(*argv, "--into", "rtx3080-disb", "--out", "made.json", "--overwrite")
        assert path.read_bytes() == changed_bytes  # it is read only
        assert not list(path.parent.glob("report.sqlite-*"))

    attacked()


def test_any_cell_of_a_table_of_pairs(attack, examples, tmp_path):
    columns = ["model_a", "batch_a", "slowdown_a", "percent_a", "model_b", "batch_b", "slowdown_b", "share_b"]
    row = ["vgg19", "1", "1.5", "50", "resnet152", "1", "2.5", "0.5"]

    @examples
    @given(st.integers(0, len(row) - 1), st.one_of(st.sampled_from(PAIR_CELLS), st.text(max_size=5)))
    def attacked(column, cell):
        text = ",".join(columns) + "\n" + ",".join([*row[:column], cell, *row[column + 1 :]]) + "\n"
        (tmp_path / "here" / "pairs.csv").write_bytes(text.encode("utf-8", "surrogatepass"))
        attack("profile", "import", "pairs", "pairs.csv", "--into", "rtx3080-disb", "--out", "made.json", "--overwrite")

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
