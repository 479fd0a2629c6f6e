"""What queueing policies conclude from their estimate: which GPU, and which requests can still make it. Times in ms."""

import pytest

from stratsim import simulate
from stratsim.errors import PolicyError
from stratsim.model.cluster import Cluster
from stratsim.model.parts import Link
from stratsim.model.request import Status
from stratsim.policy import Start
from stratsim.policy.queueing import Edf, Fifo
from stratsim.testing import make_profile, make_workload

MS = 1e-3
TWO = Cluster(gpus=2, max_concurrency=1, prefetch=1)


def rows(*requests):
    return [(at * MS, model, "high", deadline * MS) for at, model, deadline in requests]


def test_with_all_slots_taken_the_gpu_that_frees_first_is_taken():
    """GPU 0 runs the long one until 1000, GPU 1 the short one until 100: the third, due at 350, fits GPU 1 alone.

    Both GPUs have one batch in flight; by number of batches, GPU 0 would be asked, and the request given up.
    """
    profile = make_profile({"long": 1.0, "short": 0.1})
    requests = rows((0, "long", 5000), (1, "short", 5000), (50, "short", 350))
    result = simulate(make_workload(requests, profile=profile), profile, Edf(), cluster=TWO)
    assert result.requests.status.tolist() == [Status.MET] * 3
    assert result.batches.gpu.tolist() == [0, 1, 1]


def test_an_input_copies_while_its_batch_waits_for_the_slot():
    """The slot frees at 14; the second copy, from 4 to 8, is done by then: 14 + 10 = 24 is feasible, and met."""
    profile = make_profile({"a": 10 * MS}, bytes_in=4_000_000, h2d=Link(0.0, 1e9))
    requests = rows((0, "a", 100), (2, "a", 24))  # the first copies until 4 and executes until 14
    one = Cluster(max_concurrency=1, prefetch=1)
    result = simulate(make_workload(requests, profile=profile), profile, Edf(max_batch=1), cluster=one)
    assert result.requests.status.tolist() == [Status.MET] * 2
    assert result.requests.finish_s.tolist() == pytest.approx([14 * MS, 24 * MS])


def test_a_start_with_a_bare_request_is_named():
    class Bare(Fifo):
        def decide(self, view):
            for decision in super().decide(view):
                yield Start(decision.requests[0], decision.gpu)

    profile = make_profile({"a": 10 * MS})
    with pytest.raises(PolicyError, match="Start takes a tuple of requests"):
        simulate(make_workload(rows((0, "a", 100)), profile=profile), profile, Bare())
