"""perf_analyzer and aiperf, in the form in which these tools write."""

import json

import pytest

from stratsim.errors import SpecError
from stratsim.imports import Ask, import_measurements

START = 1_725_000_000_000_000_000
"""Nanoseconds since 1970: floats there have steps of 256 ns."""
ASK = Ask(model="resnet50", batch=4)


def export(requests, windows=(), value=1, mode="concurrency"):
    return {
        "experiment": {"mode": mode, "value": value},
        "requests": [
            {"timestamp": START + sent, "response_timestamps": [START + end for end in ends]} for sent, ends in requests
        ],
        "window_boundaries": [START + at for at in windows],
    }


def perf(*experiments):
    return {"experiments": list(experiments), "version": "2.60.0", "service_kind": "triton", "endpoint": ""}


def test_the_mean_round_trip_at_concurrency_1_is_the_time_alone(write):
    # 2,000,100 and 4,000,300 ns: mean 3.0002 ms, deviation 1.0001 ms. The third begins before the windows, the fourth
    # has no answer; at concurrency 4 nobody is alone.
    requests = [(10_000_000, [12_000_100]), (20_000_000, [23_000_000, 24_000_300]), (0, [9_000_000]), (30_000_000, [])]
    path = write("p.json", perf(export(requests, (5_000_000, 40_000_000)), export([(0, [1])], value=4)))
    first = import_measurements(
        "perf-analyzer", [write("one.json", perf(export([(0, [1_000_000])])))], Ask(model="resnet50")
    )[0]
    found, notes = import_measurements("perf-analyzer", [path], ASK, into=first)
    assert found.observable.models["resnet50"].latency_s == {
        1: pytest.approx(1e-3),
        4: pytest.approx(3.0002e-3, abs=1e-15),
    }
    assert found.truth.noise_cv == pytest.approx(1.0001 / 3.0002)
    assert "p.json: 1 outside the measurement windows left out" in notes
    assert "p.json: 1 without a response left out" in notes
    assert found.provenance["observable.models.resnet50.latency_s"].source.endswith("by perf_analyzer 2.60.0")


def lines(*records):
    return "\n".join(json.dumps(record) for record in records)


def record(sent, end, **more):
    error = more.pop("error", None)
    metadata = {"request_start_ns": START + sent, "request_end_ns": START + end, "benchmark_phase": "profiling", **more}
    latency = {"request_latency": {"value": (end - sent) / 1e6, "unit": "ms"}}
    return {"metadata": metadata, "metrics": latency, "error": error}


def test_aiperf_leaves_warm_up_failed_and_cancelled_requests_out(write):
    text = lines(
        record(0, 9_000_000, benchmark_phase="warmup"),
        record(10_000_000, 11_000_000),
        record(20_000_000, 22_000_000),
        record(30_000_000, 31_000_000, error={"code": 500}),
        record(40_000_000, 41_000_000, was_cancelled=True),
    )
    found, notes = import_measurements("aiperf", [write("profile_export.jsonl", text)], Ask(model="m"))
    assert found.observable.models["m"].latency_s == {1: pytest.approx(1.5e-3)}
    assert found.truth.noise_cv == pytest.approx(1 / 3)
    assert "profile_export.jsonl: 1 of the warm-up phase left out" in notes
    assert "profile_export.jsonl: 1 that failed left out" in notes
    assert "profile_export.jsonl: 2 requests, batch size 1 assumed" in notes


def test_requests_that_overlap_were_not_alone(write):
    text = lines(record(0, 10_000_000), record(8_000_000, 20_000_000))
    with pytest.raises(SpecError, match=r"requests overlap \(one was sent 2 ms before another was answered\)"):
        import_measurements("aiperf", [write("a.jsonl", text)], Ask(model="m"))


@pytest.mark.parametrize(
    ("kind", "content", "said"),
    [
        ("perf-analyzer", perf(export([(0, [1])], value=4)), "no experiments at concurrency 1 (it has concurrency 4)"),
        ("perf-analyzer", perf(export([(0, [1])], mode="request_rate", value=100)), "(it has request_rate 100)"),
        ("perf-analyzer", perf(export([(0, [])])), "has no request that was answered (1 without a response)"),
        ("perf-analyzer", {"nvbandwidth": {}}, "is not perf_analyzer's --profile-export-file"),
        ("perf-analyzer", perf(export([(5, [3])])), "a request was answered at"),
        (
            "aiperf",
            '{\n "request_latency": {"avg": 1.0}\n}',
            "profile_export_aiperf.json holds percentiles, not requests",
        ),
        ("aiperf", '{"session_num": 0}', "line 1: is not aiperf's profile_export.jsonl"),
        ("aiperf", "", "has no request that was answered"),
    ],
)
def test_other_files_are_refused_by_what_they_are(write, kind, content, said):
    with pytest.raises(SpecError) as caught:
        import_measurements(kind, [write("f.json", content)], Ask(model="m"))
    assert said in str(caught.value)


def test_the_model_is_asked_for(write):
    with pytest.raises(SpecError, match="name no model: --model NAME, and --batch N if it is not 1"):
        import_measurements("perf-analyzer", [write("p.json", perf(export([(0, [10])])))], Ask())


def test_several_tools_make_one_profile(write):
    made, _ = import_measurements("perf-analyzer", [write("p.json", perf(export([(0, [5_000_000])])))], Ask(model="m"))
    made, _ = import_measurements(
        "aiperf", [write("a.jsonl", lines(record(0, 9_000_000)))], Ask(model="m", batch=8), into=made
    )
    rows = [{"startComputeMs": 0, "endComputeMs": 2, "computeMs": 2.0}]
    made, _ = import_measurements("trtexec", [write("t.json", rows)], Ask(model="n", batch=1), into=made)
    assert made.observable.models["m"].latency_s == {1: 0.005, 8: 0.009}
    assert made.observable.models["n"].latency_s == {1: 0.002}
