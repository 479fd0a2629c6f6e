"""For testing policies, ours and a user's: a conformance suite, and small profiles and workloads."""

from stratsim.testing.build import make_profile, make_workload
from stratsim.testing.check_policy import POLICY_CHECKS, check_policy

__all__ = ["POLICY_CHECKS", "check_policy", "make_profile", "make_workload"]
