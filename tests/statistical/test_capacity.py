"""The capacity of M/D/1 is known: the rate at which P(W > deadline - D) is the target."""

import math

import pytest

from stratsim.capacity import CapacitySpec, Goal, find_capacities, parse_target
from stratsim.model.codec import dump_profile
from stratsim.model.parts import Link
from stratsim.run.arrivals import Arrivals
from stratsim.run.spec import make_spec
from stratsim.testing import make_profile
from stratsim.validate.suites.queueing import tail

LINK = Link(alpha_s=0.0, bytes_per_s=1e12)


@pytest.fixture
def one_server(tmp_path):
    """Settings of one GPU that takes 10 ms for each request, one at a time; 40 ms from arrival to deadline."""
    (tmp_path / "ten-ms.json").write_text(dump_profile(make_profile({"a": 0.010}, h2d=LINK, d2h=LINK)))
    (tmp_path / "rule.toml").write_text("[slo]\nhigh_ms = 40\nlow_ms = 40\n")
    settings = {"profile": str(tmp_path / "ten-ms.json"), "workload": str(tmp_path / "rule.toml"), "policy": "fifo"}
    alone = {"device_model": "exclusive", "max_concurrency": 1, "max_batch": 1, "transfers": False, "drop": "never"}
    return make_spec({**settings, **alone, "warmup_s": 2.0})


def test_the_capacity_of_m_d_1_is_the_closed_forms(one_server):
    target = tail(0.7, 30)
    assert target == pytest.approx(0.105322, abs=5e-7)
    spec = CapacitySpec(one_server, (Goal("all", target),), Arrivals("poisson", 6000), seeds=8, precision=0.01)
    (found,) = find_capacities(spec)["capacities"]
    assert found["rate_per_s"] <= 70 <= found["above_per_s"]
    assert found["above_per_s"] - found["rate_per_s"] < 7  # it says something
    assert found["expected_per_s"] == pytest.approx(70, abs=2)
    assert found["load"] == pytest.approx(found["rate_per_s"] / 100, rel=1e-9)  # 100/s is load 1
    assert found["not_monotone"] == []
    assert found["violation"]["all"]["high"] <= target
    goodput = found["goodput_per_s"]["all"]["mean"]
    assert goodput == pytest.approx(found["rate_per_s"] * (1 - found["violation"]["all"]["mean"]), rel=0.02)


def test_another_rate_only_stretches_the_requests_of_a_seed(one_server):
    """By hand: D/D/1 answers each request after 10 ms as long as they come more than 10 ms apart."""
    spec = CapacitySpec(one_server, parse_target("all=0%"), Arrivals("periodic", 2000), seeds=2, precision=0.001)
    (found,) = find_capacities(spec)["capacities"]
    # Faster, each waits 10 ms less a gap longer than the one before: the last over 30 ms from 100.15/s on.
    assert found["rate_per_s"] == pytest.approx(100 / (1 - 3 / 2000), rel=0.0015)
    assert math.isclose(found["rate_per_s"], found["expected_per_s"], rel_tol=0.001)


def test_a_percentile_of_latency_is_the_share_that_takes_longer(one_server):
    """M/D/1: latency is the wait and 10 ms, so the 1 - P(W > 30 ms) quantile of the latency is 40 ms at 70/s."""
    target = parse_target(f"p{100 * (1 - tail(0.7, 30)):.4f}=40ms")
    spec = CapacitySpec(one_server, target, Arrivals("poisson", 6000), seeds=8, precision=0.02)
    (found,) = find_capacities(spec)["capacities"]
    assert found["rate_per_s"] <= 70 <= found["above_per_s"]
    (goal,) = found["goals"].values()
    assert goal["missed"]["high"] <= target[0].share
    assert goal["infinite"] == 0
    assert goal["percentile_s"]["mean"] < 0.040
