"""REEF's dynamic kernel padding: how many low-priority blocks fit beside a high-priority kernel.

A pure function: the simulated device has no blocks that could be padded under a fluid model, so no policy uses it.
"""

from __future__ import annotations

from math import ceil, floor
from typing import TYPE_CHECKING

from stratsim.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["padded_blocks"]


def padded_blocks(
    urgent_blocks: int,
    urgent_s: float,
    latency_s: Mapping[int, float],
    *,
    units: int = 60,
    occupancy: int,
    remaining: int | None = None,
) -> int:
    """Return how many blocks of a low-priority kernel run beside a high-priority kernel without delaying it.

    The high-priority kernel needs ceil(blocks / units) layers of blocks, and so that many fewer compute units; in each
    of the others the low-priority kernel runs as often as its latency fits into that of the high-priority kernel.

    Source: REEF (OSDI 2022), SJTU-IPADS/reef, src/reef/server/scheduler.cpp.

    Args:
        urgent_blocks: Blocks of the high-priority kernel, > 0.
        urgent_s: Its latency, seconds, > 0.
        latency_s: Latency of the low-priority kernel's blocks by occupancy (blocks per compute unit), seconds.
        units: Compute units; 60 on the paper's MI50.
        occupancy: The most blocks per compute unit with the resources of both kernels.
        remaining: Blocks that the low-priority kernel still has; None for any number.

    Raises:
        SpecError: a number that is not positive.
    """
    for name, value in (("urgent_blocks", urgent_blocks), ("urgent_s", urgent_s), ("units", units)):
        if not value > 0:
            raise SpecError(f"{name} must be > 0, got {value!r}")
    fitting = [each for each, own_s in latency_s.items() if each <= occupancy and own_s <= urgent_s]
    if not fitting:
        return 0
    own = max(fitting)
    layers = ceil(urgent_blocks / units)
    taken = ceil(urgent_blocks / layers)
    blocks = (units - taken) * floor(urgent_s / latency_s[own]) * own
    return blocks if remaining is None else min(blocks, remaining)
