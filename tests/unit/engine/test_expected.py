"""What a policy believes when it dispatches is recorded, and changes nothing."""

import numpy as np
import pytest

from stratsim import simulate
from stratsim.model.cluster import Cluster
from stratsim.model.parts import Link
from stratsim.policy.base import Policy, Start
from stratsim.policy.registry import make_policy, parse_policies
from stratsim.results import read_results, summarize, write_results
from stratsim.testing import make_profile, make_workload

PROFILE = make_profile({"a": {1: 0.010, 4: 0.016}}, h2d=Link(0.001, 1e6), bytes_in=1_000, d2h=Link(0.001, 1e9))
ROWS = [(0.0, "a", "high", 0.1), (0.0, "a", "low", 0.1), (0.05, "a", "low", 0.2)]
BELIEVING = ("fifo", "edf", "priority-edf", "aware-edf", "least-slack", "lax", "strait", "clockwork", "symphony")
BELIEVING += ("nexus",)


def run(policy, rows=ROWS, profile=PROFILE, **options):
    if isinstance(policy, str):
        (call,) = parse_policies(policy)
        policy = make_policy(call)
    return simulate(make_workload(rows, profile=profile), profile, policy, **options)


@pytest.mark.parametrize("name", BELIEVING)
def test_alone_the_belief_comes_true(name):
    free = make_profile({"a": 0.010})
    result = run(name, [(0.0, "a", "high", 0.1)], free)
    assert result.batches.expected_s == pytest.approx(result.batches.copy_out_end_s)


@pytest.mark.parametrize("name", ["fifo", "edf", "aware-edf(predictor=solo)", "strait(predictor=solo, margin=0)"])
def test_copies_and_batches_are_in_the_belief(name):
    result = run(name, cluster=Cluster(max_concurrency=1))
    assert result.batches.expected_s == pytest.approx(result.batches.copy_out_end_s)


@pytest.mark.parametrize(("name", "options"), [("native", {}), ("triton", {}), ("fifo(max_batch=1,drop=never)", {})])
def test_without_an_estimate_there_is_no_belief(name, options):
    assert np.isnan(run(name, **options).batches.expected_s).all()


class Believing(Policy):
    """Starts everything at once and believes something."""

    def prepare(self, setting):
        self.queue = []

    def on_arrival(self, request, view):
        self.queue.append(request)

    def decide(self, view):
        while self.queue and view.gpus[0].free_places:
            yield Start((self.queue.pop(0),), 0, 42.0)


def test_written_and_read_back(tmp_path):
    result = run(Believing())
    assert result.batches.expected_s.tolist() == [42.0] * 3
    write_results([result], tmp_path / "out", manifest={}, summaries=[summarize(result)], timeline=False)
    assert read_results(tmp_path / "out").batches(["expected_s"])["expected_s"].tolist() == [42.0] * 3
