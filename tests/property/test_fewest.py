"""More GPUs never fail where fewer pass, within the interval; and shares lie within [0, 1]."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stratsim.capacity import FewestSpec, find_fewest, parse_target
from stratsim.run.arrivals import Arrivals
from stratsim.run.spec import make_spec

POLICIES = ("fifo(max_batch=1)", "priority-fifo(max_batch=1)", "edf(max_batch=1)", "fifo", "edf")


@settings(max_examples=settings.default.max_examples // 5, suppress_health_check=[HealthCheck.too_slow])
@given(
    policy=st.sampled_from(POLICIES),
    rate=st.floats(20, 400),
    limit_ms=st.integers(20, 200),
    seed=st.integers(0, 1000),
    concurrency=st.integers(1, 2),
)
def test_more_gpus_never_fail_where_fewer_pass(policy, rate, limit_ms, seed, concurrency):
    run = make_spec({
        "policy": policy, "profile": "rtx3080-disb", "seed": seed, "max_concurrency": concurrency, "drop": "never",
    })  # fmt: skip
    target = parse_target(f"p95={limit_ms}ms,high=5%")
    spec = FewestSpec(run, target, Arrivals("poisson", 150), seeds=3, rate=rate, gpus=(1, 2, 3, 4))
    (fleet,) = find_fewest(spec)["fleets"]
    passed = min(fleet["meets"], default=None)
    assert passed is None or not [gpus for gpus in fleet["misses"] if gpus > passed]
    assert fleet["gpus"] == passed
    assert sorted(fleet["meets"] + fleet["misses"] + fleet["undecided"]) == [1, 2, 3, 4]
    for point in fleet["points"]:
        for goal in point["goals"].values():
            missed = goal["missed"]
            assert 0 <= missed["low"] <= missed["mean"] <= missed["high"] <= 1
