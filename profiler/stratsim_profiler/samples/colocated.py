"""Records of streams that ran beside each other: in backlog, or each with a start of its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal, get_args

from stratsim.errors import ProfileError
from stratsim_profiler.samples.alone import Mode  # noqa: TC001 (hints are resolved where records are read)
from stratsim_profiler.samples.checks import count, one_of, share, times
from stratsim_profiler.samples.run import Conditions

__all__ = ["Colocation", "Offset", "OffsetStream", "Role", "Stream", "is_stressor"]

Role = Literal["self", "anchor", "pair", "triple", "stressor", "control", "priority"]


_STRESSOR = "stress:"


def is_stressor(model: str) -> bool:
    """Whether a stream's name is a stressor (`stress:KIND:LEVEL`, such as `stress:dram:0.50`), not a model."""
    return model.startswith(_STRESSOR)


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
        count("batch", self.batch)
        times("loaded_seconds", self.loaded_seconds, least=1)
        times("solo_before_seconds", self.solo_before_seconds)
        times("solo_after_seconds", self.solo_after_seconds)
        if self.iterations < len(self.loaded_seconds):
            raise ProfileError(f"iterations is {self.iterations}, loaded_seconds has {len(self.loaded_seconds)}")
        share("overlap", self.overlap)


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
        one_of("role", self.role, get_args(Role))
        one_of("mode", self.mode, ("graph", "eager"))
        times("window_s", (self.window_s,))
        times("settle_s", (self.settle_s,))
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
        count("batch", self.batch)
        times("start_s and solo_s", (self.start_s, self.solo_s))
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
