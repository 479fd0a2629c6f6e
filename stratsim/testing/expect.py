"""What the checks of policies share: a run that turns a policy's failure into a failed check."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratsim.engine import Result, simulate
from stratsim.errors import PolicyError
from stratsim.results.checks import invariants

if TYPE_CHECKING:
    from stratsim.model.cluster import Cluster
    from stratsim.model.profile import Profile
    from stratsim.model.workload import Workload
    from stratsim.policy.base import Policy

__all__ = ["expect", "run"]


def run(policy: Policy, workload: Workload, profile: Profile, cluster: Cluster) -> Result:
    """Simulate, and check the result.

    Raises:
        AssertionError: the policy failed, or the result breaks an invariant.
    """
    try:
        result = simulate(workload, profile, policy, cluster=cluster, seed=3)
    except PolicyError as error:
        raise AssertionError(str(error)) from error
    broken = invariants(result, result.max_concurrency)
    expect(not broken, "; ".join(broken))
    return result


def expect(condition: bool, message: str) -> None:
    """Raise AssertionError with this message unless the condition holds."""
    if not condition:
        raise AssertionError(message)
