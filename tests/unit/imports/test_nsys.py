"""Nsight Systems: `nsys stats --format csv` and the SQLite export, forms of the User Guide."""

import sqlite3

import pytest

from stratsim.errors import SpecError
from stratsim.imports import Ask, import_measurements
from stratsim.imports.nsys import read

HEAD = (
    "Processing [report1.sqlite] with [cuda_gpu_trace.py]...\n\n ** CUDA GPU Trace (cuda_gpu_trace):\n\n"
    "Start (ns),Duration (ns),CorrId,GrdX,GrdY,GrdZ,BlkX,BlkY,BlkZ,Reg/Trd,StcSMem (MB),DymSMem (MB),Bytes (MB),"
    "Throughput (MBps),SrcMemKd,DstMemKd,Device,Ctx,Strm,Name\n"
)
GPU = '"NVIDIA A100 (0)",1,7'


def kernel(start, duration, name="void gemm<float, 4>(int)"):
    return f'{start},{duration},1,1,1,1,1,1,1,32,0,0,,,,,{GPU},"{name}"\n'


def copy(start, duration, megabytes, way="Host-to-Device", kinds="Pinned,Device"):
    return f'{start},{duration},1,,,,,,,,,,{megabytes},1000,{kinds},{GPU},"[CUDA memcpy {way}]"\n'


ASK = Ask(model="bert", inferences=2)


def test_kernels_of_an_inference(write):
    # Two inferences of two kernels: 100 and 300 us, then 100 and 500 us; the second pair overlaps by 50 us.
    rows = kernel(0, 100_000) + kernel(100_000, 300_000) + kernel(1_000_000, 100_000) + kernel(1_050_000, 500_000)
    found = read(write("trace.csv", HEAD + rows), ASK)
    solo = found.models["bert"]
    assert (solo.kernels.count, solo.kernels.mean_s, solo.kernels.max_s) == (
        2,
        pytest.approx(250e-6),
        pytest.approx(500e-6),
    )
    assert solo.latency_s == {1: pytest.approx((400 + 550) * 1e-6 / 2)}
    assert any("lower bound" in note for note in found.notes)


def test_copies_give_rate_and_start_of_the_link(write):
    # 10 us + 1 MB / (20 GB/s): 1 MB in 60 us, 16 MB in 810 us.
    rows = copy(0, 60_000, 1.0) + copy(1_000_000, 810_000, 16.0)
    rows += copy(5_000_000, 100_000, 2.0, "Device-to-Host", "Device,Pinned")
    rows += copy(9_000_000, 900_000, 2.0, kinds="Pageable,Device")
    found = read(write("trace.csv", HEAD + rows), Ask())
    assert found.bytes_per_s == {"h2d": pytest.approx(20e9), "d2h": pytest.approx(20e9)}
    assert found.alpha_s == {"h2d": pytest.approx(10e-6)}
    assert any("1 copies from or to pageable memory are left out" in note for note in found.notes)


def test_the_unit_of_a_time_is_in_the_header(write):
    text = HEAD.replace("Start (ns),Duration (ns)", "Start (us),Duration (us)") + kernel(0, 100) + kernel(100, 300)
    found = read(write("trace.csv", text), Ask(model="bert", inferences=1))
    assert found.models["bert"].latency_s == {1: pytest.approx(400e-6)}


def test_sums_by_kernel(write):
    text = (
        "Time (%),Total Time (ns),Instances,Avg (ns),Med (ns),Min (ns),Max (ns),StdDev (ns),Name\n"
        '75.0,600000,4,150000,150000,100000,200000,1,"gemm<float, 4>"\n'
        "25.0,200000,2,100000,100000,90000,110000,1,relu\n"
    )
    solo = read(write("sums.csv", text), ASK).models["bert"]
    assert (solo.kernels.count, solo.kernels.max_s) == (3, pytest.approx(200e-6))
    assert solo.latency_s == {1: pytest.approx(400e-6)}


def test_a_sqlite_export(tmp_path):
    path = tmp_path / "report.sqlite"
    base = sqlite3.connect(path)
    base.execute("CREATE TABLE CUPTI_ACTIVITY_KIND_KERNEL (start INT, end INT, deviceId INT)")
    base.execute(
        "CREATE TABLE CUPTI_ACTIVITY_KIND_MEMCPY "
        "(start INT, end INT, bytes INT, copyKind INT, srcKind INT, dstKind INT)"
    )
    since_1970 = 1_700_000_000_000_000_001
    rows = [(since_1970 + at, since_1970 + at + 100_003, 0) for at in (0, 200_000)]
    base.executemany("INSERT INTO CUPTI_ACTIVITY_KIND_KERNEL VALUES (?, ?, ?)", rows)
    base.execute("INSERT INTO CUPTI_ACTIVITY_KIND_MEMCPY VALUES (0, 100000, 2000000, 1, 1, 2)")
    base.commit()
    base.close()
    before = sorted(tmp_path.iterdir())
    found = read(path, Ask(model="bert", inferences=2, batch=4))
    assert found.models["bert"].latency_s == {4: pytest.approx(100.003e-6, rel=1e-9)}
    assert found.bytes_per_s == {"h2d": pytest.approx(20e9)}
    assert sorted(tmp_path.iterdir()) == before  # no journal, no lock


@pytest.mark.parametrize(
    ("rows", "ask", "says"),
    [
        (kernel(0, 1) * 3, ASK, "3 kernels do not divide among 2 inferences"),
        (kernel(0, 1), Ask(), "--model NAME --inferences N"),
        ("", ASK, "neither kernels nor copies"),
        (kernel("x", 1), ASK, r"Start \(ns\): not a number: 'x'"),
    ],
)
def test_what_cannot_be_told_is_refused(write, rows, ask, says):
    with pytest.raises(SpecError, match=says):
        read(write("trace.csv", HEAD + rows), ask)


def test_a_report_of_nsys_itself_says_what_makes_a_table(tmp_path):
    path = tmp_path / "report1.nsys-rep"
    path.write_bytes(b"QDST" + bytes(60))
    with pytest.raises(SpecError, match="nsys stats --report cuda_gpu_trace --format csv"):
        read(path, ASK)


def test_kernels_join_a_measured_time(write):
    analyzer = "Model,Batch,Concurrency,Instance Group,Server Compute Infer time (ms)\nbert,1,1,1:GPU,9.0\n"
    profile, _ = import_measurements("model-analyzer", [write("m.csv", analyzer)])
    sums = (
        "Time (%),Total Time (ns),Instances,Avg (ns),Med (ns),Min (ns),Max (ns),StdDev (ns),Name\n50,8,2,4,4,4,4,1,k\n"
    )
    with pytest.raises(SpecError, match="two measurements of one thing"):
        import_measurements("nsys", [write("s.csv", sums)], ASK, into=profile)
