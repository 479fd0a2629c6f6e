"""For testing policies and predictors, ours and a user's: conformance suites, small profiles and workloads."""

from stratsim.testing.build import make_profile, make_workload
from stratsim.testing.check_policy import POLICY_CHECKS, check_policy
from stratsim.testing.check_predictor import PREDICTOR_CHECKS, check_predictor

__all__ = [
    "POLICY_CHECKS",
    "PREDICTOR_CHECKS",
    "check_policy",
    "check_predictor",
    "make_profile",
    "make_workload",
]
