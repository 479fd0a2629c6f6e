"""Scheduling policies: the Protocol, the view they see, and one module per family."""

from stratsim.policy.base import Decision, Drop, DropMode, Policy, Resume, SetTimer, Setting, Start, Suspend, Wake
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
    "Resume",
    "SetTimer",
    "Setting",
    "Start",
    "Suspend",
    "View",
    "Wake",
]
