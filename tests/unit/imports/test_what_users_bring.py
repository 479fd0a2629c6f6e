"""Files as they come: other encodings, separators, units and versions, in any order; read, or refused by name."""

import sqlite3

import pytest

from stratsim.errors import SpecError, StratsimError
from stratsim.imports import Ask, import_measurements
from stratsim.model.provenance import origin, uncovered, unused

TABLE = "Model,Batch,Concurrency,Instance Group,Throughput (infer/sec),Server Compute Infer time (ms)\n"
ROWS = "resnet50,1,1,1:GPU,300,2.5\nresnet50,8,1,1:GPU,640,11.5\n"
PAIRS = "model_a,batch_a,model_b,batch_b,slowdown_a,slowdown_b\n"
TRACE = (
    "Start (ns),Duration (ns),Bytes (MB),SrcMemKd,DstMemKd,Device,Strm,Name\n"
    "0,1000,,,,GPU (0),7,gemm\n2000,1000,,,,GPU (0),7,relu\n"
)
ASK = {
    "perf-analyzer": Ask(model="x"),
    "aiperf": Ask(model="x"),
    "trtexec": Ask(model="x", batch=1),
    "nsys": Ask(model="x", inferences=1),
}


def times(profile):
    return {name: dict(model.latency_s) for name, model in profile.observable.models.items()}


def iteration(at_ms, compute_ms):
    return {"startComputeMs": at_ms, "endComputeMs": at_ms + compute_ms, "computeMs": compute_ms, "h2dMs": 0.1}


@pytest.mark.parametrize(
    "content",
    [
        ("\ufeff" + TABLE + ROWS).encode(),
        (TABLE + ROWS).replace("\n", "\r\n").encode(),
        (TABLE + ROWS).encode("utf-16"),  # as PowerShell writes what it redirects
        (TABLE.replace("(ms)", "(us)") + ROWS.replace("2.5", "2500").replace("11.5", "11500")).encode(),
    ],
    ids=["byte-order mark", "CRLF", "UTF-16", "microseconds"],
)
def test_the_same_table_in_other_clothes_is_the_same(content, tmp_path):
    path = tmp_path / "m.csv"
    path.write_bytes(content)
    profile, _ = import_measurements("model-analyzer", [path])
    assert times(profile)["resnet50"] == {1: pytest.approx(2.5e-3), 8: pytest.approx(11.5e-3)}


def test_json_may_begin_with_a_byte_order_mark(write):
    path = write("t.json", '\ufeff[{"startComputeMs": 0, "endComputeMs": 2, "computeMs": 2}]')
    assert times(import_measurements("trtexec", [path], ASK["trtexec"])[0]) == {"x": {1: pytest.approx(2e-3)}}


@pytest.mark.parametrize(
    ("kind", "content", "says"),
    [
        ("model-analyzer", (TABLE + ROWS).replace(",", ";"), "line 1: semicolons separate its cells: save it with com"),
        ("model-analyzer", (TABLE + ROWS).replace(",", ";").replace(".", ","), "semicolons"),
        ("pairs", (PAIRS + "a,1,b,1,1.2,1.3\n").replace(",", "\t"), "line 1: tabs separate its cells"),
        ("model-analyzer", TABLE + 'a,1,1,1:GPU,300,"2,5"\n', "line 2, Server .*'2,5': numbers have a decimal point"),
        ("model-analyzer", TABLE.strip() + ",Batch\na,1,1,1:GPU,3,2,8\n", "two columns are called 'Batch'"),
        ("model-analyzer", TABLE.replace("(ms)", "(ticks)") + ROWS, r"\(ticks\)' is in no unit of time that is known"),
        ("model-analyzer", TABLE + "a,1.5,1,1:GPU,3,2\n", "line 2, Batch: not a whole number: '1.5'"),
        ("model-analyzer", TABLE + "a,9999,1,1:GPU,3,2\n", r"line 2, Batch: batch sizes must be within \[1, 4096\]"),
        ("model-analyzer", "Model,GPU UUID,Batch,Concurrency\na,G,1,1\n", "metrics-model-inference.csv beside it"),
        ("model-analyzer", TABLE + '"a\nb",1,1,1:GPU,3,2\n', r"'a\\nb' is no name of a model"),
        ("model-analyzer", "", "is empty"),
        ("pairs", PAIRS, "a header and no row"),
        ("pairs", PAIRS + "a,1,b,1,120,130\n", "every slowdown is above 120: are they in percent"),
        ("pairs", PAIRS.strip() + ",share_a,percent_a\na,1,b,1,2,3,0.5,60\n", "two shares of one side, and differ"),
        ("pairs", PAIRS + "a,5000,b,1,2,3\n", "line 2, batch_a: batch sizes must be within"),
        ("trtexec", [iteration(0, 2) | {"computeMs": 2000}], "computeMs is 2000, and 2 ms lie between"),
        ("trtexec", [iteration(0, 2) | {"computeMs": True}], "not a number: True"),
        ("nsys", TRACE.replace(" (ns)", ""), "column 'Start' is in no unit of time that is known"),
        ("nsys", TRACE.replace("2000,1000,,,,GPU (0)", "2000,1000,,,,GPU (1)"), r"2 GPUs \(GPU \(0\), GPU \(1\)\)"),
        ("nsys", TRACE.replace("2000,1000", "2000,0"), r"line 3, Duration \(ns\): must be > 0, got 0"),
        (
            "nsys",
            "Time (%),Total Time (ns),Num Calls,Name\n1,2,3,cudaLaunch\n",
            "neither cuda_gpu_trace nor cuda_gpu_k",
        ),
    ],
)
def test_what_could_be_read_in_two_ways_or_not_at_all_is_refused_in_a_line(write, kind, content, says):
    with pytest.raises(StratsimError, match=says) as caught:
        import_measurements(kind, [write("file", content)], ASK.get(kind))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["perf-analyzer", "aiperf"])
def test_milliseconds_in_place_of_nanoseconds_are_noticed(write, kind):
    at = 1_700_000_000_000
    content = {
        "aiperf": {"metadata": {"request_start_ns": at, "request_end_ns": at + 3}},
        "perf-analyzer": {
            "experiments": [
                {
                    "experiment": {"mode": "concurrency", "value": 1},
                    "requests": [{"timestamp": at, "response_timestamps": [at + 3]}],
                    "window_boundaries": [],
                }
            ]
        },
    }[kind]
    with pytest.raises(SpecError, match="a round trip takes 3 ns in the mean: are its times nanoseconds"):
        import_measurements(kind, [write("file.json", content)], ASK[kind])


def test_a_link_in_another_unit_is_refused(write):
    case = {
        "name": "host_to_device_memcpy_ce", "status": "Passed", "bandwidth_description": "bandwidth (MB/s)",
        "bandwidth_matrix": [["24"]],
    }  # fmt: skip
    with pytest.raises(SpecError, match=r"is not in GB/s: 'bandwidth \(MB/s\)'"):
        import_measurements("nvbandwidth", [write("v.json", {"nvbandwidth": {"testcases": [case]}})])


KERNEL = "CREATE TABLE CUPTI_ACTIVITY_KIND_KERNEL"


@pytest.mark.parametrize(
    ("statements", "says"),
    [
        (["CREATE TABLE ANALYSIS_DETAILS (a)"], "without kernels or copies of CUDA; it has ANALYSIS_DETAILS"),
        ([f"{KERNEL} (start, stop)"], "has no end, deviceId: an export of a version of nsys that is not known"),
        ([f"{KERNEL} (start, end, deviceId)"], "without kernels or copies"),
        ([f"{KERNEL} (start, end, deviceId)", "INSERT INTO {} VALUES (1, NULL, 0)"], "row 1 by start: .*end None"),
        ([f"{KERNEL} (start, end, deviceId)", "INSERT INTO {} VALUES ('a', 'b', 0)"], "no numbers"),
        ([f"{KERNEL} (start, end, deviceId)", "INSERT INTO {} VALUES (5, 1, 0)"], "no end after its start"),
        ([f"{KERNEL} (start, end, deviceId)", "INSERT INTO {} VALUES (1, 5, 0), (1, 5, 1)"], r"2 GPUs \(0, 1\)"),
    ],
)
def test_an_export_of_nsys_that_lacks_something_is_refused(tmp_path, statements, says):
    base = sqlite3.connect(tmp_path / "r.sqlite")
    for statement in statements:
        base.execute(statement.format("CUPTI_ACTIVITY_KIND_KERNEL"))
    base.commit()
    base.close()
    with pytest.raises(SpecError, match=says) as caught:
        import_measurements("nsys", [tmp_path / "r.sqlite"], ASK["nsys"])
    assert "\n" not in str(caught.value)


# Several files -------------------------------------------------------------------------------------------------------


def test_files_of_one_command_may_come_in_any_order(write):
    large, small = write("l.csv", TABLE + "a,8,1,1:GPU,3,9\n"), write("s.csv", TABLE + "a,1,1,1:GPU,3,2\n")
    one, _ = import_measurements("model-analyzer", [large, small])
    other, _ = import_measurements("model-analyzer", [small, large])
    assert one == other
    assert times(one) == {"a": {1: pytest.approx(2e-3), 8: pytest.approx(9e-3)}}
    assert "s.csv" in origin(one, ("observable", "models", "a", "latency_s", "1")).source
    assert "l.csv" in origin(one, ("observable", "models", "a", "latency_s", "8")).source
    assert uncovered(one) == unused(one) == ()


def test_an_import_leaves_the_origin_of_other_batch_sizes_and_pairs(write):
    base, _ = import_measurements("model-analyzer", [write("a.csv", TABLE + "v1.5,1,1,1:GPU,3,2\n")])
    more, _ = import_measurements("trtexec", [write("t.json", [iteration(0, 9)])], Ask("v1.5", 8), into=base)
    assert "a.csv" in origin(more, ("observable", "models", "v1.5", "latency_s", "1")).source
    assert "t.json" in origin(more, ("observable", "models", "v1.5", "latency_s", "8")).source
    first, _ = import_measurements("pairs", [write("p.csv", PAIRS + "v1.5,1,v1.5,8,1.2,1.3\n")], into=more)
    both, _ = import_measurements("pairs", [write("q.csv", PAIRS + "v1.5,8,v1.5,8,1.7,1.7\n")], into=first)
    sources = [origin(both, ("pairs", str(at), "slowdown")).source for at in range(3)]
    assert ["p.csv" in source for source in sources] == [True, True, False]
    assert uncovered(both) == unused(both) == ()


def test_a_larger_batch_that_takes_much_less_is_noted(write):
    _, notes = import_measurements("model-analyzer", [write("a.csv", TABLE + "a,1,1,1:GPU,3,9\na,8,1,1:GPU,3,3\n")])
    assert any("'a' takes 3 ms at batch size 8 and 9 ms at 1" in note for note in notes)


def test_models_that_a_file_calls_otherwise_are_named(write):
    base, _ = import_measurements("model-analyzer", [write("a.csv", TABLE + "resnet50,1,1,1:GPU,3,2\n")])
    path = write("p.csv", PAIRS + "ResNet-50,1,ResNet-50,1,1.4,1.4\n")
    with pytest.raises(SpecError, match=r"did you mean 'resnet50'\?: --name ResNet-50=MODEL"):
        import_measurements("pairs", [path], into=base)
    profile, _ = import_measurements("pairs", [path], Ask(names={"ResNet-50": "resnet50"}), into=base)
    assert [(pair.target, pair.other, pair.slowdown) for pair in profile.pairs] == [("resnet50", "resnet50", 1.4)]
    with pytest.raises(SpecError, match="--name ResNet=resnet50: no file names a model 'ResNet'; did you mean"):
        import_measurements("pairs", [path], Ask(names={"ResNet": "resnet50"}), into=base)


def test_two_models_of_a_file_do_not_become_one_quietly(write):
    path = write("a.csv", TABLE + "r_trt,1,1,1:GPU,3,2\nr_onnx,1,1,1:GPU,3,4\n")
    with pytest.raises(SpecError, match="would both be 'r': import them apart"):
        import_measurements("model-analyzer", [path], Ask(names={"r_trt": "r", "r_onnx": "r"}))


@pytest.mark.parametrize(
    ("kind", "ask", "option"),
    [
        ("trtexec", Ask("x", 1, inferences=3), "--inferences"),
        ("trtexec", Ask("x", 1, columns={"model_a": "a"}), "--column"),
        ("nvbandwidth", Ask(model="x"), "--model"),
        ("pairs", Ask(batch=8), "--batch"),
        ("nsys", Ask("x", inferences=1, device=1), "--device"),
        ("aiperf", Ask("x", names={"a": "b"}), "--name"),
    ],
)
def test_an_option_that_a_kind_does_not_use_is_refused(write, kind, ask, option):
    with pytest.raises(SpecError, match=f"^{option} has no meaning for {kind}$"):
        import_measurements(kind, [write("file", "")], ask)
