"""Preemption, by every mechanism, against closed forms of queueing theory and published latencies. Times in ms.

Means come from independent replications with fixed seeds, 0 and up, and are judged by their 99 % t interval. Two
classes of 35 requests per second each, Poisson, 10 ms each, one slot: load 0.35 per class.
"""

from __future__ import annotations

from functools import partial
from math import expm1
from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.engine import simulate
from stratsim.model.cluster import Cluster
from stratsim.model.request import Priority
from stratsim.model.workload import ClosedLoopClient
from stratsim.policy.preempt import PreemptGated, PreemptIdeal, PreemptKernel, PreemptReset
from stratsim.policy.queueing import Fifo, PriorityFifo
from stratsim.rng import Streams
from stratsim.stats.intervals import mean_interval
from stratsim.testing import make_profile, make_workload
from stratsim.validate.case import Check, Claim, Findings, Setting
from stratsim.validate.suites.queueing import LEVEL, SERVICE, two_classes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from stratsim.engine import Result
    from stratsim.policy import Policy

    Make = Callable[[], Policy]
    Measure = Callable[[Result], float]
    Sample = Callable[[Result], NDArray[np.float64]]

__all__ = ["CHECKS", "at_boundaries", "drains", "resets", "serve_classes"]

_RATE, _RHO = 0.035, 0.35
"""Of each class: requests per ms, load."""
_REPLICATIONS, _REQUESTS, _WARM_UP = 24, 4_000, 300
_COBHAM = "Cobham 1954: non-preemptive priorities"
_RESUME = "preemptive-resume M/G/1 (Kleinrock, Queueing Systems, volume 2, section 3.4)"
_BOUNDARY = "preemptive-resume M/G/1 with the residual kernel besides: (r1 D^2 / 2 + rho2 delta / 2) / (1 - rho1) + D"
_RESTART = "busy periods (Takacs 1962) around n kernels that restart: n (exp(r1 D / n) - 1) / r1 / (1 - rho1)"
_XSCHED = "XSched (OSDI 2025), figure 11: kernels of 0.5 ms, k = 8"
_STEADY = "k/2 to k kernels in flight, by XSched's launch worker (XpuOS/xsched)"
_GPREEMPT = "GPreempt (ATC 2025), abstract: at most 40 us"


def at_boundaries(kernels: float) -> float:
    """Return the mean time of the high class if the low one can be stopped between that many kernels (inf: always)."""
    residual = _RATE * SERVICE**2 / 2 + _RHO * SERVICE / kernels / 2
    return SERVICE + residual / (1 - _RHO)


def resets(kernels: float) -> float:
    """Return the mean time from start to end of a low service of that many kernels that are redone when stopped."""
    if kernels == np.inf:
        return SERVICE / (1 - _RHO)
    return kernels * expm1(_RATE * SERVICE / kernels) / _RATE / (1 - _RHO)


def serve_classes(policy: Policy, seed: int, kernels: int = 1, requests: int = _REQUESTS) -> Result:
    """Simulate one server with two classes: one GPU, one slot, no transfers."""
    profile = make_profile({"a": SERVICE / 1e3}, kernels=kernels)
    arrival_s, level = two_classes(seed, requests)
    columns = {"arrival_s": arrival_s, "model": ["a"] * requests, "priority": [Priority(each) for each in level]}
    server = Cluster(max_concurrency=1, prefetch=0, transfers=False)
    return simulate(make_workload(columns, profile=profile), profile, policy, cluster=server)


def _time(level: Priority, result: Result) -> float:
    """Return the mean time from arrival to finish of a class."""
    requests = result.requests
    chosen = (requests.priority == level) & (np.arange(len(requests)) >= _WARM_UP)
    return float((requests.finish_s - requests.arrival_s)[chosen].mean()) * 1e3


def _completion(result: Result) -> float:
    """Return the mean time from start to end of the low class's executions."""
    batches = result.batches
    return float((batches.execution_end_s - batches.execution_start_s)[batches.priority == Priority.LOW].mean()) * 1e3


def _mean(claims: Sequence[Claim], make: Make, kernels: int, measures: Sequence[Measure]) -> Check:
    return Check(tuple(claims), partial(_measure_means, make, kernels, measures))


def _measure_means(make: Make, kernels: int, measures: Sequence[Measure], setting: Setting) -> Findings:
    found = []
    for seed in range(setting.replications(_REPLICATIONS)):
        result = serve_classes(make(), seed, kernels)
        found.append([measure(result) for measure in measures])
    return Findings([mean_interval(column, LEVEL) for column in np.array(found).T])


_HIGH, _LOW = partial(_time, Priority.HIGH), partial(_time, Priority.LOW)
_ONE_BY_ONE: dict[str, Any] = {"max_batch": 1, "drop": "never"}


def _boundaries(kernels: int) -> Check:
    step = SERVICE / kernels
    claim = Claim(
        f"stopped at kernels of {step:g} ms: mean time of the high class", at_boundaries(kernels), 0.4, _BOUNDARY, "ms"
    )
    return _mean([claim], partial(PreemptKernel, **_ONE_BY_ONE), kernels, [_HIGH])


def _resets(kernels: int) -> Check:
    claim = Claim(
        f"reset, {kernels} kernels: mean time from start to end of the low class", resets(kernels), 0.9, _RESTART, "ms"
    )
    return _mean([claim], partial(PreemptReset, latency_s=0.0, **_ONE_BY_ONE), kernels, [_completion])


_NOT = _mean(
    [
        Claim("no preemption: mean time of the high class", 15.384615384615385, 0.6, _COBHAM, "ms"),
        Claim("no preemption: mean time of the low class", 27.94871794871795, 3.0, _COBHAM, "ms"),
    ],
    partial(PriorityFifo, **_ONE_BY_ONE),
    1,
    [_HIGH, _LOW],
)
_IDEAL = _mean(
    [
        Claim("ideal: mean time of the high class", at_boundaries(np.inf), 0.4, _RESUME, "ms"),
        Claim("ideal: mean time of the low class", 100 / 3, 3.0, _RESUME, "ms"),
        Claim("ideal: mean time from start to end of the low class", resets(np.inf), 0.5, _RESUME, "ms"),
    ],
    partial(PreemptIdeal, **_ONE_BY_ONE),
    1,
    [_HIGH, _LOW, _completion],
)


def _busy_ends(policy: Policy) -> NDArray[np.float64]:
    """Return the ends of the busy periods, ms."""
    executed = serve_classes(policy, 0).stretches()
    order = np.argsort(executed.start_s)
    start_s, reached_s = executed.start_s[order], np.maximum.accumulate(executed.end_s[order])
    idle = start_s[1:] - reached_s[:-1] > 1e-9
    return np.append(reached_s[:-1][idle], reached_s[-1]) * 1e3


def _measure_conservation(_: Setting) -> Findings:
    fifo, ideal = _busy_ends(Fifo(**_ONE_BY_ONE)), _busy_ends(PreemptIdeal(**_ONE_BY_ONE))
    return Findings([float(np.abs(fifo - ideal).max()) if len(fifo) == len(ideal) else np.inf])


_KERNEL, _K, _LONG, _GAP = 0.5, 8, 20_000, 50.0
"""A kernel of the low class; its kernels in flight; kernels of one of its batches; between high arrivals."""


def drains(policy: Policy, seed: int, high: float = 1.0, count: int = 100) -> Result:
    """Simulate a low class that always has a long batch on the GPU, and brief high arrivals 30 to 70 ms apart."""
    profile = make_profile({"low": _LONG * _KERNEL / 1e3, "high": high / 1e3}, kernels={"low": _LONG, "high": 1})
    jitter = Streams(seed).get("arrivals").uniform(0, 20, count)
    arrival_s = (_GAP * np.arange(1, count + 1) + jitter) / 1e3
    background = ClosedLoopClient("background", "low", Priority.LOW, 0, 0, stop_s=float(arrival_s[-1]))
    rows = [(at_s, "high", Priority.HIGH) for at_s in arrival_s.tolist()]
    workload = make_workload(rows, profile=profile, closed_loop=[background])
    machine = Cluster(device_model="processor-sharing", max_concurrency=1, prefetch=0, transfers=False)
    return simulate(workload, profile, policy, cluster=machine, seed=seed)


def _latencies(result: Result) -> NDArray[np.float64]:
    """Return the wait for the GPU of each high batch."""
    batches = result.batches
    high = np.flatnonzero(batches.priority == Priority.HIGH)
    return (batches.execution_start_s - batches.dispatch_s)[high] * 1e3


def _drained(result: Result) -> NDArray[np.float64]:
    """Return the solo work done between suspension and stop, at half speed beside a high batch that outlasts it."""
    assert result.pauses is not None  # noqa: S101 (the policy preempts)
    return (result.pauses.stopped_s - result.pauses.suspend_s) * 1e3 / 2


def _within(values: NDArray[np.float64], low: float, high: float) -> float:
    """Return the share of values between two bounds."""
    return float(((values >= low - 1e-9) & (values <= high + 1e-9)).mean())


def _latency(
    what: str,
    make: Make,
    bounds: tuple[float, float],
    source: str,
    *,
    sample: Sample = _latencies,
    high_ms: float = 1.0,
) -> Check:
    low, high = bounds
    claims = (
        Claim(f"{what}: share between {low:g} and {high:g} ms", 1.0, 0.0, source),
        Claim(f"{what}: mean", (low + high) / 2, max((high - low) / 10, 1e-9), source, "ms"),
        Claim(f"{what}: 99th percentile", high, max((high - low) / 4, 1e-9), source, "ms"),
    )
    return Check(claims, partial(_measure_latency, make, bounds, sample, high_ms))


def _measure_latency(
    make: Make, bounds: tuple[float, float], sample: Sample, high_ms: float, setting: Setting
) -> Findings:
    low, high = bounds
    samples = [sample(drains(make(), seed, high_ms)) for seed in range(setting.replications(_REPLICATIONS))]
    values = np.concatenate(samples)
    means = [float(each.mean()) for each in samples]
    mean = mean_interval(means, LEVEL) if high > low else float(values.mean())
    return Findings([_within(values, low, high), mean, float(np.quantile(values, 0.99))])


CHECKS = (
    _NOT,
    *(_boundaries(kernels) for kernels in (1, 10, 100)),
    _IDEAL,
    *(_resets(kernels) for kernels in (1, 10, 100)),
    Check(
        (Claim("ideal: largest shift of the end of a busy period against FIFO", 0.0, 1e-6, _RESUME, "ms"),),
        _measure_conservation,
    ),
    _latency(
        "gated (level 1), high priority waits",
        partial(PreemptGated, k=_K, sync=True, **_ONE_BY_ONE),
        (_K * _KERNEL / 2, _K * _KERNEL),
        f"{_XSCHED}: 99th percentile about 8 kernels; {_STEADY}",
    ),
    _latency(
        "gated (level 1), it does not wait: solo work drained",
        partial(PreemptGated, k=_K, **_ONE_BY_ONE),
        (_K * _KERNEL / 2, _K * _KERNEL),
        _STEADY,
        sample=_drained,
        high_ms=10.0,
    ),
    _latency(
        "kernel boundary (level 2)",
        partial(PreemptKernel, **_ONE_BY_ONE),
        (0.0, _KERNEL),
        f"{_XSCHED}: 99th percentile about 1 kernel; uniform arrivals within a kernel",
    ),
    _latency("reset (level 3)", partial(PreemptReset, **_ONE_BY_ONE), (0.032, 0.032), f"{_XSCHED}: 32 us, GV100"),
    _latency("context switch", partial(PreemptIdeal, latency_s=40e-6, **_ONE_BY_ONE), (0.040, 0.040), _GPREEMPT),
)
"""Two priority classes with preemption by each mechanism, and what each costs the urgent class."""
