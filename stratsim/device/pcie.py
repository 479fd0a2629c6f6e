"""Host transfers: copy engines and the links behind them.

Each GPU has one copy engine per direction; copies in one direction on one GPU are serial, in the order of submission.
A copy takes `alpha_s`, which occupies the engine but not the link, then its bytes at the link's rate.
Source: CUDA forum thread 365145 (three concurrent copies serialise), t = alpha + S / B as in policies' literature.
"""

from __future__ import annotations

from collections import deque
from enum import IntEnum
from math import inf
from typing import TYPE_CHECKING, Generic, TypeVar

from stratsim.model.tolerance import TIME_RTOL
from stratsim.solve import max_min

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from stratsim.model.profile import Link

__all__ = ["Copy", "CopyEngine", "Direction", "PrivateLinks", "SharedUplink"]

Key = TypeVar("Key")


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

    __slots__ = ("_alpha_s", "_bytes_per_s", "_free_s")

    def __init__(self, alpha_s: float, bytes_per_s: float) -> None:
        self._alpha_s = alpha_s
        self._bytes_per_s = bytes_per_s
        self._free_s = 0.0

    def submit(self, now_s: float, size_bytes: int) -> tuple[float, float]:
        """Queue a copy and return when it starts and ends; copying nothing takes no time and no engine."""
        if not size_bytes:
            return now_s, now_s
        start_s = self._free_s
        if start_s < now_s:
            start_s = now_s
        self._free_s = end_s = start_s + self._alpha_s + size_bytes / self._bytes_per_s
        return start_s, end_s


class PrivateLinks:
    """Every GPU has a link of its own, at full rate in both directions: a copy's end is known when it is submitted.

    Args:
        gpus: Number of GPUs.
        h2d: Link parameters towards the device.
        d2h: Link parameters towards the host.
    """

    __slots__ = ("_engines", "_links")

    def __init__(self, gpus: int, h2d: Link, d2h: Link) -> None:
        self._links = (h2d, d2h)
        self._engines = tuple([CopyEngine(link.alpha_s, link.bytes_per_s) for _ in range(gpus)] for link in self._links)

    def engine(self, gpu: int, direction: Direction) -> CopyEngine:
        """Return one GPU's engine in one direction."""
        return self._engines[direction][gpu]

    def submit(self, now_s: float, gpu: int, direction: Direction, size_bytes: int) -> tuple[float, float]:
        """Queue a copy and return when it starts and ends."""
        return self._engines[direction][gpu].submit(now_s, size_bytes)

    def submit_all(
        self, direction: Direction, at_s: NDArray[np.float64], size_bytes: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return when all copies in one direction on one idle GPU start and end: `submit` in one go, to the bit.

        Args:
            direction: Of all copies.
            at_s: When each is submitted, ascending, shape (n,).
            size_bytes: Bytes of each, shape (n,); copying nothing takes no time and no engine.
        """
        import numpy as np

        alpha_s, rate = self._links[direction].alpha_s, self._links[direction].bytes_per_s
        copying = np.flatnonzero(size_bytes)
        start_s = at_s.copy()
        end_s = at_s.copy()
        own_s = size_bytes[copying] / rate
        starts_s = at_s[copying]
        ends_s = starts_s + alpha_s + own_s
        # Few copies meet another; those, and whoever waits behind them, are worked off one by one.
        for row in (np.flatnonzero(ends_s[:-1] > starts_s[1:]) + 1).tolist():
            behind = row
            while behind < len(ends_s) and ends_s[behind - 1] > starts_s[behind]:
                starts_s[behind] = ends_s[behind - 1]
                ends_s[behind] = starts_s[behind] + alpha_s + own_s[behind]
                behind += 1
        start_s[copying] = starts_s
        end_s[copying] = ends_s
        return start_s, end_s


class Copy(Generic[Key]):
    """One copy on a shared uplink. `left_bytes` holds at the uplink's last update."""

    __slots__ = ("direction", "gpu", "joins_s", "key", "left_bytes", "rate", "size_bytes", "start_s")

    def __init__(self, key: Key, gpu: int, direction: Direction, size_bytes: int) -> None:
        self.key = key
        self.gpu = gpu
        self.direction = direction
        self.size_bytes = size_bytes
        self.left_bytes = float(size_bytes)
        self.rate = 0.0
        self.start_s = inf
        self.joins_s = inf


class SharedUplink(Generic[Key]):
    """All GPUs share one uplink, max-min fairly, in each direction; each GPU's own link caps its copies too.

    The owner calls `submit` and `complete`, and sees to it that `complete` is called at `next_s`.

    Args:
        gpus: Number of GPUs.
        h2d: Link parameters of each GPU's own link, towards the device.
        d2h: The same towards the host.
        uplink_bytes_per_s: Capacity of the uplink, per direction.
    """

    def __init__(self, gpus: int, h2d: Link, d2h: Link, uplink_bytes_per_s: float) -> None:
        self._links = (h2d, d2h)
        self._uplink = uplink_bytes_per_s
        self._queues: tuple[list[deque[Copy[Key]]], ...] = tuple([deque() for _ in range(gpus)] for _ in Direction)
        self._heads: list[Copy[Key]] = []
        self._updated_s = 0.0
        self._ends_next: Copy[Key] | None = None
        self.next_s = inf
        """When the next copy joins its link or ends; `inf` when all engines are idle."""

    def submit(self, now_s: float, gpu: int, direction: Direction, size_bytes: int, key: Key) -> None:
        """Queue a copy."""
        queue = self._queues[direction][gpu]
        queue.append(Copy(key, gpu, direction, size_bytes))
        if len(queue) == 1:
            self._advance(now_s)
            self._engage(now_s, queue[0])
            self._solve(now_s)

    def complete(self, now_s: float) -> list[Copy[Key]]:
        """Go on to `now_s`, which must be `next_s`, and return the copies that end there (maybe none)."""
        self._advance(now_s)
        if self._ends_next is not None:
            self._ends_next.left_bytes = 0.0  # by definition of next_s: no rounding error decides it
        ended = [
            copy for copy in self._heads if copy.joins_s <= now_s and copy.left_bytes <= TIME_RTOL * copy.size_bytes
        ]
        for copy in ended:
            self._heads.remove(copy)
            queue = self._queues[copy.direction][copy.gpu]
            queue.popleft()
            if queue:
                self._engage(now_s, queue[0])
        self._solve(now_s)
        return ended

    def _engage(self, now_s: float, copy: Copy[Key]) -> None:
        copy.start_s = now_s
        copy.joins_s = now_s + self._links[copy.direction].alpha_s
        self._heads.append(copy)

    def _advance(self, now_s: float) -> None:
        elapsed = now_s - self._updated_s
        self._updated_s = now_s
        for copy in self._heads:
            copy.left_bytes -= elapsed * copy.rate

    def _solve(self, now_s: float) -> None:
        self.next_s = inf
        self._ends_next = None
        for direction in Direction:
            heads = [copy for copy in self._heads if copy.direction is direction]
            active = [copy for copy in heads if copy.joins_s <= now_s]
            # Link 0 is the uplink; each active copy has its GPU's own link besides.
            own = self._links[direction].bytes_per_s
            rates = max_min([(0, i + 1) for i in range(len(active))], [self._uplink] + [own] * len(active))
            for copy, rate in zip(active, rates, strict=True):
                copy.rate = rate
                at_s = now_s + copy.left_bytes / rate
                if at_s < self.next_s:
                    self.next_s, self._ends_next = at_s, copy
            for copy in heads:
                if copy.joins_s > now_s and copy.joins_s < self.next_s:
                    self.next_s, self._ends_next = copy.joins_s, None
