"""CUDA stream priorities, block by block.

The GPU has a number of slots for thread blocks. A running block is never preempted; a slot that frees goes to the most
urgent stream with a block to run. Each batch is a stream of kernels, one after the other.
"""

from __future__ import annotations

from heapq import heappop, heappush
from itertools import count
from math import ceil, inf
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from stratsim.device.execution.lacking import lacks
from stratsim.errors import SpecError
from stratsim.model.contention import KernelBlocks, phases_at
from stratsim.model.tolerance import resolution_s

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratsim.model.profile import HardwareProfile

__all__ = ["BlockExecution", "BlockPriority", "BlockUnit", "Kernel"]

Key = TypeVar("Key")


class Kernel(NamedTuple):
    """One kernel of a batch."""

    blocks: int
    block_share: float
    """Duration of one block, as a share of the batch's solo time."""


class BlockPriority:
    """SM slots go to the most urgent stream when a block ends; within a level the kernel that is ready first gets them.

    Kernels of a batch run one after the other, blocks are not preempted, and a block takes as long in company as alone.
    Where the profile has no `truth.blocks` for a model, its kernels are taken as equally long, each with one wave of as
    many blocks as its `streams` demand (1 without one) is of the slots: an assumption.

    Source: CUDA programming guide, stream priorities (a hint to the block scheduler, running blocks are not preempted);
    Elvinger et al., "Understanding GPU resource interference one level deeper", SoCC 2025, for slots.
    """

    name = "block-priority"
    needs = "truth.blocks, or kernels.count; truth.blocks.slots or device.sms"
    max_concurrency: int | None = None
    heeds_copies = False

    def __init__(self, hardware: HardwareProfile, slots: int = 1, *, priorities: bool = True) -> None:  # noqa: ARG002
        if not isinstance(priorities, bool):
            raise SpecError(f"priorities must be true or false, got {priorities!r}")
        self._priorities = priorities
        self._hardware = hardware
        blocks = hardware.truth.blocks
        self._kernels = blocks.kernels if blocks else {}
        found = (blocks.slots if blocks else None) or hardware.device.sms
        if found is None:
            raise lacks(self.name, hardware, "truth.blocks.slots and device.sms")
        self.slots = found
        """Blocks that run at once."""
        for name, model in hardware.models.items():
            if name not in self._kernels and model.kernels is None:
                raise lacks(self.name, hardware, f"truth.blocks.kernels.{name} and observable.models.{name}.kernels")
        self._work: dict[tuple[str, int], tuple[Kernel, ...]] = {}

    def work(self, model: str, batch: int) -> tuple[Kernel, ...]:
        """Return the kernels of a batch, in order. The same object on every call."""
        found = self._work.get((model, batch))
        if found is None:
            given = self._given(model, batch)
            total = sum(kernel.share for kernel in given)
            found = tuple(
                Kernel(kernel.blocks, kernel.share / total / ceil(kernel.blocks / self.slots)) for kernel in given
            )
            self._work[model, batch] = found
        return found

    def _given(self, model: str, batch: int) -> tuple[KernelBlocks, ...]:
        table = self._kernels.get(model)
        if table:
            return phases_at(table, batch)
        kernels = self._hardware.models[model].kernels
        number = kernels.count if kernels else 1
        return (KernelBlocks(1 / number, ceil(self._demand(model, batch) * self.slots)),) * number

    def _demand(self, model: str, batch: int) -> float:
        """Return the mean demand over the phases that `streams` would have."""
        table = self._hardware.truth.sharing.get(model)
        if not table:
            return 1.0
        phases = phases_at({size: entry.as_phases() for size, entry in table.items()}, batch)
        return min(1.0, sum(phase.share * phase.demand for phase in phases))

    def unit(self) -> BlockUnit[Any]:
        """Return a new, idle GPU."""
        return BlockUnit(self.slots, priorities=self._priorities)


class BlockExecution(Generic[Key]):
    """One executing batch: a stream with one kernel at a time, of which some blocks run and some wait."""

    __slots__ = ("at_work", "block_s", "kernels", "key", "level", "place", "solo_s", "waiting")

    def __init__(self, key: Key, solo_s: float, kernels: Sequence[Kernel], level: int) -> None:
        self.key = key
        self.solo_s = solo_s
        self.level = level
        self.kernels = kernels
        self.place = -1
        """Of the present kernel in `kernels`."""
        self.at_work = 0
        """Blocks of it that run."""
        self.waiting = 0
        """Blocks of it that have no slot yet."""
        self.block_s = 0.0

    def launch_next(self) -> bool:
        """Go over to the next kernel; return whether there is one."""
        self.place += 1
        if self.place == len(self.kernels):
            return False
        kernel = self.kernels[self.place]
        self.waiting = kernel.blocks
        self.block_s = self.solo_s * kernel.block_share
        return True


class BlockUnit(Generic[Key]):
    """The block slots of one GPU; an `ExecutionUnit`. It changes whenever blocks end, which is once per wave.

    Args:
        slots: Blocks that run at once.
        priorities: False treats all levels as one.
    """

    __slots__ = ("_begin_s", "_free", "_now_s", "_order", "_priorities", "_ready", "_running", "_waves", "next_s")

    def __init__(self, slots: int, *, priorities: bool = True) -> None:
        self._free = slots
        self._priorities = priorities
        self._running: dict[int, BlockExecution[Key]] = {}
        self._order = count()
        self._begin_s = self._now_s = 0.0
        """When the GPU was idle last, and the last change counted from there: the rounding of a sum of waves must not
        grow with the clock."""
        # Kernels with blocks that wait: level, turn. Blocks that run: end (from `_begin_s`), turn, how many.
        self._ready: list[tuple[int, int, BlockExecution[Key]]] = []
        self._waves: list[tuple[float, int, int, BlockExecution[Key]]] = []
        self.next_s = inf
        """When the next blocks end; `inf` when nothing executes."""

    def __len__(self) -> int:
        return len(self._running)

    @property
    def running(self) -> Sequence[BlockExecution[Key]]:
        """The executing batches, in the order in which they started."""
        return tuple(self._running.values())

    def add(self, now_s: float, key: Key, solo_s: float, work: Sequence[Kernel], level: int = 0) -> None:
        """Start a batch of these kernels."""
        if not self._running:
            self._begin_s, self._now_s = now_s, 0.0
        elif now_s - self._begin_s - self._now_s > resolution_s(now_s, self._begin_s):
            self._now_s = now_s - self._begin_s
        batch = BlockExecution(key, solo_s, work, level if self._priorities else 0)
        self._running[id(batch)] = batch
        self._launch(batch)
        self._fill()

    def complete(self, now_s: float) -> Sequence[BlockExecution[Key]]:
        """Go on to `now_s`, which must be `next_s`, and return the batches that end there (maybe none)."""
        waves, ended = self._waves, []
        self._now_s = waves[0][0]
        # What ends at one instant frees its slots together: rounding must not decide who is there to take them.
        until_s = self._now_s + resolution_s(now_s, self._begin_s)
        while waves and waves[0][0] <= until_s:
            _, _, blocks, batch = heappop(waves)
            self._free += blocks
            batch.at_work -= blocks
            if not batch.at_work and not batch.waiting and not self._launch(batch):
                ended.append(self._running.pop(id(batch)))
        self._fill()
        return ended

    def copying(self, now_s: float, bytes_per_s: float) -> None:
        """Take no notice: slots do not depend on copies."""

    def _launch(self, batch: BlockExecution[Key]) -> bool:
        """Make a batch's next kernel ready; return whether there is one."""
        if not batch.launch_next():
            return False
        heappush(self._ready, (batch.level, next(self._order), batch))
        return True

    def _fill(self) -> None:
        """Give free slots to blocks that wait, and find out when the next blocks end."""
        ready = self._ready
        while self._free and ready:
            level_turn_batch = ready[0]
            batch = level_turn_batch[2]
            blocks = min(self._free, batch.waiting)
            self._free -= blocks
            batch.waiting -= blocks
            batch.at_work += blocks
            heappush(self._waves, (self._now_s + batch.block_s, next(self._order), blocks, batch))
            if not batch.waiting:
                heappop(ready)
        self.next_s = self._begin_s + self._waves[0][0] if self._waves else inf
