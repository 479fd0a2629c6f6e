"""Finds what serves on a device, by the entry points `stratsim.servers`.

A server's class is called as `Class(index_or_cores, slots=..., places=..., max_bytes_in=..., max_bytes_out=...,
dtype=..., mode=...)` and follows `stratsim.model.server.Server`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from stratsim.errors import MissingExtraError, SpecError, suggest
from stratsim.plugins import points

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Self

    from stratsim.model.server import Server

__all__ = ["Keeper", "Room", "Target", "check_device", "open_server"]

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


@dataclass(frozen=True, slots=True)
class Target:
    """Where to serve.

    Args:
        device: `cuda:INDEX`, `cpu` or `cpu:CORES`.
        dtype: Data type of the models; None: the server's choice.
        mode: How a GPU is given its kernels; None: the server's choice.
        patience_s: How long no stage may be seen while batches are in flight.
    """

    device: str
    dtype: str | None = None
    mode: str | None = None
    patience_s: float = 30.0

    def __post_init__(self) -> None:
        check_device(self.device)
        if not self.patience_s > 0:
            raise SpecError(f"patience must be above 0, got {self.patience_s}")


class Keeper:
    """Keeps a server open from run to run, as long as it has what the next one needs: models take long to build.

    Use it in a `with` block, or call `close`.
    """

    def __init__(self) -> None:
        self.batches = 0
        """Batches given to the open server so far: batch numbers count up over its life."""
        self._server: Server | None = None
        self._asked: tuple[Target, Room] | None = None
        self._largest: dict[str, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def server(self, target: Target, room: Room, largest: Mapping[str, int], say: Callable[[str], None]) -> Server:
        """Return a server that is loaded and started, and has nothing in flight.

        Args:
            target: Where.
            room: What it must hold.
            largest: Largest batch by model.
            say: Told what takes long.

        Raises:
            StratsimError: as `open_server`, or a model cannot be built.
        """
        fits = all(self._largest.get(model, 0) >= most for model, most in largest.items())
        if self._server is not None and self._asked == (target, room) and fits:
            return self._server
        self.close()
        say(f"loading {len(largest)} models on {target.device}, {room.slots} slots")
        server = self._server = open_server(target.device, room, dtype=target.dtype, mode=target.mode)
        server.load({model: range(1, most + 1) for model, most in largest.items()})
        server.start()
        self._asked, self._largest = (target, room), dict(largest)
        return server

    def close(self) -> None:
        """End the server, if there is one."""
        if self._server is not None:
            self._server.close()
        self._server, self.batches = None, 0
