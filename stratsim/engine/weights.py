"""Loads weights before the batches that need them, and makes room for them."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from stratsim.device import Direction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratsim.device import DeviceMemory
    from stratsim.engine.batch import Batch
    from stratsim.engine.copies import Copies
    from stratsim.engine.gpu import Gpu
    from stratsim.engine.recorder import Recorder

__all__ = ["Loader", "Loaders"]


class Loader:
    """The weights of one GPU.

    A batch whose model is not there has it loaded, and its inputs follow the weights on the same engines. A load that
    finds no room waits until batches in flight leave, and everything dispatched to this GPU after it waits behind it.

    Args:
        gpu: The GPU.
        memory: Its memory.
        copies: Moves the bytes.
        recorder: Takes note of loads.
    """

    __slots__ = ("_copies", "_gpu", "_loaded_by", "_loading", "_memory", "_queue", "_recorder")

    def __init__(self, gpu: Gpu, memory: DeviceMemory, copies: Copies, recorder: Recorder) -> None:
        self._gpu = gpu
        self._memory = memory
        self._copies = copies
        self._recorder = recorder
        self._queue: deque[Batch] = deque()
        """Batches that wait for room, or behind one that does."""
        self._loading: dict[str, list[Batch]] = {}
        """Models whose weights are on their way, with the batches whose inputs are there already."""
        self._loaded_by: dict[str, int] = {}
        """Batch that had each model loaded."""

    def copy_in(self, batch: Batch, now_s: float) -> None:
        """Take a batch that was dispatched."""
        self._queue.append(batch)
        if len(self._queue) == 1:
            self._admit(now_s)

    def executed(self, model: str, now_s: float) -> None:
        """A batch of `model` has executed: others may have its room."""
        self._memory.release(model)
        self._admit(now_s)

    def input_there(self, batch: Batch, now_s: float) -> None:
        """A batch's inputs are on the GPU; it may execute once its model's weights are, too."""
        if batch.model in self._loading:
            self._loading[batch.model].append(batch)
        else:
            self._gpu.ready(now_s, batch)

    def _admit(self, now_s: float) -> None:
        """Let batches start to copy, in the order of dispatch, as far as there is room for their models."""
        while self._queue:
            batch = self._queue[0]
            load = batch.model not in self._memory
            if load and not self._make_room(batch.model, now_s):
                return
            self._queue.popleft()
            self._memory.use(batch.model)
            if load:
                self._load(batch, now_s)
            self._copies.copy_in(self._gpu, batch, now_s)

    def _make_room(self, model: str, now_s: float) -> bool:
        goes = self._memory.reserve(model)
        if goes is None:
            return False
        for other in goes:
            del self._gpu.state.resident[other]
            self._recorder.loads[self._loaded_by.pop(other)].evicted_s = now_s
        return True

    def _load(self, batch: Batch, now_s: float) -> None:
        model = batch.model
        self._loaded_by[model] = batch.id
        self._loading[model] = []
        self._recorder.load(batch.id)
        size_bytes = self._memory.weights_bytes(model)
        self._copies.send(self._gpu, Direction.H2D, size_bytes, now_s, self._weights_there, model)

    def _weights_there(self, gpu: Gpu, model: str, start_s: float, now_s: float) -> bool:
        gpu.state.resident[model] = None
        load = self._recorder.loads[self._loaded_by[model]]
        load.start_s, load.end_s = start_s, now_s
        for batch in self._loading.pop(model):
            gpu.ready(now_s, batch)
        return False


class Loaders:
    """The weights of all GPUs, between the dispatch of a batch and the copy of its inputs.

    Args:
        loaders: By GPU.
    """

    __slots__ = ("_loaders",)

    def __init__(self, loaders: Sequence[Loader]) -> None:
        self._loaders = loaders

    def copy_in(self, gpu: Gpu, batch: Batch, now_s: float) -> None:
        """Copy a dispatched batch's inputs in, after its model's weights if they are not there."""
        self._loaders[gpu.state.id].copy_in(batch, now_s)

    def input_there(self, gpu: Gpu, batch: Batch, now_s: float) -> None:
        """Let a batch execute once its model's weights are there, too."""
        self._loaders[gpu.state.id].input_there(batch, now_s)

    def executed(self, gpu: Gpu, model: str, now_s: float) -> None:
        """A batch of `model` has executed: others may have its room."""
        self._loaders[gpu.state.id].executed(model, now_s)
