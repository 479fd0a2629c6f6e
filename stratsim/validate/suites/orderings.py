"""What published systems were seen to do, in words and in a figure or a range: does the simulator agree?

The systems' models and GPUs are not known well enough to be simulated, so each case is the smallest set-up in which the
statement must hold.
"""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from stratsim.engine import simulate
from stratsim.model.cluster import Cluster
from stratsim.model.contention import Blocks, KernelBlocks
from stratsim.model.request import Priority, Status
from stratsim.model.workload import ClosedLoopClient
from stratsim.policy.native import Native
from stratsim.policy.preempt import PreemptGated, PreemptReset
from stratsim.policy.queueing import Fifo, PriorityFifo
from stratsim.rng import Streams
from stratsim.stats.intervals import paired_interval
from stratsim.testing import make_profile, make_workload
from stratsim.validate.case import Check, Claim, Findings, Setting
from stratsim.validate.suites.execution import with_truth
from stratsim.validate.suites.queueing import LEVEL

if TYPE_CHECKING:
    from stratsim.policy import Policy

__all__ = ["CHECKS", "foreground_p99"]

_XSCHED = "XSched (OSDI 2025), section 7: foreground beside a saturating background job"
_TRITON = "XSched (OSDI 2025), section 8: two Bert-large clients in Triton on a GV100"
_PRIORITIES = "CUDA programming guide: a free slot goes to the most urgent stream, running blocks are not preempted"
_LEVEL_3 = "XSched (OSDI 2025), section 7: highest priority first at level 3 on a GV100, 1.9 % above alone"
_ALL_DEVICES = "XSched (OSDI 2025), figure 9: highest priority first, 1.02 to 1.30 times alone over all devices"
_KERNELS = 572
"""Of a service: as many as BERT has in Orion's published list. How many the paper's jobs have is not known."""
_SERVICE_S, _RATE_PER_S, _REQUESTS = 0.020, 10.0, 500
_RANGE = (1.60, 2.19)
"""P99 of the foreground beside a saturating background, over alone, under native sharing on several devices."""


def foreground_p99(policy: Policy, shift_s: float = 0.0) -> float:
    """Return the 99th percentile of the high class's latency, over its latency alone.

    Ten requests per second of the high class, 20 % load, beside a low client that always has a request of the same
    model in service; one GPU with two slots, shared equally by what is in them.

    Args:
        policy: Who decides.
        shift_s: By how much the arrivals are later. Without it they fall on the ends of the background's services,
            where there is nothing to stop.
    """
    profile = make_profile({"a": _SERVICE_S}, kernels=_KERNELS)
    arrival_s = np.arange(1, _REQUESTS + 1) / _RATE_PER_S + shift_s
    rows = [(at_s, "a", Priority.HIGH, None, None, None, "foreground") for at_s in arrival_s.tolist()]
    background = ClosedLoopClient("background", "a", Priority.LOW, 0, 0, stop_s=float(arrival_s[-1]) + 1)
    workload = make_workload(rows, profile=profile, closed_loop=[background])
    cluster = Cluster(device_model="processor-sharing", max_concurrency=2, prefetch=0, transfers=False)
    requests = simulate(workload, profile, policy, cluster=cluster).requests
    latency_s = (requests.finish_s - requests.arrival_s)[requests.priority == Priority.HIGH]
    return float(np.quantile(latency_s, 0.99)) / _SERVICE_S


def _measure_native(_: Setting) -> Findings:
    return Findings([foreground_p99(Native())], [f"published range {_RANGE[0]:.2f} to {_RANGE[1]:.2f}"])


def _measure_triton(_: Setting) -> Findings:
    priorities, none = (foreground_p99(kind(max_batch=1, drop="never")) for kind in (PriorityFifo, Fifo))
    remark = f"1.51 and 1.53 times alone as published, {priorities:.2f} and {none:.2f} here"
    return Findings([priorities / none], [remark])


_BLOCKS = Blocks(slots=80, kernels={"low": {1: (KernelBlocks(1.0, 320),)}, "high": {1: (KernelBlocks(1.0, 80),)}})
"""320 blocks of 1 ms in 80 slots, and 80 blocks of 1 ms."""


def _blocks(priorities: bool, high: float, low: float, why: str) -> Check:
    name = f"stream priorities {'on' if priorities else 'off'}: end of the"
    claims = (
        Claim(f"{name} high kernel", high, 1e-9, f"{_PRIORITIES}; {why}", "ms"),
        Claim(f"{name} low kernel", low, 1e-9, f"{_PRIORITIES}; {why}", "ms"),
    )
    return Check(claims, partial(_measure_blocks, priorities))


def _measure_blocks(priorities: bool, _: Setting) -> Findings:
    profile = with_truth(make_profile({"low": 0.004, "high": 0.001}), blocks=_BLOCKS)
    workload = make_workload([(0.0, "low", "low"), (0.0005, "high", "high")], profile=profile)
    model = f"block-priority(priorities={str(priorities).lower()})"
    cluster = Cluster(device_model=model, max_concurrency=2, prefetch=0, transfers=False)
    requests = simulate(workload, profile, Fifo(max_batch=1, drop="never"), cluster=cluster).requests
    low, high = (requests.finish_s * 1e3).tolist()
    return Findings([high, low])


def _measure_preempted(_: Setting) -> Findings:
    reset, gated, sync = PreemptReset(), PreemptGated(), PreemptGated(sync=True)
    return Findings([foreground_p99(policy, 0.003) for policy in (reset, gated, sync, gated)])


_LOADS = (0.1, 0.3, 0.5)
"""Of the foreground."""
_PERIOD_S, _LIMIT_S, _HORIZON_S = 0.1, 0.1, 60.0
"""The background sends that often, and has that long."""


def background_violation(policy: Policy, load: float, seed: int) -> float:
    """Return the share of the background's requests that miss their deadline, at some load of the foreground.

    One GPU, one slot, services of 20 ms; the background has a request every 100 ms, the foreground is Poisson.
    """
    profile = make_profile({"a": _SERVICE_S}, kernels=_KERNELS)
    gaps_s = (
        Streams(seed).get("foreground", f"{load:g}").exponential(_SERVICE_S / load, int(2 * _HORIZON_S / _SERVICE_S))
    )
    high_s = np.cumsum(gaps_s)
    high_s = high_s[high_s < _HORIZON_S]
    low_s = np.arange(0.0, _HORIZON_S, _PERIOD_S)
    rows = [(at_s, "a", "high", at_s + 10.0) for at_s in high_s.tolist()]
    rows += [(at_s, "a", "low", at_s + _LIMIT_S) for at_s in low_s.tolist()]
    machine = Cluster(device_model="exclusive", max_concurrency=1, prefetch=0, transfers=False)
    requests = simulate(make_workload(rows, profile=profile), profile, policy, cluster=machine, seed=seed).requests
    return float((requests.status[requests.priority == Priority.LOW] != Status.MET).mean())


def _measure_background(setting: Setting) -> Findings:
    seeds = range(setting.replications(16))
    found = [
        [background_violation(PreemptGated(max_batch=1, drop="never"), load, seed) for seed in seeds] for load in _LOADS
    ]
    steps = [paired_interval(more, less, LEVEL) for less, more in pairwise(found)]
    remark = ", ".join(f"{np.mean(each):.1%} at load {load:g}" for load, each in zip(_LOADS, found, strict=True))
    return Findings([float(all(step.low > 0 for step in steps))], [remark])


CHECKS = (
    _blocks(True, 2.0, 5.0, "the high kernel takes the slots that free at 1"),
    _blocks(False, 5.0, 4.0, "the earlier kernel's blocks go first"),
    Check(
        (
            Claim(
                "native sharing: P99 of a foreground at 20 % load, over alone",
                sum(_RANGE) / 2,
                (_RANGE[1] - _RANGE[0]) / 2,
                _XSCHED,
            ),
        ),
        _measure_native,
    ),
    Check(
        (
            Claim(
                "priorities without preemption move nothing: P99 with, over P99 without",
                1.51 / 1.53,
                0.05,
                _TRITON,
            ),
        ),
        _measure_triton,
    ),
    Check(
        (
            Claim("preemption (XSched, level 3): P99 of the foreground, over alone", 1.019, 0.03, _LEVEL_3),
            Claim("preemption (XSched, level 1): P99 of the foreground, over alone", 1.16, 0.14, _ALL_DEVICES),
            Claim("preemption (level 1, high priority waits): P99 of it, over alone", 1.16, 0.14, _ALL_DEVICES),
            Claim("preemption by priority (XSched): P99 of the foreground, over alone", 1.07, 0.05, _TRITON),
        ),
        _measure_preempted,
    ),
    Check(
        (
            Claim(
                "preemption by priority: background's violations grow with the foreground's load (1: they do)",
                1.0,
                0.0,
                _XSCHED,
            ),
        ),
        _measure_background,
    ),
)
"""Block by block, native sharing, priorities without preemption and with it."""
