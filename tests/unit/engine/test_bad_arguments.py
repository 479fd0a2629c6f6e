"""Arguments of `simulate` that cannot be used, and decisions of the wrong shape."""

import pytest

from stratsim import simulate
from stratsim.errors import OutsideProfileError, PolicyError, SpecError
from stratsim.model.cluster import Cluster
from stratsim.policy import Drop, DropMode, Policy, SetTimer, Start
from stratsim.policy.queueing import Fifo
from stratsim.testing import make_profile, make_workload

PROFILE = make_profile({"a": {1: 0.25, 2: 0.375}})
WORKLOAD = make_workload([(0.0, "a"), (1.0, "a")], profile=PROFILE)


def test_an_unknown_device_model_is_named():
    with pytest.raises(SpecError, match="unknown device model 'stream'; did you mean 'streams'"):
        simulate(WORKLOAD, PROFILE, Fifo(), cluster=Cluster(device_model="stream"))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("gpus", 0, "gpus must be at least 1, got 0"),
        ("max_concurrency", 0, "max_concurrency must be at least 1, got 0"),
        ("prefetch", -1, "prefetch must be at least 0, got -1"),
        ("uplink_bytes_per_s", 0.0, "uplink_bytes_per_s must be > 0 bytes per second, got 0.0"),
        ("uplink_bytes_per_s", float("nan"), "uplink_bytes_per_s must be > 0 .* got nan"),
        ("uplink_bytes_per_s", float("inf"), "uplink_bytes_per_s must be > 0 .* got inf"),
    ],
)
def test_a_machine_that_cannot_be(name, value, message):
    with pytest.raises(SpecError, match=message):
        Cluster(**{name: value})


def test_a_largest_batch_of_nothing_is_refused():
    with pytest.raises(SpecError, match="max_batch"):
        simulate(WORKLOAD, PROFILE, Fifo(), max_batch=0, drop=DropMode.NEVER)


def test_a_workload_of_another_profile_is_named():
    other = make_profile({"b": 0.25})
    with pytest.raises(OutsideProfileError, match="has no model 'a'"):
        simulate(WORKLOAD, other, Fifo())


class Once(Policy):
    """Yields one decision, made from the first request."""

    def __init__(self, decision):
        self.decision = decision

    def prepare(self, setting):
        self.requests = []

    def on_arrival(self, request, view):
        self.requests.append(request)

    def decide(self, view):
        yield self.decision(self.requests[0])


@pytest.mark.parametrize(
    "decision",
    [
        lambda request: Start(request),  # not a tuple of requests
        lambda request: Start((request.id,)),
        lambda request: Start((request,), "0"),
        lambda request: Start((request,), None),
        lambda request: Drop(request.id, "late"),
        lambda request: Drop(None, "late"),
        lambda request: SetTimer("soon"),
        lambda request: SetTimer(None),
    ],
)
def test_a_decision_of_the_wrong_shape_blames_the_policy(decision):
    with pytest.raises(PolicyError, match="policy 'Once' at t=0 s"):
        simulate(WORKLOAD, PROFILE, Once(decision))


def test_a_list_of_requests_will_do():
    workload = make_workload([(0.0, "a")], profile=PROFILE)
    result = simulate(workload, PROFILE, Once(lambda request: Start([request])))
    assert len(result.batches) == 1
