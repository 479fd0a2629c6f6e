"""Execution slots and prefetch: a start is legal while executing + staged < C + prefetch."""

import itertools

import pytest

from stratsim import simulate
from stratsim.model.cluster import Cluster
from stratsim.model.parts import Link
from stratsim.policy.queueing import Fifo
from stratsim.stats.occupancy import peak_concurrency
from stratsim.testing import make_profile, make_workload

PROFILE = make_profile({"a": 0.010}, bytes_in=1_000_000, h2d=Link(0.0, 1e9))
CASES = list(itertools.product((1, 2, 3), (0, 1, 2)))


class Watching(Fifo):
    """FIFO that notes, at every decision, how many batches execute and are staged on each GPU."""

    def __init__(self):
        super().__init__(max_batch=1, drop="never")
        self.seen = []

    def decide(self, view):
        self.note(view)
        for decision in super().decide(view):
            yield decision
            self.note(view)

    def note(self, view):
        self.seen.append([(len(gpu.executing), len(gpu.staged), gpu.free_places) for gpu in view.gpus])
        assert all(gpu.in_flight == len(gpu.executing) + len(gpu.staged) for gpu in view.gpus)


def run(concurrency, prefetch, gpus=1, model="streams", requests=10, **options):
    policy = Watching()
    workload = make_workload([(0.0, "a")] * requests, profile=PROFILE)
    cluster = Cluster(gpus=gpus, device_model=model, max_concurrency=concurrency, prefetch=prefetch, **options)
    return simulate(workload, PROFILE, policy, cluster=cluster), policy.seen


@pytest.mark.parametrize(("concurrency", "prefetch"), CASES)
def test_all_places_are_used_and_no_more(concurrency, prefetch):
    result, seen = run(concurrency, prefetch)
    assert (result.batches.dispatch_s == 0).sum() == concurrency + prefetch
    batches = result.batches
    assert peak_concurrency(batches.execution_start_s, batches.execution_end_s) == concurrency
    assert peak_concurrency(batches.dispatch_s, batches.execution_end_s) == concurrency + prefetch
    for executing, staged, free in itertools.chain.from_iterable(seen):
        assert executing <= concurrency
        assert free == concurrency + prefetch - executing - staged >= 0


@pytest.mark.parametrize("prefetch", [0, 2])
def test_exclusive_has_one_slot(prefetch):
    result, _ = run(3, prefetch, model="exclusive")
    assert peak_concurrency(result.batches.execution_start_s, result.batches.execution_end_s) == 1
    assert (result.batches.dispatch_s == 0).sum() == 1 + prefetch


def test_batches_spread_over_the_least_loaded_gpus():
    result, _ = run(1, 1, gpus=3, requests=7)
    assert result.batches.gpu.tolist()[:6] == [0, 1, 2, 0, 1, 2]
    assert result.gpus == 3


def test_waiting_batches_get_slots_in_the_order_in_which_their_inputs_arrived():
    result, _ = run(1, 2)
    assert (result.batches.execution_start_s[1:] >= result.batches.execution_end_s[:-1]).all()


def test_without_transfers_the_places_are_the_same():
    result, _ = run(2, 1, transfers=False)
    assert (result.batches.dispatch_s == 0).sum() == 3
    assert (result.batches.execution_start_s == 0).sum() == 2
