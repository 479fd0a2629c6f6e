"""Lists of requests, each linked to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratsim.fast.codes import QUEUES
from stratsim.fast.compiled import compiled
from stratsim.fast.triton.codes import BEHIND_AT, COUNT, FIRST, LAST, NONE

if TYPE_CHECKING:
    from stratsim.fast.compiled import Ints

__all__ = ["append", "behind", "clear", "cut", "pop"]


@compiled
def behind(ints: Ints, request: int) -> int:
    """Return the next request in a list; NONE behind the last."""
    return ints[ints[ints[QUEUES] + BEHIND_AT] + request]  # type: ignore[no-any-return]


@compiled
def clear(ints: Ints, queue: int) -> None:
    """Make a list empty."""
    ints[queue + FIRST] = ints[queue + LAST] = NONE
    ints[queue + COUNT] = 0


@compiled
def append(ints: Ints, queue: int, request: int) -> None:
    """Put a request, which is in no list, at the end."""
    links = ints[ints[QUEUES] + BEHIND_AT]
    ints[links + request] = NONE
    if ints[queue + COUNT]:
        ints[links + ints[queue + LAST]] = request
    else:
        ints[queue + FIRST] = request
    ints[queue + LAST] = request
    ints[queue + COUNT] += 1


@compiled
def cut(ints: Ints, queue: int, before: int, request: int) -> None:
    """Take out the request behind another; before the first is NONE."""
    following = behind(ints, request)
    if before == NONE:
        ints[queue + FIRST] = following
    else:
        ints[ints[ints[QUEUES] + BEHIND_AT] + before] = following
    if following == NONE:
        ints[queue + LAST] = before
    ints[queue + COUNT] -= 1


@compiled
def pop(ints: Ints, queue: int) -> int:
    """Take out the first request; there must be one."""
    request = ints[queue + FIRST]
    cut(ints, queue, NONE, request)
    return request  # type: ignore[no-any-return]
