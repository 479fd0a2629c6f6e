"""Models on a slot of a GPU: captured graphs that read a batch's bytes and write its outputs' bytes.

Graphs of one slot never run at once, as they share a stream. So they share weights and one memory pool, as a server's
do. A later graph's outputs may lie where an earlier graph's scratch memory is: outputs last only until the slot's next
replay. They are therefore moved aside on the slot's stream, right behind the replay; the slot's next batch need not
wait until they are on the host.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from stratsim_profiler.device import works
from stratsim_profiler.device.cuda import no_collection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor, nn

__all__ = ["Engine", "as_bytes", "copy", "engine", "example_bytes", "pinned"]

_WARM_UP = 3
_REPLAYS = 2
"""The first replay of a graph uploads it."""


@dataclass(frozen=True, slots=True)
class Engine:
    """A model at one batch size on one slot.

    Args:
        inputs: Memory of its inputs, as bytes.
        run: Enqueues it on the current stream and returns the memory of its outputs, as bytes.
        keep: What must live as long: the graph.
    """

    inputs: tuple[Tensor, ...]
    run: Callable[[], tuple[Tensor, ...]]
    keep: tuple[object, ...] = ()

    def moves(self, staged: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return what must be copied before a run: targets and sources.

        Tensors follow each other in a batch's bytes. Where there are fewer than they need, the rest keeps what it has;
        where there are more, those behind are not used.
        """
        return [(part, whole) for whole, part in _pieces(staged, self.inputs)]

    def execute(self, moves: list[tuple[Tensor, Tensor]], aside: Tensor) -> None:
        """Enqueue a batch on the current stream: inputs in, run, outputs aside, as far as both go."""
        for target, source in moves:
            copy(target, source)
        for whole, part in _pieces(aside, self.run()):
            copy(whole, part)


def engine(
    module: nn.Module, example: tuple[Tensor, ...], size: int, dtype: str, stream: torch.cuda.Stream, pool: Any
) -> Engine:
    """Build a model for a batch size on a slot's stream.

    Args:
        module: The slot's weights.
        example: The input of one request.
        size: Requests in a batch.
        dtype: Type of inputs and weights.
        stream: The slot's.
        pool: The memory pool of the slot's graphs; None to launch every kernel from Python instead.
    """
    made = works.served(module, example, size, dtype)
    torch.cuda.synchronize()  # the inputs were made on another stream
    with torch.cuda.stream(stream):
        for _ in range(_WARM_UP):  # workspaces and chosen kernels are there before the capture
            made.run()
    stream.synchronize()
    inputs = tuple(as_bytes(part) for part in made.inputs)
    if pool is None:
        return Engine(inputs, lambda: tuple(as_bytes(part) for part in made.run()), keep=(made,))
    graph = torch.cuda.CUDAGraph()
    with no_collection(), torch.cuda.graph(graph, pool=pool, stream=stream):
        outputs = made.run()
    found = tuple(as_bytes(part) for part in outputs)

    def replay() -> tuple[Tensor, ...]:
        graph.replay()
        return found

    with torch.cuda.stream(stream):
        for _ in range(_REPLAYS):
            replay()
    stream.synchronize()
    return Engine(inputs, replay, keep=(graph, made, outputs))


def example_bytes(made: Engine, room: int) -> Tensor:
    """Return pinned memory of `room` bytes that begins with the inputs as they are: the example of every request."""
    host = pinned(room)
    for whole, part in _pieces(host, made.inputs):
        whole.copy_(part)
    return host


def pinned(size: int) -> Tensor:
    """Return page-locked memory of the host, zeroed, as bytes."""
    return torch.zeros(size, dtype=torch.uint8, pin_memory=True)


def copy(target: Tensor, source: Tensor) -> None:
    """Enqueue a copy on the current stream."""
    target.copy_(source, non_blocking=True)


def as_bytes(tensor: Tensor) -> Tensor:
    """Return a contiguous tensor's memory as bytes."""
    return tensor.reshape(-1).view(torch.uint8)


def _pieces(whole: Tensor, parts: Sequence[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
    """Return the pieces of a row of bytes and of the tensors that follow each other in it, as far as both go."""
    begin, room = 0, whole.numel()
    for part in parts:
        size = min(part.numel(), room - begin)
        if size <= 0:
            return
        yield whole[begin : begin + size], part[:size]
        begin += size
