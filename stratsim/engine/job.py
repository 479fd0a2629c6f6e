"""How far a batch in flight has come on a GPU whose batches can be stopped."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stratsim.engine.batch import Batch
    from stratsim.engine.clock import Alarm
    from stratsim.engine.recorder import Pause

__all__ = ["Job", "State"]


class State(Enum):
    """Stages of a batch on the GPU."""

    COPYING = auto()
    """Its input is not there yet."""
    READY = auto()
    """Its input is there; it has not started."""
    LAUNCHING = auto()
    """It has a slot; the host launches its first kernel, or the next one."""
    EXECUTING = auto()
    DRAINING = auto()
    HALTING = auto()
    STOPPED = auto()
    ENDED = auto()
    """It has executed; the host is not notified yet."""


class Job:
    """How far a batch in flight has come on the GPU."""

    __slots__ = (
        "batch",
        "done_s",
        "kernel_s",
        "launch",
        "pause",
        "queued",
        "slot",
        "solo_s",
        "state",
        "stops",
        "until_s",
    )

    def __init__(self) -> None:
        self.state = State.COPYING
        self.batch: Batch | None = None
        """None while its input is not there."""
        self.solo_s = 0.0
        """Its execution time alone, with what it takes to be preemptable."""
        self.kernel_s = 0.0
        self.done_s = 0.0
        """Solo work done, while it does not execute."""
        self.until_s = 0.0
        """Solo work at which the unit lets it end: all of it, or where it stops."""
        self.launch: Alarm | None = None
        """The end of its launch, while it is being launched."""
        self.slot = False
        """Whether it holds an execution slot."""
        self.queued = False
        """Whether it was resumed and waits for a slot."""
        self.stops = 0
        """How often it was stopped, or was to be."""
        self.pause: Pause | None = None
        """The present one."""
