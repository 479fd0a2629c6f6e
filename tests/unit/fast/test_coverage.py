"""What the fast engine claims, and what it leaves to the reference."""

from dataclasses import replace

import pytest

from stratsim.engine.options import Options
from stratsim.fast import covers
from stratsim.model.cluster import Cluster
from stratsim.model.codec import load_profile
from stratsim.model.rejection import Rejection
from stratsim.model.request import Priority
from stratsim.model.truth import Decide, Host, Speeds
from stratsim.model.workload import ClosedLoopClient
from stratsim.policy import DropMode
from stratsim.policy.queueing import Fifo
from stratsim.policy.registry import make_policy, parse_policies
from stratsim.testing import make_profile, make_workload

PROFILE = make_profile({"a": 0.010})
ROWS = [(0.0, "a"), (0.001, "a")]


def why(policy="fifo", clients=(), rows=ROWS, **options):
    (call,) = parse_policies(policy) if isinstance(policy, str) else (None,)
    made = make_policy(call) if call else policy
    workload = make_workload(rows, profile=PROFILE, closed_loop=clients)
    return covers(workload, PROFILE, made, Options("p", **{"cluster": Cluster(), **OPTIONS, **options}))


OPTIONS = {"max_batch": 8, "drop": DropMode.INFEASIBLE, "seed": 0}


@pytest.mark.parametrize("policy", ["fifo", "priority-fifo", "edf", "priority-edf(max_batch=2)"])
def test_the_four_queue_policies_are_covered(policy):
    assert why(policy) is None


def test_a_subclass_may_decide_otherwise_and_is_not():
    class Own(Fifo):
        """Ours but for its name."""

    assert why(Own()) == "policy Own is neither one of the four queue policies nor native"


@pytest.mark.parametrize("policy", ["strait", "triton", "lax"])
def test_other_policies_are_not(policy):
    assert "is neither one of the four queue policies nor native" in why(policy)


CLIENT = ClosedLoopClient("c", "a", Priority.LOW, 0, 0, limit=1)


@pytest.mark.parametrize("policy", ["fifo", "native"])
def test_clients_that_wait_are(policy):
    assert why(policy, clients=[CLIENT]) is None


def test_further_attempts_are_not():
    assert why(rejection=Rejection(retries=1, retry_by="all")) == "dropped requests are sent again"
    assert why(rejection=Rejection(retries=1)) is None  # of clients that wait; there are none
    assert why(rejection=Rejection(retries=1), clients=[CLIENT]) == "dropped requests are sent again"


def test_a_copy_that_would_not_fit_a_column_is_not():
    assert why(rows=[(0.0, "a", "low", 1.0, 2**31)]) == "a request copies two gigabytes or more"
    assert why(rows=[(0.0, "a", "low", 1.0, 2**31 - 1)]) is None
    assert why(clients=[replace(CLIENT, bytes_out=2**31)]) == "a request copies two gigabytes or more"


def test_a_host_that_thinks_or_changes_its_speed_is():
    for host in (
        Host(dispatch_s=0.001, decide_s={"p": Decide(0.001)}),
        Host(dispatch_s=0.001, speeds=Speeds(1.0, 2.0, 1.0, 1.0)),
    ):
        profile = replace(PROFILE, truth=replace(PROFILE.truth, host=host))
        assert covers(make_workload(ROWS, profile=profile), profile, Fifo(), Options("p", Cluster(), **OPTIONS)) is None


def test_the_bundled_gpus_are():
    for name in ("h200-fp16", "a100-80gb-parvagpu", "rtx3080-disb"):
        profile = load_profile(name)
        models = tuple(profile.observable.models)
        rows = [(0.001 * number, model) for number, model in enumerate(models)]
        assert covers(make_workload(rows, profile=profile), profile, Fifo(), Options("p", Cluster(), **OPTIONS)) is None


def test_a_belief_in_larger_batches_than_there_are_is_not():
    belief = make_profile({"a": {1: 0.010, 2: 0.012}})
    assert why(belief=belief) == "the belief has larger batches than the hardware"
    assert why(belief=make_profile({"a": 0.020})) is None


def test_an_execution_model_that_is_not_fluid_is_not():
    assert why(cluster=Cluster(device_model="processor-sharing")) is None
    assert why(cluster=Cluster(device_model="exclusive")) is None
