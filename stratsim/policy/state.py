"""What a server knows of itself: written by the engine or a live run, read by policies as a `View`.

Nothing here refers to the device, the engine or the clock, not even indirectly (a test walks everything that can be
reached from a view).
"""

from __future__ import annotations

from array import array
from heapq import heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from stratsim.model.request import Priority, Request

__all__ = ["NAN", "GpuState", "InFlight", "Log", "ServerState"]

NAN = float("nan")

_ALWAYS = ("dispatch_s", "copy_in_start_s", "copy_in_end_s", "execution_start_s", "execution_end_s")
_OUTPUTS = ("copy_out_start_s", "copy_out_end_s")
_FEW = 16
"""Batches that have left a GPU and may be kept for a while."""


class Log:
    """When each dispatched batch reaches which stage: columns by batch id. NaN: not known yet.

    The engine may enter the end of a copy-in and the start of an execution ahead of time, as soon as it knows them.
    `InFlight` and `GpuView` tell of them only once the present instant is there, or `notice_s` after them.

    Args:
        outputs: Keep the copies of outputs too.
    """

    __slots__ = (*_ALWAYS, *_OUTPUTS, "_kept", "notice_s", "now_s", "paused_s", "resolution_s")

    def __init__(self, *, outputs: bool = True) -> None:
        self.now_s = 0.0
        """The server's clock."""
        self.resolution_s = 0.0
        """How much later than `now_s` a stage may be and still be of the present instant."""
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

    def has_come(self, at_s: float) -> bool:
        """Whether the server knows that a stage was reached at that time."""
        return at_s + self.notice_s <= self.now_s + self.resolution_s

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
        return log.copy_in_start_s[self.id] if log.has_come(log.copy_in_end_s[self.id]) else NAN

    @property
    def copy_in_end_s(self) -> float:
        """When its inputs were on the GPU."""
        log = self._log
        end_s = log.copy_in_end_s[self.id]
        return end_s if log.has_come(end_s) else NAN

    @property
    def execution_start_s(self) -> float:
        """When it got an execution slot."""
        log = self._log
        start_s = log.execution_start_s[self.id]
        return start_s if log.has_come(start_s) else NAN

    @property
    def execution_end_s(self) -> float:
        """When its last kernel ended."""
        return self._log.execution_end_s[self.id]

    def known_s(self) -> tuple[float, float, float]:
        """Return `copy_in_end_s`, `execution_start_s` and `execution_end_s`, all at once."""
        log, number = self._log, self.id
        seen_s, notice_s = log.now_s + log.resolution_s, log.notice_s
        copied_s, start_s = log.copy_in_end_s[number], log.execution_start_s[number]
        return (
            copied_s if copied_s + notice_s <= seen_s else NAN,
            start_s if start_s + notice_s <= seen_s else NAN,
            log.execution_end_s[number],
        )

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


class GpuState:
    """The batches on one GPU.

    Args:
        gpu_id: Its place among the GPUs, from 0.
        places: Batches that may be on it at once: C + prefetch.
        log: Stage times of all batches.
        resident: Models whose weights are on it from the start.
    """

    __slots__ = ("_made", "batches", "id", "log", "places", "resident", "returning", "stopping", "suspended")

    def __init__(self, gpu_id: int, places: int, log: Log, resident: Iterable[str] = ()) -> None:
        self.id = gpu_id
        self.places = places
        self.log = log
        self.batches: dict[int, tuple[Request, ...]] = {}
        """The requests of each batch that executes or is staged, by id in the order of dispatch; deleted when it has
        executed."""
        self.suspended: dict[int, tuple[Request, ...]] = {}
        """The same of those suspended, in the order in which they were."""
        self.stopping: set[int] = set()
        """Suspended batches that have not stopped yet."""
        self.returning: set[int] = set()
        """Resumed batches that wait for a slot to go on."""
        self.resident: dict[str, None] = dict.fromkeys(resident)
        """Models whose weights are on the GPU."""
        self._made: dict[int, InFlight] = {}

    def batch(self, batch_id: int) -> InFlight:
        """Return what a policy sees of a batch on this GPU: the same object on every call, made on the first."""
        made = self._made.get(batch_id)
        if made is None:
            if len(self._made) > 2 * (len(self.batches) + len(self.suspended)) + _FEW:
                self._made = {i: kept for i, kept in self._made.items() if i in self.batches or i in self.suspended}
            made = self._made[batch_id] = InFlight(self.log, batch_id, self.requests(batch_id), self.id)
        return made

    def requests(self, batch_id: int) -> tuple[Request, ...]:
        """Return the requests of a batch in flight or suspended."""
        return self.batches.get(batch_id) or self.suspended[batch_id]

    def set_aside(self, batch_id: int) -> None:
        """Take a batch out of its place: it is suspended."""
        self.suspended[batch_id] = self.batches.pop(batch_id)

    def take_back(self, batch_id: int) -> None:
        """Give a suspended batch a place; batches stay in the order of dispatch."""
        self.batches[batch_id] = self.suspended.pop(batch_id)
        for later in [other for other in self.batches if other > batch_id]:
            self.batches[later] = self.batches.pop(later)


class ServerState:
    """The queue and all GPUs of one server.

    Args:
        gpus: Number of GPUs.
        places: Batches that may be on each at once.
        log: Stage times of all batches.
        resident: Models whose weights are on the GPUs from the start.
    """

    __slots__ = ("_changed", "gpus", "least_loaded", "log", "waiting")

    def __init__(self, gpus: int, places: int, log: Log, resident: Iterable[str] = ()) -> None:
        self.log = log
        self.waiting: dict[int, Request] = {}
        """Requests that have arrived and were neither started nor dropped, by id in the order of arrival."""
        self.gpus = tuple(GpuState(i, places, log, resident) for i in range(gpus))
        self.least_loaded = [(0, i) for i in range(gpus)]
        """Lazily cleaned heap of (batches on a GPU, its id): one current entry per GPU, possibly under stale ones."""

        self._changed: set[int] = set()
        """GPUs, of several, on which the number of batches has changed since the policy last asked."""

    def changed(self, gpu: GpuState) -> None:
        """Note a new number of batches on one of several GPUs."""
        self._changed.add(gpu.id)
        heap = self.least_loaded
        if len(heap) > 8 * len(self.gpus):  # a policy that never asks must not let it grow
            heap[:] = sorted((len(gpu.batches), gpu.id) for gpu in self.gpus)
        else:
            heappush(heap, (len(gpu.batches), gpu.id))

    def take_changed(self) -> Collection[int]:
        """Return, once, the GPUs of several on which the number of batches has changed."""
        found, self._changed = self._changed, set()
        return found
