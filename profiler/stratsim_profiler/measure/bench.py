"""What every measurement needs: the device, its open lanes, the monitor and the settings."""

from __future__ import annotations

import time
from collections import OrderedDict
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

from stratsim_profiler.device.base import Lane
from stratsim_profiler.device.timeline import busy_share, common_window, inside
from stratsim_profiler.environment import Verdict, conditions, verdict
from stratsim_profiler.samples import Conditions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stratsim_profiler.device.base import Device, Span, Work
    from stratsim_profiler.environment import Monitor, Reading
    from stratsim_profiler.settings import Settings

__all__ = ["Bench", "Lanes", "Rejected", "Watch", "Window"]

_MEMORY_SHARE = 0.6
"""Share of the device's memory that open lanes may hold before the one used longest ago is closed."""

_WINDOW_MOST = 8
"""How many times longer than asked for a window may become where iterations are long."""


class Rejected(Exception):  # noqa: N818 (a verdict, not an error: the cell is measured again)
    """Samples that must not be used.

    Args:
        why: The reason.
    """

    def __init__(self, why: Verdict) -> None:
        super().__init__(f"{why.reason}: {why.detail}")
        self.why = why


class Lanes:
    """Opens lanes and keeps them open, as building one takes longer than measuring it.

    Args:
        device: Where.
    """

    def __init__(self, device: Device) -> None:
        self._device = device
        self._open: OrderedDict[Lane, Lane] = OrderedDict()
        self._most_bytes = int(_MEMORY_SHARE * device.info.memory_bytes)

    def take(self, works: Sequence[Work], priorities: Sequence[int] | None = None) -> tuple[Lane, ...]:
        """Return lanes that can run side by side, one for each piece of work.

        Raises:
            Rejected: the device's memory does not hold them.
        """
        wanted = [
            Lane(work, slot, priority)
            for slot, (work, priority) in enumerate(zip(works, priorities or [0] * len(works), strict=True))
        ]
        self._make_room(set(wanted))
        return tuple(self._get(lane, set(wanted)) for lane in wanted)

    def drop(self, work: Work) -> None:
        """Close all lanes that run a piece of work."""
        for lane in [lane for lane in self._open if lane.work == work]:
            self._close(lane)

    def _get(self, lane: Lane, wanted: set[Lane]) -> Lane:
        if lane not in self._open:
            self._open[lane] = self._opened(lane, wanted)
        self._open.move_to_end(lane)
        return self._open[lane]

    def _opened(self, lane: Lane, wanted: set[Lane]) -> Lane:
        try:
            return self._device.open(lane.work, lane.slot, lane.priority)
        except MemoryError:
            self._close_others(wanted)
        try:
            return self._device.open(lane.work, lane.slot, lane.priority)
        except MemoryError as problem:
            raise Rejected(Verdict("memory", str(problem))) from None

    def _make_room(self, wanted: set[Lane]) -> None:
        """Close lanes that were used longest ago until those left hold little enough."""
        for lane in list(self._open):
            if sum(entry.memory_bytes for entry in self._open.values()) <= self._most_bytes:
                return
            if lane not in wanted:
                self._close(lane)

    def _close_others(self, wanted: set[Lane]) -> None:
        for lane in list(self._open):
            if lane not in wanted:
                self._close(lane)

    def _close(self, lane: Lane) -> None:
        self._device.close(self._open.pop(lane))


@dataclass(slots=True)
class Watch:
    """Readings of an interval, once it is over."""

    start_s: float
    readings: tuple[Reading, ...] = ()
    conditions: Conditions = field(default_factory=Conditions)


@dataclass(frozen=True, slots=True)
class Window:
    """Lanes that were backlogged together.

    Args:
        seconds: Each lane's iterations that lie wholly inside the common window.
        overlap: Share of the window in which each lane had an iteration in progress.
        length_s: Length of the window.
    """

    seconds: tuple[tuple[float, ...], ...]
    overlap: tuple[float, ...]
    length_s: float


@dataclass(slots=True)
class Bench:
    """Everything that a measurement uses.

    Args:
        device: What is measured.
        monitor: What watches it.
        settings: How to measure.
        dtype: Data type of the run.
        mode: Execution mode of the run.
    """

    device: Device
    monitor: Monitor
    settings: Settings
    dtype: str
    mode: str
    lanes: Lanes = field(init=False)
    typical_s: dict[Work, float] = field(default_factory=dict)
    """Median time of each piece of work alone, as far as known."""

    soft: list[Verdict] = field(default_factory=list)
    """What was wrong with the cell at hand without making it unusable."""

    lasting: frozenset[str] = frozenset()
    """Reasons that the cell before was kept in spite of."""

    def __post_init__(self) -> None:
        self.lanes = Lanes(self.device)

    @contextmanager
    def watch(self) -> Iterator[Watch]:
        """Read the device during a block, and judge it at the end.

        Raises:
            Rejected: the samples cannot be used.
        """
        seen = Watch(time.perf_counter())
        yield seen
        seen.readings = self.monitor.between(seen.start_s, time.perf_counter())
        seen.conditions = conditions(seen.readings)
        wrong = verdict(seen.readings)
        if wrong is not None and not (wrong.reason == "foreign-process" and self.settings.allow_shared):
            self.object_to(wrong)

    def object_to(self, wrong: Verdict) -> None:
        """Note what is wrong with the cell at hand; give it up at once where that is final."""
        if wrong.final:
            raise Rejected(wrong)
        self.soft.append(wrong)

    def together(self, lanes: Sequence[Lane], window_s: float, settle_s: float | None = None) -> Window:
        """Backlog lanes and return what each did inside the common window, which begins when they have settled.

        The window is longer where the lanes' iterations are long.
        """
        slowest = max((self.typical_s.get(lane.work, 0.0) for lane in lanes), default=0.0)
        needed = 1.3 * slowest * len(lanes) * (self.settings.least_iterations + 1)
        length = min(max(window_s, needed), _WINDOW_MOST * window_s)
        settle = self.settings.settle_s if settle_s is None else settle_s
        return _window(self.device.backlog(lanes, settle + length), settle)

    def alone(self, lane: Lane) -> tuple[float, ...]:
        """Return the iterations of a lane alone, in the same harness and at the same depth as with co-runners."""
        seconds = self.together([lane], self.settings.solo_window_s, self.settings.solo_settle_s).seconds[0]
        if not seconds:
            raise Rejected(Verdict("iterations", f"{lane.work.name} alone has none inside its window"))
        self.typical_s[lane.work] = median(seconds)
        return seconds


def _window(spans: Sequence[Sequence[Span]], settle_s: float) -> Window:
    window = common_window(spans, settle_s)
    return Window(
        seconds=tuple(tuple(span.seconds for span in inside(lane, window)) for lane in spans),
        overlap=tuple(busy_share(lane, window) for lane in spans),
        length_s=window[1] - window[0],
    )
