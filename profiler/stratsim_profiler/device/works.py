"""What lanes run, in torch: the same inferences and loads on every device."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import torch

from stratsim.errors import SpecError
from stratsim_profiler.zoo.build import DTYPES, batched, build, tensors

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

    from stratsim_profiler.device.base import Inference, Stress

__all__ = ["RESOURCES", "Served", "Sizes", "burst", "inference", "median_seconds", "pause_s", "ready", "served"]

RESOURCES = ("compute", "dram", "l2", "copy", "empty")
"""What a stressor can load."""


class Sizes(NamedTuple):
    """How big a stressor's burst is on a device; each should take about 0.2 ms (GPU) or 1 ms (CPU).

    Args:
        matrix: Side of the square matrices that `compute` multiplies.
        dtype: Their type.
        dram_bytes: What `dram` copies; several times the last-level cache.
        cached_bytes: What `l2` works on; well inside the last-level cache.
        copy_bytes: What `copy` copies between host and device.
    """

    matrix: int
    dtype: str
    dram_bytes: int
    cached_bytes: int
    copy_bytes: int


class Served(NamedTuple):
    """One inference whose inputs can be written and whose outputs can be read.

    Args:
        inputs: Static and contiguous: what `run` reads every time.
        run: Runs once and returns the outputs, contiguous; new ones with every call. A captured call writes the
            outputs that it returned whenever it is replayed.
    """

    inputs: tuple[Tensor, ...]
    run: Callable[[], tuple[Tensor, ...]]


def ready(model: str, dtype: str, device: str) -> tuple[nn.Module, tuple[Tensor, ...]]:
    """Return a model with its weights as `dtype`, and the example input of one request.

    Raises:
        SpecError: the dtype is not known, or the model cannot be built.
    """
    if dtype not in DTYPES:
        raise SpecError(f"dtype {dtype!r} must be one of {', '.join(DTYPES)}")
    module, example = build(model, device)
    return module.to(DTYPES[dtype]), example


def served(module: nn.Module, example: tuple[Tensor, ...], batch: int, dtype: str) -> Served:
    """Return an inference of `batch` requests with inputs of its own; the weights are the module's."""
    inputs = tuple(part.contiguous() for part in batched(example, batch, DTYPES[dtype]))

    def run() -> tuple[Tensor, ...]:
        with torch.inference_mode():
            return tuple(part.contiguous() for part in tensors(module(*inputs)))

    return Served(inputs, run)


def inference(work: Inference, device: str) -> Callable[[], None]:
    """Return one inference on static inputs; weights and inputs are its own.

    Raises:
        SpecError: the dtype is not known, or the model cannot be built or run.
    """
    module, example = ready(work.model, work.dtype, device)
    inputs = batched(example, work.batch, DTYPES[work.dtype])

    def run() -> None:
        with torch.inference_mode():
            module(*inputs)

    return run


def burst(work: Stress, device: str, sizes: Sizes) -> Callable[[], None]:
    """Return one burst of a stressor, without the pause that makes its level.

    Raises:
        SpecError: the resource is not known.
    """
    makers = {"compute": _compute, "dram": _dram, "l2": _cached, "copy": _copy, "empty": _empty}
    if work.resource not in makers:
        raise SpecError(f"stressor {work.resource!r} must be one of {', '.join(RESOURCES)}")
    return makers[work.resource](device, sizes)


def pause_s(busy_s: float, level: float) -> float:
    """Return how long a stressor rests after a burst of `busy_s`, to be busy for a share `level` of the time."""
    return busy_s * (1.0 - level) / level


def median_seconds(run: Callable[[], None], repeats: int = 5) -> float:
    """Return the median time of a call, by the host's clock."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return sorted(times)[repeats // 2]


def _compute(device: str, sizes: Sizes) -> Callable[[], None]:
    a = torch.randn(sizes.matrix, sizes.matrix, device=device).to(DTYPES[sizes.dtype])
    out = torch.empty_like(a)
    return lambda: _ignore(torch.matmul(a, a, out=out))


def _dram(device: str, sizes: Sizes) -> Callable[[], None]:
    source = torch.ones(sizes.dram_bytes, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return lambda: _ignore(target.copy_(source))


def _cached(device: str, sizes: Sizes) -> Callable[[], None]:
    values = torch.ones(sizes.cached_bytes // 4, device=device)

    def run() -> None:
        for _ in range(20):
            values.mul_(1.0)

    return run


def _copy(device: str, sizes: Sizes) -> Callable[[], None]:
    on_gpu = device.startswith("cuda")
    host = torch.ones(sizes.copy_bytes, dtype=torch.uint8, pin_memory=on_gpu)
    there = torch.empty(sizes.copy_bytes, dtype=torch.uint8, device=device)
    return lambda: _ignore(there.copy_(host, non_blocking=on_gpu))


def _empty(device: str, sizes: Sizes) -> Callable[[], None]:  # noqa: ARG001
    values = torch.zeros(1, device=device)

    def run() -> None:
        for _ in range(100):
            values.add_(0.0)

    return run


def _ignore(_: object) -> None:
    """Drop a result: a lane's iteration returns nothing."""
