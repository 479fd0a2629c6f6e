"""No decision depends on what arrives later: up to any time a run is what it would be without what comes after it."""

from math import isnan

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from stratsim import simulate
from stratsim.model.cluster import Cluster
from stratsim.model.tolerance import resolution_s
from stratsim.policy.registry import policy_class, registered
from stratsim.testing import make_profile, make_workload

LATENCY_S = {"a": {1: 0.010, 4: 0.016}, "b": {1: 0.004, 8: 0.010}, "c": {1: 0.030}}
PROFILE = make_profile(LATENCY_S, kernels=10, bytes_in=1 << 16, bytes_out=1 << 10)

gap = st.just(0.0) | st.integers(1, 10).map(lambda ms: ms / 1000) | st.floats(1e-5, 0.05)
deadline = st.sampled_from([0.011, 0.02, 0.05, 0.2, float("inf")]) | st.floats(0.005, 0.3)
requests = st.lists(
    st.tuples(gap, st.sampled_from("abc"), st.sampled_from(["high", "low"]), deadline), min_size=3, max_size=30
)
machines = st.sampled_from(
    [
        Cluster(max_concurrency=1, prefetch=0),
        Cluster(max_concurrency=2),
        Cluster(gpus=2, max_concurrency=2),
        Cluster(max_concurrency=2, transfers=False),
    ]
)


def decisions(name, rows, cluster):
    """Return what was decided: (time, requests started or dropped, GPU), in order."""
    result = simulate(make_workload(rows, profile=PROFILE), PROFILE, policy_class(name)(), cluster=cluster)
    table = result.requests
    started = [
        (at_s, int(gpu), tuple((table.batch == batch).nonzero()[0].tolist()))
        for batch, (at_s, gpu) in enumerate(zip(result.batches.dispatch_s.tolist(), result.batches.gpu, strict=True))
    ]
    dropped = [(at_s, -1, (row,)) for row, at_s in enumerate(table.dropped_s.tolist()) if not isnan(at_s)]
    return sorted(started + dropped)


@pytest.mark.parametrize("name", registered())
@settings(max_examples=30, deadline=None, derandomize=True, phases=[Phase.generate])
@given(rows=requests, cut=st.integers(1, 29), cluster=machines)
def test_no_decision_depends_on_later_arrivals(name, rows, cut, cluster):
    at_s, arrivals = 0.0, []
    for gap_s, model, level, slo_s in rows:
        at_s += gap_s
        arrivals.append((at_s, model, level, at_s + slo_s))
    cut = min(cut, len(arrivals) - 1)
    until_s = arrivals[cut][0]
    known = [row for row in arrivals if row[0] < until_s]
    if not known:
        return
    before_s = until_s - resolution_s(until_s, known[0][0])  # what ends an ulp before an arrival is one instant with it
    whole = [each for each in decisions(name, arrivals, cluster) if each[0] < before_s]
    alone = [each for each in decisions(name, known, cluster) if each[0] < before_s]
    assert whole == alone
