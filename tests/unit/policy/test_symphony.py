"""Deferred batching: when batches start, worked out by hand. Times in ms, one slot, no copies unless said."""

import numpy as np
import pytest

from stratsim import simulate
from stratsim.errors import SpecError
from stratsim.model.cluster import Cluster
from stratsim.model.parts import Link
from stratsim.model.request import Status
from stratsim.policy.symphony import Symphony, staggered_batch, target_batch
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


def test_a_larger_batch_that_was_measured_faster_counts_as_slow_as_the_smaller():
    """l(1) = 6, l(2) = 4: one request waits until 30 - 6, from when on it is late, not until 30 - 4."""
    profile = make_profile({"a": {1: 6 * MS, 2: 4 * MS}})
    assert serve([(0, "a", 30)], profile=profile) == ([(24, [0])], [M])


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


def gpus_of(rows, gpus):
    workload = make_workload([(at * MS, model, "low", end * MS) for at, model, end in rows], profile=PROFILE)
    return simulate(workload, PROFILE, Symphony(), cluster=Cluster(gpus=gpus, max_concurrency=1)).batches.gpu.tolist()


def test_the_gpu_that_has_been_free_for_longest_is_used():
    """c starts at once: on GPU 0, then on GPU 1, which was never used, then on GPU 0, which has been free since 2."""
    assert gpus_of([(0, "c", 30), (20, "c", 50)], gpus=2) == [0, 1]
    assert gpus_of([(0, "c", 30), (20, "c", 50), (40, "c", 70)], gpus=2) == [0, 1, 0]


def test_two_gpus_at_once_are_taken_in_order():
    assert gpus_of([(0, "c", 30), (0, "c", 30), (40, "a", 70), (41, "b", 71)], gpus=3) == [0, 1, 2, 0]


# Drops --------------------------------------------------------------------------------------------------------------

AB = make_profile({"a": TABLE, "b": 14 * MS})
BEHIND_B = [(0, "b", 99), (0.5, "a", 20.5), (5, "a", 25), (6, "a", 26), (7, "a", 27)]


def test_a_window_gives_up_the_first_for_a_larger_batch():
    """b until 14. Four of a could start by 10.5, the first three by 12.5; then the first goes, though 4 would do alone.

    The other three are due at 25, 26, 27 and start when a fourth would not fit any more: 25 - l(4) = 15.
    """
    workload = make_workload([(at * MS, model, "low", end * MS) for at, model, end in BEHIND_B], profile=AB)
    result = simulate(workload, AB, Symphony(), cluster=Cluster(max_concurrency=1, device_model="exclusive"))
    assert result.requests.status.tolist() == [M, D, M, M, M]
    assert result.requests.dropped_s[1] == pytest.approx(12.5 * MS, abs=0.01 * MS)
    assert result.reasons == ("early drop",)
    assert serve(BEHIND_B, profile=AB)[0] == [(0, [0]), (15, [2, 3, 4])]


def test_by_timeout_nothing_is_given_up_that_can_be_met_alone():
    """At 14 the first two end at 20, by 20.5; the others, due at 26 and 27, end at 26."""
    batches, status = serve(BEHIND_B, Symphony(drop="timeout"), AB)
    assert batches == [(0, [0]), (14, [1, 2]), (20, [3, 4])]
    assert status == [M] * 5


def test_a_target_of_its_own():
    """With a target of 1 the window is the timeout; of 3 it drops at 12.5, too, as all three behind are met."""
    assert serve(BEHIND_B, Symphony(target=1), AB) == serve(BEHIND_B, Symphony(drop="timeout"), AB)
    assert serve(BEHIND_B, Symphony(target=3), AB) == serve(BEHIND_B, Symphony(), AB)


def test_delays_are_planned_for():
    """Due 30, 2 for the answer, 0.1 for timers; two take 6, their inputs 0.1, the decision 0.1: at 21.7."""
    policy = Symphony(response_s=2 * MS, control_s=0.1 * MS, data_s=0.05 * MS, jitter_s=0.1 * MS)
    assert serve([(0, "a", 30)], policy) == ([(21.7, [0])], [M])


def test_what_is_too_late_with_the_delays_is_dropped():
    assert serve([(0, "a", 5)], Symphony(response_s=2 * MS)) == ([], [D])


@pytest.mark.parametrize(
    ("rate", "size"),
    [(100, 2), (200, 3), (400, 4)],
    ids=["100/s: 2/100 + 6 ms = 26", "200/s: 3/200 + 8 = 23", "400/s: 4/400 + 10 = 20"],
)
def test_a_target_that_one_gpu_gathers_and_serves(rate, size):
    """l = 4, 6, 8, 10; 27 ms: rate x l(b) / b never exceeds one GPU's worth, 400 x 4 ms / 1 but for size 1."""
    assert target_batch([0, *TABLE.values()], 27 * MS, rate) == size


def test_a_target_that_gpus_out_of_step_sustain():
    """1.053 b + 5.072, 25 ms. 3000/s keep 3000 x 16.655 ms / 11 = 4.5 GPUs busy: 14 takes 19.8 x (1 + 1/4.2) = 24.5."""
    assert target_batch(LINE, 25 * MS, 3000) == 14
    assert target_batch(LINE, 25 * MS, 1e9) == 18  # 24.03; 19 alone takes 25.08
    assert target_batch(LINE, 25 * MS, 0.0) == 1


def test_the_target_follows_the_rate():
    """SLO 22: four at first, 2 l(4) <= 22. At one per 20 ms one: two would take 40 ms to gather and 6 to execute."""
    policy = Symphony()
    serve([(20 * i, "a", 20 * i + 22) for i in range(10)], policy)
    assert policy._targets["a"].size(0.0) == 1
    policy = Symphony()
    serve([(0, "a", 22)], policy)
    assert policy._targets["a"].size(0.0) == 4


# Copies, places, and how far it goes ----------------------------------------------------------------------------------


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


def at_rate_of(size, gpus, policy):
    """Run evenly spaced arrivals, as many as `gpus` serve in batches of `size`, due 25 ms after."""
    profile = make_profile({"a": dict(enumerate(LINE[1:], start=1))})
    gap_s = LINE[size] / (size * gpus)
    workload = make_workload([(i * gap_s, "a", "low", i * gap_s + 25 * MS) for i in range(800)], profile=profile)
    return simulate(workload, profile, policy, cluster=Cluster(gpus=gpus, max_concurrency=1), max_batch=32)


@pytest.mark.parametrize(("gpus", "size"), STAGGERED)
def test_at_the_staggered_rate_the_gpus_fall_out_of_step_and_meet_all_deadlines(gpus, size):
    result = at_rate_of(size, gpus, Symphony())
    assert (result.requests.status == M).all()
    assert set(result.batches.size[1:-1].tolist()) == {size}


@pytest.mark.parametrize(("gpus", "size"), STAGGERED)
def test_beyond_it_a_window_gives_up_few_and_timeouts_many(gpus, size):
    """The rate exceeds what size + 1 sustains: a window drops what is too much, and keeps the batches large."""
    met = [
        np.mean(at_rate_of(size + 1, gpus, policy).requests.status == M)
        for policy in (Symphony(drop="timeout"), Symphony())
    ]
    assert met[0] < 0.9 < met[1] < 1.0


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"max_batch": 0}, "max_batch"),
        ({"target": 0}, "target"),
        ({"drop": "never"}, "drop must be one of window, timeout"),
        ({"data_s": -1.0}, "data_s"),
        ({"jitter_s": float("nan")}, "jitter_s"),
    ],
)
def test_bad_parameters_are_named(parameters, message):
    with pytest.raises(SpecError, match=message):
        Symphony(**parameters)


@pytest.mark.slow
@pytest.mark.parametrize("parameters", [{"max_batch": 3}, {"drop": "timeout"}, {"data_s": 0.001, "target": 2}])
def test_it_conforms(parameters):
    check_policy(lambda: Symphony(**parameters))
