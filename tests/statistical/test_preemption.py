"""Two classes with preemption by each mechanism: the closed forms of the validation, and the formulas behind them."""

import numpy as np
import pytest

from stratsim.policy.preempt import PreemptKernel
from stratsim.policy.queueing import PriorityFifo
from stratsim.validate import Setting, Status, plan, validate
from stratsim.validate.suites import preemption
from stratsim.validate.suites.preemption import at_boundaries, resets, serve_classes


@pytest.mark.parametrize(
    "check", plan({"preemption": preemption.CHECKS}), ids=lambda planned: planned.check.claims[0].name
)
def test_the_simulation_meets_the_known_answers(check):
    for case in validate([check], Setting(quick=True)).cases:
        assert case.status is Status.PASSED, case


def test_the_formulas_give_the_published_figures():
    times = [at_boundaries(kernels) for kernels in (1, 10, 100, np.inf)]
    assert times == pytest.approx([15.3846, 12.9615, 12.7192, 12.6923], abs=5e-5)
    assert [resets(kernels) for kernels in (1, 10, 100, np.inf)] == pytest.approx(
        [18.4206, 15.6570, 15.4116, 15.3846], abs=1e-4
    )


def test_one_kernel_per_batch_is_no_preemption():
    """What can only be stopped at its end is never stopped: the same starts as without preemption, to the bit."""
    starts = [
        serve_classes(policy(max_batch=1, drop="never"), 3).batches.execution_start_s
        for policy in (PreemptKernel, PriorityFifo)
    ]
    assert np.array_equal(np.sort(starts[0]), np.sort(starts[1]))
