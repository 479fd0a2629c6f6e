"""The raw samples of a profiling run: what was measured, before any fit.

One JSON object per line, its `kind` first. The first line is the `header`; the records of one cell of the plan are
appended together, with a `done` line behind them, once the cell is complete. A run that was interrupted can therefore
be resumed: whatever follows the last complete cell is dropped, and every cell with a `done` line is kept. Only the
standard library is needed to read or write the file.

Times are seconds, sizes bytes, clocks MHz, power watts, temperatures degrees Celsius, with the unit in the name. A list
`..._seconds` holds one figure per repetition, in the order of measurement, nothing averaged; of more repetitions than
`settings.most_samples`, every k-th is kept.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, get_args

from stratsim.errors import ProfileError

__all__ = [
    "RECORD_TYPES",
    "SAMPLES_SCHEMA",
    "Colocation",
    "Conditions",
    "Discarded",
    "Done",
    "Header",
    "Kernels",
    "Model",
    "Note",
    "Offset",
    "OffsetStream",
    "Phase",
    "Record",
    "Solo",
    "Stream",
    "Telemetry",
    "Transfer",
    "is_stressor",
]

SAMPLES_SCHEMA = 1

Direction = Literal["h2d", "d2h"]
Mode = Literal["graph", "eager"]
Role = Literal["self", "anchor", "pair", "triple", "stressor", "control", "priority"]

_STRESSOR = "stress:"


def is_stressor(model: str) -> bool:
    """Whether a stream's name is a stressor (`stress:KIND:LEVEL`, such as `stress:dram:0.50`), not a model."""
    return model.startswith(_STRESSOR)


@dataclass(frozen=True, slots=True)
class Conditions:
    """The state of the device while a cell was measured; None where nothing could be read.

    Args:
        readings: How many readings the figures come from.
        sm_mhz: Mean clock of the multiprocessors (of the cores, on a CPU), MHz: the covariate of the fit.
        sm_mhz_min: Smallest reading of it.
        power_w: Mean power draw, watts.
        temperature_c: Highest reading, degrees Celsius.
        power_capped: A software power cap held the clock down at some time. The samples are kept: a cap that
            co-location causes is contention too.
        throttle: Names of all reasons seen for a clock below the highest.
        foreign_load: Share of the device's cores that other processes used; on a CPU only.
    """

    readings: int = 0
    sm_mhz: float | None = None
    sm_mhz_min: float | None = None
    power_w: float | None = None
    temperature_c: float | None = None
    power_capped: bool = False
    throttle: tuple[str, ...] = ()
    foreign_load: float | None = None


@dataclass(frozen=True, slots=True)
class Header:
    """First line of the file: what was measured, on what, and how.

    Args:
        schema: Must be `SAMPLES_SCHEMA`.
        tool_version: Version of stratsim that measured.
        started: Date and time, ISO 8601 with a time zone.
        device: The device: `kind` (cuda or cpu), `name`, `memory_bytes` and whatever else the device layer knows.
        environment: Software versions and the state of the device at the start.
        plan: What the run meant to measure: models, batch sizes, dtype, mode, cells, and cells left out by the budget.
        settings: Warm-up, window, settle time and the other settings of the measurement.
    """

    kind: ClassVar[str] = "header"
    schema: int
    tool_version: str
    started: str
    device: dict[str, Any]
    environment: dict[str, Any]
    plan: dict[str, Any]
    settings: dict[str, Any]


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
            _count(name, getattr(self, name), least=0)


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
        _one_of("direction", self.direction, ("h2d", "d2h"))
        for name in ("size_bytes", "concurrent", "devices"):
            _count(name, getattr(self, name))
        _times("seconds", self.seconds, least=1)
        _times("beside_seconds", self.beside_seconds)
        _times("beside_solo_seconds", self.beside_solo_seconds)
        for each in self.each_seconds:
            _times("each_seconds", each, least=self.concurrent)


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
        _one_of("mode", self.mode, ("graph", "eager"))
        _count("batch", self.batch)
        _times("seconds", self.seconds, least=1)
        _times("enqueue_seconds", self.enqueue_seconds)


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
        _times("phase seconds", (self.seconds,))
        _count("phase count", self.count, least=0)


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
        _count("batch", self.batch)
        _count("count", self.count)
        _times("kernel times", (self.mean_s, self.max_s, self.total_s))


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream of a co-location cell.

    Args:
        model: The model, or a stressor (`is_stressor`).
        batch: Batch size; 1 for a stressor.
        loaded_seconds: Iterations that lie wholly inside the common window; of very many, an evenly spaced part.
        solo_before_seconds: Iterations of the same stream alone, in the same harness at the same depth, just before.
        solo_after_seconds: The same, just after.
        iterations: How many iterations lie wholly inside the window; at least as many as `loaded_seconds` has.
        overlap: Share of the window in which this stream had work in progress, 0 to 1.
        priority: The stream's priority: 0 normal, 1 high.
    """

    model: str
    batch: int
    loaded_seconds: tuple[float, ...]
    solo_before_seconds: tuple[float, ...]
    solo_after_seconds: tuple[float, ...]
    iterations: int
    overlap: float
    priority: int = 0

    def __post_init__(self) -> None:
        _count("batch", self.batch)
        _times("loaded_seconds", self.loaded_seconds, least=1)
        _times("solo_before_seconds", self.solo_before_seconds)
        _times("solo_after_seconds", self.solo_after_seconds)
        if self.iterations < len(self.loaded_seconds):
            raise ProfileError(f"iterations is {self.iterations}, loaded_seconds has {len(self.loaded_seconds)}")
        _share("overlap", self.overlap)


@dataclass(frozen=True, slots=True)
class Colocation:
    """Several streams kept backlogged over one window.

    Args:
        cell: Cell of the plan.
        role: `self` (copies of one model), `anchor` (a model with copies of the heaviest), `pair`, `triple`,
            `stressor` (a model with a stressor), `control` (a model with empty kernels: the launcher's part) or
            `priority` (a pair whose first stream has the high priority).
        held_out: Whether the fit must not see it.
        group: Its models, without repeats, sorted, joined by `+`: what is held out together.
        streams: The streams; a model that runs twice occurs twice.
        window_s: Length of the common window.
        settle_s: Time that all streams ran before the window began.
        dtype: As in `Solo`.
        mode: As in `Solo`.
        conditions: State of the device during the window.
    """

    kind: ClassVar[str] = "colocation"
    cell: str
    role: Role
    held_out: bool
    group: str
    streams: tuple[Stream, ...]
    window_s: float
    settle_s: float
    dtype: str
    mode: Mode
    conditions: Conditions = field(default_factory=Conditions)

    def __post_init__(self) -> None:
        _one_of("role", self.role, get_args(Role))
        _one_of("mode", self.mode, ("graph", "eager"))
        _times("window_s", (self.window_s,))
        _times("settle_s", (self.settle_s,))
        if len(self.streams) < 2:
            raise ProfileError(f"a co-location needs two streams or more, got {len(self.streams)}")


@dataclass(frozen=True, slots=True)
class OffsetStream:
    """One inference of a run with offsets.

    Args:
        model: The model.
        batch: Batch size.
        start_s: Start, since the start of the run's first inference.
        end_s: End, on the same timeline.
        solo_s: Median time of the same stream alone, just before the run.
    """

    model: str
    batch: int
    start_s: float
    end_s: float
    solo_s: float

    def __post_init__(self) -> None:
        _count("batch", self.batch)
        _times("start_s and solo_s", (self.start_s, self.solo_s))
        if not self.end_s > self.start_s:
            raise ProfileError(f"end_s must be after start_s = {self.start_s!r}, got {self.end_s!r}")


@dataclass(frozen=True, slots=True)
class Offset:
    """Inferences started at random offsets, once each: they overlap in part. Always held out of the fit.

    Args:
        cell: Cell of the plan.
        group: As in `Colocation`.
        streams: The inferences.
        dtype: As in `Solo`.
        mode: As in `Solo`.
        held_out: True.
        conditions: State of the device.
    """

    kind: ClassVar[str] = "offset"
    cell: str
    group: str
    streams: tuple[OffsetStream, ...]
    dtype: str
    mode: Mode
    held_out: bool = True
    conditions: Conditions = field(default_factory=Conditions)

    def __post_init__(self) -> None:
        if len(self.streams) < 2:
            raise ProfileError(f"an offset run needs two streams or more, got {len(self.streams)}")


@dataclass(frozen=True, slots=True)
class Telemetry:
    """Readings of the device over one window of the run.

    Args:
        time_s: Start of the window, since the start of the run.
        window_s: Its length.
        conditions: What was read.
        memory_mhz: Mean memory clock.
        memory_used_bytes: Largest reading of the memory in use.
        pcie_generation: Current PCIe generation.
        pcie_width: Current PCIe width, lanes.
        foreign_processes: Process ids of others on the device.
    """

    kind: ClassVar[str] = "telemetry"
    time_s: float
    window_s: float
    conditions: Conditions
    memory_mhz: float | None = None
    memory_used_bytes: int | None = None
    pcie_generation: int | None = None
    pcie_width: int | None = None
    foreign_processes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Discarded:
    """Samples that were thrown away.

    Args:
        cell: Cell of the plan.
        reason: `thermal`, `external`, `foreign-process`, `foreign-load`, `overlap`, `iterations`, `drift`, `memory` or
            `error`.
        detail: What was seen.
        attempt: 1 for the first attempt at the cell.
    """

    kind: ClassVar[str] = "discarded"
    cell: str
    reason: str
    detail: str
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class Note:
    """Something a reader of the profile should know: a warning, a cell left out, a resumption."""

    kind: ClassVar[str] = "note"
    cell: str
    text: str


@dataclass(frozen=True, slots=True)
class Done:
    """A cell of the plan is complete; its records stand above.

    Args:
        cell: Cell of the plan.
        spent_s: Wall-clock time that it took.
    """

    kind: ClassVar[str] = "done"
    cell: str
    spent_s: float


Record = Model | Transfer | Solo | Kernels | Colocation | Offset | Telemetry | Discarded | Note | Done

RECORD_TYPES: dict[str, type[Header | Record]] = {
    found.kind: found
    for found in (Header, Model, Transfer, Solo, Kernels, Colocation, Offset, Telemetry, Discarded, Note, Done)
}
"""The records by the `kind` that a line names."""


def _times(name: str, values: tuple[float, ...], least: int = 0) -> None:
    if len(values) < least:
        raise ProfileError(f"{name} needs {least} values or more, has {len(values)}")
    for value in values:
        if not (math.isfinite(value) and value >= 0):
            raise ProfileError(f"{name} must be >= 0 seconds and finite, got {value!r}")


def _count(name: str, value: int, least: int = 1) -> None:
    if value < least:
        raise ProfileError(f"{name} must be >= {least}, got {value!r}")


def _share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ProfileError(f"{name} must be within [0, 1], got {value!r}")


def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ProfileError(f"{name} must be one of {', '.join(known)}, got {value!r}")
