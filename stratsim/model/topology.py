"""How GPUs hang on the host: a tree of links with their capacities.

A topology comes with stratsim (`profiler/topologies/`) or from a TOML file (docs/explanation/transfers.md):

    [root]                      # what all GPUs share
    bytes_per_s = 32e9

    [switches.A]                # an uplink that the GPUs below it share
    bytes_per_s = 20e9

    [[gpus]]
    count = 2
    under = "A"
    bytes_per_s = 16e9

Every capacity may be left out: a GPU then has the link of its profile, anything else limits nobody.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from stratsim import bundled
from stratsim.errors import SpecError, suggest
from stratsim.limits import read_file
from stratsim.model.parts import Kind  # noqa: TC001 (decoding resolves it at run time)
from stratsim.model.toml import read_toml

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Branch", "Branches", "Topology", "Trunk", "load_topology", "topology_names", "topology_sha256"]


@dataclass(frozen=True, slots=True)
class Trunk:
    """A link's capacities, bytes per second. None limits nobody.

    Args:
        bytes_per_s: Of each direction.
        h2d_bytes_per_s: Towards the GPUs, where that differs.
        d2h_bytes_per_s: Towards the host, where that differs.
        both_bytes_per_s: Of both directions together; less than their sum where the link is not full duplex.
    """

    bytes_per_s: float | None = None
    h2d_bytes_per_s: float | None = None
    d2h_bytes_per_s: float | None = None
    both_bytes_per_s: float | None = None

    def __post_init__(self) -> None:
        for name in ("bytes_per_s", "h2d_bytes_per_s", "d2h_bytes_per_s", "both_bytes_per_s"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise SpecError(f"{name} must be > 0 bytes per second and finite, got {value!r}")

    @property
    def h2d(self) -> float:
        """Capacity towards the GPUs; infinity for none."""
        return _first(self.h2d_bytes_per_s, self.bytes_per_s)

    @property
    def d2h(self) -> float:
        """Capacity towards the host; infinity for none."""
        return _first(self.d2h_bytes_per_s, self.bytes_per_s)

    @property
    def both(self) -> float:
        """Capacity of both directions together; infinity for none."""
        return _first(self.both_bytes_per_s)


def _first(*capacities: float | None) -> float:
    """Return the first capacity that is given."""
    return next((capacity for capacity in capacities if capacity is not None), math.inf)


@dataclass(frozen=True, slots=True)
class Branch(Trunk):
    """The link above a switch or a GPU. A GPU's link without capacities is the profile's.

    Args:
        under: Name of the switch that it leads to; None for the root.
    """

    under: str | None = None


@dataclass(frozen=True, slots=True)
class Branches(Branch):
    """Some GPUs that hang alike.

    Args:
        count: How many.
    """

    count: int = 1

    def __post_init__(self) -> None:
        Trunk.__post_init__(self)
        if self.count < 1:
            raise SpecError(f"count must be at least 1, got {self.count}")


@dataclass(frozen=True, slots=True)
class Topology:
    """A tree of links: root, switches, GPUs.

    Args:
        root: What all GPUs share.
        switches: By name.
        gpu: Every GPU's link, for any number of GPUs.
        gpus: The GPUs, in the order of their ids, for this number of them; instead of `gpu`.
        h2d_share: Share of the H2D direction where both directions together are full: 0.5 is fair, 0 serves D2H first,
            1 serves H2D first. None leaves it to the profile.
        name: What to call it in messages.
        description: One line.
        kind: Where the figures come from, as in a profile.
        source: Who says so.
        note: What a reader should beware of.
    """

    root: Trunk = field(default_factory=Trunk)
    switches: dict[str, Branch] = field(default_factory=dict)
    gpu: Branch | None = None
    gpus: tuple[Branches, ...] = ()
    h2d_share: float | None = None
    name: str = ""
    description: str = ""
    kind: Kind | None = None
    source: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        if self.gpu is not None and self.gpus:
            raise SpecError("give either [gpu], for any number of GPUs, or [[gpus]], not both")
        if self.h2d_share is not None and not 0 <= self.h2d_share <= 1:
            raise SpecError(f"h2d_share must be within [0, 1], got {self.h2d_share!r}")
        for name, switch in self.switches.items():
            self._require(switch.under, f"switches.{name}")
            if any(above == name for above in self._above(switch.under)):
                raise SpecError(f"switches.{name} hangs under itself")
        for index, entry in enumerate(self.gpus or (self.every_gpu,)):
            self._require(entry.under, f"gpus[{index}]" if self.gpus else "gpu")

    def _require(self, under: str | None, where: str) -> None:
        if under is not None and under not in self.switches:
            raise SpecError(f"{where} is under {under!r}, which is no switch; {suggest(under, self.switches)}")

    def _above(self, under: str | None) -> Iterator[str]:
        """Yield the switches from `under` up to the root; each at most once, even if they hang in a circle."""
        seen: set[str] = set()
        while under is not None and under in self.switches and under not in seen:
            yield under
            seen.add(under)
            under = self.switches[under].under

    @property
    def every_gpu(self) -> Branch:
        """The link of each GPU, where the topology takes any number of them."""
        return self.gpu or Branch()

    @property
    def gpu_count(self) -> int | None:
        """Number of GPUs; None for any."""
        return sum(entry.count for entry in self.gpus) if self.gpus else None

    def links(self, gpus: int) -> tuple[Branch, ...]:
        """Return the GPUs' own links, by id.

        Raises:
            SpecError: the topology has another number of GPUs.
        """
        if not self.gpus:
            return (self.every_gpu,) * gpus
        if gpus != self.gpu_count:
            raise SpecError(f"topology {self.name!r} has {self.gpu_count} GPUs, but gpus is {gpus}")
        return tuple(entry for entry in self.gpus for _ in range(entry.count))

    def path(self, link: Branch) -> tuple[str, ...]:
        """Return the names of the switches between a GPU and the root, from the GPU up."""
        return tuple(self._above(link.under))

    def above(self, link: Branch) -> tuple[Trunk, ...]:
        """Return the links between a GPU's own and the host, from the GPU up, the root last."""
        return (*(self.switches[name] for name in self.path(link)), self.root)


def topology_names() -> dict[str, Path]:
    """Return the files of the topologies that come with stratsim, by name."""
    return bundled.names("topologies")


def load_topology(source: str | Path) -> Topology:
    """Return a topology.

    Args:
        source: Name of a bundled topology, or a TOML file. A bundled name wins over a file of the same name in the
            working directory; write `./NAME` for the file.

    Raises:
        SpecError: it cannot be used; one line that names the file and the path inside it.
    """
    from stratsim.model.codec import decode

    path = _path(source)
    return decode({"name": path.name.removesuffix(".toml"), **read_toml(path)}, Topology, path)


def topology_sha256(source: str | Path) -> str:
    """Return the SHA-256 of a topology's file, in hexadecimal; arguments and errors as for `load_topology`."""
    return hashlib.sha256(_content(_path(source))).hexdigest()


def _path(source: str | Path) -> Path:
    known = topology_names()
    path = known[source] if isinstance(source, str) and source in known else Path(source)
    if not path.is_file():
        hint = suggest(path.name.removesuffix(".toml"), known)
        raise SpecError(f"{source}: neither a TOML file nor a bundled topology; {hint}")
    return path


def _content(path: Path) -> bytes:
    try:
        return read_file(path)
    except OSError as error:
        raise SpecError(f"{path}: cannot be read: {error.strerror or error}") from None
