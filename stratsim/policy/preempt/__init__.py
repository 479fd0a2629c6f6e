"""Policies that preempt: what runs is stopped for what is more urgent, one file per family of systems."""

from stratsim.policy.preempt.aware import AwareKEdf
from stratsim.policy.preempt.base import PreemptiveEdf
from stratsim.policy.preempt.deadline import KEdf
from stratsim.policy.preempt.laxity import PreemptLax
from stratsim.policy.preempt.orion import Orion
from stratsim.policy.preempt.priority import PreemptGated, PreemptIdeal, PreemptKernel, PreemptReset
from stratsim.policy.preempt.shepherd import Shepherd
from stratsim.policy.preempt.slack import PreemptSlack

__all__ = [
    "AwareKEdf",
    "KEdf",
    "Orion",
    "PreemptGated",
    "PreemptIdeal",
    "PreemptKernel",
    "PreemptLax",
    "PreemptReset",
    "PreemptSlack",
    "PreemptiveEdf",
    "Shepherd",
]
