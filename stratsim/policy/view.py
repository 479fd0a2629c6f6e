"""What a policy sees of the running system: read-only, kept up to date by the engine or a live run (`state`)."""

from __future__ import annotations

from heapq import heappop
from typing import TYPE_CHECKING

from stratsim.policy.state import InFlight

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from stratsim.policy.state import GpuState, ServerState

__all__ = ["GpuView", "InFlight", "View"]


class GpuView:
    """One GPU: which batches are on it, and how many more may be started."""

    __slots__ = ("_batches", "_log", "_places", "_returning", "_state", "id")

    def __init__(self, state: GpuState) -> None:
        self.id = state.id
        self._state = state
        # What every decision looks at is here as well: one step less to it, each time.
        self._batches, self._returning = state.batches, state.returning
        self._places, self._log = state.places, state.log

    @property
    def executing(self) -> Sequence[InFlight]:
        """Batches in an execution slot, in the order in which they got it."""
        log, start_s = self._log, self._log.execution_start_s
        seen_s, notice_s = log.now_s + log.resolution_s, log.notice_s
        found = [batch_id for batch_id in self._batches if start_s[batch_id] + notice_s <= seen_s]
        if self._returning:
            found = [batch_id for batch_id in found if batch_id not in self._returning]
        if len(found) > 1:
            found.sort(key=start_s.__getitem__)
        return tuple([self._state.batch(batch_id) for batch_id in found])

    def executing_until(self, latency_s: Mapping[str, Sequence[float]]) -> list[float]:
        """Return when each of `executing` would end if it took this long from its start, in the order of dispatch.

        Args:
            latency_s: By model, seconds by batch size.
        """
        log, start_s = self._log, self._log.execution_start_s
        seen_s, notice_s = log.now_s + log.resolution_s, log.notice_s
        return [
            start_s[i] + latency_s[requests[0].model][len(requests)]
            for i, requests in self._batches.items()
            if start_s[i] + notice_s <= seen_s and i not in self._returning
        ]

    @property
    def staged(self) -> Sequence[InFlight]:
        """Batches that copy in or wait with their input on the GPU, in the order of dispatch.

        Among them are those that were resumed and have no slot yet.
        """
        log, start_s = self._log, self._log.execution_start_s
        seen_s, notice_s = log.now_s + log.resolution_s, log.notice_s
        returning = self._returning
        # "not <=" rather than ">": a start that is not known yet is NaN.
        return tuple(
            [self._state.batch(i) for i in self._batches if not start_s[i] + notice_s <= seen_s or i in returning]
        )

    @property
    def suspended(self) -> Sequence[InFlight]:
        """Batches that were suspended, in the order in which they were; they hold no place."""
        return tuple([self._state.batch(batch_id) for batch_id in self._state.suspended])

    @property
    def stopping(self) -> Sequence[InFlight]:
        """Those of the suspended that have not stopped yet."""
        return tuple(
            [self._state.batch(batch_id) for batch_id in self._state.suspended if batch_id in self._state.stopping]
        )

    @property
    def in_flight(self) -> int:
        """Number of batches executing or staged; copy-out does not count."""
        return len(self._batches)

    @property
    def newest(self) -> InFlight | None:
        """The batch that was started last, if it still executes or is staged."""
        return self._state.batch(next(reversed(self._batches))) if self._batches else None

    @property
    def free_places(self) -> int:
        """How many more batches may be started or resumed now: C + prefetch - executing - staged."""
        return self._places - len(self._batches)

    @property
    def resident(self) -> Collection[str]:
        """The models whose weights are on the GPU: all, unless the machine has to load them."""
        return self._state.resident.keys()


class View:
    """The whole system at one instant."""

    __slots__ = ("_gpus", "_least_loaded", "_log", "_only", "_state", "_waiting")

    def __init__(self, state: ServerState) -> None:
        self._state = state
        self._log = state.log
        self._waiting = state.waiting
        self._gpus = tuple([GpuView(gpu) for gpu in state.gpus])
        self._only = self._gpus[0] if len(self._gpus) == 1 else None
        self._least_loaded = state.least_loaded

    @property
    def now_s(self) -> float:
        """The time, seconds."""
        return self._log.now_s

    @property
    def waiting(self) -> int:
        """Number of requests that have arrived and were neither started nor dropped."""
        return len(self._waiting)

    @property
    def gpus(self) -> Sequence[GpuView]:
        """All GPUs, by id."""
        return self._gpus

    def take_changed(self) -> Collection[int]:
        """Return the GPUs, of several, that batches were started on or left since this was last asked; each once.

        For a policy that follows many GPUs and would otherwise have to look at all of them. Empty where there is one.
        """
        return self._state.take_changed()

    def least_loaded(self) -> GpuView | None:
        """Return the GPU with the fewest batches in flight, the lowest id among equals; None if all are full."""
        only = self._only
        if only is not None:
            return only if len(only._batches) < only._places else None
        heap = self._least_loaded
        while True:
            count, gpu_id = heap[0]
            gpu = self._gpus[gpu_id]
            if count == len(gpu._batches):
                return gpu if count < gpu._places else None
            heappop(heap)
