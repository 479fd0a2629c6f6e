"""The one interface that everything is measured through.

A *lane* is a stream with one piece of work of its own: own weights, own buffers. A device opens lanes and runs them in
two ways: `fire` starts one iteration on each lane, `backlog` keeps all lanes busy for a while. Both return spans on one
timeline, whose zero is the common start.

    what                 CUDA                                     CPU
    lane                 stream, with its own graph and pool      worker process, one thread
    start and end        events on the stream                     the system's monotonic clock
    copy                 cudaMemcpyAsync, pinned or pageable      memcpy into and out of shared memory
    contention           multiprocessors, caches, memory, links   cores, caches, memory
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratsim_profiler.environment import Probe
    from stratsim_profiler.samples import Direction, Phase

__all__ = ["Copy", "Device", "DeviceInfo", "Inference", "KernelTable", "Lane", "Span", "Stress", "Work"]


@dataclass(frozen=True, slots=True)
class Inference:
    """One inference of a model.

    Args:
        model: Name of a zoo model, `transformers:NAME`, or `path.py:factory`.
        batch: Requests per inference.
        dtype: `fp32`, `fp16` or `bf16`.
        mode: `graph` replays a captured graph, `eager` launches every kernel from Python.
    """

    model: str
    batch: int
    dtype: str = "fp32"
    mode: str = "eager"

    @property
    def name(self) -> str:
        """The model's name."""
        return self.model


@dataclass(frozen=True, slots=True)
class Copy:
    """One copy between host and device.

    Args:
        direction: `h2d` or `d2h`.
        size_bytes: Its size.
        pinned: Whether the host's side is page-locked; no such thing on a CPU.
        peer: Which GPU: 0 is the one that is measured, 1 the next one of this machine.
    """

    direction: Direction
    size_bytes: int
    pinned: bool = True
    peer: int = 0

    @property
    def name(self) -> str:
        """A name for messages."""
        return f"copy:{self.direction}:{self.size_bytes}"


@dataclass(frozen=True, slots=True)
class Stress:
    """Synthetic load on one resource.

    Args:
        resource: `compute`, `dram`, `l2`, `copy`, or `empty`: launches of kernels that do nothing.
        level: Share of the time that it is busy, in (0, 1].
    """

    resource: str
    level: float = 1.0
    batch: int = 1

    @property
    def name(self) -> str:
        """Its name in the samples."""
        return f"stress:{self.resource}:{self.level:.2f}"


Work = Inference | Copy | Stress


class Span(NamedTuple):
    """One iteration.

    Args:
        start_s: Its start on the timeline of the run, seconds.
        end_s: Its end.
        enqueue_s: Host time that it took to enqueue; 0 where nothing is enqueued.
    """

    start_s: float
    end_s: float
    enqueue_s: float = 0.0

    @property
    def seconds(self) -> float:
        """Its duration."""
        return self.end_s - self.start_s


@dataclass(frozen=True, slots=True)
class Lane:
    """An open lane: a handle, which the device that opened it understands.

    Args:
        work: What it runs.
        slot: Which of the device's streams it runs on; lanes of different slots run side by side.
        priority: 0 normal, 1 high.
        memory_bytes: What it holds of the device's memory, about.
    """

    work: Work
    slot: int
    priority: int = 0
    memory_bytes: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """What is measured.

    Args:
        kind: `cuda` or `cpu`.
        name: As the vendor calls it.
        memory_bytes: Its memory.
        pinned: Whether copies can be pinned.
        modes: Execution modes that it has, the default first.
        dtypes: Data types that it runs, the default first.
        peers: GPUs of this machine that copies can go to; 1 on a CPU.
        details: Whatever else is known: software versions, numbers of cores, cache sizes.
    """

    kind: Literal["cuda", "cpu"]
    name: str
    memory_bytes: int
    pinned: bool
    modes: tuple[str, ...]
    dtypes: tuple[str, ...]
    peers: int = 1
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KernelTable:
    """The kernels of one inference; see `stratsim_profiler.samples.Kernels`."""

    count: int
    mean_s: float
    max_s: float
    total_s: float
    phases: tuple[Phase, ...]


class Device(Protocol):
    """Something to measure."""

    info: DeviceInfo
    slots: int
    """How many lanes can run side by side."""

    def probe(self) -> Probe:
        """Return what reads the device's state while it runs."""

    def open(self, work: Work, slot: int, priority: int = 0) -> Lane:
        """Build a lane: weights, buffers, warm-up and, in graph mode, the capture.

        Raises:
            MemoryError: the device's memory is full; nothing is left behind.
            SpecError: the work cannot be built.
        """

    def close(self, lane: Lane) -> None:
        """Free a lane."""

    def fire(self, lanes: Sequence[Lane], offsets_s: Sequence[float], *, flush: bool = False) -> tuple[Span, ...]:
        """Run one iteration on each lane and wait for all.

        Args:
            lanes: Lanes of different slots.
            offsets_s: When each shall start, about: the spans say when it did.
            flush: Write over the caches first.
        """

    def backlog(self, lanes: Sequence[Lane], seconds: float) -> tuple[tuple[Span, ...], ...]:
        """Keep every lane backlogged for some time, wait for all, and return all iterations of each lane."""

    def kernels(self, lane: Lane, iterations: int) -> KernelTable:
        """Return the kernels of an iteration, from torch.profiler; the mean over some iterations."""

    def shutdown(self) -> None:
        """Free everything."""
