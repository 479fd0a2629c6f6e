"""`trtexec --exportTimes`: fields as NVIDIA/TensorRT, samples/common/sampleReporting.cpp, writes them."""

import pytest

from stratsim.errors import SpecError
from stratsim.imports import Ask, import_measurements
from stratsim.imports.trtexec import read

ASK = Ask(model="resnet50", batch=8)


def iteration(start, compute, *, old=False):
    """One entry: copies of 0.5 ms before, 0.25 ms after."""
    end = start + compute
    if old:
        return {
            "startInMs": start - 0.5, "endInMs": start, "startComputeMs": start, "endComputeMs": end,
            "startOutMs": end, "endOutMs": end + 0.25, "inMs": 0.5, "computeMs": compute, "outMs": 0.25,
            "latencyMs": compute + 0.75, "endToEndMs": compute + 3,
        }  # fmt: skip
    return {
        "startEnqMs": start - 0.6, "endEnqMs": start - 0.4, "startH2dMs": start - 0.5, "endH2dMs": start,
        "startComputeMs": start, "endComputeMs": end, "startD2hMs": end, "endD2hMs": end + 0.25,
        "h2dMs": 0.5, "computeMs": compute, "d2hMs": 0.25, "latencyMs": compute + 0.75,
    }  # fmt: skip


@pytest.mark.parametrize("old", [False, True])
def test_the_solo_latency_is_the_mean_compute_time(write, old):
    # 2, 3 and 4 ms: mean 3 ms, standard deviation sqrt(2/3) ms.
    path = write("times.json", [iteration(1, 2, old=old), iteration(4, 3, old=old), iteration(8, 4, old=old)])
    found = read(path, ASK)
    assert found.models["resnet50"].latency_s == {8: pytest.approx(3e-3)}
    assert found.noise_cv == pytest.approx((2 / 3) ** 0.5 / 3)
    assert found.tool == f"trtexec (TensorRT {'before 8.5' if old else '8.5 or later'})"


def test_executions_of_several_streams_are_not_alone(write):
    path = write("times.json", [iteration(1, 4), iteration(2, 4)])
    with pytest.raises(SpecError, match=r"executions overlap .* --streams=1"):
        read(path, ASK)


def test_neither_model_nor_batch_is_in_the_file(write):
    path = write("times.json", [iteration(1, 2)])
    with pytest.raises(SpecError, match="--model NAME --batch N"):
        read(path, Ask(model="resnet50"))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ([{"count": 10}, {"name": "conv", "timeMs": 1, "averageMs": 0.1}], "layers of --exportProfile"),
        ({"startComputeMs": 1}, "JSON array of objects, and this is a JSON object"),
        ([], "the array is empty"),
        ([{"latencyMs": 3}], "no startComputeMs, endComputeMs, computeMs"),
        ([iteration(1, 0)], "an execution takes 0 ms"),
        ([{**iteration(1, 2), "computeMs": "2 ms"}], "entry 0, computeMs: not a number: '2 ms'"),
        ('{"computeMs": 1}\n{"computeMs": 2}\n', "not valid JSON"),
    ],
)
def test_another_file_is_refused(write, content, says):
    with pytest.raises(SpecError, match=says):
        read(write("times.json", content), ASK)


def test_a_profile_needs_batch_size_1(write):
    path = write("times.json", [iteration(1, 2)])
    with pytest.raises(SpecError, match=r"no time at batch size 1 \(the file has 8\)"):
        import_measurements("trtexec", [path], ASK)


def test_two_imports_make_one_profile(write):
    one, eight = write("b1.json", [iteration(1, 2)]), write("b8.json", [iteration(1, 6)])
    profile, _ = import_measurements("trtexec", [one], Ask(model="resnet50", batch=1))
    profile, _ = import_measurements("trtexec", [eight], ASK, into=profile)
    assert profile.observable.models["resnet50"].latency_s == {1: pytest.approx(2e-3), 8: pytest.approx(6e-3)}
    again = write("again.json", [iteration(1, 7)])
    with pytest.raises(SpecError, match=r"takes 6 ms in the profile and 7 ms in the file"):
        import_measurements("trtexec", [again], ASK, into=profile)
