"""Interference-aware priority-EDF: priority-EDF where nothing is believed, and what beliefs change. Times in ms."""

import numpy as np
import pytest

from stratsim import simulate
from stratsim.errors import SpecError
from stratsim.model.cluster import Cluster
from stratsim.model.parts import Link
from stratsim.model.profile import Sharing
from stratsim.model.request import Priority, Request, Status
from stratsim.policy import DropMode
from stratsim.policy.aware_edf import AwareEdf
from stratsim.policy.queueing import Edf, PriorityEdf
from stratsim.results.checks import invariants
from stratsim.rng import Streams
from stratsim.testing import check_policy, make_profile, make_workload

MS = 1e-3
INF = float("inf")
M, L, D = Status.MET, Status.LATE, Status.DROPPED
LATENCY_S = {"a": {1: 0.010, 8: 0.045}, "b": {1: 0.004, 8: 0.011}, "c": {1: 0.007, 4: 0.021}}
SHARING = {"a": Sharing(0.9, 4.0), "b": Sharing(0.5, 1.0), "c": Sharing(0.8, 2.0)}
TWO = make_profile({"a": 10 * MS, "b": 10 * MS})


def burst(seed, link=None, bytes_in=0, count=150, load=1.6):
    """Return a profile and random requests around saturation."""
    profile = make_profile(LATENCY_S, sharing=SHARING, noise_cv=0.05, h2d=link, d2h=link, bytes_in=bytes_in)
    draw = Streams(seed).get("workload")
    at_s = np.cumsum(draw.exponential(0.007 / load, count)).tolist()
    names = [list(LATENCY_S)[i] for i in draw.integers(0, 3, count)]
    slack, high = draw.uniform(1.5, 12.0, count), draw.random(count) < 0.5
    rows = [
        (at, name, Priority.HIGH if urgent else Priority.LOW, at + k * LATENCY_S[name][1])
        for at, name, k, urgent in zip(at_s, names, slack.tolist(), high.tolist(), strict=True)
    ]
    return profile, make_workload(rows, profile=profile)


def decisions(policy, profile, workload, **options):
    result = simulate(workload, profile, policy, **options)
    assert invariants(result, result.max_concurrency) == []
    batches, requests = result.batches, result.requests
    return (
        batches.dispatch_s.tolist(),
        batches.gpu.tolist(),
        requests.batch.tolist(),
        requests.dropped_s[requests.status == D].tolist(),
    )


@pytest.mark.parametrize("drop", DropMode)
@pytest.mark.parametrize("slots", [1, 2, 3])
def test_believing_in_no_interference_makes_it_priority_edf(slots, drop):
    for seed in range(3):
        profile, workload = burst(seed)
        options = {"cluster": Cluster(gpus=1 + seed % 2, max_concurrency=slots), "drop": drop}
        expected = decisions(PriorityEdf(), profile, workload, **options)
        assert decisions(AwareEdf(predictor="solo"), profile, workload, **options) == expected
        assert decisions(AwareEdf(predictor="constant(slowdown=1)"), profile, workload, **options) == expected


def test_with_copies_believed_alone_as_well():
    """Priority-EDF believes that no copy waits for another; nor, which is left, for an earlier batch's longer copy."""
    link = Link(1e-5, 1e9)
    profile, workload = burst(7, link, bytes_in=400_000)
    expected = decisions(PriorityEdf(), profile, workload)
    assert decisions(AwareEdf(predictor="solo", transfers="alone"), profile, workload) == expected


def test_one_slot_has_no_interference_to_believe_in():
    profile, workload = burst(3)
    options = {"cluster": Cluster(max_concurrency=1), "drop": DropMode.INFEASIBLE}
    expected = decisions(PriorityEdf(), profile, workload, **options)
    assert decisions(AwareEdf(predictor="constant(slowdown=3)"), profile, workload, **options) == expected


def test_order_by_deadline_alone_is_edf():
    profile, workload = burst(4)
    options = {"cluster": Cluster(max_concurrency=2)}
    expected = decisions(Edf(), profile, workload, **options)
    assert decisions(AwareEdf(predictor="solo", order="deadline"), profile, workload, **options) == expected
    assert decisions(AwareEdf(predictor="solo"), profile, workload, **options) != expected


def test_one_by_one_without_drops_nothing_is_estimated():
    profile, workload = burst(5)
    options = {"max_batch": 1, "drop": DropMode.NEVER}
    expected = decisions(PriorityEdf(), profile, workload, **options)
    assert decisions(AwareEdf(predictor="constant(slowdown=3)"), profile, workload, **options) == expected


@pytest.mark.parametrize(
    ("order", "key"), [("priority", (Priority.LOW, 7.0)), ("deadline", (0, 7.0))], ids=["priority", "deadline"]
)
def test_key(order, key):
    assert AwareEdf(order=order).key(Request(0, "a", Priority.LOW, 2.0, 7.0, 0, 0)) == key


def serve(policy, rows, profile=TWO, drop=DropMode.INFEASIBLE, **cluster):
    rows = [(at * MS, model, priority, end * MS) for at, model, priority, end in rows]
    workload = make_workload(rows, profile=profile)
    return simulate(workload, profile, policy, cluster=Cluster(**{"prefetch": 0} | cluster), drop=drop)


def test_a_request_that_interference_would_make_late_is_given_up():
    """Both 10 alone, at half speed together: the second, due at 15, is believed to end at 20 with f = 2."""
    rows = [(0, "a", "high", 100), (0, "b", "low", 15)]
    assert serve(AwareEdf(predictor="solo"), rows).requests.status.tolist() == [M, L]
    assert serve(AwareEdf(predictor="constant(slowdown=2)"), rows).requests.status.tolist() == [M, D]
    assert serve(AwareEdf(predictor="constant(slowdown=1.5)"), rows).requests.status.tolist() == [M, L]


def test_what_would_be_in_time_alone_on_an_idle_gpu_may_be_tried_by_itself():
    """Beside the first, b is believed to end at 20; due at 15 and 14, with f = 2, it is tried; due at 9 it is not."""
    profile = make_profile({"a": 10 * MS, "b": {1: 10 * MS, 2: 11 * MS}})
    rows = [(0, "a", "high", 100), (0, "b", "low", 15), (0, "b", "low", 14), (0, "b", "low", 9)]
    options = {"profile": profile, "max_concurrency": 3}
    here = serve(AwareEdf(predictor="constant(slowdown=2)"), rows, **options)
    assert here.requests.status.tolist() == [M, D, D, D]
    alone = serve(AwareEdf(predictor="constant(slowdown=2)", infeasible="alone"), rows, **options)
    assert alone.requests.status.tolist() == [M, L, L, D]
    assert alone.batches.size.tolist() == [1, 1, 1]  # two in a batch would be later still
    solo = serve(AwareEdf(predictor="solo", infeasible="alone"), rows, **options)
    assert solo.batches.size.tolist() == [1, 2]


@pytest.mark.parametrize("seed", range(3))
def test_on_a_single_slot_without_places_ahead_alone_is_here(seed):
    profile, workload = burst(seed)
    options = {"cluster": Cluster(max_concurrency=1, prefetch=0), "drop": DropMode.INFEASIBLE}
    expected = decisions(PriorityEdf(), profile, workload, **options)
    assert decisions(AwareEdf(infeasible="alone"), profile, workload, **options) == expected


def test_interference_trims_the_batch():
    """Beside a batch of 40: four take 16, at half speed 32 > 25; two take 8, 16; three take 12, 24 <= 25."""
    profile = make_profile({"a": 40 * MS, "b": {1: 4 * MS, 4: 16 * MS}})
    rows = [(0, "a", "high", INF)] + [(1, "b", "low", 26)] * 4
    solo = serve(AwareEdf(predictor="solo"), rows, profile)
    assert solo.batches.size.tolist() == [1, 4]
    doubled = serve(AwareEdf(predictor="constant(slowdown=2)"), rows, profile)
    assert doubled.batches.size.tolist()[:2] == [1, 3]
    assert doubled.requests.status.tolist()[1:4] == [M] * 3


def test_the_believed_wait_for_a_slot_counts():
    """Both slots taken until 20 (two at half speed), one place ahead: 20 + 10 <= 31 is believed with f = 2."""
    rows = [(0, "a", "high", 100), (0, "b", "high", 100), (1, "a", "low", 25)]
    assert serve(AwareEdf(predictor="solo"), rows, prefetch=1).requests.status.tolist() == [M, M, L]
    assert serve(AwareEdf(predictor="constant(slowdown=2)"), rows, prefetch=1).requests.status.tolist() == [M, M, D]


def test_with_all_slots_taken_the_gpu_whose_slot_is_believed_to_free_first_gets_the_next():
    """GPU 0 has one batch of 30, GPU 1 has two of 20: at half speed they end at 40, so GPU 0 would be earlier."""
    profile = make_profile({"a": 30 * MS, "b": 20 * MS, "c": 1 * MS})
    rows = [(0, "a", "high", INF), (0, "b", "high", INF), (1, "c", "low", INF)]
    options = {"gpus": 2, "max_concurrency": 1, "prefetch": 1, "drop": DropMode.EXPIRED}
    assert serve(AwareEdf(predictor="solo"), rows, profile, **options).batches.gpu.tolist() == [0, 1, 1]


def test_a_learning_belief_finds_out():
    """Processor sharing halves both: what is due after 15 is served at first, and given up once that is learned."""
    rows = []
    for round_ in range(40):
        at = 100 * round_
        rows += [(at, "a", "high", at + 100), (at, "b", "low", at + 15)]
    policy = AwareEdf(predictor="ewma-pairs", refresh=1)
    status = serve(policy, rows).requests.status.tolist()
    assert status[1] == L
    assert status[-1] == D
    # Nothing more is learned from what is not started: the belief stays where it first says no, short of 2.
    (_, rate) = policy.belief.predict((("a", 1), ("b", 1)))
    assert 1.5 < 1 / rate < 2


def test_a_margin_grows_from_errors():
    """Everything takes a fifth longer than alone: once that is known, 10 due at 11 is not started any more."""
    profile = make_profile({"a": 10 * MS})
    rows = [(50 * i, "a", "low", 50 * i + 11) for i in range(40)]
    options = {"profile": profile, "noise": Longer()}
    assert set(run_with_noise(AwareEdf(predictor="solo"), rows, **options)) == {L}
    status = run_with_noise(AwareEdf(predictor="solo", margin=0.9), rows, **options)
    assert status[:20] == [L] * 20
    assert status[21:] == [D] * 19


class Longer:
    """A fifth longer than alone."""

    def factors(self, rng, count):
        return np.full(count, 1.2)


def run_with_noise(policy, rows, profile, noise):
    rows = [(at * MS, model, priority, end * MS) for at, model, priority, end in rows]
    workload = make_workload(rows, profile=profile)
    return simulate(workload, profile, policy, noise=noise).requests.status.tolist()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"order": "class"}, "order must be one of priority, deadline"),
        ({"infeasible": "drop"}, "infeasible must be one of here, alone"),
        ({"margin": 1.5}, "margin"),
        ({"floor": -0.1}, "floor"),
        ({"refresh": 0}, "refresh"),
        ({"predictor": "soloo"}, "unknown predictor 'soloo'"),
        ({"predictor": "constant(slowdown=0.5)"}, "slowdown"),
        ({"transfers": "contendet"}, "contended"),
        ({"drop": "sometimes"}, "drop"),
        ({"max_batch": 0}, "max_batch"),
    ],
)
def test_bad_parameters_are_named(parameters, message):
    with pytest.raises(SpecError, match=message):
        AwareEdf(**parameters)


@pytest.mark.slow_cases("constant(slowdown=3)", "ewma-pairs", "nlms", "solo")
@pytest.mark.parametrize("predictor", ["rls", "solo", "constant(slowdown=3)", "ewma-pairs", "nlms"])
def test_it_conforms(predictor):
    check_policy(lambda: AwareEdf(predictor=predictor, margin=0.9, floor=0.05, infeasible="alone"))
