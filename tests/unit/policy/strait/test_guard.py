"""The guard on an idle GPU, worked out by hand: low priority is held back while high priority is likely, not for good.

Times in ms. `wide` starves whatever runs beside it, and the belief is told so: alone both take 10, and beside wide,
which goes on at full speed, narrow goes at a tenth. A narrow high request has 15. It can spare 5, so it bears wide
beside it for 5 / 0.9 = 50 / 9, and if it comes to a wide batch that has more left it is late: in the first
10 - 50 / 9 = 40 / 9 of it.
"""

from math import log
from pathlib import Path

import numpy as np
import pytest

from stratsim import simulate
from stratsim.model.cluster import Cluster
from stratsim.model.profile import Sharing
from stratsim.model.request import Priority, Status
from stratsim.policy.registry import make_policy, parse_policies
from stratsim.policy.strait import Strait
from stratsim.predict import Predictor
from stratsim.run.inputs import prepare
from stratsim.run.replay import replay
from stratsim.run.spec import make_spec
from stratsim.testing import make_profile, make_workload

MS = 1e-3
CASES = Path(__file__).parents[3] / "cases" / "policies"
PROFILE = make_profile(
    {"wide": 10 * MS, "narrow": 10 * MS}, sharing={"wide": Sharing(1.0, 1000.0), "narrow": Sharing(1.0, 1.0)}
)
LATE_FOR = 40 / 9
"""For how long a narrow high request that comes to a wide batch would be late."""
UNLIKELY = LATE_FOR / -log(0.95)
"""After one request, how long nobody must have come until a wide batch makes one late with 5 % at most: 86.6."""
EXCEPTION = LATE_FOR / 0.002
"""How long a wide batch waits at most while high priority goes on: 2222."""


class Told(Predictor):
    """Knows who starves whom."""

    def rate(self, target, others):
        return 0.1 if target[0] == "narrow" and any(model == "wide" for model, _ in others) else 1.0


def serve(rows, **options):
    policy = Strait(**{"margin": 0.0, "explore": 0.0, "max_batch": 1} | options)
    policy.belief = Told()
    workload = make_workload([(at * MS, model, level, due * MS) for at, model, level, due in rows], profile=PROFILE)
    return simulate(workload, PROFILE, policy, cluster=Cluster(max_concurrency=2, prefetch=0))


def dispatched(result, model):
    """When each batch of a model was started, ms."""
    which = [result.models[code] == model for code in result.batches.model.tolist()]
    return (result.batches.dispatch_s[np.array(which)] / MS).tolist()


def test_low_priority_starts_once_a_high_request_has_become_unlikely_though_nothing_else_happens():
    """One request in the 12 before: it would be late with 1 - exp(-40 / 9 / 12) = 31 %. Nobody comes, until 86.6."""
    result = serve([(0, "narrow", "high", 15), (12, "wide", "low", float("inf"))])
    assert dispatched(result, "wide") == pytest.approx([UNLIKELY])


def test_each_request_counts_while_it_is_among_the_last():
    """Three requests by 80: nobody may have come since the first of them for three times as long."""
    high = [(at, "narrow", "high", at + 15) for at in (0, 40, 80)]
    result = serve([*high, (92, "wide", "low", float("inf"))])
    assert dispatched(result, "wide") == pytest.approx([3 * UNLIKELY])


def test_however_many_have_come_before_the_rate_falls_when_nobody_comes():
    """A hundred requests, 20 apart. Only the last 64 count, from 720 on: they are rare again at 720 + 64 x 86.6.

    Before that, low priority has been refused for 2222 since 1985, and that is long enough.
    """
    high = [(at, "narrow", "high", at + 15) for at in range(0, 2000, 20)]
    result = serve([*high, (1985, "wide", "low", float("inf"))])
    refused_first = 1990  # the narrow request of 1980 has ended: the GPU is idle
    assert dispatched(result, "wide") == pytest.approx([refused_first + EXCEPTION], rel=1e-3)
    assert refused_first + EXCEPTION < 720 + 64 * UNLIKELY


def test_under_steady_high_priority_a_batch_starts_now_and_then():
    """High priority each 40 for 10 s, 10 of work each; low priority without deadlines waits from the start.

    It is first refused at 10, and then admitted once per 2222, as soon as the GPU is idle: at 2240 the next high
    request comes, at 2250 it has ended. That puts 40 / 9 of each 2222 at risk: 0.2 % of the requests. Another one goes
    with it, in the second slot: who would be late beside one is late anyway.
    """
    high = [(at, "narrow", "high", at + 15) for at in range(0, 10_000, 40)]
    result = serve([*high, *[(1, "wide", "low", float("inf"))] * 10])
    started = np.array(dispatched(result, "wide"))
    during = started[started < 10_000]
    assert len(during) == 8
    assert (during[::2] == during[1::2]).all()
    during = during[::2]
    assert during[0] == pytest.approx(10 + EXCEPTION, rel=1e-3)
    assert np.diff(during).min() >= EXCEPTION * (1 - 1e-6)
    assert np.diff(during).max() <= EXCEPTION + 50
    assert len(started) == 10, "the last ones when high priority has ended"


def test_full_confidence_is_no_reason_to_wait_for_ever():
    result = serve([(0, "narrow", "high", 15), (12, "wide", "low", float("inf"))], guard_confidence=1.0)
    assert dispatched(result, "wide") == pytest.approx([12 + EXCEPTION], rel=1e-3)


def test_no_confidence_is_no_guard():
    assert dispatched(serve([(0, "narrow", "high", 15), (12, "wide", "low", 90)], guard_confidence=0.0), "wide") == [12]


def replayed(name, policy):
    spec = make_spec(
        {"trace": str(CASES / name), "profile": "a100-80gb-parvagpu", "max_concurrency": 1, "policy": policy}, "replay"
    )
    return replay(prepare(spec)).results[0]


def test_one_tight_high_request_does_not_starve_low_priority_for_good():
    """One vgg16 of high priority at 0, then a bert of low priority each second, the GPU idle: all are met."""
    result = replayed("one_high_then_lows.csv", "strait")
    assert (result.requests.status[result.requests.priority == Priority.LOW] == Status.MET).sum() == 200


def test_with_little_high_priority_low_priority_is_served_where_nothing_else_goes_on():
    """590 high requests (1.5 ms) and 1410 low ones (14.5 ms, due after 145) in 202 s.

    At least those 388 low ones are met to which no other request comes in the 100 ms before and the 30 ms after.
    """
    requests = replayed("small_high_share.csv", "strait").requests
    at_s = requests.arrival_s
    alone = np.diff(at_s, prepend=-1.0) > 0.1
    alone &= np.diff(at_s, append=np.inf) > 0.03
    alone &= requests.priority == Priority.LOW
    assert alone.sum() == 388
    assert (requests.status[alone] == Status.MET).all()


@pytest.mark.parametrize("margin", [0.0, 0.9])
def test_what_is_in_time_on_an_idle_gpu_is_served_there_whatever_the_margin(margin):
    """Noise of 10 % gives a margin; a low request that has 1.02 times its solo latency is tried all the same."""
    profile = make_profile({"a": 10 * MS}, noise_cv=0.1)
    rows = [(i * 0.1, "a", "low", i * 0.1 + (1.0 if i < 50 else 10.2 * MS)) for i in range(100)]
    (call,) = parse_policies(f"strait(margin={margin})")
    result = simulate(make_workload(rows, profile=profile), profile, make_policy(call), cluster=Cluster())
    assert (result.requests.batch >= 0).all()


def test_best_effort_requests_that_the_guard_holds_back_are_served_in_the_end():
    """A wide request that is late on arrival is served behind all others; nothing else happens that could wake it.

    Of the two high requests that came, half were narrow, which would be late beside it in the first 40 / 9.
    """
    result = serve([(0, "narrow", "high", 15), (20, "wide", "high", 21)], infeasible="best-effort")
    assert dispatched(result, "wide") == pytest.approx([2 * UNLIKELY / 2])


@pytest.mark.parametrize("reserve", [1, 2, 5])
def test_an_idle_gpu_is_open_to_low_priority_whatever_is_reserved(reserve):
    result = serve([(0, "wide", "low", 90)], reserve_slots=reserve)
    assert dispatched(result, "wide") == [0]
