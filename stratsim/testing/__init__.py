"""For testing policies, predictors and device models: conformance suites, small profiles and workloads."""

from stratsim.testing.build import make_profile, make_workload
from stratsim.testing.check_device_model import DEVICE_MODEL_CHECKS, check_device_model
from stratsim.testing.check_policy import POLICY_CHECKS, check_policy
from stratsim.testing.check_predictor import PREDICTOR_CHECKS, check_predictor

__all__ = [
    "DEVICE_MODEL_CHECKS",
    "POLICY_CHECKS",
    "PREDICTOR_CHECKS",
    "check_device_model",
    "check_policy",
    "check_predictor",
    "make_profile",
    "make_workload",
]
