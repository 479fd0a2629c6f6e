"""One GPU at run time: hands its execution slots to the batches whose inputs are there.

The life of a batch on it, which `stratsim.engine.host` and `stratsim.engine.preemption` change where they must:

    ready -> (wait for a slot) -> take the slot -> launch: execute -> complete: give the slot back
"""

from __future__ import annotations

from collections import deque
from math import inf
from typing import TYPE_CHECKING

from stratsim.device.execution.registry import checked_unit

if TYPE_CHECKING:
    from array import array
    from collections.abc import Callable, Sequence

    from stratsim.device import CopyEngine, Execution, ExecutionModel, ExecutionUnit
    from stratsim.engine.batch import Batch
    from stratsim.engine.clock import Alarm
    from stratsim.policy.state import GpuState

__all__ = ["Gpu"]


class Gpu:
    """The engine's side of one GPU.

    Slots go to batches in the order in which `ready` was called, and that may be before the input is there, as long as
    inputs get there in the same order: on a link of its own the end of a copy is known when it is submitted. So no
    event is spent on it. The unit goes ahead in time to where the batch joins; nothing can happen to it before.

    Args:
        state: What the server knows of it.
        model: How co-located batches slow each other.
        slots: Number of batches that may execute at once.
        alarm: Makes the alarm for the end of an execution, given this object.
        start_s: Where to enter when executions start, by batch id.
        copy_in: The copy engine towards it.
        copy_out: The copy engine back.
    """

    __slots__ = ("alarm", "copy_in", "copy_out", "free_slots", "queue", "start_s", "state", "unit")

    def __init__(
        self,
        state: GpuState,
        model: ExecutionModel,
        slots: int,
        alarm: Callable[[Gpu], Alarm],
        start_s: array[float],
        copy_in: CopyEngine,
        copy_out: CopyEngine,
    ) -> None:
        self.state = state
        self.unit: ExecutionUnit[int] = checked_unit(model)
        self.free_slots = slots
        self.alarm = alarm(self)
        self.start_s = start_s
        self.copy_in = copy_in
        self.copy_out = copy_out
        self.queue: deque[tuple[float, Batch]] = deque()
        """Batches that wait for a slot or for their input, each with the time when that is there."""

    def ready(self, at_s: float, batch: Batch) -> None:
        """Take a batch whose input is there at `at_s`, now or later, but not before that of the batch before it."""
        if self.free_slots and not self.queue and at_s < self.unit.next_s:
            self.free_slots -= 1
            self.launch(at_s, batch)
            self.alarm.arm(self.unit.next_s)
        else:
            self.queue.append((at_s, batch))

    def launch(self, at_s: float, batch: Batch) -> None:
        """Execute a batch, which has a slot, from `at_s` on."""
        self.start_s[batch.id] = at_s
        self.unit.add(at_s, batch.id, batch.solo_s, batch.work, batch.level)

    def complete(self, now_s: float) -> Sequence[Execution[int]]:
        """Return the executions that end now, when the alarm has gone off, and give their slots to the next."""
        unit = self.unit
        ended = unit.complete(now_s)
        self.free_slots += len(ended)
        if self.queue:
            self._fill(now_s)
        if unit.next_s < inf:
            self.alarm.arm(unit.next_s)
        return ended

    def copying(self, now_s: float, bytes_per_s: float) -> None:
        """Copies to and from the GPU's memory move that many bytes per second in all, from now on."""
        self.unit.copying(now_s, bytes_per_s)
        self.alarm.arm(max(self.unit.next_s, now_s))  # what was to end just now must not end a rounding earlier

    def detach(self) -> None:
        """Forget everything that refers back to the run."""
        del self.alarm

    def _fill(self, now_s: float) -> None:
        """Give free slots to the batches in the queue that can start now, or before the next execution ends."""
        queue = self.queue
        while queue and self.free_slots:
            at_s, batch = queue[0]
            if at_s <= now_s:
                at_s = now_s
            elif at_s >= self.unit.next_s:
                return
            queue.popleft()
            self.free_slots -= 1
            self.launch(at_s, batch)
