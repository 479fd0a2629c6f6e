"""What copies take alone on a link, each size worked out once."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stratsim.model.parts import Link

__all__ = ["CopyTimes"]

_CACHE_LIMIT = 65_536


class CopyTimes(dict[int, float]):
    """What a copy takes alone on a link, seconds, by its size in bytes; worked out when first asked for."""

    def __init__(self, link: Link) -> None:
        super().__init__()
        self._link = link

    def __missing__(self, size_bytes: int) -> float:
        if len(self) >= _CACHE_LIMIT:
            self.clear()
        copy_s = self[size_bytes] = self._link.copy_s(size_bytes)
        return copy_s
