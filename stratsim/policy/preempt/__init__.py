"""Policies that preempt: what runs is stopped for what is more urgent, one file per family of systems."""

from stratsim.policy.preempt.base import PreemptiveEdf
from stratsim.policy.preempt.priority import PreemptGated, PreemptIdeal, PreemptKernel, PreemptReset

__all__ = ["PreemptGated", "PreemptIdeal", "PreemptKernel", "PreemptReset", "PreemptiveEdf"]
