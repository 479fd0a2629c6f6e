"""The child process behind a lane of the CPU device: one thread, one request at a time over a pipe."""

from __future__ import annotations

import gc
import os
import resource
import signal
import time
from typing import TYPE_CHECKING, Any

from stratsim.plugins import allow_code
from stratsim_profiler.device.base import Copy, Inference, Span, Work

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

    from stratsim_profiler.device.base import KernelTable
    from stratsim_profiler.device.works import Sizes

__all__ = ["serve"]

_WARM_UP = 3


def serve(
    pipe: Connection, cores: tuple[int, ...], sizes: Sizes, flush_bytes: int, allowed: tuple[str, ...] = ()
) -> None:
    """Answer requests until the pipe closes.

    A request is (method, arguments, options), an answer (True, result) or (False, error).

    Args:
        pipe: To the parent.
        cores: Where to run.
        sizes: Sizes of the stressors' bursts.
        flush_bytes: How much to write over in order to flush the caches.
        allowed: The code that the user allowed the parent to import.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    allow_code(*allowed)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)
    import torch

    torch.set_num_threads(1)
    worker = _Worker(sizes, flush_bytes)
    while True:
        try:
            method, arguments, options = pipe.recv()
        except EOFError:
            return
        try:
            answer = (True, getattr(worker, method)(*arguments, **options))
        except Exception as problem:  # noqa: BLE001 (the parent raises it again)
            answer = (False, _portable(problem))
        pipe.send(answer)


def _portable(problem: Exception) -> Exception:
    """Return an error that the parent can unpickle: ours and Python's as they are, torch's as a RuntimeError."""
    if type(problem).__module__ in ("builtins", "stratsim.errors"):
        return problem
    return RuntimeError(f"{type(problem).__name__}: {problem}")


class _Worker:
    """What the parent can ask for."""

    def __init__(self, sizes: Sizes, flush_bytes: int) -> None:
        import torch

        self._sizes = sizes
        self._works: dict[Work, Callable[[], None]] = {}
        self._flush = torch.zeros(flush_bytes, dtype=torch.uint8)

    def open(self, work: Work) -> int:
        """Build and warm up a piece of work; return the memory that it took, bytes."""
        before = _resident_bytes()
        run = self._build(work)
        for _ in range(_WARM_UP):
            run()
        self._works[work] = run
        if isinstance(work, Inference):
            gc.collect()
            gc.freeze()
        return max(0, _resident_bytes() - before)

    def close(self, work: Work) -> None:
        """Forget a piece of work."""
        del self._works[work]

    def fire(self, work: Work, start_at_s: float, *, flush: bool) -> Span:
        """Run one iteration at a time on the system's monotonic clock."""
        if flush:
            self._flush.add_(1)
        if isinstance(work, Copy):
            self._works[work]()  # a copy is short: its code and its pages must be there
        _wait_until(start_at_s)
        return self._iterations(work, lambda spans: len(spans) == 1)[0]

    def backlog(self, work: Work, start_at_s: float, stop_at_s: float) -> list[Span]:
        """Run iterations, one right after the other, between two times."""
        _wait_until(start_at_s)
        return self._iterations(work, lambda spans: bool(spans) and spans[-1].end_s >= stop_at_s)

    def kernels(self, work: Work, iterations: int) -> KernelTable:
        """Return the operators of an iteration."""
        from stratsim_profiler.device.kernel_table import profile_kernels

        return profile_kernels(self._works[work], iterations, cuda=False)

    def _iterations(self, work: Work, enough: Callable[[list[Span]], bool]) -> list[Span]:
        run, clock = self._works[work], time.perf_counter
        spans: list[Span] = []
        gc.disable()
        end = clock()
        while not enough(spans):
            start = end  # back to back: time that the system takes between two iterations belongs to one of them
            run()
            end = clock()
            spans.append(Span(start, end))
        gc.enable()
        return spans

    def _build(self, work: Work) -> Callable[[], None]:
        from stratsim_profiler.device import works

        if isinstance(work, Inference):
            return works.inference(work, "cpu")
        if isinstance(work, Copy):
            return _copy(work)
        run = works.burst(work, "cpu", self._sizes)
        rest = works.pause_s(works.median_seconds(run), work.level)
        return run if rest <= 0 else lambda: _then_sleep(run, rest)


def _then_sleep(run: Callable[[], None], seconds: float) -> None:
    run()
    time.sleep(seconds)


def _copy(work: Copy) -> Callable[[], None]:
    """Return a copy between this process's memory and memory that it shares, which plays the device's."""
    import torch

    host = torch.ones(work.size_bytes, dtype=torch.uint8)
    shared = torch.ones(work.size_bytes, dtype=torch.uint8).share_memory_()
    source, target = (host, shared) if work.direction == "h2d" else (shared, host)

    def run() -> None:
        target.copy_(source)

    return run


def _wait_until(moment_s: float) -> None:
    """Sleep, then spin for the last millisecond: a sleep wakes late by tens of microseconds."""
    rest = moment_s - time.perf_counter() - 0.001
    if rest > 0:
        time.sleep(rest)
    while time.perf_counter() < moment_s:
        pass


def _resident_bytes() -> int:
    """Return the largest resident size so far; it never shrinks, which serves to see growth."""
    peak: Any = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak) * 1024
