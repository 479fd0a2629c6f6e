"""Copies over links that several share: the tree between the host and the GPUs, and the engines at its leaves.

A copy takes `alpha_s`, which occupies its engine but no link, then its bytes at a rate that changes whenever a copy
joins or leaves: max-min fair over the links of the tree (`stratsim.solve.max_min`). A link has a capacity per
direction, and may have one for both directions together.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import floor, inf
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from stratsim.device.pcie import Direction, PrivateLinks
from stratsim.model.tolerance import TIME_RTOL
from stratsim.model.truth import Transfers
from stratsim.solve import max_min

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratsim.model.cluster import Cluster
    from stratsim.model.parts import Link, Pcie
    from stratsim.model.topology import Trunk

__all__ = ["Copy", "Fabric", "Network", "host_links", "network"]

Key = TypeVar("Key")

_CACHE_LIMIT = 65_536


# The links ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Network:
    """Links that copies share.

    Args:
        links: By GPU: what a copy over its own link costs, towards the device and back.
        paths: By GPU and direction: the shared links on the way, as indices into `capacity`. A GPU's own link is one.
        capacity: Of each link, bytes per second.
        h2d_share: Share of the H2D direction of a link whose both directions together are full.
    """

    links: tuple[tuple[Link, Link], ...]
    paths: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]
    capacity: tuple[float, ...]
    h2d_share: float = 0.5

    @property
    def private(self) -> bool:
        """Whether every path consists of one link, which no other path has."""
        ways = [way for pair in self.paths for way in pair]
        return all(len(way) == 1 for way in ways) and len(set(ways)) == len(ways)


def network(cluster: Cluster, pcie: Pcie, transfers: Transfers) -> Network:
    """Return the links of a machine, without those that its GPUs cannot fill.

    Args:
        cluster: Which GPUs hang where.
        pcie: The profile's link of a GPU.
        transfers: Says what both directions of a GPU's link carry together, where the topology does not.
    """
    tree = cluster.tree
    branches, links = tree.links(cluster.gpus), cluster.host_links(pcie)
    build = _Builder(links)
    below: dict[str, list[int]] = {}
    for gpu, branch in enumerate(branches):
        build.own(gpu, branch.both, transfers.duplex if cluster.pinned else 1.0)
        for switch in tree.path(branch):
            below.setdefault(switch, []).append(gpu)
    for switch, gpus in below.items():
        build.trunk(tree.switches[switch], gpus)
    build.trunk(tree.root, range(cluster.gpus))
    return build.network(transfers.h2d_share if tree.h2d_share is None else tree.h2d_share)


class _Builder:
    """Collects links, each with the ways that lead over it."""

    def __init__(self, links: tuple[tuple[Link, Link], ...]) -> None:
        self._links = links
        self._capacity: list[float] = []
        self._ways: list[tuple[list[int], list[int]]] = [([], []) for _ in links]

    def own(self, gpu: int, both: float, duplex: float) -> None:
        """Add a GPU's own link; the profile's `duplex` holds where the topology gives no limit for `both` directions.

        Pageable copies are too slow for it: the host's staging, not the link, holds them up.
        """
        rates = [link.bytes_per_s for link in self._links[gpu]]
        for direction in Direction:
            self._add(rates[direction], [gpu], direction)
        if both == inf and duplex < 1:
            both = max(duplex * sum(rates), *rates)  # what one direction reaches alone, both together carry
        self._limit(both, [gpu], *Direction)

    def trunk(self, trunk: Trunk, gpus: Sequence[int]) -> None:
        """Add the link above some GPUs."""
        self._limit(trunk.h2d, gpus, Direction.H2D)
        self._limit(trunk.d2h, gpus, Direction.D2H)
        self._limit(trunk.both, gpus, *Direction)

    def _limit(self, limit: float, gpus: Sequence[int], *directions: Direction) -> None:
        if limit < sum(self._links[gpu][direction].bytes_per_s for gpu in gpus for direction in directions):
            self._add(limit, gpus, *directions)

    def _add(self, limit: float, gpus: Sequence[int], *directions: Direction) -> None:
        for gpu in gpus:
            for direction in directions:
                self._ways[gpu][direction].append(len(self._capacity))
        self._capacity.append(limit)

    def network(self, h2d_share: float) -> Network:
        paths = tuple((tuple(h2d), tuple(d2h)) for h2d, d2h in self._ways)
        return Network(self._links, paths, tuple(self._capacity), h2d_share)


def host_links(network: Network, transfers: Transfers, *, in_time: bool = False) -> PrivateLinks | Fabric[Any]:
    """Return the cheapest machinery that behaves as the links and the engines do.

    Args:
        network: The links.
        transfers: The engines.
        in_time: Whether somebody must know the rates at any time.
    """
    if network.private and transfers.engines == 1 and transfers.chunk_bytes is None and not in_time:
        return PrivateLinks(network.links)
    return Fabric(network, transfers)


# The copies -----------------------------------------------------------------------------------------------------------


class Copy(Generic[Key]):
    """One copy. `left_bytes` holds at the fabric's last update."""

    __slots__ = ("direction", "engine", "gpu", "joins_s", "key", "left_bytes", "rate", "size_bytes", "start_s", "stops")

    def __init__(self, key: Key, gpu: int, direction: Direction, size_bytes: int, engine: _Engines[Key]) -> None:
        self.key = key
        self.gpu = gpu
        self.direction = direction
        self.engine = engine
        self.size_bytes = size_bytes
        self.left_bytes = float(size_bytes)
        self.rate = 0.0
        self.start_s = inf
        """When an engine took it up."""
        self.joins_s = inf
        """When it joins its links."""
        self.stops = 0.0
        """Bytes left when it ends, or makes way for the next in a round."""


class _Engines(Generic[Key]):
    """Engines that one queue of copies feeds: those of a GPU and direction, or of a GPU if one serves both."""

    __slots__ = ("busy", "free", "waiting")

    def __init__(self, count: int) -> None:
        self.free = count
        self.busy: list[Copy[Key]] = []
        self.waiting: deque[Copy[Key]] = deque()


class Fabric(Generic[Key]):
    """Copy engines and the links behind them.

    The owner calls `submit` and `complete`, and sees to it that `complete` is called at `next_s`.

    Args:
        network: The links.
        transfers: The engines.
    """

    def __init__(self, network: Network, transfers: Transfers | None = None) -> None:
        transfers = transfers or Transfers()
        self.network = network
        self.transfers = transfers
        self._chunk = transfers.chunk_bytes
        self._engines: list[tuple[_Engines[Key], _Engines[Key]]] = []
        for _ in network.links:
            h2d: _Engines[Key] = _Engines(max(transfers.engines, 1))
            self._engines.append((h2d, _Engines(transfers.engines) if transfers.engines else h2d))
        share = network.h2d_share
        self._weights = None if share == 0.5 else (share, 1.0 - share)
        self._heads: list[Copy[Key]] = []
        self._cache: dict[tuple[int, ...], list[float]] = {}
        self._updated_s = 0.0
        self._stops_next: Copy[Key] | None = None
        self.next_s = inf
        """When the next copy joins its links, makes way or ends; `inf` when all engines are idle."""

    def submit(self, now_s: float, gpu: int, direction: Direction, size_bytes: int, key: Key) -> None:
        """Queue a copy of at least one byte."""
        engines = self._engines[gpu][direction]
        copy = Copy(key, gpu, direction, size_bytes, engines)
        if engines.free:
            self._advance(now_s)
            self._engage(now_s, copy)
            self._solve(now_s)
            return
        engines.waiting.append(copy)
        if self._chunk is not None and len(engines.waiting) == 1:
            self._advance(now_s)
            for other in engines.busy:
                other.stops = self._end_of_chunk(other)
            self._solve(now_s)

    def complete(self, now_s: float) -> list[Copy[Key]]:
        """Go on to `now_s`, which must be `next_s`, and return the copies that end there (maybe none)."""
        self._advance(now_s)
        if self._stops_next is not None:
            self._stops_next.left_bytes = self._stops_next.stops  # by definition of next_s: no rounding decides it
        stopped = [
            copy
            for copy in self._heads
            if copy.joins_s <= now_s and copy.left_bytes - copy.stops <= TIME_RTOL * copy.size_bytes
        ]
        ended = [copy for copy in stopped if not copy.stops]
        for copy in stopped:
            self._leave(now_s, copy)
        self._solve(now_s)
        return ended

    def bytes_per_s(self, gpu: int) -> float:
        """Return how many bytes per second the copies of a GPU move now, both directions together."""
        return sum([copy.rate for copy in self._heads if copy.gpu == gpu])

    def rates(self) -> list[tuple[Copy[Key], float]]:
        """Return the copies that an engine has taken up, with their rates; 0 before they join their links."""
        return [(copy, copy.rate) for copy in self._heads]

    # Engines

    def _engage(self, now_s: float, copy: Copy[Key]) -> None:
        """Let an engine take up a copy: from its beginning, or where it made way."""
        engines = copy.engine
        engines.free -= 1
        engines.busy.append(copy)
        self._heads.append(copy)
        copy.rate = 0.0
        if copy.start_s == inf:
            copy.start_s = now_s
            copy.joins_s = now_s + self.network.links[copy.gpu][copy.direction].alpha_s
        copy.stops = self._end_of_chunk(copy) if engines.waiting else 0.0

    def _leave(self, now_s: float, copy: Copy[Key]) -> None:
        """Take a copy off its engine, which has reached its end or that of its turn, and take up the next."""
        engines = copy.engine
        self._heads.remove(copy)
        engines.busy.remove(copy)
        engines.free += 1
        if copy.stops:
            engines.waiting.append(copy)
        if engines.waiting:
            self._engage(now_s, engines.waiting.popleft())
            if not engines.waiting:
                for other in engines.busy:
                    other.stops = 0.0  # nobody waits: it may go on to its end

    def _end_of_chunk(self, copy: Copy[Key]) -> float:
        """Return how many bytes are left at the end of the chunk that a copy is in."""
        if self._chunk is None:
            return 0.0
        done = (copy.size_bytes - copy.left_bytes) * (1 + TIME_RTOL)
        chunks = floor(done / self._chunk) + 1
        return float(max(copy.size_bytes - chunks * self._chunk, 0))

    # Rates

    def _advance(self, now_s: float) -> None:
        elapsed_s = now_s - self._updated_s
        self._updated_s = now_s
        if elapsed_s:  # no time times an infinite rate would be NaN
            for copy in self._heads:
                copy.left_bytes -= elapsed_s * copy.rate

    def _solve(self, now_s: float) -> None:
        """Find the rates from now on, and what happens next."""
        self.next_s = inf
        self._stops_next = None
        active = []
        for copy in self._heads:
            if copy.joins_s <= now_s:
                active.append(copy)
            elif copy.joins_s < self.next_s:
                self.next_s = copy.joins_s
        if not active:
            return
        lanes = tuple([2 * copy.gpu + copy.direction for copy in active])
        for copy, rate in zip(active, self._cache.get(lanes) or self.solve(lanes), strict=True):
            copy.rate = rate
            at_s = now_s + (copy.left_bytes - copy.stops) / rate if rate else inf
            if at_s < self.next_s:
                self.next_s, self._stops_next = at_s, copy

    def solve(self, lanes: tuple[int, ...]) -> list[float]:
        """Return the rates of concurrent copies, and remember them; a lane is twice the GPU, plus the direction."""
        if len(self._cache) >= _CACHE_LIMIT:
            self._cache.clear()
        ways = [divmod(lane, 2) for lane in lanes]
        paths = [self.network.paths[gpu][direction] for gpu, direction in ways]
        weights = None if self._weights is None else [self._weights[direction] for _, direction in ways]
        rates = self._cache[lanes] = max_min(paths, self.network.capacity, weights)
        return rates
