"""A CUDA GPU as a device: streams of one process, events on one timeline, graphs by default.

Every slot has a stream of its own (two: one per priority). Streams are made once: torch hands them out of a pool of 32
per priority, round robin, so the 33rd would be the first again, and two lanes on it would never meet. A lane captures
its graph on its slot's stream, with its own weights, inputs and memory pool; the stream's priority becomes that of the
graph's kernels.
"""

from __future__ import annotations

import gc
import math
import os
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from stratsim.errors import SpecError
from stratsim_profiler.device import works
from stratsim_profiler.device.base import Copy, DeviceInfo, Inference, Lane, Span
from stratsim_profiler.device.kernel_table import profile_kernels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from stratsim_profiler.device.base import KernelTable, Work
    from stratsim_profiler.environment import Probe

__all__ = ["CudaDevice", "check_gpu", "gpu_details", "no_collection"]

_SLOTS = 4
_WARM_UP = 3
_AHEAD_S = 0.01
"""How much work is kept enqueued on each stream: more than any pause of the host."""

_DEPTH = (3, 64)
"""Least and most iterations that are kept enqueued."""

_GATE_S = (0.0001, 0.01)
"""Least and most time that a gate holds streams back, for the host to enqueue on all of them."""

_CALIBRATION_CYCLES = 20_000_000


@dataclass(slots=True)
class _Open:
    """What is behind a lane."""

    run: Callable[[], object]
    stream: torch.cuda.Stream
    peer: int
    keep: tuple[object, ...] = ()
    enqueue_s: float = 0.0
    typical_s: float = field(default=0.001)

    @property
    def depth(self) -> int:
        """How many iterations to keep enqueued."""
        return min(_DEPTH[1], max(_DEPTH[0], math.ceil(_AHEAD_S / max(self.typical_s, 1e-6))))


class _Pending(NamedTuple):
    """An iteration that has been enqueued."""

    start: torch.cuda.Event
    end: torch.cuda.Event
    enqueue_s: float


class CudaDevice:
    """One GPU; see the module.

    Args:
        index: Which, as CUDA counts them.
        slots: How many streams can run side by side.

    Raises:
        SpecError: there is no such GPU.
    """

    def __init__(self, index: int = 0, slots: int = _SLOTS) -> None:
        from stratsim_profiler.nvml import gpu_processes

        check_gpu(index)
        self._before = gpu_processes()
        self._index = index
        self._name = _name(index)
        self.slots = slots
        torch.cuda.set_device(index)
        self._properties = torch.cuda.get_device_properties(index)
        cache = int(getattr(self._properties, "L2_cache_size", 0)) or 64 << 20
        self._sizes = works.Sizes(4096, "fp16", max(512 << 20, 8 * cache), cache // 4, 8 << 20)
        self._flush = torch.zeros(2 * cache, dtype=torch.uint8, device=self._name)
        self._gate = torch.cuda.Stream(index)
        self._streams: dict[tuple[int, int, int], torch.cuda.Stream] = {}
        self._opened: dict[Lane, _Open] = {}
        self._cycles_per_s = self._calibrate()
        self.info = self._info(cache)

    def probe(self) -> Probe:
        """Return what reads the GPU through NVML."""
        from stratsim_profiler.nvml import open_nvml

        uuid = getattr(self._properties, "uuid", None)
        return open_nvml(None if uuid is None else str(uuid), self._index, self._before)

    def open(self, work: Work, slot: int, priority: int = 0) -> Lane:
        """Build the work on the slot's stream; capture it where its mode is `graph`."""
        before = torch.cuda.memory_reserved(self._index)
        try:
            entry = self._build(work, slot, priority)
        except torch.cuda.OutOfMemoryError as problem:
            gc.collect()
            torch.cuda.empty_cache()
            raise MemoryError(f"{work.name}: {str(problem).splitlines()[0]}") from None
        lane = Lane(work, slot, priority, max(0, torch.cuda.memory_reserved(self._index) - before))
        self._opened[lane] = entry
        self._learn(entry)
        return lane

    def close(self, lane: Lane) -> None:
        """Free the lane's weights, buffers and graph."""
        torch.cuda.synchronize(self._index)
        del self._opened[lane]
        gc.collect()
        torch.cuda.empty_cache()

    def fire(self, lanes: Sequence[Lane], offsets_s: Sequence[float], *, flush: bool = False) -> tuple[Span, ...]:
        """Run one iteration on each lane's stream.

        Without offsets, a gate holds all streams back until everything is enqueued. With offsets, the host waits.
        """
        entries = [self._opened[lane] for lane in lanes]
        torch.cuda.synchronize(self._index)
        if flush:
            self._flush.add_(1)
            torch.cuda.synchronize(self._index)
        with no_collection():
            together = not any(offsets_s)
            origin, pending = self._gated(entries) if together else self._spread(entries, offsets_s)
            self._wait(entries)
        return tuple(_span(origin, item, entry.peer) for item, entry in zip(pending, entries, strict=True))

    def backlog(self, lanes: Sequence[Lane], seconds: float) -> tuple[tuple[Span, ...], ...]:
        """Keep each stream's queue full from the host until the time is over."""
        entries = [self._opened[lane] for lane in lanes]
        torch.cuda.synchronize(self._index)
        origin = _event()
        origin.record(self._gate)
        with no_collection():
            done = self._pump(entries, time.perf_counter() + seconds)
            self._wait(entries)
        return tuple(
            tuple(_span(origin, item, entry.peer) for item in items) for items, entry in zip(done, entries, strict=True)
        )

    def kernels(self, lane: Lane, iterations: int) -> KernelTable:
        """Return the kernels of an iteration; a graph's are seen one by one."""
        entry = self._opened[lane]

        def run() -> None:
            _submit(entry)
            entry.stream.synchronize()

        return profile_kernels(run, iterations, cuda=True)

    def shutdown(self) -> None:
        """Free all lanes."""
        for lane in list(self._opened):
            self.close(lane)

    def _gated(self, entries: Sequence[_Open]) -> tuple[torch.cuda.Event, list[_Pending]]:
        """Enqueue on all streams behind one event, which a sleeping kernel delays."""
        origin = _event()
        wait_s = min(_GATE_S[1], max(_GATE_S[0], 2 * sum(entry.enqueue_s for entry in entries)))
        with torch.cuda.stream(self._gate):
            self._sleep(wait_s)
            origin.record(self._gate)
        for entry in entries:
            entry.stream.wait_event(origin)
        return origin, [_submit(entry) for entry in entries]

    def _spread(self, entries: Sequence[_Open], offsets_s: Sequence[float]) -> tuple[torch.cuda.Event, list[_Pending]]:
        """Enqueue each iteration when its time has come, by the host's clock."""
        origin = _event()
        origin.record(self._gate)
        pending: dict[int, _Pending] = {}
        begin = time.perf_counter()
        for index in sorted(range(len(entries)), key=lambda i: offsets_s[i]):
            while time.perf_counter() < begin + offsets_s[index]:
                pass
            pending[index] = _submit(entries[index])
        return origin, [pending[index] for index in range(len(entries))]

    def _pump(self, entries: Sequence[_Open], until_s: float) -> list[list[_Pending]]:
        """Submit to all streams in turn, each up to its depth."""
        waiting: list[deque[_Pending]] = [deque() for _ in entries]
        done: list[list[_Pending]] = [[] for _ in entries]
        while time.perf_counter() < until_s:
            for entry, queue, finished in zip(entries, waiting, done, strict=True):
                while queue and queue[0].end.query():
                    finished.append(queue.popleft())
                if len(queue) < entry.depth:
                    queue.append(_submit(entry))
        for queue, finished in zip(waiting, done, strict=True):
            finished.extend(queue)
        return done

    def _build(self, work: Work, slot: int, priority: int) -> _Open:
        peer = work.peer if isinstance(work, Copy) else 0
        stream = self._stream(slot, priority, peer)
        if isinstance(work, Copy):
            return _Open(_copy(work, self._index + peer), stream, peer)
        if isinstance(work, Inference):
            run = works.inference(work, self._name)
            return self._prepared(run, stream, captured=work.mode == "graph")
        torch.cuda.synchronize(self._index)
        run = works.burst(work, self._name, self._sizes)
        if work.level < 1:
            rest = works.pause_s(self._busy_s(run, stream), work.level)
            run = self._then_sleep(run, rest)
        # Empty kernels are there to load the launcher; copies use host memory, which capture does not like.
        return self._prepared(run, stream, captured=work.resource not in ("empty", "copy"))

    def _prepared(self, run: Callable[[], None], stream: torch.cuda.Stream, *, captured: bool) -> _Open:
        """Warm up on the stream, so that workspaces and chosen kernels are there before the capture."""
        torch.cuda.synchronize(self._index)
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UP):
                run()
        stream.synchronize()
        if not captured:
            return _Open(run, stream, 0)
        graph = torch.cuda.CUDAGraph()
        # A collection that frees something of CUDA in the middle of a capture would spoil it.
        with no_collection(), torch.cuda.graph(graph, stream=stream):
            run()
        return _Open(graph.replay, stream, 0, keep=(graph, run))

    def _learn(self, entry: _Open) -> None:
        """Note how long the host and the GPU take for an iteration."""
        for _ in range(_WARM_UP):
            item = _submit(entry)
            item.end.synchronize()
            entry.enqueue_s = item.enqueue_s
            entry.typical_s = item.start.elapsed_time(item.end) / 1e3

    def _busy_s(self, run: Callable[[], None], stream: torch.cuda.Stream) -> float:
        entry = _Open(run, stream, 0)
        self._learn(entry)
        return entry.typical_s

    def _then_sleep(self, run: Callable[[], None], seconds: float) -> Callable[[], None]:
        def both() -> None:
            run()
            self._sleep(seconds)

        return both

    def _sleep(self, seconds: float) -> None:
        """Enqueue a kernel of one thread that spins."""
        torch.cuda._sleep(int(seconds * self._cycles_per_s))

    def _calibrate(self) -> float:
        """Return how many cycles of the sleeping kernel make a second."""
        torch.cuda._sleep(_CALIBRATION_CYCLES)
        start, end = _event(), _event()
        start.record()
        torch.cuda._sleep(_CALIBRATION_CYCLES)
        end.record()
        end.synchronize()
        return _CALIBRATION_CYCLES * 1e3 / float(start.elapsed_time(end))

    def _stream(self, slot: int, priority: int, peer: int) -> torch.cuda.Stream:
        key = (slot, priority, peer)
        if key not in self._streams:
            # torch counts downwards: -1 is the high priority.
            self._streams[key] = torch.cuda.Stream(self._index + peer, priority=-1 if priority else 0)
        return self._streams[key]

    def _wait(self, entries: Sequence[_Open]) -> None:
        self._gate.synchronize()
        for entry in entries:
            entry.stream.synchronize()

    def _info(self, cache_bytes: int) -> DeviceInfo:
        properties: Any = self._properties
        return DeviceInfo(
            kind="cuda",
            name=str(properties.name),
            memory_bytes=int(properties.total_memory),
            pinned=True,
            modes=("graph", "eager"),
            dtypes=("fp16", "bf16", "fp32"),
            peers=torch.cuda.device_count() - self._index,
            details=gpu_details(properties, cache_bytes),
        )


def check_gpu(index: int) -> None:
    """Say what is wrong where there is no such GPU.

    Raises:
        SpecError: there is none.
    """
    if not torch.cuda.is_available():
        raise SpecError(f"device cuda:{index}: torch {torch.__version__} finds no CUDA GPU")
    if index >= torch.cuda.device_count():
        raise SpecError(f"device cuda:{index}: this machine has {torch.cuda.device_count()} GPUs")


def gpu_details(properties: Any, cache_bytes: int) -> dict[str, Any]:
    """Return what else is known of a GPU and of the software on it."""
    return {
        "compute_capability": f"{properties.major}.{properties.minor}",
        "sms": properties.multi_processor_count,
        "cache_bytes": cache_bytes,
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "tf32_convolutions": torch.backends.cudnn.allow_tf32,
        "max_connections": os.environ.get("CUDA_DEVICE_MAX_CONNECTIONS", "default"),
    }


def _name(index: int) -> str:
    """Return torch's name of a GPU."""
    return f"cuda:{index}"


def _copy(work: Copy, index: int) -> Callable[[], object]:
    host = torch.empty(work.size_bytes, dtype=torch.uint8, pin_memory=work.pinned).fill_(1)
    there = torch.ones(work.size_bytes, dtype=torch.uint8, device=_name(index))
    torch.cuda.synchronize(index)
    source, target = (host, there) if work.direction == "h2d" else (there, host)
    return lambda: target.copy_(source, non_blocking=True)


def _event() -> torch.cuda.Event:
    return torch.cuda.Event(enable_timing=True)


def _submit(entry: _Open) -> _Pending:
    """Enqueue one iteration between two events on the lane's stream."""
    start, end = _event(), _event()
    with torch.cuda.stream(entry.stream):
        start.record(entry.stream)
        before = time.perf_counter()
        entry.run()
        enqueue_s = time.perf_counter() - before
        end.record(entry.stream)
    return _Pending(start, end, enqueue_s)


def _span(origin: torch.cuda.Event, item: _Pending, peer: int) -> Span:
    """Return an iteration on the timeline that begins at `origin`.

    Events of two GPUs cannot be compared, so on another GPU an iteration begins at 0.
    """
    if peer:
        return Span(0.0, item.start.elapsed_time(item.end) / 1e3, item.enqueue_s)
    start, end = origin.elapsed_time(item.start) / 1e3, origin.elapsed_time(item.end) / 1e3
    return Span(start, end, item.enqueue_s)


@contextmanager
def no_collection() -> Iterator[None]:
    """Keep the garbage collector from pausing the host while it feeds the streams."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
