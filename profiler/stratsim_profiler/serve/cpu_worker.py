"""The child process behind a slot of the CPU server: one thread, one batch at a time.

Tasks come over a socket that all workers share: the kernel gives each to the first worker that is free, in the order in
which they were sent. What happens goes back over a pipe of the worker's own, as packed bytes. Times are
`time.perf_counter`, which on Linux is one monotonic clock for all processes.
"""

from __future__ import annotations

import gc
import os
import signal
import struct
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from stratsim.plugins import allow_code

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping, Sequence
    from multiprocessing.connection import Connection

__all__ = ["BEGUN", "COPIED", "ENDED", "FAILED", "READY", "TASK", "TIMES", "Job", "work"]

TASK = struct.Struct("<qiiqq")
"""Batch, index of its model, size, bytes in, bytes out."""
TIMES = struct.Struct("<cqddd")
"""What happened, batch, up to three times (seconds on the common clock)."""

READY = b"r"
"""The models are built."""
BEGUN = b"b"
"""Copy-in start, copy-in end, execution start."""
ENDED = b"e"
"""Execution end."""
COPIED = b"c"
"""Copy-out start, copy-out end."""
FAILED = b"f"
"""A text follows: the worker cannot go on."""

_WARM_UP = 2


class Job(NamedTuple):
    """What a worker is for.

    Args:
        models: Batch sizes by model.
        dtype: Data type of the models.
        cores: Where it may run.
        niceness: By how much it steps back behind other processes.
        inputs: Host memory that inputs are copied from, one buffer per place; shared with the parent.
        outputs: Host memory that outputs are copied to, likewise.
        buffer_bytes: Size of one buffer of each.
        allowed: The code that the user allowed the parent to import.
    """

    models: Mapping[str, Sequence[int]]
    dtype: str
    cores: tuple[int, ...]
    niceness: int
    inputs: Any
    outputs: Any
    buffer_bytes: tuple[int, int]
    allowed: tuple[str, ...] = ()


def work(pipe: Connection, tasks: socket.socket, job: Job) -> None:
    """Build the models, then serve until the socket of tasks closes: the parent has ended, or wants no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    allow_code(*job.allowed)
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, job.cores)
    os.nice(job.niceness)
    doing = "building the models"
    try:
        slot = _Slot(job)
        gc.collect()
        gc.freeze()
        pipe.send_bytes(TIMES.pack(READY, 0, 0.0, 0.0, 0.0))
        while message := tasks.recv(TASK.size):
            batch, model, size, *sizes = TASK.unpack(message)
            doing = f"batch {batch}, {size} of {slot.names[model]!r}"
            slot.serve(pipe, batch, (slot.names[model], size), *sizes)
    except OSError:  # nobody is there to listen
        return
    except Exception as problem:  # noqa: BLE001 (sent to the parent, which raises it)
        with suppress(OSError):
            pipe.send_bytes(FAILED + f"{doing}: {type(problem).__name__}: {problem}".encode())


class _Slot:
    """The models and the memory of one worker."""

    def __init__(self, job: Job) -> None:
        import torch

        torch.set_num_threads(1)
        self.names = tuple(job.models)
        self._runs: dict[tuple[str, int], Callable[[], object]] = {}
        for name, sizes in job.models.items():
            self._runs |= _built(name, sizes, job.dtype)
        self._host_in = _buffers(torch, job.inputs, job.buffer_bytes[0])
        self._host_out = _buffers(torch, job.outputs, job.buffer_bytes[1])
        # What plays the device's memory.
        self._taken = torch.zeros(job.buffer_bytes[0], dtype=torch.uint8)
        self._given = torch.zeros(job.buffer_bytes[1], dtype=torch.uint8)
        for host in self._host_in:  # pages that are there from the first copy on
            host.sum()
        for host in self._host_out:
            host.zero_()

    def serve(self, pipe: Connection, batch: int, what: tuple[str, int], bytes_in: int, bytes_out: int) -> None:
        """Copy in, execute, copy out; say so after each."""
        clock, run = time.perf_counter, self._runs[what]
        source = self._host_in[batch % len(self._host_in)]
        target = self._host_out[batch % len(self._host_out)]
        start = clock()
        self._taken[:bytes_in].copy_(source[:bytes_in])
        end = clock()
        pipe.send_bytes(TIMES.pack(BEGUN, batch, start, end, end))
        run()
        start = clock()
        pipe.send_bytes(TIMES.pack(ENDED, batch, start, 0.0, 0.0))
        start = clock()
        target[:bytes_out].copy_(self._given[:bytes_out])
        pipe.send_bytes(TIMES.pack(COPIED, batch, start, clock(), 0.0))


def _built(name: str, sizes: Sequence[int], dtype: str) -> dict[tuple[str, int], Callable[[], object]]:
    """Return what runs a model once, by name and batch size, warmed up."""
    import torch

    from stratsim_profiler.zoo.build import DTYPES, batched, build

    module, example = build(name, "cpu")
    module = module.to(DTYPES[dtype])

    def runner(size: int) -> Callable[[], object]:
        inputs = batched(example, size, DTYPES[dtype])

        def run() -> None:
            with torch.inference_mode():
                module(*inputs)

        for _ in range(_WARM_UP):
            run()
        return run

    return {(name, size): runner(size) for size in sizes}


def _buffers(torch: Any, memory: Any, size_bytes: int) -> list[Any]:
    """Return shared memory as tensors of one buffer each."""
    if not size_bytes:
        return [torch.empty(0, dtype=torch.uint8)]
    return list(torch.frombuffer(memory, dtype=torch.uint8).split(size_bytes))
