"""The simulated machine around the profile: how many GPUs, how they share, how they are linked."""

from __future__ import annotations

import math
from dataclasses import dataclass

from stratsim.errors import SpecError

__all__ = ["Cluster"]


@dataclass(frozen=True, slots=True)
class Cluster:
    """Identical GPUs, each on a PCIe link of its own, optionally behind one shared uplink.

    Every default is our choice.

    Args:
        gpus: Number of GPUs.
        device_model: Name of the execution model, the truth of how co-located batches slow each other
            (`stratsim.device.EXECUTION_MODELS`).
        max_concurrency: C, the number of batches that may *execute* at once on a GPU.
        prefetch: How many further batches per GPU may copy in, or wait with their input on the GPU. A start is
            legal while executing + staged < C + prefetch; copy-out holds no slot.
        transfers: False makes copies instantaneous.
        uplink_bytes_per_s: Capacity, per direction, of the uplink that all GPUs share max-min fairly;
            None means every GPU always gets its own link's full rate.
    """

    gpus: int = 1
    device_model: str = "streams"
    max_concurrency: int = 2
    prefetch: int = 1
    transfers: bool = True
    uplink_bytes_per_s: float | None = None

    def __post_init__(self) -> None:
        for name, least in (("gpus", 1), ("max_concurrency", 1), ("prefetch", 0)):
            if getattr(self, name) < least:
                raise SpecError(f"{name} must be at least {least}, got {getattr(self, name)}")
        uplink = self.uplink_bytes_per_s
        if uplink is not None and not (uplink > 0 and math.isfinite(uplink)):
            raise SpecError(f"uplink_bytes_per_s must be > 0 bytes per second, got {uplink}")
