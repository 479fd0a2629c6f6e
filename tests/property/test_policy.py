"""Where priorities and deadlines must make a difference, and what the four policies promise of it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratsim import simulate
from stratsim.model.cluster import Cluster
from stratsim.model.request import Priority
from stratsim.model.tolerance import resolution_s
from stratsim.policy.queueing import Edf, Fifo, PriorityEdf, PriorityFifo
from stratsim.testing import make_profile, make_workload

POLICIES = {"fifo": Fifo, "priority-fifo": PriorityFifo, "edf": Edf, "priority-edf": PriorityEdf}
PROFILE = make_profile({"a": 0.010, "b": 0.004})
ALONE = Cluster(device_model="exclusive", prefetch=0)


def serve(name, rows):
    workload = make_workload(rows, profile=PROFILE)
    return simulate(workload, PROFILE, POLICIES[name](max_batch=1, drop="never"), cluster=ALONE)


def test_on_one_concrete_case_all_four_differ():
    """A 10 ms job runs from 0; behind it wait: low due 40, low due 30, high due 60, high due 50, 4 ms each."""
    ends = (0.040, 0.030, 0.060, 0.050)
    rows = [(0.0, "a"), *((0.001, "b", "low" if i < 2 else "high", end) for i, end in enumerate(ends))]
    served = {name: np.argsort(serve(name, rows).requests.finish_s)[1:].tolist() for name in POLICIES}
    assert served == {
        "fifo": [1, 2, 3, 4],
        "priority-fifo": [3, 4, 1, 2],
        "edf": [2, 1, 4, 3],
        "priority-edf": [4, 3, 2, 1],
    }


requests = st.lists(
    st.tuples(st.floats(0.0, 0.1), st.sampled_from(["a", "b"]), st.sampled_from(Priority), st.floats(0.01, 0.2)).map(
        lambda row: (*row[:3], row[0] + row[3])
    ),
    min_size=1,
    max_size=30,
)


def key(name, table, row):
    """The order that each policy promises, spelled out anew."""
    level = table.priority[row] if name.startswith("priority") else 0
    rest = table.deadline_s[row] if name.endswith("edf") else table.arrival_s[row]
    return (level, rest, row)


@pytest.mark.parametrize("name", POLICIES)
@given(rows=requests)
def test_whoever_is_started_is_first_in_order_among_all_that_wait(name, rows):
    """At every start, nobody who had arrived and was still waiting had a smaller key."""
    result = serve(name, rows)
    table, dispatch_s = result.requests, result.batches.dispatch_s[result.requests.batch]
    for row, at_s in enumerate(dispatch_s.tolist()):
        waiting = np.flatnonzero((table.arrival_s <= at_s) & (dispatch_s > at_s))
        assert all(key(name, table, row) < key(name, table, other) for other in waiting.tolist())


@pytest.mark.parametrize("name", POLICIES)
@given(rows=requests)
def test_the_gpu_is_never_idle_while_a_request_waits(name, rows):
    """Idle for longer than an instant: an end an ulp before an arrival is one instant with it, which is the later."""
    result = serve(name, rows)
    start_s, end_s = np.sort(result.batches.execution_start_s), np.sort(result.batches.execution_end_s)
    dispatch_s = result.batches.dispatch_s[result.requests.batch]
    for gap_from, gap_to in zip(end_s[:-1], start_s[1:], strict=True):
        if gap_to > gap_from + resolution_s(gap_from, 0.0):
            assert not ((result.requests.arrival_s <= gap_from) & (dispatch_s > gap_from)).any()


@given(rows=requests)
def test_all_four_do_the_same_work(rows):
    """Non-idling with one slot: the order of service moves neither the last end nor the number of batches."""
    results = [serve(name, rows) for name in POLICIES]
    for result in results[1:]:
        assert result.end_s == pytest.approx(results[0].end_s, rel=1e-12)
        assert len(result.batches) == len(results[0].batches)
