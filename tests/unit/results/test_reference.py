"""The vectorised summary against a slow one, written row by row from the definitions in docs/reference/metrics.md."""

import math
from statistics import fmean

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from stratsim.model.request import Priority, Status
from stratsim.results import summarize

FIXTURE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


def reference_window(result, warmup_s):
    if warmup_s is None:
        return result.start_s, result.end_s
    requests = result.requests
    longest = max(
        (d - a for a, d in zip(requests.arrival_s, requests.deadline_s, strict=True) if math.isfinite(d)), default=0.0
    )
    return min(requests.arrival_s) + warmup_s, max(requests.arrival_s) - longest


def reference_quantile(values, q):
    ordered = sorted(values)
    position = (len(ordered) - 1) * q
    low = math.floor(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (position - low) * (ordered[high] - ordered[low])


def reference_class(result, priority, window, everything):
    requests = result.requests
    rows = [
        row
        for row in range(len(requests))
        if requests.priority[row] == priority
        and (everything or window[0] <= requests.arrival_s[row] <= window[1])
    ]  # fmt: skip
    status = [Status(int(requests.status[row])) for row in rows]
    count = {s: status.count(s) for s in Status}
    latency = [
        requests.finish_s[row] - requests.arrival_s[row]
        for row, s in zip(rows, status, strict=True)
        if s in (Status.MET, Status.LATE)
    ]
    met, late = count[Status.MET], count[Status.LATE]
    judged = any(math.isfinite(requests.deadline_s[row]) for row in rows)
    shares = []
    for model in sorted({int(requests.model[row]) for row in rows}):
        own = [s for row, s in zip(rows, status, strict=True) if requests.model[row] == model]
        shares.append(own.count(Status.MET) / len(own))
    squares = sum(share**2 for share in shares)
    return {
        "arrived": len(rows),
        "met": met,
        "late": late,
        "dropped": count[Status.DROPPED],
        "unfinished": count[Status.UNFINISHED],
        "violation": 1 - met / len(rows) if judged else None,
        "violation_completed": late / (met + late) if judged and met + late else None,
        "p50": reference_quantile(latency, 0.5) if latency else None,
        "p95": reference_quantile(latency, 0.95) if latency else None,
        "p99": reference_quantile(latency, 0.99) if latency else None,
        "mean": fmean(latency) if latency else None,
        "goodput_per_s": met / (window[1] - window[0]),
        "jain_models": (sum(shares) ** 2 / len(shares) / squares if squares else 1.0) if judged else None,
    }


def reference_busy(intervals, window):
    """Sweep over the ends: the time during which at least one interval holds."""
    cut = [(max(a, window[0]), min(b, window[1])) for a, b in intervals]
    events = sorted([(a, 1) for a, b in cut if b > a] + [(b, -1) for a, b in cut if b > a])
    busy, area, held, since = 0.0, 0.0, 0, 0.0
    for time, step in events:
        busy += (time - since) * (held > 0)
        area += (time - since) * held
        held, since = held + step, time
    return busy, area


def reference_gpu(result, gpu, window):
    batches, requests = result.batches, result.requests
    rows = [row for row in range(len(batches)) if batches.gpu[row] == gpu]
    span = window[1] - window[0]

    def stage(name):
        return [(getattr(batches, f"{name}_start_s")[row], getattr(batches, f"{name}_end_s")[row]) for row in rows]

    def begun(name):
        return [
            row for row, (start, _) in zip(rows, stage(name), strict=True) if window[0] <= start <= window[1]
        ]  # fmt: skip

    executed = begun("execution")
    slowdown = [
        (batches.execution_end_s[row] - batches.execution_start_s[row]) / batches.solo_s[row] for row in executed
    ]  # fmt: skip
    busy, area = reference_busy(stage("execution"), window)
    copied_in, copied_out = set(begun("copy_in")), set(begun("copy_out"))
    return {
        "utilization": busy / span,
        "mean_concurrency": area / span,
        "batches": len(executed),
        "mean_batch_size": fmean(batches.size[row] for row in executed) if executed else None,
        "mean_slowdown": fmean(slowdown) if slowdown else None,
        "max_slowdown": max(slowdown, default=None),
        "h2d_utilization": reference_busy(stage("copy_in"), window)[0] / span,
        "d2h_utilization": reference_busy(stage("copy_out"), window)[0] / span,
        "h2d_bytes": sum(int(requests.bytes_in[r]) for r in range(len(requests)) if requests.batch[r] in copied_in),
        "d2h_bytes": sum(int(requests.bytes_out[r]) for r in range(len(requests)) if requests.batch[r] in copied_out),
    }


def same(found, expected, tolerance):
    """Equal up to rounding; None only if both are."""
    if found is None or expected is None:
        return found is expected
    return found == pytest.approx(expected, rel=tolerance, abs=1e-9)


@FIXTURE
@given(
    seed=st.integers(0, 10_000),
    requests=st.integers(30, 120),
    gpus=st.integers(1, 3),
    concurrency=st.integers(1, 3),
    deadlines=st.booleans(),
    warmup_s=st.none() | st.floats(0.0, 0.005),
)
def test_summary_agrees_with_the_row_by_row_reference(
    make_result, seed, requests, gpus, concurrency, deadlines, warmup_s
):
    result = make_result(seed, requests, gpus, concurrency, deadlines=deadlines)
    window = reference_window(result, warmup_s)
    assume(window[0] < window[1])
    summary = summarize(result, warmup_s=warmup_s)
    for priority in Priority:
        expected = reference_class(result, priority, window, warmup_s is None)
        found = summary["classes"][priority.label]
        found = found | found["latency_s"]
        for name, value in expected.items():
            assert same(found[name], value, 1e-9), name
    for gpu in range(gpus):
        found = summary["gpu"][gpu] | summary["pcie"][gpu]
        for name, value in reference_gpu(result, gpu, window).items():
            assert same(found[name], value, 1e-6), name


@FIXTURE
@given(seed=st.integers(0, 10_000), gpus=st.integers(1, 3))
def test_classes_partition_the_requests(make_result, seed, gpus):
    result = make_result(seed, gpus=gpus)
    classes = summarize(result)["classes"].values()
    assert sum(figures["arrived"] for figures in classes) == len(result.requests)
    for figures in classes:
        parts = [figures[name] for name in ("met", "late", "dropped", "unfinished")]
        assert figures["arrived"] == sum(parts)
        assert figures["dropped"] == sum(figures["drop_reasons"].values())
