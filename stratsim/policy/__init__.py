"""Scheduling policies: the Protocol, the view they see, and one module per family."""

from stratsim.policy.base import Decision, Drop, DropMode, Policy, SetTimer, Setting, Start, Wake
from stratsim.policy.queueing import QueuePolicy
from stratsim.policy.view import GpuView, InFlight, View

__all__ = [
    "Decision",
    "Drop",
    "DropMode",
    "GpuView",
    "InFlight",
    "Policy",
    "QueuePolicy",
    "SetTimer",
    "Setting",
    "Start",
    "View",
    "Wake",
]
