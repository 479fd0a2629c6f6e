"""The simulated machine around the profile: how many GPUs, how they share, their links to the host, their memory."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stratsim.errors import ProfileError, SpecError
from stratsim.limits import MOST_BATCHES, MOST_GPUS
from stratsim.model.parts import Link
from stratsim.model.topology import Topology, Trunk

if TYPE_CHECKING:
    from stratsim.model.parts import Pcie
    from stratsim.model.topology import Branch

__all__ = ["Cluster"]

_FREE = Link(alpha_s=0.0, bytes_per_s=math.inf)
_PROFILES_OWN = Topology(name="the profile's own links")


@dataclass(frozen=True, slots=True)
class Cluster:
    """Identical GPUs and the host that they hang on.

    Every default is our choice.

    Args:
        gpus: Number of GPUs.
        device_model: Name of the execution model, the truth of how co-located batches slow each other
            (`stratsim device list`); None means the one that the profile was made for.
        max_concurrency: C, the number of batches that may *execute* at once on a GPU.
        prefetch: How many further batches per GPU may copy in, or wait with their input on the GPU. A start is
            legal while executing + staged < C + prefetch; copy-out holds no slot.
        transfers: False makes copies instantaneous, those of weights too.
        topology: The links between the GPUs and the host; None gives each GPU its profile's link, shared with nobody.
        uplink_bytes_per_s: Short for a topology whose root has this capacity per direction.
        pinned: False copies from and to pageable host memory.
        memory: Room for weights on each GPU, bytes, or "device" for the profile's size of the device's memory: weights
            are then loaded when a batch needs them. None: the weights of all models are always there.
    """

    gpus: int = 1
    device_model: str | None = None
    max_concurrency: int = 2
    prefetch: int = 1
    transfers: bool = True
    topology: Topology | None = None
    uplink_bytes_per_s: float | None = None
    pinned: bool = True
    memory: float | str | None = None

    def __post_init__(self) -> None:
        for name, least, most in (
            ("gpus", 1, MOST_GPUS),
            ("max_concurrency", 1, MOST_BATCHES),
            ("prefetch", 0, MOST_BATCHES),
        ):
            if getattr(self, name) < least:
                raise SpecError(f"{name} must be at least {least}, got {getattr(self, name)}")
            if getattr(self, name) > most:
                raise SpecError(f"{name} must be at most {most}, got {getattr(self, name)}")
        uplink = self.uplink_bytes_per_s
        if uplink is not None and not (uplink > 0 and math.isfinite(uplink)):
            raise SpecError(f"uplink_bytes_per_s must be > 0 bytes per second, got {uplink}")
        if uplink is not None and self.topology is not None:
            raise SpecError("give either a topology or uplink_bytes_per_s, which is short for one, not both")
        self._check_memory()
        self.tree.links(self.gpus)

    def _check_memory(self) -> None:
        if isinstance(self.memory, str):
            if self.memory != "device":
                raise SpecError(f"memory must be a number of bytes or 'device', got {self.memory!r}")
        elif self.memory is not None and not 0 < self.memory < math.inf:
            raise SpecError(f"memory must be > 0 bytes and finite, got {self.memory}")

    @property
    def tree(self) -> Topology:
        """The topology in effect."""
        if self.uplink_bytes_per_s is not None:
            return Topology(root=Trunk(self.uplink_bytes_per_s), name="uplink_bytes_per_s")
        return self.topology or _PROFILES_OWN

    def host_links(self, pcie: Pcie) -> tuple[tuple[Link, Link], ...]:
        """Return what a copy costs over each GPU's own link, towards the device and back, by GPU.

        Args:
            pcie: The profile's figures.

        Raises:
            ProfileError: pageable memory is asked for and the profile has no figures for it.
        """
        return tuple([self._host_link(pcie, branch) for branch in self.tree.links(self.gpus)])

    def _host_link(self, pcie: Pcie, branch: Branch) -> tuple[Link, Link]:
        """A topology's rate replaces the profile's; pageable copies are slow because of the host, on any link."""
        if self.pinned:
            h2d_rate = branch.h2d if branch.h2d < math.inf else pcie.h2d.bytes_per_s
            d2h_rate = branch.d2h if branch.d2h < math.inf else pcie.d2h.bytes_per_s
            return Link(pcie.h2d.alpha_s, h2d_rate), Link(pcie.d2h.alpha_s, d2h_rate)
        if pcie.pageable is None:
            raise ProfileError(
                "pinned = false needs observable.pcie.pageable, which the profile lacks: leave pinned out or measure it"
            )
        h2d, d2h = pcie.pageable.h2d, pcie.pageable.d2h
        return (
            Link(h2d.alpha_s, min(h2d.bytes_per_s, branch.h2d)),
            Link(d2h.alpha_s, min(d2h.bytes_per_s, branch.d2h)),
        )

    def lone_links(self, pcie: Pcie) -> tuple[tuple[Link, Link], ...]:
        """Return what a copy costs that is alone on the machine, towards the device and back, by GPU."""
        if not self.transfers:
            return ((_FREE, _FREE),) * self.gpus
        tree, found = self.tree, []
        for branch, (h2d, d2h) in zip(tree.links(self.gpus), self.host_links(pcie), strict=True):
            trunks = (branch, *tree.above(branch))
            both = min(trunk.both for trunk in trunks)
            h2d_rate = min(h2d.bytes_per_s, both, *(trunk.h2d for trunk in trunks))
            d2h_rate = min(d2h.bytes_per_s, both, *(trunk.d2h for trunk in trunks))
            found.append((Link(h2d.alpha_s, h2d_rate), Link(d2h.alpha_s, d2h_rate)))
        return tuple(found)

    def solo_links(self, pcie: Pcie) -> tuple[Link, Link]:
        """Return what a copy costs that is alone on the machine, towards the device and back, on the slowest GPU.

        It is what a scheduler could have measured on this machine.
        """
        h2d, d2h = zip(*self.lone_links(pcie), strict=True)
        return min(h2d, key=_rate), min(d2h, key=_rate)


def _rate(link: Link) -> float:
    return link.bytes_per_s
