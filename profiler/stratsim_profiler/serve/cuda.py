"""A CUDA GPU that serves batches: one stream for copies in, one for copies out, one per execution slot.

    copy-in stream    start | pinned memory -> the batch's staging buffer | end
    slot's stream     wait for the copy's end | start | staging -> inputs | replay | outputs aside | end
    copy-out stream   start | outputs aside -> pinned memory | end

What the host decides, and when:

- A free slot is given to a batch when it is submitted: the GPU goes from the copy to the execution by itself. Where all
  slots are taken, the next batch in line gets the first that `poll` sees free. Copies in are first come, first served,
  so the line is the order of submission.
- A copy-out is enqueued when `poll` sees the execution's end. Enqueued with the execution, it would hold up the one
  copy-out stream until then, though a batch on another slot may be done long before. It costs the time between two
  polls.

Nothing is overwritten while it is used: a batch owns a staging buffer from its submission until its execution's end was
seen, and a pair of output buffers until its copy-out's end was seen; inputs and outputs of a model are the slot's, and
its stream runs one batch after the other.

All stages are timed by events of the GPU. An execution's start is recorded behind the wait for its inputs, on a stream
whose last batch has ended: it is when the slot began. What the host needs to launch a graph on an idle slot is in the
execution, as it is in a server.

Between `start` and `close` the garbage collector is off: a collection would pause the host for milliseconds.
"""

from __future__ import annotations

import gc
import math
import os
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from stratsim.errors import ServerError, SpecError
from stratsim.model.server import Seen, ServerInfo, Work
from stratsim_profiler.device import works
from stratsim_profiler.device.cuda import check_gpu, gpu_details
from stratsim_profiler.serve.cuda_clock import DeviceClock
from stratsim_profiler.serve.cuda_errors import failure, guard
from stratsim_profiler.serve.cuda_models import Engine, copy, engine, example_bytes, pinned
from stratsim_profiler.serve.cuda_stages import Batch, Output, Stages
from stratsim_profiler.zoo.build import DTYPES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor

__all__ = ["CudaServer"]

_MODES = ("graph", "eager")
_COPY_IN, _EXECUTION, _COPY_OUT = 0, 2, 4
"""Where a pair of stages begins among the stages."""

_SPARE_OUTPUTS = 4
"""Output buffers beyond one per place: batches in or behind the copy-out."""

_REHEARSALS = 3
"""Batches per slot that go through all stages before the clock is set: what is done for the first time takes longer."""

_NAP_S = 50e-6
_STUCK_S = 30.0
"""A GPU that finishes nothing for so long, though it has work, will not come back."""

_CLOSING_S = 10.0

_LOST: list[CudaServer] = []
"""Servers whose GPU has failed: torch ends the process when it frees what belongs to a GPU that does not answer."""


@dataclass(slots=True, eq=False)
class _Slot:
    """An execution slot: a stream, and what can run on it by model and size."""

    stream: torch.cuda.Stream
    engines: dict[tuple[str, int], Engine] = field(default_factory=dict)
    batch: Batch | None = None


class CudaServer:
    """One GPU; see the module. It satisfies `stratsim.model.server.Server`.

    Args:
        index: Which GPU, as CUDA counts them; the first where None.
        slots: Batches that execute at once.
        places: Batches between their submission and the end of their execution, at most.
        max_bytes_in: Largest inputs of a batch, bytes.
        max_bytes_out: Largest outputs of a batch, bytes.
        dtype: `fp16` (also where None), `bf16` or `fp32`.
        mode: `graph` (also where None): replay captured graphs; `eager`: launch every kernel from Python.
        spin: Whether `wait` looks all the time, with a core of its own, or every 50 us.

    Attributes:
        sources: Pinned memory that the batches of a model and size are fed from. Random inputs; may be replaced by
            others of `max_bytes_in` bytes, which must stay as they are until the copy-in's end.
        on_output: Called with a batch's number and its outputs on the host, when its last stage is seen; the memory is
            used again afterwards.
        grown: Output buffers that had to be made while serving.

    Raises:
        SpecError: there is no such GPU, or an argument makes no sense.
        ServerError: the GPU or its memory cannot be used.
    """

    def __init__(
        self,
        index: int | None,
        *,
        slots: int,
        places: int,
        max_bytes_in: int,
        max_bytes_out: int,
        dtype: str | None = None,
        mode: str | None = None,
        spin: bool = True,
    ) -> None:
        # Streams of one hardware queue wait for each other; it must be said before CUDA is used.
        os.environ.setdefault("CUDA_DEVICE_MAX_CONNECTIONS", "32")
        self._index = index or 0
        self._dtype, self._mode = dtype or "fp16", mode or "graph"
        _check(self._dtype, self._mode, slots, places)
        check_gpu(self._index)
        self._name = _name(self._index)
        self._room_in, self._room_out = max_bytes_in, max_bytes_out
        self._spin = spin
        self._collects = False
        self._closed = False
        self.sources: dict[tuple[str, int], Tensor] = {}
        self.on_output: Callable[[int, Tensor], None] | None = None
        self.grown = 0
        self._copies_in: deque[Batch] = deque()
        self._waiting: deque[Batch] = deque()
        self._copies_out: deque[Batch] = deque()
        self._flying = 0
        self._progress_s = 0.0
        with guard(self._name):
            torch.cuda.set_device(self._index)
            self._in, self._out, clock = (torch.cuda.Stream(self._index) for _ in range(3))
            self._slots = [_Slot(torch.cuda.Stream(self._index)) for _ in range(slots)]
            self._places = [self._buffer(max_bytes_in) for _ in range(places)]
            self._outputs = [self._output() for _ in range(places + _SPARE_OUTPUTS)]
            torch.cuda.synchronize(self._index)
            self._clock = DeviceClock(clock)
            self._clock.start()  # the rates of the clocks are known when they are needed
            self._stages = Stages(self._clock)
            self.info = self._info(places)
        self._free = deque(self._slots)

    @property
    def clock_uncertainty_s(self) -> float:
        """How far a stage's time may be off, seconds."""
        return self._clock.uncertainty_s

    @property
    def clock_drift(self) -> float:
        """By how much the GPU's second is longer than the host's, as a share."""
        return self._clock.drift

    @property
    def clamps(self) -> int:
        """Stages that seemed to be later than they were seen, or earlier than the one before; they were moved."""
        return self._stages.clamps

    def load(self, models: Mapping[str, Sequence[int]]) -> None:
        """Build every model once per slot, and an engine per slot and batch size."""
        with guard(self._name):
            torch.cuda.set_device(self._index)
        for slot in self._slots:
            pool = torch.cuda.graph_pool_handle() if self._mode == "graph" else None
            for model, sizes in models.items():
                self._load(slot, model, sizes, pool)

    def start(self) -> None:
        """Send some batches through all stages, and set the clock to zero."""
        with guard(self._name):
            torch.cuda.synchronize(self._index)
            self._rehearse()
            torch.cuda.synchronize(self._index)
            self._stages.clamps = self.grown = 0
            self._collects = self._collects or gc.isenabled()
            gc.collect()
            gc.disable()
            self._clock.start()
        self._note()

    def now_s(self) -> float:
        """Return the time since `start`, seconds."""
        return self._clock.now_s()

    def submit(self, batch: int, work: Work) -> None:
        """Enqueue the copy-in, and the execution where a slot is free."""
        source = self._source(batch, work)
        if not self._places:
            raise ServerError(f"batch {batch}: all places are taken by batches whose execution has not ended")
        if not self._flying:
            self._progress_s = self._clock.now_s()
        try:
            item = Batch(batch, work, self._places.pop(), [])
            self._flying += 1
            with torch.cuda.stream(self._in):
                self._stages.record(item, self._in)
                copy(item.place[: work.bytes_in], source[: work.bytes_in])
                self._stages.record(item, self._in)
            self._copies_in.append(item)
            if self._free:
                self._execute(item)
            else:
                self._waiting.append(item)
        except RuntimeError as problem:
            raise failure(f"{self._name}: batch {batch} of {work.model} x {work.size}", problem) from problem

    def poll(self) -> list[Seen]:
        """Look at the batch in front of each stream; give slots that are free to batches that wait."""
        seen: list[Seen] = []
        try:
            self._look_at_copies_in(seen)
            self._look_at_slots(seen)
            self._look_at_copies_out(seen)
            self._clock.tick()
        except RuntimeError as problem:
            raise failure(self._name, problem) from problem
        if seen:
            self._progress_s = self._clock.now_s()
        else:
            self._check_progress(self._clock.now_s())
        return seen

    def wait(self, until_s: float) -> None:
        """Look at the streams until something is there."""
        if not self._flying and math.isinf(until_s):
            raise ServerError(f"{self._name}: nothing is in flight, so nothing will happen")
        while True:
            now = self._clock.now_s()
            if now >= until_s:
                return
            try:
                if self._anything():
                    return
                self._clock.tick()
            except RuntimeError as problem:
                raise failure(self._name, problem) from problem
            self._check_progress(now)
            if not self._spin:
                time.sleep(min(_NAP_S, max(0.0, until_s - now)))

    def close(self) -> None:
        """Let what is in flight end, and free the memory; a GPU that is stuck or has failed is left alone."""
        if self._closed:
            return
        self._closed = True
        if self._collects:
            gc.enable()
        self._note()
        if not self._drained():
            _LOST.append(self)
            return
        self._forget()
        gc.collect()
        with suppress(Exception):
            torch.cuda.empty_cache()

    # Loading

    def _load(self, slot: _Slot, model: str, sizes: Sequence[int], pool: object) -> None:
        with guard(f"{self._name}: cannot build {model}"):
            module, example = works.ready(model, self._dtype, self._name)
        for size in sorted(set(sizes), reverse=True):  # what the largest needs is enough for the others
            with guard(f"{self._name}: cannot run {model} x {size}"):
                made = engine(module, example, size, self._dtype, slot.stream, pool)
                slot.engines[model, size] = made
                if (model, size) not in self.sources:
                    self.sources[model, size] = example_bytes(made, self._room_in)

    def _rehearse(self) -> None:
        """Send a few batches through, and forget them."""
        known = sorted(self.sources)
        heard, self.on_output = self.on_output, None
        for number in range(_REHEARSALS * len(self._slots) if known else 0):
            model, size = known[number % len(known)]
            while not self._places:
                self.poll()
            self.submit(number, Work(model, size, self._room_in, self._room_out))
        while self._flying:
            self.poll()
        self.on_output = heard

    def _output(self) -> Output:
        return Output(self._buffer(self._room_out), pinned(self._room_out))

    def _buffer(self, size: int) -> Tensor:
        return torch.zeros(size, dtype=torch.uint8, device=self._name)

    def _info(self, places: int) -> ServerInfo:
        properties: Any = torch.cuda.get_device_properties(self._index)
        details = gpu_details(properties, int(getattr(properties, "L2_cache_size", 0)))
        more = {
            "memory_bytes": int(properties.total_memory),
            "dtype": self._dtype,
            "mode": self._mode,
            "streams": f"copy-in, copy-out, {len(self._slots)} for execution",
            "places": places,
            "spin": self._spin,
        }
        return ServerInfo("cuda", str(properties.name), len(self._slots), {**details, **more})

    # Stages

    def _source(self, batch: int, work: Work) -> Tensor:
        """Return what a batch is fed from, if it can be served."""
        source = self.sources.get((work.model, work.size))
        if source is None:
            raise ServerError(f"batch {batch}: {work.model} x {work.size} is not loaded")
        if not (0 <= work.bytes_in <= self._room_in and 0 <= work.bytes_out <= self._room_out):
            raise ServerError(
                f"batch {batch}: {work.bytes_in} bytes in and {work.bytes_out} out, "
                f"the buffers have {self._room_in} and {self._room_out}"
            )
        return source

    def _execute(self, item: Batch) -> None:
        """Give a free slot to a batch."""
        slot = self._free.popleft()
        slot.batch = item
        item.output = self._outputs.pop() if self._outputs else self._another_output()
        made = slot.engines[item.work.model, item.work.size]
        moves = made.moves(item.place[: item.work.bytes_in])  # before the start is stamped: it takes the host a while
        with torch.cuda.stream(slot.stream):
            slot.stream.wait_event(item.events[_COPY_IN + 1])
            self._stages.record(item, slot.stream)
            made.execute(moves, item.output.device)
            self._stages.record(item, slot.stream)

    def _another_output(self) -> Output:
        self.grown += 1
        return self._output()

    def _copy_out(self, item: Batch) -> None:
        """Enqueue the copy of outputs that are there."""
        assert item.output is not None  # noqa: S101 (it has executed)
        size = item.work.bytes_out
        with torch.cuda.stream(self._out):
            self._stages.record(item, self._out)
            copy(item.output.host[:size], item.output.device[:size])
            self._stages.record(item, self._out)
        self._copies_out.append(item)

    # Looking

    def _look_at_copies_in(self, seen: list[Seen]) -> None:
        while self._copies_in and self._stages.reached(self._copies_in[0], _COPY_IN + 2, seen):
            self._copies_in.popleft()

    def _look_at_slots(self, seen: list[Seen]) -> None:
        """First the short copies out of all that have ended, then the next executions."""
        for slot in self._slots:
            item = slot.batch
            # A batch whose copy-in was not seen to end is in that line still, and looked at there.
            if item is None or item.reached < _EXECUTION or not self._stages.reached(item, _EXECUTION + 2, seen):
                continue
            slot.batch = None
            self._free.append(slot)
            self._places.append(item.place)
            self._copy_out(item)
        while self._free and self._waiting:
            self._execute(self._waiting.popleft())

    def _look_at_copies_out(self, seen: list[Seen]) -> None:
        while self._copies_out and self._stages.reached(self._copies_out[0], _COPY_OUT + 2, seen):
            item = self._copies_out.popleft()
            assert item.output is not None  # noqa: S101 (it has executed)
            if self.on_output is not None:
                self.on_output(item.number, item.output.host[: item.work.bytes_out])
            self._outputs.append(item.output)
            self._stages.give_back(item)
            self._flying -= 1

    def _anything(self) -> bool:
        """Return whether a batch in front of a stream has reached its next stage."""
        if self._copies_in and self._stages.is_next_there(self._copies_in[0]):
            return True
        for slot in self._slots:
            item = slot.batch
            if item is not None and item.reached >= _EXECUTION and self._stages.is_next_there(item):
                return True
        return len(self._copies_out) > 0 and self._stages.is_next_there(self._copies_out[0])

    # Failing and closing

    def _check_progress(self, now_s: float) -> None:
        if self._flying and now_s > self._progress_s + _STUCK_S:
            raise ServerError(
                f"{self._name}: nothing has ended for {_STUCK_S:g} s, though {self._flying} batches are there"
            )

    def _note(self) -> None:
        """Say how good the times are."""
        self.info.details["clock_uncertainty_s"] = self._clock.uncertainty_s
        self.info.details["clock_drift"] = self._clock.drift
        self.info.details["clamps"] = self.clamps

    def _drained(self) -> bool:
        """Wait for what was enqueued, and return whether it has ended well."""
        limit = time.perf_counter() + _CLOSING_S
        streams = [self._in, self._out, *(slot.stream for slot in self._slots)]
        with suppress(Exception):
            while not all(stream.query() for stream in streams):
                if time.perf_counter() > limit:
                    return False
                time.sleep(_NAP_S)
            torch.cuda.synchronize(self._index)
            return True
        return False

    def _forget(self) -> None:
        """Let go of everything on the GPU."""
        for slot in self._slots:
            slot.engines.clear()
            slot.batch = None
        for store in (self._copies_in, self._waiting, self._copies_out, self._places, self._outputs, self.sources):
            store.clear()
        self._stages.forget()


def _check(dtype: str, mode: str, slots: int, places: int) -> None:
    if dtype not in DTYPES:
        raise SpecError(f"dtype {dtype!r} must be one of {', '.join(DTYPES)}")
    if mode not in _MODES:
        raise SpecError(f"mode {mode!r} must be one of {', '.join(_MODES)}")
    if not 1 <= slots <= places:
        raise SpecError(f"a server needs a slot and a place for each slot, not {slots} slots and {places} places")


def _name(index: int) -> str:
    """Return torch's name of a GPU."""
    return f"cuda:{index}"
