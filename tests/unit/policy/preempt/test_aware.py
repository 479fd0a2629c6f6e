"""K-EDF with a belief: who runs is K-EDF's, batches and drops expect interference. Worked out by hand; times in ms."""

import pytest

from stratsim import simulate
from stratsim.errors import SpecError
from stratsim.model.cluster import Cluster
from stratsim.model.request import Status
from stratsim.policy.preempt import AwareKEdf, KEdf
from stratsim.testing import make_profile, make_workload
from stratsim.validate.suites.decisions import serve

IDEAL = {"mechanism": "ideal", "max_batch": 1}
SHARED = {"device_model": "processor-sharing", "max_concurrency": 2}


def test_without_drops_it_is_k_edf():
    """Two run at once: the one due last waits, as worked out for `k-edf`."""
    jobs = [(0, 4, "low", 99), (0, 4, "low", 20), (2, 2, "low", 10)]
    assert serve(AwareKEdf(drop="never", **IDEAL), jobs, **SHARED).finish == pytest.approx([10, 8, 6])
    assert serve(KEdf(drop="never", **IDEAL), jobs, **SHARED).finish == pytest.approx([10, 8, 6])


def test_a_batch_takes_what_is_in_time_beside_those_that_run():
    """Batches of two take 6 alone; beside another a constant of 2 expects 12: due at 10 there is no second place."""
    profile = make_profile({"a": {1: 0.004, 2: 0.006}, "b": {1: 0.020}})
    rows = [(0.0, "b", "low", 0.9), (0.001, "a", "low", 0.011), (0.001, "a", "low", 0.011)]
    machine = Cluster(device_model="processor-sharing", max_concurrency=2, transfers=False)
    sizes = {}
    for belief in ("solo", "constant(slowdown=2)"):
        policy = AwareKEdf(predictor=belief, mechanism="ideal", drop="never", max_batch=2)
        batches = simulate(make_workload(rows, profile=profile), profile, policy, cluster=machine).batches
        sizes[belief] = sorted(batches.size.tolist())
    assert sizes == {"solo": [1, 2], "constant(slowdown=2)": [1, 1, 1]}


def test_what_is_late_beside_others_only_is_tried():
    """4 of work, due in 6, beside another: believed to take 8. It is tried, ends at 9, late, and is not dropped."""
    jobs = [(0, 20, "low", 90), (1, 4, "low", 7)]
    found = serve(AwareKEdf(predictor="constant(slowdown=2)", drop="infeasible", **IDEAL), jobs, **SHARED)
    assert found.status[1] is Status.LATE
    hopeless = serve(AwareKEdf(predictor="constant(slowdown=2)", drop="infeasible", **IDEAL), [(0, 4, "low", 3)])
    assert hopeless.status == [Status.DROPPED]


def test_parameters_are_checked():
    with pytest.raises(SpecError, match="refresh must be a whole number"):
        AwareKEdf(refresh=0)
