"""The weights in a GPU's memory: which models are there, which are in use, who goes when room is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratsim.errors import ProfileError, SpecError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from stratsim.model.cluster import Cluster
    from stratsim.model.profile import HardwareProfile

__all__ = ["DeviceMemory", "device_memory"]


class DeviceMemory:
    """Room for weights, with the least recently used first to go.

    A model in use stays. One was last used when the last batch that used it left.

    Args:
        capacity_bytes: Room for weights.
        weights_bytes: Size of each model's weights.
    """

    __slots__ = ("_users", "_weights_bytes", "capacity_bytes", "used_bytes")

    def __init__(self, capacity_bytes: float, weights_bytes: Mapping[str, int]) -> None:
        self.capacity_bytes = capacity_bytes
        self.used_bytes = 0
        self._weights_bytes = weights_bytes
        self._users: dict[str, int] = {}
        """How many use each model that has room, the least recently used first."""

    @property
    def models(self) -> tuple[str, ...]:
        """The models that have room, the least recently used first."""
        return tuple(self._users)

    def __contains__(self, model: str) -> bool:
        return model in self._users

    @property
    def holds_all(self) -> bool:
        """Whether there is room for all models at once."""
        return sum(self._weights_bytes.values()) <= self.capacity_bytes

    def weights_bytes(self, model: str) -> int:
        """Return the size of a model's weights."""
        return self._weights_bytes[model]

    def reserve(self, model: str) -> tuple[str, ...] | None:
        """Give a model room, and return which models had to go for it; None, and nothing changes, if there is none yet.

        Only what is not in use goes, the least recently used first, and no more than must.
        """
        needed = self._weights_bytes[model] - (self.capacity_bytes - self.used_bytes)
        goes = []
        for other, users in self._users.items():
            if needed <= 0:
                break
            if not users:
                goes.append(other)
                needed -= self._weights_bytes[other]
        if needed > 0:
            return None
        for other in goes:
            del self._users[other]
            self.used_bytes -= self._weights_bytes[other]
        self._users[model] = 0
        self.used_bytes += self._weights_bytes[model]
        return tuple(goes)

    def use(self, model: str) -> None:
        """Keep a model that has room until it is released as often as it was used."""
        self._users[model] += 1

    def release(self, model: str) -> None:
        """Use a model no longer: nobody was here more recently."""
        self._users[model] = self._users.pop(model) - 1


def device_memory(cluster: Cluster, hardware: HardwareProfile, models: Collection[str]) -> DeviceMemory | None:
    """Return the empty memory of one GPU; None if the weights of all models are always there.

    Args:
        cluster: Says how much memory there is for weights.
        hardware: Knows the size of the device's memory and of the weights.
        models: Those that may be asked for.

    Raises:
        SpecError: a model alone does not fit, or the size of the memory is not known.
        ProfileError: the size of a model's weights is not known.
    """
    if cluster.memory is None:
        return None
    capacity = hardware.device.memory_bytes if isinstance(cluster.memory, str) else cluster.memory
    if capacity is None:
        message = f"memory is 'device', but profile {hardware.name!r} lacks device.memory_bytes: give a number of bytes"
        raise SpecError(message)
    weights_bytes = {}
    for model in sorted(models):
        size = hardware.models[model].weights_bytes
        if size is None:
            raise ProfileError(f"memory needs every model's weights_bytes; profile {hardware.name!r} lacks {model!r}")
        if size > capacity:
            raise SpecError(f"model {model!r} has {size} bytes of weights, more than the memory, {capacity:.0f} bytes")
        weights_bytes[model] = size
    return DeviceMemory(capacity, weights_bytes)
