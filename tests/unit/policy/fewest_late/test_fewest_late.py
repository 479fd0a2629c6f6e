"""fewest-late: what is stopped, kept apart and batched, worked out by hand. Times in ms, no copies."""

import numpy as np
import pytest

from stratsim import simulate
from stratsim.errors import SpecError
from stratsim.model.cluster import Cluster
from stratsim.model.request import Status
from stratsim.policy import DropMode, Suspend
from stratsim.policy.fewest_late import FewestLate
from stratsim.results.checks import invariants
from stratsim.testing import POLICY_CHECKS, make_profile, make_workload
from stratsim.testing.check_policy import check_overload
from stratsim.testing.liveness import check_steady_high_priority as check_steady

MS = 1e-3
M, D = Status.MET, Status.DROPPED
PROFILE = make_profile({"short": {1: 10 * MS, 2: 12 * MS, 4: 20 * MS}, "long": 100 * MS}, kernels=100)
IDEAL = "ideal"


def serve(rows, policy, slots=1, profile=PROFILE, drop=DropMode.INFEASIBLE, **cluster):
    """Run rows (arrival, model, class, deadline); return the result."""
    rows = [(at * MS, model, level, end * MS) for at, model, level, end in rows]
    workload = make_workload(rows, profile=profile)
    setting = Cluster(**{"max_concurrency": slots, "prefetch": 0} | cluster)
    result = simulate(workload, profile, policy, cluster=setting, drop=drop)
    assert invariants(result, slots) == []
    return result


def finishes(result):
    return (result.requests.finish_s / MS).round(6).tolist()


def test_low_priority_is_stopped_where_high_would_be_late():
    """100 of low from 0. At 20 high comes, due at 35: 10 alone. Stopped at no cost: 20 to 30, low goes on to 110."""
    result = serve([(0, "long", "low", 500), (20, "short", "high", 35)], FewestLate(mechanism=IDEAL))
    assert finishes(result) == [110, 30]


def test_it_is_not_stopped_where_high_can_wait():
    """The same, due at 115: it follows at 100."""
    result = serve([(0, "long", "low", 500), (20, "short", "high", 115)], FewestLate(mechanism=IDEAL))
    assert finishes(result) == [100, 110]


def test_nor_where_a_stop_saves_less_than_it_costs():
    """Both of low priority: to stop would save one request at the cost of another (the long one is due at 105)."""
    result = serve([(0, "long", "low", 105), (20, "short", "low", 35)], FewestLate(mechanism=IDEAL))
    assert result.requests.status.tolist() == [M, D]


def test_weight_is_how_many_low_requests_a_high_one_is_worth():
    """High, due at 35, needs the GPU for 10 that the long one of low priority, due at 105, cannot spare."""
    rows = [(0, "long", "low", 105), (20, "short", "high", 35)]
    assert finishes(serve(rows, FewestLate(mechanism=IDEAL)))[1] == 30
    assert serve(rows, FewestLate(mechanism=IDEAL, weight=1.5)).requests.status.tolist() == [M, D]


def test_mechanism_none_never_stops():
    result = serve([(0, "long", "low", 500), (20, "short", "high", 35)], FewestLate(mechanism="none"))
    assert result.requests.status.tolist() == [M, D]
    assert result.pauses is None or not len(result.pauses)


@pytest.mark.parametrize(("slowdown", "second_ms"), [(3, 10), (1, 0)])
def test_who_would_make_each_other_late_runs_one_at_a_time(slowdown, second_ms):
    """10 each, due at 12 and 25. Beside each other each takes three times as long, as believed: the second waits."""
    rows = [(0, "short", "high", 12), (0, "other", "high", 25)]
    profile = make_profile({"short": 10 * MS, "other": 10 * MS}, kernels=10)
    policy = FewestLate(predictor=f"constant(slowdown={slowdown})", mechanism="none")
    result = serve(rows, policy, slots=2, profile=profile)
    assert (result.batches.dispatch_s / MS).round(6).tolist() == [0, second_ms]


def test_a_pair_is_always_taken_a_third_only_if_it_pays():
    """1, 2, 3, 4 take 10, 12, 16, 20: the third lengthens by 4 > 0.3 x 10, so four become two of two."""
    result = serve([(0, "short", "low", 500)] * 4, FewestLate())
    assert result.batches.size.tolist() == [2, 2]
    assert serve([(0, "short", "low", 500)] * 4, FewestLate(pays=0.4)).batches.size.tolist() == [4]


def test_no_batch_makes_its_own_requests_late():
    """Two take 12, allowed for at 1.2 x 12 = 14.4: due at 14 the first starts alone."""
    rows = [(0, "short", "low", 14), (0, "short", "low", 500)]
    assert serve(rows, FewestLate()).batches.size.tolist() == [1, 1]


def test_what_is_late_even_alone_is_dropped_unless_told_otherwise():
    rows = [(0, "long", "low", 500), (0, "short", "high", 9)]
    assert serve(rows, FewestLate()).requests.status.tolist() == [M, D]
    never = serve(rows, FewestLate(), drop=DropMode.NEVER)
    assert np.isfinite(never.requests.finish_s).all()


def test_several_gpus_share_what_waits():
    result = serve([(0, "long", "low", 150)] * 4, FewestLate(), gpus=4)
    assert sorted(result.batches.gpu.tolist()) == [0, 1, 2, 3]
    assert finishes(result) == [100] * 4


OWED = [
    pytest.param(check, id=check.__name__, marks=[pytest.mark.slow] if check in (check_overload, check_steady) else [])
    for check in POLICY_CHECKS
]


@pytest.mark.parametrize(
    "mechanism",  # gated: as every policy
    ["none", *(pytest.param(name, marks=pytest.mark.slow) for name in ("kernel", "reset", "context", "ideal"))],
)
@pytest.mark.parametrize("check", OWED)
def test_it_does_what_every_policy_owes(check, mechanism):
    check(lambda: FewestLate(mechanism=mechanism))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"weight": 0}, "weight must be a positive number, got 0"),
        ({"stretch": 0.5}, "stretch"),
        ({"mechanism": "magic"}, "mechanism must be one of"),
        ({"horizon": 0}, "horizon must be a whole number"),
    ],
)
def test_impossible_parameters_are_refused(wrong, message):
    with pytest.raises(SpecError, match=message):
        FewestLate(**wrong)


class Recorded(FewestLate):
    """Keeps the kinds of its decisions, a list for each time that it is asked."""

    def decide(self, view):
        self.kinds = [*getattr(self, "kinds", []), []]
        for decision in super().decide(view):
            self.kinds[-1].append(type(decision))
            yield decision


def test_at_one_moment_nothing_is_stopped_after_what_followed_a_stop():
    """Three slots, c one at a time or four in 90: the plan after the next start would stop again, without an end."""
    rows = [
        *[(0, "c", "high", 50), (0, "c", "high", 120), (0, "c", "low", 120), (5, "a", "high", 205)],
        *[(8, "a", "low", 23), (8, "a", "low", 38), (13, "c", "low", 48), (15, "a", "high", 45)],
        *[(15, "c", "high", 135), (18, "c", "low", 418)],
    ]
    profile = make_profile({"a": 3 * MS, "c": {1: 10 * MS, 2: 60 * MS, 4: 90 * MS}}, kernels=100)
    policy = Recorded(stop_cost=0.0, mechanism=IDEAL, predictor="constant(slowdown=2)")
    serve(rows, policy, slots=3, profile=profile)
    together = [[kind is Suspend for kind in kinds] for kinds in policy.kinds if Suspend in kinds]
    assert len(together) > 0
    assert together == [sorted(stops, reverse=True) for stops in together]
