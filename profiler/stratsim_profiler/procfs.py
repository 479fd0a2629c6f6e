"""Watches the cores of the CPU device through /proc: how much of them other processes use."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stratsim_profiler.environment import Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["CpuProbe"]

_STAT = Path("/proc/stat")
_SPAN_S = 0.4
"""Load is read over at least this long: the system counts in steps of 10 ms."""


class CpuProbe:
    """Reads the load that is not ours.

    Args:
        cores: The device's cores.
        own: Returns the processes that measure.
    """

    def __init__(self, cores: Sequence[int], own: Callable[[], Sequence[int]]) -> None:
        readable = _STAT.exists()
        self.warnings: tuple[str, ...] = () if readable else ("no /proc: the load of other processes is not watched",)
        self._cores = frozenset(f"cpu{core}" for core in cores)
        self._own = own
        self._tick_s = 1.0 / os.sysconf("SC_CLK_TCK")
        self._last: tuple[float, float] | None = None
        self._last_own: tuple[int, ...] = ()
        self._load: float | None = None

    def facts(self) -> dict[str, Any]:
        """Return the load at the start."""
        average = list(os.getloadavg()) if hasattr(os, "getloadavg") else None
        return {"load_average": average}

    def read(self) -> Reading:
        """Return the share of the cores that others used lately."""
        now = time.perf_counter()
        with suppress(OSError, ValueError, IndexError):
            self._update(now)
        return Reading(now, foreign_load=self._load)

    def close(self) -> None:
        """Nothing is held."""

    def _update(self, now: float) -> None:
        if self._last is not None and now - self._last[0] < _SPAN_S:
            return
        own = tuple(self._own())
        foreign = self._busy_s() - sum(self._used_s(pid) for pid in own)
        if self._last is not None and own == self._last_own:
            share = (foreign - self._last[1]) / (now - self._last[0]) / len(self._cores)
            self._load = min(1.0, max(0.0, share))
        self._last, self._last_own = (now, foreign), own

    def _busy_s(self) -> float:
        """Return how long the cores have been busy, time that a hypervisor took included."""
        busy = 0
        for line in _STAT.read_text(encoding="ascii").splitlines():
            name, *fields = line.split()
            if name in self._cores:
                user, nice, system, _idle, _wait, irq, soft, steal, *_ = (int(field) for field in fields)
                busy += user + nice + system + irq + soft + steal
        return busy * self._tick_s

    def _used_s(self, pid: int) -> float:
        """Return the processor time of a process of ours."""
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
        fields = text.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * self._tick_s
