"""What a policy sees of the running system: plain data, kept up to date by the engine, read-only for the policy.

These classes hold no reference to the device, the engine or the clock, not even indirectly (a test walks everything
that can be reached from a view). The engine writes the underscored fields; policies read the properties.
"""

from __future__ import annotations

from array import array
from heapq import heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratsim.model.request import Priority, Request

__all__ = ["GpuView", "InFlight", "Log", "View"]

NAN = float("nan")


class Log:
    """When each dispatched batch reached which stage: columns by batch id. NaN: it has not come yet.

    A copy's start and end are entered when the copy ends, an execution's start when it starts.
    """

    __slots__ = (
        "copy_in_end_s",
        "copy_in_start_s",
        "copy_out_end_s",
        "copy_out_start_s",
        "dispatch_s",
        "execution_end_s",
        "execution_start_s",
    )

    def __init__(self) -> None:
        self.dispatch_s = array("d")
        self.copy_in_start_s = array("d")
        self.copy_in_end_s = array("d")
        self.execution_start_s = array("d")
        self.execution_end_s = array("d")
        self.copy_out_start_s = array("d")
        self.copy_out_end_s = array("d")

    def grow(self, rows: int) -> None:
        """Make room for `rows` more batches."""
        for column in self.__slots__:
            getattr(self, column).extend([NAN] * rows)


class InFlight:
    """A dispatched batch, as the server's own log knows it. Times that have not come yet are NaN."""

    __slots__ = ("_log", "gpu", "id", "model", "priority", "requests")

    def __init__(
        self, log: Log, batch_id: int, requests: tuple[Request, ...], model: str, priority: Priority, gpu: int
    ) -> None:
        self._log = log
        self.id = batch_id
        """Position in the order of dispatch, from 0."""
        self.requests = requests
        self.model = model
        self.priority = priority
        """The most urgent class among its requests."""
        self.gpu = gpu

    @property
    def size(self) -> int:
        """Number of requests in the batch."""
        return len(self.requests)

    @property
    def dispatch_s(self) -> float:
        """When the policy started it."""
        return self._log.dispatch_s[self.id]

    @property
    def copy_in_start_s(self) -> float:
        """When the copy engine took its inputs up; known once they are on the GPU."""
        return self._log.copy_in_start_s[self.id]

    @property
    def copy_in_end_s(self) -> float:
        """When its inputs were on the GPU."""
        return self._log.copy_in_end_s[self.id]

    @property
    def execution_start_s(self) -> float:
        """When it got an execution slot."""
        return self._log.execution_start_s[self.id]

    @property
    def execution_end_s(self) -> float:
        """When its last kernel ended."""
        return self._log.execution_end_s[self.id]

    @property
    def copy_out_start_s(self) -> float:
        """When the copy engine took its outputs up; known once they are on the host."""
        return self._log.copy_out_start_s[self.id]

    @property
    def copy_out_end_s(self) -> float:
        """When its outputs were back on the host."""
        return self._log.copy_out_end_s[self.id]

    def __repr__(self) -> str:
        return f"InFlight(id={self.id}, model={self.model!r}, size={self.size}, gpu={self.gpu})"


class GpuView:
    """One GPU: which batches are on it, and how many more may be started."""

    __slots__ = ("_executing", "_in_flight", "_places", "_staged", "id")

    def __init__(self, gpu_id: int, places: int) -> None:
        self.id = gpu_id
        self._places = places
        self._in_flight = 0
        self._executing: dict[int, InFlight] = {}
        self._staged: dict[int, InFlight] = {}

    @property
    def executing(self) -> Sequence[InFlight]:
        """Batches in an execution slot, in the order in which they got it."""
        return tuple(self._executing.values())

    @property
    def staged(self) -> Sequence[InFlight]:
        """Batches that copy in or wait with their input on the GPU, in the order of dispatch."""
        return tuple(self._staged.values())

    @property
    def in_flight(self) -> int:
        """Number of batches executing or staged; copy-out does not count."""
        return self._in_flight

    @property
    def free_places(self) -> int:
        """How many more batches may be started now: C + prefetch - executing - staged."""
        return self._places - self._in_flight


class View:
    """The whole system at one instant."""

    __slots__ = ("_gpus", "_least_loaded", "_now_s", "_waiting")

    def __init__(self, gpus: int, places: int) -> None:
        self._now_s = 0.0
        self._waiting: dict[int, Request] = {}
        self._gpus = tuple(GpuView(i, places) for i in range(gpus))
        # Lazily cleaned heap of (in flight, id): one current entry per GPU, possibly under stale ones.
        self._least_loaded = [(0, i) for i in range(gpus)]

    @property
    def now_s(self) -> float:
        """The time, seconds."""
        return self._now_s

    @property
    def waiting(self) -> int:
        """Number of requests that have arrived and were neither started nor dropped."""
        return len(self._waiting)

    @property
    def gpus(self) -> Sequence[GpuView]:
        """All GPUs, by id."""
        return self._gpus

    def least_loaded(self) -> GpuView | None:
        """Return the GPU with the fewest batches in flight, the lowest id among equals; None if all are full."""
        if len(self._gpus) == 1:
            gpu = self._gpus[0]
            return gpu if gpu._in_flight < gpu._places else None
        heap = self._least_loaded
        while True:
            count, gpu_id = heap[0]
            gpu = self._gpus[gpu_id]
            if count == gpu._in_flight:
                return gpu if count < gpu._places else None
            heappop(heap)

    def _changed(self, gpu: GpuView) -> None:
        """Note a new number of batches in flight on one of several GPUs (called by the engine)."""
        heap = self._least_loaded
        if len(heap) > 8 * len(self._gpus):  # a policy that never asks must not let it grow
            heap[:] = sorted((gpu._in_flight, gpu.id) for gpu in self._gpus)
        else:
            heappush(heap, (gpu._in_flight, gpu.id))
