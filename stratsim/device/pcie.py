"""Copies over links that nobody shares: the end of a copy is known when it is submitted.

Each GPU has one copy engine per direction; copies in one direction on one GPU are serial, in the order of submission.
A copy takes `alpha_s`, which occupies the engine but not the link, then its bytes at the link's rate.
`stratsim.device.fabric` has everything else.

Source: CUDA forum thread 365145 (three concurrent copies serialise), t = alpha + S / B as in policies' literature.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from stratsim.model.profile import Link

__all__ = ["CopyEngine", "Direction", "PrivateLinks"]


class Direction(IntEnum):
    """Direction of a copy."""

    H2D = 0
    """Host to device."""
    D2H = 1
    """Device to host."""


class CopyEngine:
    """One copy engine of one GPU, on a link of its own: a copy's end is known when it is submitted.

    Args:
        alpha_s: Fixed time per copy.
        bytes_per_s: Rate of the link.
    """

    __slots__ = ("_free_s", "alpha_s", "bytes_per_s")

    def __init__(self, alpha_s: float, bytes_per_s: float) -> None:
        self.alpha_s = alpha_s
        self.bytes_per_s = bytes_per_s
        self._free_s = 0.0

    def submit(self, now_s: float, size_bytes: int) -> tuple[float, float]:
        """Queue a copy and return when it starts and ends; copying nothing takes no time and no engine."""
        if not size_bytes:
            return now_s, now_s
        start_s = self._free_s
        if start_s < now_s:
            start_s = now_s
        self._free_s = end_s = start_s + self.alpha_s + size_bytes / self.bytes_per_s
        return start_s, end_s


class PrivateLinks:
    """Every GPU has a link of its own, at full rate in both directions: a copy's end is known when it is submitted.

    Args:
        links: By GPU: the link towards the device and the one back.
    """

    __slots__ = ("_engines",)

    def __init__(self, links: Sequence[tuple[Link, Link]]) -> None:
        self._engines = [[CopyEngine(link.alpha_s, link.bytes_per_s) for link in pair] for pair in links]

    @property
    def gpus(self) -> int:
        """Number of GPUs."""
        return len(self._engines)

    def engine(self, gpu: int, direction: Direction) -> CopyEngine:
        """Return one GPU's engine in one direction."""
        return self._engines[gpu][direction]

    def submit(self, now_s: float, gpu: int, direction: Direction, size_bytes: int) -> tuple[float, float]:
        """Queue a copy and return when it starts and ends."""
        return self._engines[gpu][direction].submit(now_s, size_bytes)

    def submit_all(
        self, gpu: int, direction: Direction, at_s: NDArray[np.float64], size_bytes: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return when many copies in one direction on one GPU start and end: `submit` in one go, to the bit.

        Args:
            gpu: Of all copies.
            direction: Of all copies.
            at_s: When each is submitted, ascending, shape (n,).
            size_bytes: Bytes of each, shape (n,); copying nothing takes no time and no engine.
        """
        import numpy as np

        engine = self._engines[gpu][direction]
        start_s = at_s.copy()
        end_s = at_s.copy()
        copying = np.flatnonzero(size_bytes)
        if not len(copying):
            return start_s, end_s
        own_s = size_bytes[copying] / engine.bytes_per_s
        starts_s = at_s[copying]
        starts_s[0] = max(starts_s[0], engine._free_s)
        ends_s = starts_s + engine.alpha_s + own_s
        # Few copies meet another; those, and the copies that wait behind them, are computed one by one.
        for row in (np.flatnonzero(ends_s[:-1] > starts_s[1:]) + 1).tolist():
            behind = row
            while behind < len(ends_s) and ends_s[behind - 1] > starts_s[behind]:
                starts_s[behind] = ends_s[behind - 1]
                ends_s[behind] = starts_s[behind] + engine.alpha_s + own_s[behind]
                behind += 1
        start_s[copying] = starts_s
        end_s[copying] = ends_s
        engine._free_s = float(ends_s[-1])
        return start_s, end_s
