"""Which batch gets which factor of run-to-run variation."""

import numpy as np
import pytest

from stratsim import simulate
from stratsim.device import LogNormal
from stratsim.model.cluster import Cluster
from stratsim.model.request import Priority
from stratsim.model.workload import ClosedLoopClient
from stratsim.policy import Policy, Start
from stratsim.policy.queueing import Edf, Fifo
from stratsim.rng import Streams
from stratsim.testing import make_profile, make_workload

PROFILE = make_profile({"a": {1: 1.0, 4: 2.0}, "b": 1.0, "c": 1.0})


class Counting:
    """Factors 1, 2, 3, ... for each model: the n-th request of a model gets n."""

    def __init__(self):
        self.given = {}

    def factors(self, rng, count):
        first = self.given.get(rng, 1)
        self.given[rng] = first + count
        return np.arange(first, first + count, dtype=float)


def run(rows, policy=None, clients=(), noise=None, seed=0, **options):
    workload = make_workload(rows, profile=PROFILE, closed_loop=clients)
    policy = policy or Fifo(max_batch=1, drop="never")
    return simulate(workload, PROFILE, policy, noise=noise or Counting(), seed=seed, **options)


def test_the_nth_request_of_a_model_gets_the_nth_draw_of_its_stream():
    result = run([(0.0, "a"), (1.0, "b"), (2.0, "a"), (3.0, "c"), (4.0, "a"), (5.0, "b")])
    assert result.batches.solo_s[result.requests.batch].tolist() == [1, 1, 2, 1, 3, 2]


class LastFirst(Policy):
    """One batch of everything, the latest arrival first."""

    def prepare(self, setting):
        self.queue = []

    def on_arrival(self, request, view):
        self.queue.insert(0, request)

    def decide(self, view):
        if len(self.queue) == 4:
            yield Start(tuple(self.queue[:3]))
            yield Start((self.queue[3],))


def test_a_batch_takes_the_factor_of_its_earliest_member():
    """Of the requests 1, 2 and 3 (dispatched as 3, 2, 1) the earliest has factor 2; a batch of 3 takes 5/3 s."""
    result = run([(float(i), "a") for i in range(4)], LastFirst())
    assert result.batches.solo_s.tolist() == [pytest.approx(2 * 5 / 3), 1.0]


def test_closed_loops_draw_as_requests_arrive():
    client = ClosedLoopClient("x", "a", Priority.LOW, 0, 0, think_s=1.0, limit=300)
    result = run([(0.5, "b")], clients=[client])
    own = result.requests.model == 0
    assert result.batches.solo_s[result.requests.batch[own]].tolist() == list(range(1, 301))
    assert result.batches.solo_s[result.requests.batch[~own]].tolist() == [1.0]


def test_open_and_closed_loops_draw_the_same_numbers():
    """One stream per model, drawn at once or a chunk at a time."""
    rows = [(float(i), "a") for i in range(600)]
    never = ClosedLoopClient("x", "b", Priority.LOW, 0, 0, limit=0)
    at_once, in_chunks = (run(rows, clients=clients, noise=LogNormal(0.2)) for clients in ((), (never,)))
    assert np.array_equal(at_once.batches.solo_s, in_chunks.batches.solo_s)


def test_the_policy_moves_no_factor():
    rows = [(0.1 * i, "abc"[i % 3], "low", 500.0 - i) for i in range(60)]
    one, other = (run(rows, policy, noise=LogNormal(0.3)) for policy in (None, Edf(max_batch=1, drop="never")))
    drawn = [result.batches.solo_s[result.requests.batch] for result in (one, other)]
    assert np.array_equal(*drawn)
    assert not np.array_equal(one.requests.finish_s, other.requests.finish_s)


def test_another_model_moves_no_factor():
    rows = [(0.1 * i, "a") for i in range(60)]
    alone = run(rows, noise=LogNormal(0.3))
    beside = run(rows + [(0.1 * i + 0.05, "b") for i in range(60)], noise=LogNormal(0.3))
    own = beside.requests.model == 0
    assert np.array_equal(alone.batches.solo_s[alone.requests.batch], beside.batches.solo_s[beside.requests.batch[own]])


def test_the_seed_moves_every_factor():
    rows = [(0.1 * i, "a") for i in range(20)]
    one, other = (run(rows, noise=LogNormal(0.3), seed=seed) for seed in (0, 1))
    assert not (one.batches.solo_s == other.batches.solo_s).any()


def test_the_profile_says_how_much():
    noisy = make_profile({"a": 1.0}, noise_cv=0.3)
    workload = make_workload([(float(2 * i), "a") for i in range(50)], profile=noisy)
    by_profile = simulate(workload, noisy, Fifo()).batches.solo_s
    assert np.array_equal(by_profile, simulate(workload, noisy, Fifo(), noise=LogNormal(0.3)).batches.solo_s)
    assert set(simulate(workload, PROFILE, Fifo()).batches.solo_s.tolist()) == {1.0}


def test_a_models_stream_is_addressed_by_its_name():
    result = run([(0.0, "a"), (0.0, "b"), (0.0, "a")], noise=LogNormal(0.1), seed=4)
    of_a = LogNormal(0.1).factors(Streams(4).get("noise", "a"), 2).tolist()
    of_b = LogNormal(0.1).factors(Streams(4).get("noise", "b"), 1).tolist()
    assert result.batches.solo_s[result.requests.batch].tolist() == [of_a[0], of_b[0], of_a[1]]


def test_a_noisy_batch_alone_takes_its_drawn_time():
    result = run([(10.0 * i, "a") for i in range(20)], noise=LogNormal(0.3), cluster=Cluster(transfers=False))
    took = result.batches.execution_end_s - result.batches.execution_start_s
    assert took == pytest.approx(result.batches.solo_s, rel=1e-12)
