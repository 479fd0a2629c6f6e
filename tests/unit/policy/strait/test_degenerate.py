"""With its mechanisms off, Strait takes the decisions of simpler policies."""

import numpy as np
import pytest

from stratsim import simulate
from stratsim.model.cluster import Cluster
from stratsim.model.profile import Sharing
from stratsim.model.request import Priority
from stratsim.policy.queueing import Edf, PriorityEdf
from stratsim.policy.strait import Strait
from stratsim.rng import Streams
from stratsim.testing import make_profile, make_workload

SOLO = {"a": 0.010, "b": 0.004, "c": 0.007}
PLAIN = {"predictor": "solo", "margin": 0.0, "guard": "off", "fill": False, "rescue_low": False, "explore": 0.0}
ONE_SLOT = Cluster(max_concurrency=1, prefetch=0, device_model="exclusive")


def burst(seed, count=400, load=1.2, high=0.5, models=SOLO):
    """Return the profile and a random workload around saturation, without copies."""
    profile = make_profile(models)
    draw = Streams(seed).get("workload")
    names = list(models)
    mean_s = np.mean(list(models.values()))
    at_s = np.cumsum(draw.exponential(mean_s / load, count))
    which = draw.integers(0, len(names), count)
    slack = draw.uniform(1.5, 12.0, count)
    urgent = draw.random(count) < high
    rows = [
        (at, names[m], Priority.HIGH if u else Priority.LOW, at + k * models[names[m]])
        for at, m, k, u in zip(at_s.tolist(), which.tolist(), slack.tolist(), urgent.tolist(), strict=True)
    ]
    return profile, make_workload(rows, profile=profile)


def decisions(policy, profile, workload, **options):
    result = simulate(workload, profile, policy, **options)
    return result.batches.dispatch_s.tolist(), result.requests.batch.tolist(), result.requests.status.tolist()


@pytest.mark.parametrize("seed", range(5))
def test_one_slot_and_solo_beliefs_make_it_priority_edf(seed):
    profile, workload = burst(seed)
    plain = decisions(Strait(max_batch=1, **PLAIN), profile, workload, cluster=ONE_SLOT)
    assert plain == decisions(PriorityEdf(max_batch=1, drop="infeasible"), profile, workload, cluster=ONE_SLOT)


@pytest.mark.parametrize("seed", range(5))
def test_without_low_priority_traffic_it_is_edf(seed):
    profile, workload = burst(seed, high=1.0)
    plain = decisions(Strait(max_batch=1, **PLAIN), profile, workload, cluster=ONE_SLOT)
    assert plain == decisions(Edf(max_batch=1, drop="infeasible"), profile, workload, cluster=ONE_SLOT)


HIGH_AND_LOW = [(0.0, "a", "high", 0.050), (0.0, "a", "low", 0.012)]
"""The smallest case of equity: strict priority loses the low one for nothing."""


@pytest.mark.parametrize(("rescue", "finish_s"), [(True, [0.020, 0.010]), (False, [0.010, None])])
def test_a_low_request_that_cannot_wait_goes_before_a_high_one_that_can(rescue, finish_s):
    profile = make_profile(SOLO)
    policy = Strait(**PLAIN | {"rescue_low": rescue}, max_batch=1)
    result = simulate(make_workload(HIGH_AND_LOW, profile=profile), profile, policy, cluster=ONE_SLOT)
    ended = [None if np.isnan(end) else pytest.approx(end) for end in result.requests.finish_s.tolist()]
    assert ended == finish_s


def test_a_low_request_is_not_rescued_at_the_cost_of_a_high_one():
    profile = make_profile(SOLO)
    rows = [(0.0, "a", "high", 0.015), (0.0, "a", "low", 0.012)]
    policy = Strait(**PLAIN | {"rescue_low": True}, max_batch=1)
    result = simulate(make_workload(rows, profile=profile), profile, policy, cluster=ONE_SLOT)
    assert result.requests.finish_s[0] == pytest.approx(0.010)
    assert np.isnan(result.requests.finish_s[1])


def test_the_whole_backlog_must_be_able_to_wait_for_a_rescue():
    profile = make_profile(SOLO)
    # Each high request alone could wait for the low one; the second, behind the first, could not.
    rows = [(0.0, "a", "high", 0.050), (0.0, "b", "high", 0.0235), (0.0, "c", "high", 0.030), (0.0, "a", "low", 0.012)]
    policy = Strait(**PLAIN | {"rescue_low": True}, max_batch=1)
    result = simulate(make_workload(rows, profile=profile), profile, policy, cluster=ONE_SLOT)
    assert not np.isnan(result.requests.finish_s[:3]).any()
    assert (result.requests.finish_s[:3] <= result.requests.deadline_s[:3]).all()


def test_two_truths_that_look_alike_get_the_same_decisions():
    """Until their measured times differ, two devices cannot be told apart, however their contention differs."""
    shares = [{"a": Sharing(1.0, weight), "b": Sharing(1.0, 1.0)} for weight in (1.0, 9.0)]
    rows = [(0.0, "a", "high", 0.2), (0.0, "b", "low", 0.3), (0.001, "a", "low", 0.3), (0.002, "b", "high", 0.05)]
    dispatched = []
    for sharing in shares:
        profile = make_profile({"a": 0.010, "b": 0.010}, sharing=sharing)
        result = simulate(make_workload(rows, profile=profile), profile, Strait(), cluster=Cluster(prefetch=2))
        first_end_s = result.batches.execution_end_s.min()
        early = result.batches.dispatch_s < min(first_end_s, 0.009)
        dispatched.append((result.batches.dispatch_s[early].tolist(), result.batches.size[early].tolist()))
    assert dispatched[0] == dispatched[1]
    assert dispatched[0][0]
