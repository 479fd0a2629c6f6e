"""What the fast engine claims, and what it leaves to the reference."""

from dataclasses import replace

import pytest

from stratsim.engine.layout import lay_out
from stratsim.engine.loop import setting_of
from stratsim.engine.options import Options
from stratsim.fast import covers
from stratsim.fast.coverage import AWARE, ENTRY, PREEMPT, RUN, TRITON, kernel_of, why_not_inside
from stratsim.fast.strait.setup import set_up
from stratsim.model.cluster import Cluster
from stratsim.model.codec import load_profile
from stratsim.model.rejection import Rejection
from stratsim.model.request import Priority
from stratsim.model.truth import Decide, Host, Speeds
from stratsim.model.workload import ClosedLoopClient
from stratsim.policy import DropMode
from stratsim.policy.queueing import Fifo
from stratsim.policy.registry import make_policy, parse_policies
from stratsim.rng import Streams
from stratsim.testing import make_profile, make_workload

PROFILE = make_profile({"a": 0.010})
ROWS = [(0.0, "a"), (0.001, "a")]


def why(policy="fifo", clients=(), rows=ROWS, profile=PROFILE, **options):
    (call,) = parse_policies(policy) if isinstance(policy, str) else (None,)
    made = make_policy(call) if call else policy
    workload = make_workload(rows, profile=profile, closed_loop=clients)
    return covers(workload, profile, made, Options("p", **{"cluster": Cluster(), **OPTIONS, **options}))


OPTIONS = {"max_batch": 8, "drop": DropMode.INFEASIBLE, "seed": 0}


@pytest.mark.parametrize("policy", ["fifo", "priority-fifo", "edf", "priority-edf(max_batch=2)"])
def test_the_four_queue_policies_are_covered(policy):
    assert why(policy) is None


def test_a_subclass_may_decide_otherwise_and_is_not():
    class Own(Fifo):
        """Ours but for its name."""

    assert why(Own()) == "policy Own is not compiled"


@pytest.mark.parametrize("policy", ["triton", "triton(timeout_s=1, priority_levels=2)", "triton(instances=2)"])
def test_tritons_batcher_is(policy):
    assert why(policy) is None


PREEMPTIVE = ["preempt-ideal", "preempt-gated(sync=true)", "preempt-kernel(share=0.5)", "preempt-reset(cap=1)"]
PREEMPTIVE += ["preempt-slack(mechanism=reset)", "k-edf(ranking=system)", "orion(most_s=0.001)"]


@pytest.mark.parametrize("policy", PREEMPTIVE)
def test_policies_that_preempt_are(policy):
    assert why(policy, profile=make_profile({"a": 0.010}, kernels=10)) is None


@pytest.mark.parametrize("policy", ["aware-k-edf", "clockwork", "lax", "preempt-lax", "shepherd"])
def test_other_policies_are_not(policy):
    assert why(policy, profile=make_profile({"a": 0.010}, kernels=10)).endswith("is not compiled")


def test_each_kind_has_a_kernel_of_its_own():
    kernels = {"fifo": RUN, "preempt-reset": PREEMPT, "strait": ENTRY, "aware-edf": AWARE, "triton": TRITON}
    assert {text: kernel_of(make_policy(parse_policies(text)[0])) for text in kernels} == kernels


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ("strait", None),
        ("strait(predictor=rls(form=rate, forgetting=0.9), transfers=alone, guard=off)", None),
        ("strait(predictor=solo)", None),
        ("strait(predictor=constant(slowdown=2))", None),
        ("strait(predictor=gpulet)", None),
        ("strait(predictor=ewma-pairs)", "the belief EwmaPairs is not compiled"),
        ("strait(predictor=rls(half_life_s=10))", "the belief's half_life_s and nonnegative are not compiled"),
        ("strait(transfers=contended(uplink_bytes_per_s=1e9))", "the belief about copies Contended is not compiled"),
        ("aware-edf", None),
        ("aware-edf(predictor=constant(slowdown=2), infeasible=alone, margin=0.9, max_batch=1)", None),
        ("aware-edf(predictor=ewma-pairs(samples=5, use_prior=false))", None),
        ("aware-edf(predictor=ewma-pairs(tau_s=1))", "the belief's half_life_s and tau_s are not compiled"),
        ("aware-edf(predictor=ewma-pairs(half_life_s=9))", "the belief's half_life_s and tau_s are not compiled"),
        ("aware-edf(predictor=sgd)", "the belief Sgd is not compiled"),
    ],
)
def test_strait_and_aware_edf_are_covered_with_beliefs_that_kernels_hold(policy, said):
    assert why(policy) == said


def test_a_belief_in_pairs_is_where_it_can_be_asked_about_all_beforehand():
    (call,) = parse_policies("strait(predictor=oracle)")
    for models, slots, said in (
        (16, 2, None),
        (17, 2, "the belief Oracle is compiled for 128 kinds of batches, not for 136"),
        (16, 3, "the belief Oracle is compiled for two co-located batches, not for more"),
    ):
        profile = make_profile({f"m{number}": {1: 0.010, 8: 0.040} for number in range(models)})
        options = Options("p", Cluster(max_concurrency=slots), **OPTIONS)
        workload = make_workload([(0.0, "m0")], profile=profile)
        assert covers(workload, profile, make_policy(call), options) == said


def test_too_many_models_for_so_many_slots_are_not():
    profile = make_profile({f"m{number}": 0.010 for number in range(300)})
    (call,) = parse_policies("strait")
    for slots, said in ((2, None), (3, "there are too many sets of models that may be co-located")):
        options = Options("p", Cluster(max_concurrency=slots), **OPTIONS)
        workload = make_workload([(0.0, "m0")], profile=profile)
        assert covers(workload, profile, make_policy(call), options) == said


CLIENT = ClosedLoopClient("c", "a", Priority.LOW, 0, 0, limit=1)


@pytest.mark.parametrize("policy", ["fifo", "native", "aware-edf", "triton"])
def test_clients_that_wait_are(policy):
    assert why(policy, clients=[CLIENT]) is None


@pytest.mark.parametrize("policy", ["fifo", "native", "aware-edf", "triton", "preempt-ideal", "strait"])
def test_further_attempts_are(policy):
    assert why(policy, rejection=Rejection(retries=1, retry_by="all")) is None
    assert why(policy, rejection=Rejection(retries=1), clients=[CLIENT]) is None


def test_of_strait_they_are_simpys_whose_loop_asks_compiled_decisions():
    workload = make_workload(ROWS, profile=PROFILE)
    (call,) = parse_policies("strait")
    options = Options("p", Cluster(), rejection=Rejection(retries=1), **OPTIONS)
    assert why_not_inside(workload, PROFILE, make_policy(call), options) == "dropped requests are sent again"


def test_weights_that_are_loaded_on_demand_are_but_where_batches_are_stopped():
    model = replace(PROFILE.observable.models["a"], weights_bytes=1_000_000)
    profile = replace(PROFILE, observable=replace(PROFILE.observable, models={"a": model}))
    cluster = Cluster(memory=2e6)
    assert why("fifo", profile=profile, cluster=cluster) is None
    assert why("triton", profile=profile, cluster=cluster) is None
    stopped = "weights are loaded when they are needed, and batches are stopped"
    assert why("preempt-ideal", profile=profile, cluster=cluster) == stopped
    assert why("aware-edf", profile=profile, cluster=cluster) == "weights are loaded when they are needed"


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


def test_a_compiled_strait_of_64_models_takes_less_than_20_mb():
    profile = make_profile({f"m{number}": {1: 0.010, 8: 0.040} for number in range(64)})
    (call,) = parse_policies("strait")
    policy, options = make_policy(call), Options("strait", Cluster(), **OPTIONS)
    workload = make_workload([(0.0, "m0")], profile=profile)
    layout = lay_out(workload, profile, policy, options.cluster, "strait")
    setting = setting_of(profile, options, layout, Streams(0))
    policy.prepare(setting)
    assert sum(array.nbytes for array in set_up(policy, setting, sorted(setting.profile.models))) < 20e6
