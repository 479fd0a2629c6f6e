"""When the batches of a CUDA server reach their stages: events of the GPU, in turn, on the host's time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch

from stratsim.model.server import Seen, Stage

if TYPE_CHECKING:
    from torch import Tensor

    from stratsim.model.server import Work
    from stratsim_profiler.serve.cuda_clock import DeviceClock

__all__ = ["Batch", "Output", "Stages"]

_STAGES = tuple(Stage)


class Output(NamedTuple):
    """Where a batch's outputs go: aside on the GPU, then to the host."""

    device: Tensor
    host: Tensor


@dataclass(slots=True, eq=False)
class Batch:
    """A batch in flight.

    Args:
        number: Its number.
        work: What to do.
        place: Its staging buffer.
        events: The events of its stages so far, in the order of `_STAGES`.
        reached: How many stages were seen.
        last_s: When the last one was.
        output: Its output buffers, once it executes.
    """

    number: int
    work: Work
    place: Tensor
    events: list[torch.cuda.Event]
    reached: int = 0
    last_s: float = 0.0
    output: Output | None = None


class Stages:
    """Records stages, and tells which were reached, and when.

    Args:
        clock: The GPU's.

    Attributes:
        clamps: Stages that seemed to be later than they were seen, or earlier than the one before; they were moved.
    """

    def __init__(self, clock: DeviceClock) -> None:
        self._clock = clock
        self._spare: list[torch.cuda.Event] = []
        self.clamps = 0

    def record(self, item: Batch, stream: torch.cuda.Stream) -> None:
        """Record the next stage of a batch; events are used again, as it takes time to make one."""
        event = self._spare.pop() if self._spare else torch.cuda.Event(enable_timing=True)
        event.record(stream)
        item.events.append(event)

    def reached(self, item: Batch, until: int, seen: list[Seen]) -> bool:
        """Note the stages that a batch has reached, and return whether `until` of them are seen."""
        while item.reached < until:
            if not self.is_next_there(item):
                return False
            found_s = self._clock.time_s(item.events[item.reached])
            time_s = max(item.last_s, min(found_s, self._clock.now_s()))
            self.clamps += time_s != found_s
            seen.append(Seen(item.number, _STAGES[item.reached], time_s))
            item.last_s = time_s
            item.reached += 1
        return True

    def is_next_there(self, item: Batch) -> bool:
        """Whether a batch has reached its next stage."""
        return bool(item.events[item.reached].query())

    def give_back(self, item: Batch) -> None:
        """Use the events of a batch again: all of its stages were seen."""
        self._spare.extend(item.events)

    def forget(self) -> None:
        """Let go of the events."""
        self._spare.clear()
