"""Orion: who may run beside whom, and how much is in flight. Times in ms."""

from dataclasses import replace

import pytest

from stratsim import simulate
from stratsim.model.cluster import Cluster
from stratsim.model.parts import Features
from stratsim.model.preemption import Throttled
from stratsim.policy.preempt import Orion
from stratsim.testing import make_profile, make_workload

BASE = make_profile(dict.fromkeys(("high", "compute", "memory", "unknown"), 0.010), kernels=100)
FEATURES = {"high": Features(0.1, 0.9), "compute": Features(0.8, 0.2), "memory": Features(0.3, 0.7)}
MODELS = {
    name: replace(model, features={1: FEATURES[name]} if name in FEATURES else {})
    for name, model in BASE.observable.models.items()
}
PROFILE = replace(BASE, observable=replace(BASE.observable, models=MODELS))
PARAMETERS = {"max_batch": 1, "drop": "never"}


def run(rows, slots=2):
    cluster = Cluster(device_model="processor-sharing", max_concurrency=slots, prefetch=0, transfers=False)
    rows = [(at / 1e3, model, level) for at, model, level in rows]
    return simulate(make_workload(rows, profile=PROFILE), PROFILE, Orion(**PARAMETERS), cluster=cluster)


@pytest.mark.parametrize(("model", "stopped"), [("memory", True), ("compute", False), ("unknown", False)])
def test_beside_a_memory_bound_batch_only_others_run(model, stopped):
    """The low one runs from 0, the high one comes at 2."""
    result = run([(0, model, "low"), (2, "high", "high")])
    assert bool(len(result.pauses)) is stopped


@pytest.mark.parametrize(("model", "start"), [("memory", 10.0), ("compute", 2.0), ("unknown", 2.0)])
def test_beside_a_memory_bound_batch_only_others_start(model, start):
    result = run([(0, "high", "high"), (2, model, "low")])
    assert result.batches.execution_start_s[1] * 1e3 == pytest.approx(start)


def test_one_that_may_not_start_holds_up_nobody():
    result = run([(0, "high", "high"), (1, "memory", "low"), (2, "compute", "low")])
    start_s = result.batches.execution_start_s[result.requests.batch]
    assert (start_s * 1e3).tolist() == pytest.approx([0, 18, 2], abs=1)
    assert start_s[2] == 0.002


def test_with_one_slot_nothing_runs_beside_high_priority():
    result = run([(0, "compute", "low"), (2, "high", "high")], slots=1)
    assert result.pauses.suspend_s.tolist() == [0.002]


def test_kernels_are_launched_until_their_durations_exceed_the_limit():
    """Limit 160 us: of 100 us two, as one does not exceed it; of 200 us one; of 80 us three, as two only reach it."""
    mechanism = Throttled(most_s=160e-6)
    assert [mechanism.launched(kernel * 1e-6) for kernel in (100, 200, 80)] == [2, 1, 3]
    assert mechanism.stop(0.0, 0.010, 100e-6, 0.75).drain_s == pytest.approx(150e-6)
