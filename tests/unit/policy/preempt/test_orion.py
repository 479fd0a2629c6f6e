"""Orion: who may run beside whom, and how much is in flight. Times in ms."""

from dataclasses import replace

import pytest

from stratsim import simulate
from stratsim.model.cluster import Cluster
from stratsim.model.parts import Features
from stratsim.model.preemption import Throttled
from stratsim.model.profile import Sharing
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


# As the source has it ------------------------------------------------------------------------------------------------


def profile_of(features, latency_s=0.010, kernels=100):
    """Make a profile of models by name, each with the features of its batch sizes."""
    side_by_side = dict.fromkeys(features, Sharing(0.2, 1.0))
    base = make_profile(dict.fromkeys(features, latency_s), kernels=kernels, sharing=side_by_side)
    models = {
        name: replace(model, features={size: Features(*known) for size, known in features[name].items()})
        for name, model in base.observable.models.items()
    }
    return replace(base, observable=replace(base.observable, models=models))


def starts_ms(profile, rows, slots=2, **parameters):
    """Run rows (arrival, model, class), without interference; return the starts of their executions, and the result."""
    cluster = Cluster(device_model="streams", max_concurrency=slots, prefetch=0, transfers=False)
    workload = make_workload([(at / 1e3, model, level) for at, model, level in rows], profile=profile)
    result = simulate(workload, profile, Orion(**{"drop": "never"} | parameters), cluster=cluster)
    return (result.batches.execution_start_s[result.requests.batch] * 1e3).round(6).tolist(), result


def test_a_model_that_uses_little_of_the_gpu_has_a_class_all_the_same():
    """Both are above the ridge, at 0.5 and 0.3 of the peak compute: the low one waits until the high one ends at 10."""
    profile = profile_of({"high": {1: (0.5, 0.1)}, "low": {1: (0.3, 0.1)}})
    assert starts_ms(profile, [(0, "high", "high"), (2, "low", "low")])[0] == [0, 10]
    profile = profile_of({"high": {1: (0.5, 0.1)}, "low": {1: (0.1, 0.3)}})
    assert starts_ms(profile, [(0, "high", "high"), (2, "low", "low")])[0] == [0, 2]


def test_a_stopped_batch_does_not_hold_back_another():
    """C = 2: the compute-bound low one runs from 0 and is stopped at 2; a memory-bound one starts at 3."""
    profile = profile_of({"high": {1: (0.5, 0.1)}, "compute": {1: (0.3, 0.1)}, "memory": {1: (0.1, 0.3)}})
    rows = [(0, "compute", "low"), (2, "high", "high"), (3, "memory", "low")]
    starts, result = starts_ms(profile, rows)
    assert starts == [0, 2, 3]
    assert result.pauses.batch.tolist() == [0]


def test_a_batch_is_judged_at_the_size_it_is_formed():
    """One is bound by memory, two by compute, as is what runs: alone it starts at once, two wait until 10."""
    features = {"high": {1: (0.5, 0.1)}, "low": {1: (0.2, 0.3), 2: (0.4, 0.3)}}
    profile = profile_of(features, latency_s={1: 0.010, 2: 0.012})
    rows = [(0, "high", "high"), (2, "low", "low"), (2, "low", "low")]
    assert starts_ms(profile, rows, max_batch=2)[0] == [0, 10, 10]
    assert starts_ms(profile, rows[:2], max_batch=2)[0] == [0, 2]


@pytest.mark.parametrize(("kernels", "start"), [(50, 10), (100, 0)], ids=["of 200 us", "of 100 us"])
def test_what_is_launched_is_limited_while_high_priority_is_idle_too(kernels, start):
    """Two of low priority at once: beside kernels of 200 us nothing is launched until they have ended; of 100 us is."""
    profile = profile_of({"a": {1: (0.3, 0.1)}, "b": {1: (0.1, 0.3)}}, kernels=kernels)
    assert starts_ms(profile, [(0, "a", "low"), (0, "b", "low")])[0] == [0, start]


def test_with_kernels_of_100_us_two_of_low_priority_run_and_a_third_waits():
    """Two make 200 > 160 us."""
    profile = profile_of({"a": {1: (0.3, 0.1)}})
    assert starts_ms(profile, [(0, "a", "low")] * 3, slots=3, max_batch=1)[0] == [0, 0, 10]


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
