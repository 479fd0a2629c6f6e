"""What a policy sees of the running system: plain data, kept up to date by the engine, read-only for the policy.

These classes hold no reference to the device, the engine or the clock, not even indirectly (a test walks everything
that can be reached from a view). The engine writes the underscored fields; policies read the properties.
"""

from __future__ import annotations

from array import array
from heapq import heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from stratsim.model.request import Priority, Request

__all__ = ["GpuView", "InFlight", "Log", "View"]

NAN = float("nan")

_ALWAYS = ("dispatch_s", "copy_in_start_s", "copy_in_end_s", "execution_start_s", "execution_end_s")
_OUTPUTS = ("copy_out_start_s", "copy_out_end_s")


class Log:
    """When each dispatched batch reaches which stage: columns by batch id. NaN: not known yet.

    The engine may enter the end of a copy-in and the start of an execution ahead of time, as soon as it knows them.
    `InFlight` and `GpuView` tell of them only once `now_s` is there, or `notice_s` after them.

    Args:
        outputs: Keep the copies of outputs too.
    """

    __slots__ = (*_ALWAYS, *_OUTPUTS, "_kept", "notice_s", "now_s", "paused_s")

    def __init__(self, *, outputs: bool = True) -> None:
        self.now_s = 0.0
        """The server's clock."""
        self.notice_s = 0.0
        """How long it takes until the server knows of what the device has done."""
        self.dispatch_s = array("d")
        self.copy_in_start_s = array("d")
        self.copy_in_end_s = array("d")
        self.execution_start_s = array("d")
        self.execution_end_s = array("d")
        self.copy_out_start_s = array("d")
        self.copy_out_end_s = array("d")
        self.paused_s: dict[int, float] = {}
        """For how long a batch has been stopped in all, if it was."""
        self._kept: list[array[float]] = [getattr(self, name) for name in (_ALWAYS + _OUTPUTS if outputs else _ALWAYS)]

    def grow(self, rows: int) -> None:
        """Make room for `rows` more batches."""
        unknown = array("d", [NAN]) * rows
        for column in self._kept:
            column.extend(unknown)


class InFlight:
    """A dispatched batch, as the server's own log knows it. Times that have not come yet are NaN."""

    __slots__ = ("_log", "gpu", "id", "model", "priority", "requests")

    def __init__(self, log: Log, batch_id: int, requests: tuple[Request, ...], gpu: int) -> None:
        self._log = log
        self.id = batch_id
        """Position in the order of dispatch, from 0."""
        self.requests = requests
        self.model = requests[0].model
        self.priority: Priority = min([request.priority for request in requests])
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
        log = self._log
        return log.copy_in_start_s[self.id] if log.copy_in_end_s[self.id] + log.notice_s <= log.now_s else NAN

    @property
    def copy_in_end_s(self) -> float:
        """When its inputs were on the GPU."""
        log = self._log
        end_s = log.copy_in_end_s[self.id]
        return end_s if end_s + log.notice_s <= log.now_s else NAN

    @property
    def execution_start_s(self) -> float:
        """When it got an execution slot."""
        log = self._log
        start_s = log.execution_start_s[self.id]
        return start_s if start_s + log.notice_s <= log.now_s else NAN

    @property
    def execution_end_s(self) -> float:
        """When its last kernel ended."""
        return self._log.execution_end_s[self.id]

    @property
    def copy_out_start_s(self) -> float:
        """When the copy engine took its outputs up; kept for policies that wake at `COPY_OUT_END`."""
        column = self._log.copy_out_start_s
        return column[self.id] if column else NAN

    @property
    def copy_out_end_s(self) -> float:
        """When its outputs were back on the host; kept for policies that wake at `COPY_OUT_END`."""
        column = self._log.copy_out_end_s
        return column[self.id] if column else NAN

    @property
    def paused_s(self) -> float:
        """For how long it had been stopped, when it went on the last time; 0 if it never was."""
        return self._log.paused_s.get(self.id, 0.0)

    def __repr__(self) -> str:
        return f"InFlight(id={self.id}, model={self.model!r}, size={self.size}, gpu={self.gpu})"


class GpuView:
    """One GPU: which batches are on it, and how many more may be started.

    The engine keeps `_batches`, the requests of each batch in flight, by id in the order of dispatch. What a policy
    does not look at is not made: an `InFlight` is made when it is first asked for, then kept as long as its batch is
    on the GPU.
    """

    __slots__ = ("_batches", "_log", "_made", "_places", "_resident", "_returning", "_stopping", "_suspended", "id")

    def __init__(self, gpu_id: int, places: int, log: Log, resident: Iterable[str] = ()) -> None:
        self.id = gpu_id
        self._places = places
        self._log = log
        self._batches: dict[int, tuple[Request, ...]] = {}
        self._made: dict[int, InFlight] = {}
        self._resident: dict[str, None] = dict.fromkeys(resident)
        self._suspended: dict[int, tuple[Request, ...]] = {}
        self._stopping: set[int] = set()
        self._returning: set[int] = set()
        """Resumed batches that wait for a slot to go on."""

    @property
    def executing(self) -> Sequence[InFlight]:
        """Batches in an execution slot, in the order in which they got it."""
        start_s, now_s, notice_s = self._log.execution_start_s, self._log.now_s, self._log.notice_s
        found = [batch_id for batch_id in self._batches if start_s[batch_id] + notice_s <= now_s]
        if self._returning:
            found = [batch_id for batch_id in found if batch_id not in self._returning]
        if len(found) > 1:
            found.sort(key=start_s.__getitem__)
        return tuple([self._batch(batch_id) for batch_id in found])

    def executing_until(self, latency_s: Mapping[str, Sequence[float]]) -> list[float]:
        """Return when each of `executing` would end if it took this long from its start, in the order of dispatch.

        Args:
            latency_s: By model, seconds by batch size.
        """
        start_s, now_s, notice_s = self._log.execution_start_s, self._log.now_s, self._log.notice_s
        return [
            start_s[i] + latency_s[requests[0].model][len(requests)]
            for i, requests in self._batches.items()
            if start_s[i] + notice_s <= now_s and i not in self._returning
        ]

    @property
    def staged(self) -> Sequence[InFlight]:
        """Batches that copy in or wait with their input on the GPU, in the order of dispatch.

        Among them are those that were resumed and have no slot yet.
        """
        start_s, now_s, notice_s = self._log.execution_start_s, self._log.now_s, self._log.notice_s
        returning = self._returning
        # "not <=" rather than ">": a start that is not known yet is NaN.
        return tuple([self._batch(i) for i in self._batches if not start_s[i] + notice_s <= now_s or i in returning])

    @property
    def suspended(self) -> Sequence[InFlight]:
        """Batches that were suspended, in the order in which they were; they hold no place."""
        return tuple([self._batch(batch_id) for batch_id in self._suspended])

    @property
    def stopping(self) -> Sequence[InFlight]:
        """Those of the suspended that have not stopped yet."""
        return tuple([self._batch(batch_id) for batch_id in self._suspended if batch_id in self._stopping])

    @property
    def in_flight(self) -> int:
        """Number of batches executing or staged; copy-out does not count."""
        return len(self._batches)

    @property
    def newest(self) -> InFlight | None:
        """The batch that was started last, if it still executes or is staged."""
        return self._batch(next(reversed(self._batches))) if self._batches else None

    @property
    def free_places(self) -> int:
        """How many more batches may be started or resumed now: C + prefetch - executing - staged."""
        return self._places - len(self._batches)

    @property
    def resident(self) -> Collection[str]:
        """The models whose weights are on the GPU: all, unless the machine has to load them."""
        return self._resident.keys()

    def _batch(self, batch_id: int) -> InFlight:
        """Return what a policy sees of a batch on this GPU: the same object on every call."""
        made = self._made.get(batch_id)
        if made is None:
            made = self._made[batch_id] = InFlight(self._log, batch_id, self._requests(batch_id), self.id)
        return made

    def _requests(self, batch_id: int) -> tuple[Request, ...]:
        """Return the requests of a batch in flight or suspended."""
        return self._batches.get(batch_id) or self._suspended[batch_id]

    def _set_aside(self, batch_id: int) -> None:
        """Take a batch out of its place (called by the engine)."""
        self._suspended[batch_id] = self._batches.pop(batch_id)

    def _take_back(self, batch_id: int) -> None:
        """Give a suspended batch a place (called by the engine); batches stay in the order of dispatch."""
        self._batches[batch_id] = self._suspended.pop(batch_id)
        for later in [other for other in self._batches if other > batch_id]:
            self._batches[later] = self._batches.pop(later)


class View:
    """The whole system at one instant."""

    __slots__ = ("_gpus", "_least_loaded", "_log", "_only", "_waiting")

    def __init__(self, gpus: int, places: int, log: Log, resident: Iterable[str] = ()) -> None:
        self._log = log
        self._waiting: dict[int, Request] = {}
        self._gpus = tuple(GpuView(i, places, log, resident) for i in range(gpus))
        self._only = self._gpus[0] if gpus == 1 else None
        # Lazily cleaned heap of (in flight, id): one current entry per GPU, possibly under stale ones.
        self._least_loaded = [(0, i) for i in range(gpus)]

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

    def _changed(self, gpu: GpuView) -> None:
        """Note a new number of batches in flight on one of several GPUs (called by the engine)."""
        heap = self._least_loaded
        if len(heap) > 8 * len(self._gpus):  # a policy that never asks must not let it grow
            heap[:] = sorted((len(gpu._batches), gpu.id) for gpu in self._gpus)
        else:
            heappush(heap, (len(gpu._batches), gpu.id))
