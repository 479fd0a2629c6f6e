"""One inference request, as the policy and the engine know it."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

__all__ = ["Priority", "Request", "Status"]


class Priority(IntEnum):
    """Priority class; the smaller value is the more urgent, so it sorts first."""

    HIGH = 0
    LOW = 1

    @property
    def label(self) -> str:
        """The name used in files and tables: `high` or `low`."""
        return self.name.lower()


class Status(IntEnum):
    """How a request ended. Every request has exactly one status."""

    UNFINISHED = 0
    """Still waiting or in flight when the simulation ended."""
    MET = 1
    """Output back on the host at or before the deadline, or no deadline at all."""
    LATE = 2
    """Output back on the host after the deadline."""
    DROPPED = 3
    """Given up by the policy; its reason is recorded."""

    @property
    def label(self) -> str:
        """The name used in files and tables."""
        return self.name.lower()


class Request(NamedTuple):
    """One inference request: immutable, made when it arrives, known to the policy from then on."""

    id: int
    """Position in the order of arrival, from 0."""
    model: str
    priority: Priority
    arrival_s: float
    deadline_s: float
    """Absolute time by which the output must be back on the host; `inf` when there is none."""
    bytes_in: int
    bytes_out: int
    client: str | None = None
    """Who sent it, where the trace says so."""
