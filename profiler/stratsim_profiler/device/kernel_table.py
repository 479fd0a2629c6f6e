"""Kernels of one inference, from torch.profiler: their number, lengths and families."""

from __future__ import annotations

from statistics import fmean, median
from typing import TYPE_CHECKING

from stratsim_profiler.device.base import KernelTable
from stratsim_profiler.samples import Phase

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["family", "profile_kernels", "tabulate"]

_FAMILIES = (
    ("copy", ("memcpy", "memset", "copy_", "clone", "::cat", "catarray")),
    ("attention", ("flash", "fmha", "attention", "softmax")),
    ("pool", ("pool",)),
    ("normalization", ("norm", "bn_fw", "batch_norm")),
    ("convolution", ("conv", "wgrad", "dgrad", "winograd", "fprop", "scudnn", "depthwise")),
    ("matrix-product", ("gemm", "gemv", "nvjet", "cutlass", "addmm", "::mm", "bmm", "matmul", "linear")),
    ("elementwise", ("elementwise", "relu", "gelu", "silu", "::add", "::mul", "hardtanh", "clamp", "tanh")),
    ("reduction", ("reduce", "mean", "sum")),
    ("gather", ("index", "embedding", "gather")),
)
"""Families by parts of the names of kernels and operators, lower case; the first that matches counts."""


def family(name: str) -> str:
    """Return the family of a kernel or operator."""
    lower = name.lower()
    return next((found for found, parts in _FAMILIES if any(part in lower for part in parts)), "other")


def tabulate(kernels: Sequence[tuple[str, float]], iterations: int) -> KernelTable:
    """Return the table of an iteration's kernels.

    Args:
        kernels: Name and duration in seconds of every kernel, in the order of their starts.
        iterations: How many inferences they come from.
    """
    one = _one_iteration(kernels, iterations)
    if not one:
        return KernelTable(0, 0.0, 0.0, 0.0, ())
    seconds: dict[str, list[float]] = {}
    for name, duration in one:
        seconds.setdefault(family(name), []).append(duration)
    every = [duration for _, duration in one]
    phases = [Phase(name, sum(found), len(found)) for name, found in seconds.items()]
    return KernelTable(
        count=len(every),
        mean_s=fmean(every),
        max_s=max(every),
        total_s=sum(every),
        phases=tuple(sorted(phases, key=lambda phase: -phase.seconds)),
    )


def _one_iteration(kernels: Sequence[tuple[str, float]], iterations: int) -> list[tuple[str, float]]:
    """Return each kernel of an iteration with its median duration: the first iteration under the profiler is slow.

    Iterations that do not launch the same kernels cannot be matched; the last one stands for all then.
    """
    count = len(kernels) // iterations
    if len(kernels) % iterations:
        return list(kernels[-count:]) if count else list(kernels)
    return [(kernels[i][0], median(duration for _, duration in kernels[i::count])) for i in range(count)]


def profile_kernels(run: Callable[[], None], iterations: int, *, cuda: bool) -> KernelTable:
    """Run under torch.profiler.

    Args:
        run: One inference, waited for.
        iterations: How many.
        cuda: Whether to look at the kernels of the GPU; else at the operators of the CPU, each without what it calls.
    """
    from torch.profiler import ProfilerActivity, profile

    activities = [ProfilerActivity.CPU, ProfilerActivity.CUDA] if cuda else [ProfilerActivity.CPU]
    with profile(activities=activities) as seen:
        for _ in range(iterations):
            run()
    events = sorted(seen.events() or (), key=lambda event: event.time_range.start)
    if cuda:
        found = [(e.name, e.time_range.elapsed_us() / 1e6) for e in events if e.device_type.name == "CUDA"]
    else:
        found = [(e.name, e.self_cpu_time_total / 1e6) for e in events if e.name.startswith("aten::")]
    return tabulate(found, iterations)
