"""The state of the device while it is measured: read all the time, judged per cell, never changed.

A `Probe` reads (NVML on a GPU, /proc on a CPU, nothing where neither is there), a `Monitor` lets it read in a thread of
its own, and `verdict` says whether the samples of a window can be used.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from stratsim_profiler.samples import Conditions, Telemetry

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Self

__all__ = ["EXTERNAL", "POWER_CAP", "THERMAL", "Monitor", "NoProbe", "Probe", "Reading", "Verdict", "verdict"]

POWER_CAP = "sw_power_cap"
THERMAL = frozenset({"sw_thermal_slowdown", "hw_thermal_slowdown"})
EXTERNAL = frozenset({"hw_slowdown", "hw_power_brake_slowdown"})
_FOREIGN_LOAD = 0.2
"""Share of a CPU's cores that others may use before a cell is measured again."""

PERIOD_S = 0.04
"""Time between two readings: a window of half a second has ten."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at the device; None where it cannot be read."""

    time_s: float
    sm_mhz: float | None = None
    memory_mhz: float | None = None
    power_w: float | None = None
    temperature_c: float | None = None
    throttle: tuple[str, ...] = ()
    memory_used_bytes: int | None = None
    pcie_generation: int | None = None
    pcie_width: int | None = None
    foreign_processes: tuple[int, ...] = ()
    foreign_load: float | None = None


class Probe(Protocol):
    """Reads the device."""

    warnings: tuple[str, ...]
    """What it cannot do."""

    def facts(self) -> dict[str, Any]:
        """Return what does not change: names, limits, versions, and the state at the start."""

    def read(self) -> Reading:
        """Return the state now."""

    def close(self) -> None:
        """Let go of the device."""


class NoProbe:
    """Reads nothing.

    Args:
        why: Why nothing can be read.
    """

    def __init__(self, why: str) -> None:
        self.warnings: tuple[str, ...] = (why,)

    def facts(self) -> dict[str, Any]:
        """Return nothing."""
        return {}

    def read(self) -> Reading:
        """Return an empty reading."""
        return Reading(time.perf_counter())

    def close(self) -> None:
        """Do nothing."""


class Monitor:
    """Reads the device in a thread while its `with` block runs.

    Args:
        probe: What reads.
        period_s: Time between two readings.
    """

    def __init__(self, probe: Probe, period_s: float = PERIOD_S) -> None:
        self.probe = probe
        self._period_s = period_s
        self._readings: list[Reading] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="monitor", daemon=True)
        self._start_s = time.perf_counter()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self.probe.close()

    def between(self, start_s: float, end_s: float) -> tuple[Reading, ...]:
        """Return the readings of a window on the host's clock."""
        readings = self._readings
        first = bisect_left(readings, start_s, key=lambda reading: reading.time_s)
        last = bisect_right(readings, end_s, key=lambda reading: reading.time_s)
        return tuple(readings[first:last])

    def telemetry(self, start_s: float, end_s: float) -> Telemetry | None:
        """Return a record of a window; None where nothing was read in it."""
        readings = self.between(start_s, end_s)
        if not readings or conditions(readings) == Conditions(readings=len(readings)):
            return None
        return Telemetry(
            time_s=round(start_s - self._start_s, 3),
            window_s=round(end_s - start_s, 3),
            conditions=conditions(readings),
            memory_mhz=_mean(reading.memory_mhz for reading in readings),
            memory_used_bytes=max(_known(reading.memory_used_bytes for reading in readings), default=None),
            pcie_generation=max(_known(reading.pcie_generation for reading in readings), default=None),
            pcie_width=max(_known(reading.pcie_width for reading in readings), default=None),
            foreign_processes=_foreign(readings),
        )

    def _run(self) -> None:
        while not self._stop.is_set():
            self._readings.append(self.probe.read())
            self._stop.wait(self._period_s)


def conditions(readings: Sequence[Reading]) -> Conditions:
    """Return the summary of a window's readings."""
    clocks = _known(reading.sm_mhz for reading in readings)
    seen = sorted({reason for reading in readings for reason in reading.throttle})
    return Conditions(
        readings=len(readings),
        sm_mhz=_mean(clocks),
        sm_mhz_min=min(clocks, default=None),
        power_w=_mean(reading.power_w for reading in readings),
        temperature_c=max(_known(reading.temperature_c for reading in readings), default=None),
        power_capped=POWER_CAP in seen,
        throttle=tuple(seen),
        foreign_load=_mean(reading.foreign_load for reading in readings),
    )


class Verdict(NamedTuple):
    """Why the samples of a window should not be used.

    Args:
        reason: As in `stratsim_profiler.samples.Discarded`.
        detail: What was seen.
        final: Whether they must not be used, however often the cell is measured; the others are used, with a note, when
            measuring again gives no better.
    """

    reason: str
    detail: str
    final: bool = True


def verdict(readings: Sequence[Reading]) -> Verdict | None:
    """Return what is wrong with a window; None where nothing is.

    A software power cap is not: co-location can cause it, and then it is part of the contention.
    """
    seen = {reason for reading in readings for reason in reading.throttle}
    if seen & THERMAL:
        return Verdict("thermal", ", ".join(sorted(seen & THERMAL)))
    if seen & EXTERNAL:
        return Verdict("external", ", ".join(sorted(seen & EXTERNAL)))
    foreign = _foreign(readings)
    if foreign:
        return Verdict("foreign-process", "process " + ", ".join(str(pid) for pid in foreign))
    load = _mean(reading.foreign_load for reading in readings)
    if load is not None and load > _FOREIGN_LOAD:
        return Verdict("foreign-load", f"other processes used {load:.0%} of the cores", final=False)
    return None


def _foreign(readings: Sequence[Reading]) -> tuple[int, ...]:
    return tuple(sorted({pid for reading in readings for pid in reading.foreign_processes}))


def _known(values: Iterable[Any]) -> list[Any]:
    return [value for value in values if value is not None]


def _mean(values: Iterable[float | None]) -> float | None:
    known = _known(values)
    return round(fmean(known), 3) if known else None
