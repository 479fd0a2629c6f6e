"""The fewest servers of M/D/c and M/M/c are known: the first number at which few enough take longer than the limit.

No setting lies on a knife's edge: by the closed form at least 2.5 % miss the p99 with a server less, and at most 0.15 %
with the fewest, so that eight seeds of 3000 requests decide. Both are asserted.
"""

import math
from dataclasses import dataclass

import numpy as np
import pytest

from stratsim.capacity import FewestSpec, Goal, find_fewest
from stratsim.model.codec import dump_profile
from stratsim.model.parts import Link
from stratsim.run.arrivals import Arrivals
from stratsim.run.spec import make_spec
from stratsim.testing import make_profile
from stratsim.validate.suites.queueing import tail
from tests.statistical.queues import erlang_c, m_d_c_later, m_m_c_later

LINK = Link(alpha_s=0.0, bytes_per_s=1e12)
SERVICE = 10.0
CONSTANT = [(0.5, 15, 2), (0.8, 25, 2), (0.8, 8, 3), (1.5, 25, 3), (2.2, 15, 4), (2.6, 25, 4), (3.5, 25, 5)]
"""Offered load in servers, the p99 of the wait, ms, and the fewest servers by the closed form."""
EXPONENTIAL = [(0.5, 70, 2), (0.8, 80, 2), (1.5, 70, 3), (2.6, 80, 4), (3.5, 80, 5), (5.5, 80, 7), (8.0, 100, 9)]
"""The same with the p99 of wait and service."""


@dataclass(frozen=True)
class Exponential:
    """Services whose length is exponential: factors of mean 1."""

    cv: float = 1.0

    def factors(self, rng, count):
        return rng.exponential(1.0, count)


@pytest.fixture
def asked(tmp_path):
    """A question about one model, first in, first out, a request at a time on each GPU, no copies, nothing dropped."""
    (tmp_path / "ten-ms.json").write_text(dump_profile(make_profile({"a": SERVICE / 1e3}, h2d=LINK, d2h=LINK)))
    (tmp_path / "rule.toml").write_text("[slo]\nnone = true\n")
    run = make_spec({
        "profile": str(tmp_path / "ten-ms.json"), "workload": str(tmp_path / "rule.toml"), "policy": "fifo",
        "device_model": "exclusive", "max_concurrency": 1, "prefetch": 0, "max_batch": 1, "transfers": False,
        "drop": "never", "warmup_s": 1.0,
    })  # fmt: skip

    def ask(offered, limit_ms, fewest):
        target = (Goal("p99", 0.01, limit_ms / 1e3),)
        gpus = tuple(range(max(fewest - 1, 1), fewest + 2))
        rate = offered / SERVICE * 1e3
        spec = FewestSpec(run, target, Arrivals("poisson", 3000), seeds=8, rate=rate, gpus=gpus)
        (found,) = find_fewest(spec)["fleets"]
        return found

    return ask


def test_the_closed_forms_agree_with_those_of_one_server():
    for load, wait in [(0.3, 10), (0.7, 30), (0.7, 25), (0.85, 35)]:
        assert m_d_c_later(load / SERVICE, SERVICE, 1, wait) == pytest.approx(tail(load, wait), abs=1e-9)
    assert m_m_c_later(0.5, 1.0, 1, 4.0) == pytest.approx(math.exp(-2))
    assert erlang_c(1, 0.7) == pytest.approx(0.7)
    assert erlang_c(2, 1.0) == pytest.approx(1 / 3)
    assert m_d_c_later(0.15, SERVICE, 2, 1e-9) < erlang_c(2, 1.5)  # constant services: fewer wait


def _away_from_the_edge(later, fewest):
    shares = [later(servers) for servers in range(1, fewest + 1)]
    assert shares[-1] <= 0.0015
    assert all(share >= 0.025 for share in shares[:-1])


@pytest.mark.parametrize(("offered", "wait_ms", "fewest"), CONSTANT)
def test_m_d_c_needs_the_servers_of_the_closed_form(asked, offered, wait_ms, fewest):
    _away_from_the_edge(lambda servers: m_d_c_later(offered / SERVICE, SERVICE, servers, wait_ms), fewest)
    found = asked(offered, SERVICE + wait_ms, fewest)
    assert found["gpus"] == fewest
    assert found["meets"] == [fewest, fewest + 1]
    for point in found["points"]:
        exact = m_d_c_later(offered / SERVICE, SERVICE, point["gpus"], wait_ms)
        assert point["goals"]["p99"]["missed"]["mean"] == pytest.approx(exact, abs=0.2 * exact + 0.004) or exact == 1


@pytest.mark.parametrize(("offered", "limit_ms", "fewest"), EXPONENTIAL)
def test_m_m_c_needs_the_servers_of_the_closed_form(asked, monkeypatch, offered, limit_ms, fewest):
    monkeypatch.setattr("stratsim.engine.loop.LogNormal", Exponential)
    _away_from_the_edge(lambda servers: m_m_c_later(offered / SERVICE, SERVICE, servers, limit_ms), fewest)
    found = asked(offered, limit_ms, fewest)
    assert found["gpus"] == fewest
    assert found["meets"] == [fewest, fewest + 1]


def test_what_binds_there_is_the_wait(asked):
    found = asked(1.5, SERVICE + 15, 3)
    edge = found["edge"]
    assert (edge["gpus"], edge["goal"], edge["dropped"], edge["slowest"]) == (2, "p99", 0, False)
    parts_s = edge["parts_s"]
    assert parts_s["execution"] == pytest.approx(0.010)
    assert parts_s["queueing"] > 0.015
    assert sum(parts_s.values()) == pytest.approx(parts_s["execution"] + parts_s["queueing"])
    assert np.isfinite(edge["missed"])
