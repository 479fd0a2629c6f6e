"""Files of other tools that were right once, as `profile import` and `fidelity` read them: any value, cell or byte."""

import csv
import io
import json
import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.hostile.mutations import VALUE, changed, places, replaced

pytestmark = pytest.mark.slow  # hundreds of processes with limits of their own


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
