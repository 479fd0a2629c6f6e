"""A stop at a kernel boundary, early and late in a run: at T + k ms exactly k kernels of 1 ms are done, whatever T is.

Work done is a difference of two times of day, each rounded: 16384.001 - 16384 is 0.00099999999839 s.
"""

from pathlib import Path

import numpy as np
import pytest

from stratsim import simulate
from stratsim.model.cluster import Cluster
from stratsim.model.preemption import AtBoundary, Reset
from stratsim.policy.preempt import PreemptKernel, PreemptReset
from stratsim.run.inputs import prepare
from stratsim.run.replay import replay
from stratsim.run.spec import RunSpec
from stratsim.testing import make_profile, make_workload

CASES = Path(__file__).parents[2] / "cases" / "policies"
MS = 1e-3
RESET_MS = 0.032


@pytest.mark.parametrize("when", ["early", "late"])
@pytest.mark.parametrize(("policy", "extra_ms"), [("preempt-kernel", 0.0), ("preempt-reset", RESET_MS)])
def test_no_kernel_is_waited_for_and_none_is_lost(when, policy, extra_ms):
    """High takes 5 ms at once (after the reset's latency), low 16 + 5 ms, and loses no finished kernel."""
    spec = RunSpec(
        trace=str(CASES / f"kernel_boundaries_{when}.csv"),
        profile=str(CASES / "sixteen_kernels.json"),
        policy=policy,
        max_concurrency=1,
        prefetch=0,
        transfers=False,
        drop="never",
    )
    (result,) = replay(prepare(spec)).results
    latency_ms = (result.requests.finish_s - result.requests.arrival_s) / MS
    high = result.requests.priority == 0
    assert latency_ms[high] == pytest.approx(5 + extra_ms, abs=1e-6)
    assert latency_ms[~high] == pytest.approx(21 + extra_ms, abs=1e-6)
    assert result.pauses.lost_s == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("offset_s", [0.0, 512.0, 16_384.0, 86_400.0, 1e6, 1e7])
@pytest.mark.parametrize("kernels", [3, 7, 16, 100])
@pytest.mark.parametrize("policy", [PreemptKernel, PreemptReset])
def test_any_offset_and_any_number_of_kernels(policy, kernels, offset_s):
    """Low has that many kernels of 0.3 ms; high (5 ms) arrives after k of them: never a kernel more, none lost."""
    profile = make_profile({"lo": kernels * 0.3 * MS, "hi": 5 * MS}, kernels={"lo": kernels, "hi": 1})
    done = sorted({1, 2, kernels // 2, kernels - 1})
    rows = []
    for pair, kernel in enumerate(done):
        start_s = offset_s + 0.1 * pair
        rows += [(start_s, "lo", "low"), (offset_s + (0.1 * pair + kernel * 0.3 * MS), "hi", "high")]
    workload = make_workload(rows, profile=profile)
    result = simulate(workload, profile, policy(drop="never"), cluster=Cluster(1, None, 1, 0, transfers=False))
    extra_ms = RESET_MS if policy is PreemptReset else 0.0
    latency_ms = (result.requests.finish_s - result.requests.arrival_s) / MS
    high = result.requests.priority == 0
    assert latency_ms[high] == pytest.approx(5 + extra_ms, abs=1e-4)
    assert latency_ms[~high] == pytest.approx(kernels * 0.3 + 5 + extra_ms, abs=1e-4)
    assert np.nan_to_num(result.pauses.lost_s) == pytest.approx(0.0, abs=1e-9)


def test_a_step_is_what_lies_between_two_points_at_which_work_can_be_left():
    assert AtBoundary(share=0.25).step_s(0.004) == 0.001
    assert Reset(cap=0).step_s(0.004) == 0.004
    assert Reset(cap=None).step_s(0.0) == 0.0
