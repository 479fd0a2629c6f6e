"""Deferred batching: when batches start, worked out by hand. Times in ms, one slot, no copies unless said."""

import numpy as np
import pytest

from stratsim import simulate
from stratsim.errors import SpecError
from stratsim.model.cluster import Cluster
from stratsim.model.parts import Link
from stratsim.model.request import Status
from stratsim.policy.symphony import Symphony, staggered_batch
from stratsim.results.checks import invariants
from stratsim.testing import check_policy, make_profile, make_workload

MS = 1e-3
INF = float("inf")
M, L, D = Status.MET, Status.LATE, Status.DROPPED
TABLE = {1: 4 * MS, 2: 6 * MS, 3: 8 * MS, 4: 10 * MS}
PROFILE = make_profile({"a": TABLE, "b": TABLE, "c": {1: 2 * MS}})


def serve(rows, policy=None, profile=PROFILE, **cluster):
    """Run rows (arrival, model, deadline); return batches as (dispatch, members), and the statuses."""
    rows = [(at * MS, model, "low", end * MS) for at, model, end in rows]
    setting = Cluster(**{"max_concurrency": 1, "device_model": "exclusive"} | cluster)
    workload = make_workload(rows, profile=profile)
    result = simulate(workload, profile, policy or Symphony(), cluster=setting)
    assert invariants(result, setting.max_concurrency) == []
    members = [
        [i for i, b in enumerate(result.requests.batch.tolist()) if b == row] for row in range(len(result.batches))
    ]
    times = (result.batches.dispatch_s / MS).round(6).tolist()
    return list(zip(times, members, strict=True)), result.requests.status.tolist()


def test_a_single_request_waits_until_a_second_would_not_fit():
    """Due 30, l(2) = 6."""
    assert serve([(0, "a", 30)]) == ([(24, [0])], [M])


def test_a_second_request_defers_the_start_to_where_a_third_would_not_fit():
    """Due 30 with the first: l(3) = 8."""
    assert serve([(0, "a", 30), (5, "a", 35)]) == ([(22, [0, 1])], [M, M])


def test_a_full_batch_starts_at_once():
    rows = [(0, "a", 50), (1, "a", 51), (2, "a", 52), (3, "a", 53)]
    assert serve(rows) == ([(3, [0, 1, 2, 3])], [M] * 4)
    assert serve(rows[:2], Symphony(max_batch=1))[0] == [(0, [0]), (4, [1])]


def test_a_request_that_does_not_fit_any_more_releases_the_batch():
    """Two by 30 may wait until 22; the third comes at 23 when the GPU has started them, and waits for a fourth."""
    batches, status = serve([(0, "a", 30), (5, "a", 35), (23, "a", 60)])
    assert batches == [(22, [0, 1]), (54, [2])]
    assert status == [M] * 3


def test_one_that_makes_the_first_tighter_defers_less():
    """The later arrival has the earlier deadline: 12 - l(3) = 4."""
    assert serve([(0, "a", 30), (1, "a", 12)])[0] == [(4, [0, 1])]


def test_two_models_may_defer_into_each_other():
    """c cannot grow and starts at once. b may start from 10 on, a from 11 to 13: b runs until 14, and a is dropped."""
    rows = [(0, "c", 5), (0, "a", 17), (0, "b", 16)]
    assert serve(rows) == ([(0, [0]), (10, [2])], [M, D, M])


@pytest.mark.parametrize(
    ("due", "order", "status"),
    [(16, [(10, [4]), (14, [5])], [M, M]), (13, [(10, [5])], [D, M])],
    ids=["a must start first", "c must start first"],
)
def test_among_ready_candidates_the_latest_start_decides(due, order, status):
    """b has the GPU until 10. Then a may start from 9.5 to 11.5; c, at any time, must start by its deadline less 2."""
    rows = [(0, "b", 50)] * 4 + [(1, "a", 15.5), (1, "c", due)]
    assert serve(rows) == ([(0, [0, 1, 2, 3]), *order], [M] * 4 + status)


def test_a_request_that_cannot_be_in_time_alone_is_dropped():
    """Four occupy the GPU until 10; what is due at 13 can then not be served in 4."""
    batches, status = serve([(0, "a", 99)] * 4 + [(1, "a", 13), (1, "a", 16)])
    assert status == [M, M, M, M, D, M]
    assert batches[1] == (10, [5])


def test_without_deadlines_nothing_is_held_back():
    assert serve([(0, "a", INF), (1, "a", INF)])[0] == [(0, [0]), (4, [1])]


def test_the_lowest_free_gpu_is_used():
    rows = [(0, "a", 30), (40, "a", 70), (41, "b", 71)]
    batches = simulate(
        make_workload([(at * MS, model, "low", end * MS) for at, model, end in rows], profile=PROFILE),
        PROFILE,
        Symphony(),
        cluster=Cluster(gpus=3, max_concurrency=1),
    ).batches
    assert batches.gpu.tolist() == [0, 0, 1]


def test_copies_belong_to_the_latency():
    """Each request copies for 1 in and 0.5 out: l(2) = 2 + 6 + 1."""
    profile = make_profile({"a": TABLE}, bytes_in=1, bytes_out=1, h2d=Link(0.0, 1e3), d2h=Link(0.0, 2e3))
    assert serve([(0, "a", 30)], profile=profile) == ([(21, [0])], [M])


def test_nothing_is_placed_ahead():
    batches, _ = serve([(0, "c", 50), (0, "c", 50)], prefetch=3)
    assert batches == [(0, [0]), (2, [1])]


LINE = [0.0, *((1.053 * size + 5.072) * MS for size in range(1, 33))]


STAGGERED = [(1, 7), (2, 11), (4, 14), (8, 16)]


@pytest.mark.parametrize(("gpus", "size"), STAGGERED)
def test_staggered_batch_sizes(gpus, size):
    """l(b) = 1.053 b + 5.072 ms, 25 ms: the sizes that N GPUs out of step sustain."""
    assert staggered_batch(LINE, 25 * MS, gpus) == size


def test_no_batch_size_may_fit():
    assert staggered_batch(LINE, 10 * MS, 1) == 0


def at_rate_of(size, gpus):
    """Run evenly spaced arrivals, as many as `gpus` serve in batches of `size`, due 25 ms after."""
    profile = make_profile({"a": dict(enumerate(LINE[1:], start=1))})
    gap_s = LINE[size] / (size * gpus)
    workload = make_workload([(i * gap_s, "a", "low", i * gap_s + 25 * MS) for i in range(800)], profile=profile)
    return simulate(workload, profile, Symphony(), cluster=Cluster(gpus=gpus, max_concurrency=1), max_batch=32)


@pytest.mark.parametrize(("gpus", "size"), STAGGERED)
def test_at_the_staggered_rate_the_gpus_fall_out_of_step_and_meet_all_deadlines(gpus, size):
    result = at_rate_of(size, gpus)
    assert (result.requests.status == M).all()
    assert set(result.batches.size[1:-1].tolist()) == {size}


@pytest.mark.parametrize(("gpus", "size"), STAGGERED)
def test_beyond_it_they_do_not(gpus, size):
    assert np.mean(at_rate_of(size + 1, gpus).requests.status == M) < 0.9


def test_bad_parameters_are_named():
    with pytest.raises(SpecError, match="max_batch"):
        Symphony(max_batch=0)


@pytest.mark.parametrize("parameters", [{}, {"max_batch": 3}])
def test_it_conforms(parameters):
    check_policy(lambda: Symphony(**parameters))
