"""Nexus: early drop by a sliding window, turns, and its bin packing. Times in ms, one slot, no copies."""

import numpy as np
import pytest

from stratsim import simulate
from stratsim.errors import SpecError
from stratsim.model.cluster import Cluster
from stratsim.model.parts import Link
from stratsim.model.request import Status
from stratsim.policy.nexus import Nexus, Session, largest_batch, pack
from stratsim.results.checks import invariants
from stratsim.testing import check_policy, make_profile, make_workload

MS = 1e-3
INF = float("inf")
M, L, D = Status.MET, Status.LATE, Status.DROPPED
TABLE = {1: 4 * MS, 2: 6 * MS, 3: 8 * MS, 4: 10 * MS}
PROFILE = make_profile({"a": TABLE, "b": TABLE, "c": {1: 2 * MS}})


def serve(rows, policy, profile=PROFILE, **cluster):
    """Run rows (arrival, model, deadline); return batches as (dispatch, members), and the statuses."""
    rows = [(at * MS, model, "low", end * MS) for at, model, end in rows]
    setting = Cluster(**{"max_concurrency": 1, "device_model": "exclusive"} | cluster)
    workload = make_workload(rows, profile=profile)
    result = simulate(workload, profile, policy, cluster=setting)
    assert invariants(result, setting.max_concurrency) == []
    members = [
        [i for i, b in enumerate(result.requests.batch.tolist()) if b == row] for row in range(len(result.batches))
    ]
    times = (result.batches.dispatch_s / MS).round(6).tolist()
    return list(zip(times, members, strict=True)), result.requests.status.tolist()


def at_once(*deadlines, model="a"):
    return [(0, model, end) for end in deadlines]


def test_what_would_be_late_in_a_full_batch_is_dropped_early():
    """Four take 10: due at 6 and 8 are dropped, though alone they would be met; four remain to fill the batch."""
    batches, status = serve(at_once(6, 8, 12, 13, 14, 15), Nexus(batch=4))
    assert batches == [(0, [2, 3, 4, 5])]
    assert status == [D, D, M, M, M, M]


def test_the_batch_shrinks_when_too_few_remain():
    """Three take 8: 6 is late. Two take 6: 12 and 13."""
    assert serve(at_once(6, 12, 13), Nexus(batch=4)) == ([(0, [1, 2])], [D, M, M])


def test_a_smaller_batch_may_save_the_next():
    """Three take 8: 5 is late, two take 6: 6 is in time."""
    assert serve(at_once(5, 6, 13), Nexus(batch=4)) == ([(0, [1, 2])], [D, M, M])


def test_all_may_be_dropped():
    assert serve([(0, "a", 99), (1, "a", 5), (1, "a", 6)], Nexus(batch=1)) == ([(0, [0])], [M, D, D])


def test_by_head_the_first_deadline_decides():
    """Due at 6: two fit. Then, at 6, 14 leaves room for three, of which two are left."""
    batches, status = serve(at_once(6, 12, 13, 14), Nexus(batching="head", batch=4))
    assert batches == [(0, [0, 1]), (6, [2, 3])]
    assert status == [M] * 4


def test_by_head_no_more_than_the_planned_size():
    """l = 10, 14, 18, 22, all due at 40: 2 l(3) = 36 <= 38, so three are planned, though four would end at 22."""
    profile = make_profile({"a": {1: 10 * MS, 2: 14 * MS, 3: 18 * MS, 4: 22 * MS}})
    batches, status = serve(at_once(40, 40, 40, 40), Nexus(batching="head"), profile)
    assert batches == [(0, [0, 1, 2]), (18, [3])]
    assert status == [M] * 4


def test_by_head_only_what_is_late_alone_is_dropped():
    batches, status = serve([(0, "a", 5), (0, "a", 6.5), (0, "c", 99)], Nexus(batching="head"))
    assert [members for _, members in batches] == [[0], [2]]
    assert status == [M, D, M]


def test_the_model_that_was_requested_first_has_the_first_turn():
    """Listed as a, b, c; requested as c, a, at one instant."""
    batches, _ = serve([(0, "c", 99), (0, "a", 99)], Nexus())
    assert [members for _, members in batches] == [[0], [1]]


def test_a_newcomer_has_its_turn_after_those_before_it():
    """a and b, one request each at once, then b again; c comes during a's batch: a, b, c, and b's second at the end."""
    batches, _ = serve([(0, "a", 200), (0, "b", 200), (0, "b", 200), (1, "c", 200)], Nexus(batch=1))
    assert [members for _, members in batches] == [[0], [1], [3], [2]]


def test_models_take_turns():
    rows = [*at_once(*[200] * 9), *at_once(200, 200, model="b"), *at_once(200, model="c")]
    batches, _ = serve(rows, Nexus(batch=2))
    assert [members for _, members in batches] == [[0, 1], [9, 10], [11], [2, 3], [4, 5], [6, 7], [8]]


def test_each_gpu_has_turns_of_its_own():
    rows = [*at_once(*[200] * 2), *at_once(*[200] * 2, model="b")]
    batches, _ = serve(rows, Nexus(batch=1), gpus=2)
    assert [members for _, members in batches] == [[0], [1], [2], [3]]


@pytest.mark.parametrize(
    ("slo", "size"), [(22, 4), (21.9, 3), (18, 3), (14, 2), (10, 1), (6, 1)], ids=lambda value: str(value)
)
def test_the_planned_size_is_half_the_deadline_less_the_network(slo, size):
    """2 l(b) <= SLO - 2; l = 4, 6, 8, 10."""
    policy = Nexus()
    serve(at_once(slo), policy)
    assert policy._planned["a"] == size
    policy = Nexus(network_s=0.0)
    serve(at_once(slo - 2), policy)
    assert policy._planned["a"] == size


def test_the_planned_size_follows_the_shortest_deadline_and_the_limits():
    policy = Nexus(max_batch=3)
    serve([(0, "a", 100), (0, "a", 14), (0, "a", 100)], policy)
    assert policy._planned == {"a": 2, "b": 3, "c": 1}
    policy = Nexus(batch=2)
    serve([(0, "a", 9)], policy)
    assert policy._planned == {"a": 2, "b": 2, "c": 1}


def test_copies_belong_to_the_latency():
    """Each request copies for 1: two take 8."""
    profile = make_profile({"a": TABLE}, bytes_in=1, h2d=Link(0.0, 1e3))
    assert serve(at_once(7, 9), Nexus(batch=2), profile) == ([(0, [1])], [D, M])
    assert serve(at_once(8, 9), Nexus(batch=2), profile) == ([(0, [0, 1])], [M, M])


def test_largest_batch():
    assert largest_batch([0.0, 1.0, 2.0, 3.0], 2.5) == 2
    assert largest_batch([0.0, 1.0], 0.5) == 0


# The planner --------------------------------------------------------------------------------------------------------


def session(name, rate, slo, points):
    """Make a session from (size, latency) points, interpolated; smaller sizes take as long as the first."""
    sizes, latencies = zip(*points, strict=True)
    table = np.interp(np.arange(sizes[-1] + 1), sizes, np.multiply(latencies, MS))
    return Session(name, rate, slo * MS, table.tolist())


A = session("A", 64, 200, [(4, 50), (8, 75), (16, 100)])
B = session("B", 32, 250, [(4, 50), (8, 90)])
C = session("C", 32, 250, [(4, 60), (8, 95)])


def test_the_papers_packing():
    """A serves 8 every 125; B fits beside it, 75 + 50 = 125; C does not, 75 + 60 = 135."""
    assert A.duty_s == pytest.approx(125 * MS)
    assert pack([A, B]) == [{"A": 8, "B": 4}]
    gpus = pack([A, B, C])
    assert gpus[0] == {"A": 8, "B": 4}
    assert [list(gpu) for gpu in gpus] == [["A", "B"], ["C"]]


def test_the_packing_does_not_depend_on_the_order_of_sessions():
    assert sorted(map(sorted, pack([C, B, A]))) == sorted(map(sorted, pack([A, B, C])))


def test_sessions_are_packed_by_request_rate_not_by_what_they_take():
    """Cycles of 100, in which the sessions of 40, 30, 20, 10 per second take 30, 30, 60, 70.

    By rate: 30 + 30, then 60 and 70 alone. By what they take two GPUs would do: 70 + 30 and 60 + 30.
    """
    taken = {40: 30, 30: 30, 20: 60, 10: 70}
    sessions = [session(f"{rate}/s", rate, 1000, [(rate // 10, ms)]) for rate, ms in taken.items()]
    assert pack(sessions) == pack(sessions[::-1]) == [{"40/s": 4, "30/s": 3}, {"20/s": 2}, {"10/s": 1}]


def test_a_load_beyond_a_gpu_takes_whole_gpus_first():
    """Sixteen in 100: 160 per second. 400 are two GPUs and 80 per second of a third."""
    gpus = pack([A._replace(rate_per_s=400.0)])
    assert gpus[:2] == [{"A": 16}, {"A": 16}]
    assert len(gpus) == 3
    assert 1 <= gpus[2]["A"] < 16


def test_an_exact_multiple_leaves_no_rest():
    assert pack([A._replace(rate_per_s=320.0)]) == [{"A": 16}, {"A": 16}]


def test_the_fullest_gpu_that_can_take_a_session_does():
    light = session("D", 1, 500, [(1, 5), (8, 20)])
    gpus = pack([B._replace(rate_per_s=40.0), C, light])
    assert sum("D" in gpu for gpu in gpus) == 1
    assert len(gpus) < 3


def test_a_deadline_too_short_for_any_batch_is_named():
    with pytest.raises(SpecError, match="'A'"):
        pack([A._replace(slo_s=0.05)])


def test_nothing_to_pack():
    assert pack([]) == []


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"batching": "lazy"}, "batching must be one of window, head"),
        ({"batch": 0}, "batch"),
        ({"max_batch": 2.5}, "max_batch"),
        ({"network_s": -1}, "network_s"),
    ],
)
def test_bad_parameters_are_named(parameters, message):
    with pytest.raises(SpecError, match=message):
        Nexus(**parameters)


@pytest.mark.parametrize("parameters", [{"batching": "head"}, {"batch": 2, "network_s": 0.0}])
def test_it_conforms(parameters):
    check_policy(lambda: Nexus(**parameters))
