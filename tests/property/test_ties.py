"""Ties are broken by what requests are like, not by what the models are called or where the profile lists them."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from stratsim import simulate
from stratsim.model.cluster import Cluster
from stratsim.policy.registry import policy_class, registered
from stratsim.run.inputs import prepare
from stratsim.run.replay import replay
from stratsim.run.spec import make_spec
from stratsim.testing import make_profile, make_workload

CASES = Path(__file__).parents[1] / "cases" / "policies"
LATENCY_S = {"a": {1: 0.010, 4: 0.016}, "b": {1: 0.010, 4: 0.016}, "c": {1: 0.005, 4: 0.012}}
NAMES = ("a", "b", "c")


@pytest.mark.parametrize("profile", ["models_ab.json", "models_ba.json"])
def test_equally_large_batches_go_by_deadline_then_arrival(profile):
    """Shepherd, 10 ms each. From 0 the first a runs; at 10 one b (from 0.5, due 45) and one a (from 10, due 510) wait.

    b is due first: 10 to 20. It must not matter which of the two models the profile lists first.
    """
    spec = {"trace": str(CASES / "equal_batch_sizes.csv"), "profile": str(CASES / profile), "policy": "shepherd"}
    one = {"max_concurrency": 1, "prefetch": 0, "transfers": False, "drop": "never"}
    (result,) = replay(prepare(make_spec({**spec, **one}, "replay"))).results
    models = np.array(result.models)[result.requests.model]
    assert result.requests.finish_s[models == "b"].tolist() == pytest.approx([0.020])


millisecond = st.integers(0, 30).map(lambda ms: ms / 1000)
"""A coarse grid, so that there are ties."""
requests = st.lists(
    st.tuples(
        millisecond, st.sampled_from(NAMES), st.sampled_from(["high", "low"]), st.sampled_from([0.02, 0.04, 0.1])
    ),
    min_size=2,
    max_size=25,
)


def served(name, rows, order, rename):
    """Return what becomes of each request, under a profile that lists the models in this order, with these names."""
    profile = make_profile({rename[model]: LATENCY_S[model] for model in order}, kernels=10)
    renamed = [(at_s, rename[model], level, at_s + slo_s) for at_s, model, level, slo_s in rows]
    workload = make_workload(renamed, profile=profile)
    result = simulate(workload, profile, policy_class(name)(), cluster=Cluster(max_concurrency=1, prefetch=0))
    return result.requests.status.tolist(), result.requests.finish_s


@pytest.mark.parametrize("name", registered())
@settings(max_examples=settings.default.max_examples // 5, derandomize=True, phases=[Phase.generate])
@given(rows=requests, order=st.permutations(NAMES), names=st.permutations(("x", "y", "z")))
def test_neither_the_order_nor_the_names_of_models_matter(name, rows, order, names):
    status, finish_s = served(name, rows, NAMES, dict(zip(NAMES, NAMES, strict=True)))
    other_status, other_finish_s = served(name, rows, order, dict(zip(NAMES, names, strict=True)))
    assert status == other_status
    assert np.allclose(finish_s, other_finish_s, rtol=1e-9, equal_nan=True)
