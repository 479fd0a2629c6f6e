"""iGniter's analytic model: how long co-located batches take on a GPU split into partitions."""

from __future__ import annotations

from math import fsum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratsim.model.igniter import IgniterGpu, IgniterModel

__all__ = ["Resident", "execution_ms", "resident"]

_LEAST_CLOCK = 0.1
"""Share of the full clock below which it never falls: on a line alone a crowd would stop it (our choice)."""


class Resident(NamedTuple):
    """What a batch in its partition brings to the GPU."""

    active_ms: float
    """Active time alone."""
    l2_percent: float
    """L2 utilisation."""
    power_w: float
    delay_ms: float
    """Scheduling delay alone."""
    kernels: int
    sensitivity: float
    """Growth of the active time per % of L2 that others use."""


def resident(model: IgniterModel, batch: int, percent: float) -> Resident:
    """Return what a batch of `batch` items brings in a partition of `percent` of the GPU."""
    active_ms = model.active_ms(batch, percent)
    items_per_s = 1000.0 * batch / active_ms
    return Resident(
        active_ms,
        model.l2_slope * items_per_s + model.l2_offset,
        model.power_slope * items_per_s + model.power_offset,
        model.delay_ms,
        model.kernels,
        model.sensitivity,
    )


def execution_ms(gpu: IgniterGpu, residents: Sequence[Resident]) -> list[float]:
    """Return how long each of the co-located batches executes, without copies, ms; shape (n,). Cost O(n).

    Kernels of n >= 2 batches queue for the scheduler, others' use of the L2 prolongs the active time, and above the
    power limit the clock falls for all.
    """
    count = len(residents)
    delay_ms = gpu.delay_slope_ms * count + gpu.delay_offset_ms if count > 1 else 0.0
    l2_percent = fsum([one.l2_percent for one in residents])
    slow = _clock_loss(gpu, fsum([one.power_w for one in residents]))
    return [
        slow
        * (
            one.delay_ms
            + one.kernels * delay_ms
            + one.active_ms * (1.0 + one.sensitivity * (l2_percent - one.l2_percent))
        )
        for one in residents
    ]


def _clock_loss(gpu: IgniterGpu, power_w: float) -> float:
    """Return F / f: by how much everything takes longer at the clock that the power limit allows."""
    excess_w = max(0.0, gpu.idle_power_w + power_w - gpu.power_limit_w)
    clock_mhz = gpu.clock_mhz + gpu.clock_per_w * excess_w
    return gpu.clock_mhz / max(clock_mhz, _LEAST_CLOCK * gpu.clock_mhz)
