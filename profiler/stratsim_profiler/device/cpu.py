"""The CPU as a device: worker processes of one thread each, on a fixed set of cores.

All workers may run on any of the cores, as thread blocks may on any multiprocessor: two workers on two cores share
caches and memory, three share the cores too, by the time slices of the system.
"""

from __future__ import annotations

import multiprocessing
import os
import platform
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stratsim.errors import SpecError
from stratsim.plugins import allowed_code
from stratsim_profiler.device.base import DeviceInfo, Lane, Span
from stratsim_profiler.device.worker import serve
from stratsim_profiler.device.works import Sizes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratsim_profiler.device.base import KernelTable, Work
    from stratsim_profiler.environment import Probe

__all__ = ["CpuDevice"]

_CORES = 2
"""Cores of the device where none are asked for: with more, four workers hardly meet."""

_SLOTS = 4
_LEAD_S = 0.008
"""How far ahead a common start is set: every worker has its message by then."""

_CACHE_FALLBACK = 32 << 20
_FLUSH_MOST = 128 << 20
_SIZES = Sizes(matrix=256, dtype="fp32", dram_bytes=8 << 20, cached_bytes=128 << 10, copy_bytes=4 << 20)


class CpuDevice:
    """Worker processes; see the module.

    Args:
        cores: How many cores the workers may use; 2, or all where there are fewer, by default.
        slots: How many workers there are.

    Raises:
        SpecError: this process may use fewer cores than asked for.
    """

    def __init__(self, cores: int | None = None, slots: int = _SLOTS) -> None:
        allowed = _allowed_cores()
        if cores is not None and not 1 <= cores <= len(allowed):
            raise SpecError(f"device cpu:{cores}: this process may use {len(allowed)} cores")
        self.cores = allowed[: cores or _CORES]
        self.slots = slots
        cache = _cache_bytes()
        self.info = _info(self.cores, cache)
        beyond = min(2 * cache, _FLUSH_MOST)
        self._sizes = _SIZES._replace(dram_bytes=max(_SIZES.dram_bytes, beyond))
        self._flush_bytes = beyond
        self._workers: dict[int, _Process] = {}

    def probe(self) -> Probe:
        """Return what watches the cores."""
        from stratsim_profiler.procfs import CpuProbe

        return CpuProbe(self.cores, lambda: [os.getpid(), *(worker.pid for worker in list(self._workers.values()))])

    def open(self, work: Work, slot: int, priority: int = 0) -> Lane:
        """Build the work in the slot's worker."""
        if priority:
            raise SpecError("stream priorities need a CUDA device")
        return Lane(work, slot, priority, self._worker(slot).call("open", work))

    def close(self, lane: Lane) -> None:
        """Forget the work in its worker."""
        self._workers[lane.slot].call("close", lane.work)

    def fire(self, lanes: Sequence[Lane], offsets_s: Sequence[float], *, flush: bool = False) -> tuple[Span, ...]:
        """Run one iteration in each worker."""
        start = time.perf_counter() + _LEAD_S
        for lane, offset in zip(lanes, offsets_s, strict=True):
            self._worker(lane.slot).ask("fire", lane.work, start + offset, flush=flush)
        spans = [self._workers[lane.slot].answer() for lane in lanes]
        return tuple(_since(min(span.start_s for span in spans), span) for span in spans)

    def backlog(self, lanes: Sequence[Lane], seconds: float) -> tuple[tuple[Span, ...], ...]:
        """Run iterations in all workers for some time."""
        start = time.perf_counter() + _LEAD_S
        for lane in lanes:
            self._worker(lane.slot).ask("backlog", lane.work, start, start + seconds)
        found = [self._workers[lane.slot].answer() for lane in lanes]
        return tuple(tuple(_since(start, span) for span in spans) for spans in found)

    def kernels(self, lane: Lane, iterations: int) -> KernelTable:
        """Return the operators of an iteration."""
        table: KernelTable = self._workers[lane.slot].call("kernels", lane.work, iterations)
        return table

    def shutdown(self) -> None:
        """End the workers."""
        for worker in self._workers.values():
            worker.end()
        self._workers.clear()

    def _worker(self, slot: int) -> _Process:
        """Return the slot's worker, started when it is first used: that takes seconds."""
        if slot not in self._workers:
            self._workers[slot] = _Process(self.cores, self._sizes, self._flush_bytes)
        return self._workers[slot]


class _Process:
    """The parent's side of one worker."""

    def __init__(self, cores: tuple[int, ...], sizes: Sizes, flush_bytes: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, child = context.Pipe()
        self._process = context.Process(
            target=serve, args=(child, cores, sizes, flush_bytes, allowed_code()), daemon=True
        )
        self._process.start()
        child.close()
        self._unanswered = 0

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid or 0

    def call(self, method: str, *arguments: Any) -> Any:
        """Ask and wait for the answer."""
        self.ask(method, *arguments)
        return self.answer()

    def ask(self, method: str, *arguments: Any, **options: Any) -> None:
        """Send a request, after throwing away answers that an interruption has left."""
        while self._unanswered:
            with suppress(Exception):
                self.answer()
        self._send(method, arguments, options)
        self._unanswered += 1

    def answer(self) -> Any:
        """Wait for the answer."""
        try:
            good, value = self._pipe.recv()
        except EOFError:
            self._unanswered = 0
            raise RuntimeError(f"worker {self.pid} has ended") from None
        self._unanswered -= 1
        if not good:
            raise value
        return value

    def end(self) -> None:
        """End the process."""
        self._pipe.close()
        self._process.join(timeout=2)
        if self._process.is_alive():
            self._process.terminate()
            self._process.join()

    def _send(self, method: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> None:
        try:
            self._pipe.send((method, arguments, options))
        except OSError:
            raise RuntimeError(f"worker {self.pid} has ended") from None


def _since(zero_s: float, span: Span) -> Span:
    return Span(span.start_s - zero_s, span.end_s - zero_s)


def _allowed_cores() -> tuple[int, ...]:
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def _info(cores: tuple[int, ...], cache_bytes: int) -> DeviceInfo:
    import torch

    details = {
        "cores": list(cores),
        "cache_bytes": cache_bytes,
        "torch": torch.__version__,
        "system": platform.platform(),
        "capability": torch.backends.cpu.get_cpu_capability(),
    }
    return DeviceInfo(
        kind="cpu",
        name=f"{_cpu_name()}, {len(cores)} core{'s' if len(cores) > 1 else ''}",
        memory_bytes=_memory_bytes(),
        pinned=False,
        modes=("eager",),
        dtypes=("fp32", "bf16"),
        details=details,
    )


def _cpu_name() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _cache_bytes() -> int:
    """Return the size of the last-level cache."""
    with suppress(OSError, ValueError):
        sizes = Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size")
        return max(int(path.read_text(encoding="ascii").strip().removesuffix("K")) << 10 for path in sizes)
    return _CACHE_FALLBACK
