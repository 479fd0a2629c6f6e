"""Weights that are not on the GPU are copied first, and Strait counts with that. Times in ms, 1 MB copies in 1 ms."""

import dataclasses

import pytest

from stratsim import simulate
from stratsim.model.cluster import Cluster
from stratsim.model.parts import Link
from stratsim.model.request import Status
from stratsim.policy.strait import Strait
from stratsim.testing import make_profile, make_workload

MS, MB = 1e-3, 10**6
LINK = Link(0.0, 1e9)


def profile():
    made = make_profile(dict.fromkeys("ab", 10 * MS), bytes_in=MB, h2d=LINK, d2h=LINK)
    models = {
        name: dataclasses.replace(model, weights_bytes=size * MB)
        for (name, model), size in zip(made.observable.models.items(), (4, 6), strict=True)
    }
    return dataclasses.replace(made, observable=dataclasses.replace(made.observable, models=models))


def run(rows, memory, priority="high"):
    workload = make_workload([(at * MS, model, priority, due * MS) for at, model, due in rows], profile=profile())
    policy = Strait(predictor="solo", margin=0.0, guard="off", max_batch=1, explore=0.0)
    cluster = Cluster(memory=memory * MB, max_concurrency=1, prefetch=0)
    return simulate(workload, profile(), policy, cluster=cluster)


def test_the_first_batch_of_a_model_is_believed_to_load_its_weights_and_the_next_is_not():
    result = run([(0, "a", 1000), (20, "a", 1000), (40, "b", 1000), (80, "a", 1000)], memory=100)
    # 4 + 1 + 10, 1 + 10, 6 + 1 + 10, 1 + 10
    expected = [15 * MS, 31 * MS, 57 * MS, 91 * MS]
    assert result.batches.expected_s.tolist() == pytest.approx(expected)
    assert result.batches.copy_out_end_s.tolist() == pytest.approx(expected)


def test_what_was_evicted_is_believed_to_be_loaded_again():
    result = run([(0, "a", 1000), (20, "b", 1000), (60, "a", 1000)], memory=7)
    assert result.batches.expected_s.tolist() == pytest.approx([15 * MS, 37 * MS, 75 * MS])
    assert result.batches.copy_out_end_s.tolist() == pytest.approx(result.batches.expected_s.tolist())


def test_a_load_that_takes_too_long_is_not_begun():
    """Alone on an idle GPU b would take 11; with its weights it takes 17 and would miss its deadline of 15."""
    loaded = run([(0, "b", 1000), (40, "b", 55)], memory=100, priority="low")
    assert loaded.requests.status.tolist() == [Status.MET] * 2
    cold = run([(0, "a", 1000), (40, "b", 55)], memory=100, priority="low")
    assert cold.requests.status[0] == Status.MET
    assert cold.requests.batch[1] == -1
