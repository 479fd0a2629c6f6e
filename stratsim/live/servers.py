"""Finds what serves on a device, by the entry points `stratsim.servers`.

A server's class is called as `Class(index_or_cores, slots=..., places=..., max_bytes_in=..., max_bytes_out=...,
dtype=..., mode=...)` and follows `stratsim.model.server.Server`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from stratsim.errors import MissingExtraError, SpecError, suggest
from stratsim.plugins import points

if TYPE_CHECKING:
    from stratsim.model.server import Server

__all__ = ["Room", "check_device", "open_server"]

_GROUP = "stratsim.servers"


class Room(NamedTuple):
    """What a server must hold.

    Args:
        slots: Batches that execute at once.
        places: Those, and further ones that may copy in or wait.
        max_bytes_in: Inputs of the largest batch, bytes.
        max_bytes_out: Outputs of the largest batch, bytes.
    """

    slots: int
    places: int
    max_bytes_in: int
    max_bytes_out: int


def check_device(device: str) -> tuple[str, int | None]:
    """Return the kind of a device, and its index (cuda) or number of cores (cpu) where it is given.

    Raises:
        SpecError: it is not written KIND or KIND:NUMBER, or nothing serves on such a device.
    """
    kind, colon, number = device.partition(":")
    known = points(_GROUP)
    if kind not in known:
        raise SpecError(f"device {device!r}: nothing serves on {kind!r}; {suggest(kind, known)}")
    if colon and not number.isdecimal():
        raise SpecError(f"device {device!r}: expected {kind} or {kind}:NUMBER")
    return kind, int(number) if colon else None


def open_server(device: str, room: Room, *, dtype: str | None = None, mode: str | None = None) -> Server:
    """Return a server on a device; nothing is loaded yet.

    Raises:
        SpecError: there is no such device, or it does not know the data type or mode.
        MissingExtraError: what it needs is not installed.
        ServerError: the device does not answer.
    """
    kind, number = check_device(device)
    try:
        server: Any = points(_GROUP)[kind].load()
        opened: Server = server(number, **room._asdict(), dtype=dtype, mode=mode)
    except ModuleNotFoundError as error:
        raise MissingExtraError((error.name or "a package").partition(".")[0], "profiler") from error
    return opened
