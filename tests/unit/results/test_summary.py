import dataclasses
import json

import numpy as np
import pytest

from stratsim.engine.result import BatchTable, RequestTable, Result
from stratsim.errors import SpecError
from stratsim.results import summarize

NAN, INF = float("nan"), float("inf")


def small_result():
    """Two batches on GPU 0 (0.1 to 0.4 and 0.3 to 0.6), none on GPU 1; one request dropped, one unfinished.

    request   class  arrival  deadline  finish   status
    0         high   0.0      0.5       0.5      met     batch 0
    1         low    0.0      0.4       0.5      late    batch 0
    2         low    0.2      1.2       0.7      met     batch 1
    3         low    0.3      0.9       -        dropped at 0.8
    4         high   1.0      2.0       -        unfinished
    """
    requests = RequestTable(
        arrival_s=np.array([0.0, 0.0, 0.2, 0.3, 1.0]),
        model=np.array([0, 0, 1, 1, 1], dtype=np.int32),
        priority=np.array([0, 1, 1, 1, 0], dtype=np.int8),
        deadline_s=np.array([0.5, 0.4, 1.2, 0.9, 2.0]),
        bytes_in=np.array([100, 200, 400, 800, 1600]),
        bytes_out=np.array([1, 2, 4, 8, 16]),
        client=np.full(5, -1, dtype=np.int32),
        status=np.array([1, 2, 1, 3, 0], dtype=np.int8),
        batch=np.array([0, 0, 1, -1, -1]),
        dropped_s=np.array([NAN, NAN, NAN, 0.8, NAN]),
        reason=np.array([-1, -1, -1, 1, -1], dtype=np.int16),
        finish_s=np.array([0.5, 0.5, 0.7, NAN, NAN]),
    )
    batches = BatchTable(
        gpu=np.zeros(2, dtype=np.int32),
        model=np.array([0, 1], dtype=np.int32),
        size=np.array([2, 1], dtype=np.int32),
        priority=np.array([0, 1], dtype=np.int8),
        dispatch_s=np.array([0.0, 0.2]),
        copy_in_start_s=np.array([0.0, 0.2]),
        copy_in_end_s=np.array([0.1, 0.3]),
        execution_start_s=np.array([0.1, 0.3]),
        execution_end_s=np.array([0.4, 0.6]),
        copy_out_start_s=np.array([0.4, 0.6]),
        copy_out_end_s=np.array([0.5, 0.7]),
        solo_s=np.array([0.3, 0.15]),
    )
    return Result(
        policy="edf", requests=requests, batches=batches, models=("a", "b"), clients=(),
        reasons=("expired", "infeasible"), gpus=2, events=11, start_s=0.0, end_s=1.0, wall_s=0.5,
    )  # fmt: skip


def test_class_figures_known_answer():
    classes = summarize(small_result())["classes"]
    assert classes["high"] == {
        "arrived": 2, "met": 1, "late": 0, "dropped": 0, "unfinished": 1,
        "violation": 0.5, "violation_completed": 0.0,
        "latency_s": {"p50": 0.5, "p95": 0.5, "p99": 0.5, "mean": 0.5},
        "latency_arrived_s": {"p50": None, "p95": None, "p99": None, "beyond": "unfinished"},  # half are answered
        "goodput_per_s": 1.0, "jain_models": 0.5, "drop_reasons": {},
        "late_share": 0.0, "dropped_share": 0.0, "min_model_satisfaction": 0.0, "dropped_voluntary": None,
        "slowdown": {"mean": None, "max": None, "progress": None},
        "execution_slowdown": pytest.approx({"mean": 1.0, "max": 1.0, "progress": 1.0}),
        "starvation_s": {"start": 0.0, "completion": 0.5},
    }  # fmt: skip
    low = classes["low"]
    assert (low["arrived"], low["met"], low["late"], low["dropped"], low["unfinished"]) == (3, 1, 1, 1, 0)
    assert low["violation"] == pytest.approx(2 / 3)
    assert low["violation_completed"] == 0.5
    assert low["latency_s"]["mean"] == pytest.approx(0.5)  # late ones count, dropped ones do not
    assert low["latency_arrived_s"]["p50"] == pytest.approx(0.5)  # of 0.5, 0.5 and a drop
    assert (low["latency_arrived_s"]["p95"], low["latency_arrived_s"]["beyond"]) == (None, "dropped")
    assert low["jain_models"] == pytest.approx(0.5)  # model a met 0 of 1, model b 1 of 2
    assert low["drop_reasons"] == {"infeasible": 1}


def test_gpu_and_pcie_figures_known_answer():
    summary = summarize(small_result())
    busy, idle = summary["gpu"]
    assert busy["utilization"] == pytest.approx(0.5)  # union of [0.1, 0.4) and [0.3, 0.6) over 1 s
    assert busy["mean_concurrency"] == pytest.approx(0.6)
    assert (busy["batches"], busy["mean_batch_size"]) == (2, 1.5)
    assert busy["mean_slowdown"] == pytest.approx(1.5)
    assert busy["max_slowdown"] == pytest.approx(2.0)
    assert idle == {
        "utilization": 0.0, "batches": 0, "mean_batch_size": None,
        "mean_concurrency": 0.0, "mean_slowdown": None, "max_slowdown": None,
    }  # fmt: skip
    copies, none = summary["pcie"]
    assert copies["h2d_utilization"] == pytest.approx(0.2)
    assert copies["d2h_utilization"] == pytest.approx(0.2)
    assert (copies["h2d_bytes"], copies["d2h_bytes"]) == (700, 7)
    assert none == dict.fromkeys(
        ("h2d_utilization", "d2h_utilization", "h2d_bytes", "d2h_bytes", "loads", "load_bytes"), 0
    )


def test_run_figures():
    summary = summarize(small_result())
    assert list(summary) == [
        "policy", "classes", "equity", "gpu", "pcie", "window_s", "events", "simulated_s", "wall_s",
    ]  # fmt: skip
    assert (summary["policy"], summary["events"], summary["simulated_s"], summary["wall_s"]) == ("edf", 11, 1.0, 0.5)
    assert summary["window_s"] is None


def test_without_deadlines_nothing_is_judged():
    result = small_result()
    requests = dataclasses.replace(result.requests, deadline_s=np.full(5, INF))
    high = summarize(dataclasses.replace(result, requests=requests))["classes"]["high"]
    assert high["violation"] is None
    assert high["violation_completed"] is None
    assert high["jain_models"] is None
    assert high["met"] == 1


def test_warm_up_counts_only_what_arrived_in_the_window(make_result):
    result = make_result(requests=500, gpus=2)
    summary = summarize(result, warmup_s=0.3)
    first, last = summary["window_s"]
    arrival = result.requests.arrival_s
    assert first == pytest.approx(arrival[0] + 0.3)
    assert last == pytest.approx(arrival[-1] - 0.03)  # the larger of the two SLOs
    inside = (arrival >= first) & (arrival <= last)
    assert sum(figures["arrived"] for figures in summary["classes"].values()) == inside.sum() < 500
    met = inside & (result.requests.status == 1)
    goodput = sum(figures["goodput_per_s"] for figures in summary["classes"].values())
    assert goodput == pytest.approx(met.sum() / (last - first))
    began = result.batches.execution_start_s
    assert sum(gpu["batches"] for gpu in summary["gpu"]) == ((began >= first) & (began <= last)).sum()
    assert all(0 < gpu["utilization"] <= 1 for gpu in summary["gpu"])


def test_warm_up_clips_utilisation_to_the_window():
    result = small_result()
    requests = dataclasses.replace(result.requests, deadline_s=result.requests.arrival_s + 0.5)
    summary = summarize(dataclasses.replace(result, requests=requests), warmup_s=0.2)  # window [0.2, 0.5]
    assert summary["window_s"] == [0.2, 0.5]
    assert summary["gpu"][0]["utilization"] == pytest.approx(1.0)
    assert summary["gpu"][0]["mean_concurrency"] == pytest.approx(0.4 / 0.3)
    assert summary["gpu"][0]["batches"] == 1
    assert summary["pcie"][0]["h2d_bytes"] == 400
    assert summary["pcie"][0]["d2h_bytes"] == 3


def test_both_ends_belong_to_the_window():
    result = small_result()
    # Arrivals 0, 0, 0.2, 0.3, 1 and an SLO of 0.7: the window is [0, 0.3], the second batch begins at its very end.
    requests = dataclasses.replace(result.requests, deadline_s=result.requests.arrival_s + 0.7)
    summary = summarize(dataclasses.replace(result, requests=requests), warmup_s=0.0)
    assert summary["window_s"] == pytest.approx([0.0, 0.3])
    end = summary["window_s"][1]
    batches = dataclasses.replace(result.batches, execution_start_s=np.array([0.1, end]))
    gpu = summarize(dataclasses.replace(result, requests=requests, batches=batches), warmup_s=0.0)["gpu"][0]
    assert gpu["batches"] == 2
    assert gpu["utilization"] == pytest.approx(0.2 / 0.3)  # it adds no time
    assert gpu["max_slowdown"] == pytest.approx(2.0)  # its whole execution counts, 0.3 s instead of 0.15 s
    arrival = np.array([0.0, 0.0, 0.2, end, 1.0])
    exact = dataclasses.replace(requests, arrival_s=arrival, deadline_s=arrival + 0.7)
    classes = summarize(dataclasses.replace(result, requests=exact), warmup_s=0.0)["classes"]
    assert sum(figures["arrived"] for figures in classes.values()) == 4


def test_the_last_event_belongs_to_the_span():
    result = small_result()
    batches = dataclasses.replace(
        result.batches, execution_start_s=np.array([0.1, 0.3]), copy_out_start_s=np.array([0.4, 1.0]),
        copy_out_end_s=np.array([0.5, 1.0]),
    )  # fmt: skip
    copies = summarize(dataclasses.replace(result, batches=batches))["pcie"][0]
    assert copies["d2h_bytes"] == 7  # a copy of no length that begins as the run ends, at 1 s


def test_warm_up_that_leaves_nothing_is_an_error():
    with pytest.raises(SpecError, match="leaves nothing to measure"):
        summarize(small_result(), warmup_s=5.0)


def test_every_value_is_plain_json(make_result):
    summary = summarize(make_result())
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary


def test_a_run_of_no_length_has_no_rates():
    result = small_result()
    requests = RequestTable(*(getattr(result.requests, name)[4:] for name in RequestTable.__slots__))
    batches = BatchTable(*(getattr(result.batches, name)[:0] for name in BatchTable.__slots__))
    alone = dataclasses.replace(result, requests=requests, batches=batches, start_s=1.0, end_s=1.0)
    summary = summarize(alone)
    assert summary["classes"]["high"]["goodput_per_s"] is None
    assert summary["classes"]["low"]["violation"] is None
    assert summary["classes"]["low"]["arrived"] == 0
    assert summary["gpu"][0]["utilization"] is None
