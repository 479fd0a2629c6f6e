"""Streams, events, copies and clock: one interface, on CUDA and on CPU processes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from stratsim.errors import MissingExtraError, SpecError

if TYPE_CHECKING:
    from stratsim_profiler.device.base import Device

__all__ = ["open_device"]


def open_device(spec: str) -> Device:
    """Return a device by its name.

    Args:
        spec: `cuda`, `cuda:1`, `cpu` (two cores) or `cpu:N` (N cores).

    Raises:
        MissingExtraError: torch is not installed.
        SpecError: there is no such device.
    """
    kind, _, rest = spec.partition(":")
    if kind not in ("cuda", "cpu"):
        raise SpecError(f"device {spec!r} must be cuda, cuda:INDEX, cpu or cpu:CORES")
    if rest and not (rest.isascii() and rest.isdigit()):
        raise SpecError(f"device {spec!r}: {rest!r} is not a number")
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # torch.profiler would report every start and stop on stderr
    try:
        import torch  # noqa: F401
    except ImportError:
        raise MissingExtraError("torch", "profiler") from None
    if kind == "cuda":
        # Streams of one hardware queue wait for each other; with CUDA's default of 8, torch's pool of 32 shares them.
        os.environ.setdefault("CUDA_DEVICE_MAX_CONNECTIONS", "32")
        from stratsim_profiler.device.cuda import CudaDevice

        return CudaDevice(int(rest or 0))
    from stratsim_profiler.device.cpu import CpuDevice

    return CpuDevice(int(rest) if rest else None)
