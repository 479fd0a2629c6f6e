"""The conformance suite that every policy, ours and a user's, must pass.

    from stratsim.testing import check_policy
    check_policy(lambda: MyPolicy())

Each check is a function of its own, so that a test runner can parametrise over `POLICY_CHECKS`. Those that are about
what a policy must not leave undone are in `stratsim.testing.liveness`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stratsim.model.cluster import Cluster
from stratsim.model.profile import Sharing
from stratsim.model.request import Status
from stratsim.policy.base import Policy
from stratsim.rng import Streams
from stratsim.testing.build import make_profile, make_workload
from stratsim.testing.expect import expect, run
from stratsim.testing.liveness import LIVENESS_CHECKS

if TYPE_CHECKING:
    from collections.abc import Callable

    from stratsim.engine import Result
    from stratsim.model.workload import Workload

    Factory = Callable[[], Policy]

__all__ = ["POLICY_CHECKS", "check_policy"]

_CLUSTER = Cluster(gpus=2)
_PROFILE = make_profile(
    {"small": {1: 0.002, 4: 0.004, 8: 0.006}, "large": {1: 0.010, 4: 0.030}},
    sharing={"small": Sharing(0.4, 1.0), "large": Sharing(0.9, 3.0)},
    noise_cv=0.01,
    kernels={"small": 20, "large": 50},
)


def check_policy(factory: Callable[[], Policy]) -> None:
    """Run all checks.

    Args:
        factory: Returns a new policy on every call.

    Raises:
        AssertionError: says which check failed, and what was expected.
    """
    for check in POLICY_CHECKS:
        check(factory)


def check_protocol(factory: Factory) -> None:
    """The policy has the attributes of the Protocol, and `wakes` is a frozen set."""
    policy = factory()
    expect(isinstance(policy, Policy), f"{type(policy).__name__} lacks a member of stratsim.policy.Policy")
    expect(isinstance(policy.wakes, frozenset), "`wakes` must be a frozenset of Wake")
    expect(factory() is not policy, "the factory must return a new policy on every call")


def check_light_load(factory: Factory) -> None:
    """At light load every request with an easy deadline is served in time: nothing is lost, forgotten or stuck."""
    result = _simulate(factory(), _workload(40, gap_s=0.2, slo_s=1.0))
    met = int((result.requests.status == Status.MET).sum())
    expect(met == 40, f"at light load {met} of 40 requests met an easy deadline")


def check_overload(factory: Factory) -> None:
    """Under overload every request still ends in exactly one status, and no invariant breaks."""
    result = _simulate(factory(), _workload(400, gap_s=0.0005, slo_s=0.05))
    unfinished = int((result.requests.status == Status.UNFINISHED).sum())
    expect(unfinished == 0, f"{unfinished} of 400 requests were never dispatched or dropped")


def check_burst(factory: Factory) -> None:
    """A burst at one instant is worked off."""
    result = _simulate(factory(), _workload(50, gap_s=0.0, slo_s=float("inf")))
    done = int((result.requests.status == Status.MET).sum())
    expect(done == 50, f"{done} of 50 requests without deadlines were served")


def check_repeatable(factory: Factory) -> None:
    """Two runs give identical results: with two policies, and with one policy prepared twice."""
    workload = _workload(200, gap_s=0.002, slo_s=0.05)
    policy = factory()
    first, second, third = (_simulate(each, workload) for each in (policy, policy, factory()))
    for other, what in ((second, "prepared a second time"), (third, "made anew")):
        same = np.array_equal(first.requests.finish_s, other.requests.finish_s, equal_nan=True)
        expect(same, f"the policy behaves differently when {what}: `prepare` must forget everything")


def check_decisions_are_legal(factory: Factory) -> None:
    """One GPU, one slot, no prefetch: the tightest machine is never overcommitted."""
    tight = Cluster(gpus=1, max_concurrency=1, prefetch=0)
    result = _simulate(factory(), _workload(100, gap_s=0.003, slo_s=0.1), tight)
    expect(len(result.requests) == 100, "requests were lost")


POLICY_CHECKS: tuple[Callable[[Factory], None], ...] = (
    check_protocol,
    check_light_load,
    check_overload,
    check_burst,
    check_repeatable,
    check_decisions_are_legal,
    *LIVENESS_CHECKS,
)
"""All checks, each a function of a policy factory."""


def _workload(count: int, gap_s: float, slo_s: float) -> Workload:
    draws = Streams(7).get("conformance")
    arrival_s = np.arange(count) * gap_s
    rows = [
        (at_s, ("small", "large")[int(draws.integers(2))], ("high", "low")[int(draws.random() < 0.7)], at_s + slo_s)
        for at_s in arrival_s.tolist()
    ]
    return make_workload(rows, profile=_PROFILE)


def _simulate(policy: Policy, workload: Workload, cluster: Cluster = _CLUSTER) -> Result:
    return run(policy, workload, _PROFILE, cluster)
