"""The CPU as a server of batches: a worker process per execution slot, one thread each, on a core of its own.

Copies are memory copies by the worker of the slot, right before and after it executes: a batch's copies take its slot's
time, several slots copy at once, and a batch that waits for a slot has not been copied yet. That is how this machine
is, not how a GPU with copy engines is.

The dispatcher (the process that uses the server) keeps the first core for itself where there is one to spare; where
there is none, the workers step back behind it (`nice`). It blocks until something happens and never spins. Times are
`time.perf_counter` in all processes: on Linux that is CLOCK_MONOTONIC, which all of them share.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import platform
import select
import socket
import time
from typing import TYPE_CHECKING, Any

from stratsim.errors import ServerError, SpecError
from stratsim.model.server import Seen, ServerInfo, Stage, Work
from stratsim.plugins import allowed_code
from stratsim_profiler.serve import cpu_worker as worker
from stratsim_profiler.serve.jitter import lateness, measure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from multiprocessing.connection import Connection

__all__ = ["CpuServer"]

_DTYPES = ("fp32", "bf16")
_STEP_BACK = 10
"""Niceness of workers that share a core with the dispatcher: without, it waits for the end of their time slice when it
wakes (p99 3 ms on two cores, 0.14 ms with it)."""
_LOAD_PATIENCE_S = 300.0
"""Longest time for building the models."""
_JITTER_S = 1.0
_STAGES = {
    worker.BEGUN: (Stage.COPY_IN_START, Stage.COPY_IN_END, Stage.EXECUTION_START),
    worker.ENDED: (Stage.EXECUTION_END,),
    worker.COPIED: (Stage.COPY_OUT_START, Stage.COPY_OUT_END),
}


class CpuServer:
    """Worker processes; see the module.

    Args:
        cores: How many cores the workers may use; one each by default, as far as there are any.
        slots: How many workers there are.
        places: Batches that may be in flight at once, those included.
        max_bytes_in: Inputs of the largest batch, bytes.
        max_bytes_out: Outputs of the largest batch, bytes.
        dtype: Data type of the models, fp32 or bf16; None: fp32.
        mode: None or eager.

    Raises:
        SpecError: this process may use fewer cores than asked for, or a CPU does not know the data type or mode.
    """

    def __init__(
        self,
        cores: int | None = None,
        *,
        slots: int,
        places: int,
        max_bytes_in: int,
        max_bytes_out: int,
        dtype: str | None = None,
        mode: str | None = None,
    ) -> None:
        if (dtype or "fp32") not in _DTYPES:
            raise SpecError(f"dtype {dtype!r}: a CPU serves {', '.join(_DTYPES)}")
        if mode not in (None, "eager"):
            raise SpecError(f"mode {mode!r}: a CPU serves eager only")
        _needs_torch()
        self._allowed = _allowed_cores()
        self._own, self._pinned = _layout(self._allowed, cores, slots)
        self._niceness = _STEP_BACK if self._own is None else 0
        self._dtype = dtype or "fp32"
        self._buffers = (max_bytes_in, max_bytes_out)
        self._places = places
        self._tasks: socket.socket | None = None
        self._workers: list[_Process] = []
        self._models: dict[str, int] = {}
        self._zero_s = time.perf_counter()
        self._kept: list[Seen] = []
        self.info = ServerInfo("cpu", _cpu_name(), slots, self._details())

    def load(self, models: Mapping[str, Sequence[int]]) -> None:
        """Start the workers, let each build and run every model, then measure the dispatcher's jitter at full load."""
        self._models = {name: index for index, name in enumerate(models)}
        if self._own is not None:
            os.sched_setaffinity(0, self._own)
        context = multiprocessing.get_context("spawn")
        allowed = allowed_code()
        count = self._places + self.info.slots  # those that copy out hold no place
        inputs, outputs = (context.RawArray("B", max(count * size, 1)) for size in self._buffers)
        self._tasks, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            for cores in self._pinned:
                plain = {name: tuple(sizes) for name, sizes in models.items()}
                job = worker.Job(plain, self._dtype, cores, self._niceness, inputs, outputs, self._buffers, allowed)
                self._workers.append(_Process(context, theirs, job))
        self._await_ready()
        self.info.details["jitter"] = self._jitter(next(iter(models)))

    def start(self) -> None:
        """Set the clock to zero."""
        self._zero_s = time.perf_counter()

    def now_s(self) -> float:
        """Return the time since `start`, seconds."""
        return time.perf_counter() - self._zero_s

    def submit(self, batch: int, work: Work) -> None:
        """Hand a batch to the first worker that is free."""
        if self._tasks is None:
            raise ServerError("the CPU server is closed")
        message = worker.TASK.pack(batch, self._models[work.model], work.size, work.bytes_in, work.bytes_out)
        try:
            self._tasks.send(message)
        except OSError as problem:
            self._find_dead()
            raise ServerError(f"the workers of the CPU server take no batch: {problem}") from problem

    def poll(self) -> Sequence[Seen]:
        """Return the stages that the workers have reported since the last call, in the order in which they happened."""
        for process in self._workers:
            while process.pipe.poll():
                self._kept += self._heard(process)
        seen, self._kept = self._kept, []
        seen.sort(key=lambda stage: stage.time_s)  # stable: stages of one batch at one time stay in order
        return seen

    def wait(self, until_s: float) -> None:
        """Sleep until a worker says something, but not beyond a time.

        By `select`: `multiprocessing.connection.wait` rounds the time up to a millisecond.
        """
        rest = until_s - self.now_s()
        if rest > 0 and not self._kept:
            select.select([process.pipe for process in self._workers], [], [], rest)

    def close(self) -> None:
        """End all workers, whatever they do."""
        if self._tasks is not None:
            self._tasks.close()  # a worker that is idle ends by this
            self._tasks = None
        deadline = time.perf_counter() + 1.0
        for process in self._workers:
            process.end(max(deadline - time.perf_counter(), 0.0))
        self._workers = []
        if self._own is not None:
            with contextlib.suppress(OSError):
                os.sched_setaffinity(0, self._allowed)

    def _details(self) -> dict[str, Any]:
        import torch

        return {
            "cores": [list(cores) for cores in self._pinned],
            "niceness": self._niceness,
            "dispatcher_cores": sorted(self._own or self._allowed),
            "torch": torch.__version__,
            "capability": torch.backends.cpu.get_cpu_capability(),
            "system": platform.platform(),
            "dtype": self._dtype,
            "copies": "memory copies by the worker of the slot",
        }

    def _await_ready(self) -> None:
        deadline = time.perf_counter() + _LOAD_PATIENCE_S
        for process in self._workers:
            if not process.pipe.poll(max(deadline - time.perf_counter(), 0.0)):
                raise ServerError(f"a worker of the CPU server has not built its models in {_LOAD_PATIENCE_S:g} s")
            self._heard(process)

    def _jitter(self, model: str) -> dict[str, float]:
        """Return how late this process wakes while all workers are busy; they run dry before it returns."""
        sent = done = 0

        def sleep_until(moment_s: float) -> None:
            nonlocal sent
            listen()
            while sent - done < self.info.slots:
                self.submit(sent, Work(model, 1, 0, 0))
                sent += 1
            self.wait(moment_s - self._zero_s)

        def listen() -> None:
            nonlocal done
            done += sum(seen.stage is Stage.COPY_OUT_END for seen in self.poll())

        late = measure(sleep_until, _JITTER_S)
        while done < sent:
            self.wait(self.now_s() + _JITTER_S)
            listen()
        return lateness(late)

    def _heard(self, process: _Process) -> list[Seen]:
        """Take one message from a worker.

        Raises:
            ServerError: it has ended, or says that it cannot go on.
        """
        try:
            message = process.pipe.recv_bytes()
        except (EOFError, OSError):
            raise ServerError(process.epitaph()) from None
        if message[:1] == worker.FAILED:
            raise ServerError(f"a worker of the CPU server failed at {message[1:].decode()}")
        kind, batch, *times = worker.TIMES.unpack(message)
        stages = _STAGES.get(kind, ())
        return [Seen(batch, stage, at - self._zero_s) for stage, at in zip(stages, times, strict=False)]

    def _find_dead(self) -> None:
        for process in self._workers:
            if not process.alive:
                raise ServerError(process.epitaph())


class _Process:
    """The parent's side of one worker."""

    def __init__(self, context: Any, tasks: socket.socket, job: worker.Job) -> None:
        self.pipe: Connection
        self.pipe, child = context.Pipe(duplex=False)
        self._process = context.Process(target=worker.work, args=(child, tasks, job), daemon=True)
        self._process.start()
        child.close()

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return bool(self._process.is_alive())

    def epitaph(self) -> str:
        """Say how it ended."""
        self._process.join(timeout=1.0)
        return f"worker {self._process.pid} of the CPU server has ended with exit code {self._process.exitcode}"

    def end(self, patience_s: float) -> None:
        """End it: by itself, or else by force. Never raises."""
        for force in (None, self._process.terminate, self._process.kill):
            with contextlib.suppress(Exception):
                if force is not None:
                    force()
                self._process.join(timeout=patience_s if force is None else 1.0)
                if not self._process.is_alive():
                    break
        with contextlib.suppress(OSError):
            self.pipe.close()


def _needs_torch() -> None:
    """Import torch now: without it this process would learn of its absence from a worker only."""
    import torch  # noqa: F401


def _layout(
    allowed: tuple[int, ...], cores: int | None, slots: int
) -> tuple[tuple[int, ...] | None, list[tuple[int, ...]]]:
    """Return the cores of the dispatcher (None: wherever the system puts it) and those of each worker."""
    if cores is not None and not 1 <= cores <= len(allowed):
        raise SpecError(f"device cpu:{cores}: this process may use {len(allowed)} cores")
    wanted = cores or min(slots, len(allowed))
    spare = len(allowed) > wanted and hasattr(os, "sched_setaffinity")
    pool = allowed[1 : wanted + 1] if spare else allowed[:wanted]
    pinned = [pool] * slots if len(pool) < slots else [pool[slot : slot + 1] for slot in range(slots)]
    return allowed[:1] if spare else None, pinned


def _allowed_cores() -> tuple[int, ...]:
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def _cpu_name() -> str:
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123
        for line in file:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
