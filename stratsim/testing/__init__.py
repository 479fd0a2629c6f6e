"""For testing policies, predictors and readers, ours and a user's: conformance suites, small profiles and workloads."""

from stratsim.testing.build import make_profile, make_workload
from stratsim.testing.check_policy import POLICY_CHECKS, check_policy
from stratsim.testing.check_predictor import PREDICTOR_CHECKS, check_predictor
from stratsim.testing.check_reader import READER_CHECKS, check_reader

__all__ = [
    "POLICY_CHECKS",
    "PREDICTOR_CHECKS",
    "READER_CHECKS",
    "check_policy",
    "check_predictor",
    "check_reader",
    "make_profile",
    "make_workload",
]
