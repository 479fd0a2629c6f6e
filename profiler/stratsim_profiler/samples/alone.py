"""Records of models, copies, executions and kernels that had the device to themselves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from stratsim_profiler.samples.checks import count, one_of, times
from stratsim_profiler.samples.run import Conditions

__all__ = ["Direction", "Kernels", "Mode", "Model", "Phase", "Solo", "Transfer"]

Direction = Literal["h2d", "d2h"]


Mode = Literal["graph", "eager"]


@dataclass(frozen=True, slots=True)
class Model:
    """What a model is, apart from its speed.

    Args:
        cell: Cell of the plan.
        name: The model.
        source: Where its definition comes from: the zoo, transformers or a user's file.
        parameters: Number of weights.
        weights_bytes: Their size at the dtype of the run, with buffers.
        bytes_in: Bytes copied in per request.
        bytes_out: Bytes copied out per request.
        flops: Floating-point operations of one request, where known.
    """

    kind: ClassVar[str] = "model"
    cell: str
    name: str
    source: str
    parameters: int
    weights_bytes: int
    bytes_in: int
    bytes_out: int
    flops: float | None = None

    def __post_init__(self) -> None:
        for name in ("parameters", "weights_bytes", "bytes_in", "bytes_out"):
            count(name, getattr(self, name), least=0)


@dataclass(frozen=True, slots=True)
class Transfer:
    """Copies between host and device.

    Args:
        cell: Cell of the plan.
        direction: `h2d` or `d2h`: that of the copies which were timed.
        pinned: Whether the host's memory was page-locked; False on a CPU, which has no such thing.
        size_bytes: Size of each copy.
        concurrent: Copies of this direction and size in flight together on one device, one per stream.
        bidirectional: Whether the other direction was kept busy with copies of the same size meanwhile.
        beside: None, or the stressor that ran meanwhile.
        seconds: Per repetition, from the start of the first copy to the end of the last of the `concurrent` copies.
        each_seconds: Per repetition, the end of each copy since that start; empty when `concurrent` is 1.
        devices: Devices that did the same at the same time; the figures are the first device's.
        beside_seconds: Iterations of `beside` while the copies ran.
        beside_solo_seconds: Iterations of `beside` without copies.
        conditions: State of the device.
    """

    kind: ClassVar[str] = "transfer"
    cell: str
    direction: Direction
    pinned: bool
    size_bytes: int
    concurrent: int
    bidirectional: bool
    beside: str | None
    seconds: tuple[float, ...]
    each_seconds: tuple[tuple[float, ...], ...] = ()
    devices: int = 1
    beside_seconds: tuple[float, ...] = ()
    beside_solo_seconds: tuple[float, ...] = ()
    conditions: Conditions = field(default_factory=Conditions)

    def __post_init__(self) -> None:
        one_of("direction", self.direction, ("h2d", "d2h"))
        for name in ("size_bytes", "concurrent", "devices"):
            count(name, getattr(self, name))
        times("seconds", self.seconds, least=1)
        times("beside_seconds", self.beside_seconds)
        times("beside_solo_seconds", self.beside_solo_seconds)
        for each in self.each_seconds:
            times("each_seconds", each, least=self.concurrent)


@dataclass(frozen=True, slots=True)
class Solo:
    """A model alone on the device, one inference at a time, each after a flush of the caches.

    Args:
        cell: Cell of the plan.
        model: The model.
        batch: Batch size.
        dtype: `fp32`, `fp16` or `bf16`.
        mode: `graph` or `eager`.
        seconds: Device time of each inference.
        enqueue_seconds: Host time until the inference was enqueued; what a launcher is busy for.
        launch_bound: Enqueueing took longer than 0.7 of the device's time: the host sets the pace, and the cell says
            nothing of the device's sharing.
        stopped: Why measuring ended: `noise` reached, `budget` spent, or `count` reached.
        conditions: State of the device.
    """

    kind: ClassVar[str] = "solo"
    cell: str
    model: str
    batch: int
    dtype: str
    mode: Mode
    seconds: tuple[float, ...]
    enqueue_seconds: tuple[float, ...]
    launch_bound: bool
    stopped: str = "count"
    conditions: Conditions = field(default_factory=Conditions)

    def __post_init__(self) -> None:
        one_of("mode", self.mode, ("graph", "eager"))
        count("batch", self.batch)
        times("seconds", self.seconds, least=1)
        times("enqueue_seconds", self.enqueue_seconds)


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of a model's inference.

    Args:
        name: The kernels' or operators' family, such as `convolution`.
        seconds: Its time within one inference.
        count: Its kernels.
    """

    name: str
    seconds: float
    count: int

    def __post_init__(self) -> None:
        times("phase seconds", (self.seconds,))
        count("phase count", self.count, least=0)


@dataclass(frozen=True, slots=True)
class Kernels:
    """The kernels of one inference (operators, on a CPU), from torch.profiler.

    Args:
        cell: Cell of the plan.
        model: The model.
        batch: Batch size.
        count: Kernels per inference.
        mean_s: Their mean duration.
        max_s: Their longest duration.
        total_s: Sum of their durations.
        phases: The inference by family of kernels, longest first; a sum per family, not a timeline.
    """

    kind: ClassVar[str] = "kernels"
    cell: str
    model: str
    batch: int
    count: int
    mean_s: float
    max_s: float
    total_s: float
    phases: tuple[Phase, ...] = ()

    def __post_init__(self) -> None:
        count("batch", self.batch)
        count("count", self.count)
        times("kernel times", (self.mean_s, self.max_s, self.total_s))
