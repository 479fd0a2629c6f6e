"""How copies behave: links, copy engines, duplex factor, and what copies and kernels do to each other."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from statistics import mean, median
from typing import TYPE_CHECKING, Literal

from stratsim.model.profile import Transfers
from stratsim_profiler.fit.links import LinkFit, fit_link

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from stratsim_profiler.samples import Direction, Transfer

__all__ = ["Beside", "EngineFit", "TransferFit", "fit_transfers"]

_DIRECTIONS: tuple[Direction, ...] = ("h2d", "d2h")

_ALPHA_SHARE = 0.1
"""Engines and duplex factor come from sizes whose fixed cost is at most this share: rates, not launches, count."""

Sharing = Literal["serial", "shared", "parallel"]


@dataclass(frozen=True, slots=True)
class EngineFit:
    """How several copies in one direction on one device share it.

    Args:
        sharing: `serial`: one after the other at full rate (one engine); `shared`: together, each at its share of the
            rate (several engines on one link); `parallel`: together, each nearly at full rate.
        engines: Copy engines per direction that this shows: 1 when serial, else the most copies that ran together.
        makespan: By number of copies n: time until the last ends over n times the time of one alone.
        first: By number of copies n: end of the first over the time of one alone; 1 when serial, n when shared.
    """

    sharing: Sharing
    engines: int
    makespan: Mapping[int, float]
    first: Mapping[int, float]


@dataclass(frozen=True, slots=True)
class Beside:
    """What a copy and a kernel that run together do to each other.

    Args:
        stressor: The kernel.
        direction: Of the copies.
        copy_slowdown: Copy with the kernel over copy alone, median over sizes.
        kernel_slowdown: Kernel with copies over kernel alone, median over sizes; None when not measured.
    """

    stressor: str
    direction: Direction
    copy_slowdown: float
    kernel_slowdown: float | None


@dataclass(frozen=True, slots=True)
class TransferFit:
    """Everything about copies.

    Args:
        pinned: Links of page-locked memory by direction.
        pageable: Links of pageable memory by direction, where measured.
        engines: By direction, where concurrent copies were measured.
        duplex: Kappa: both directions together carry this share of the sum of their rates; None when not measured.
        duplex_by_direction: Each direction's rate while the other is busy, as a share of its own.
        beside: Copies while kernels run.
    """

    pinned: Mapping[Direction, LinkFit]
    pageable: Mapping[Direction, LinkFit] = field(default_factory=dict)
    engines: Mapping[Direction, EngineFit] = field(default_factory=dict)
    duplex: float | None = None
    duplex_by_direction: Mapping[Direction, float] = field(default_factory=dict)
    beside: tuple[Beside, ...] = ()

    def for_truth(self) -> Transfers | None:
        """Return the profile's `truth.transfers`; None when nothing but single copies was measured.

        A duplex factor outside [0.5, 1] is noise: one direction at a time already is 0.5.
        """
        if not self.engines and self.duplex is None:
            return None
        engines = max((fit.engines for fit in self.engines.values()), default=1)
        if self.duplex is None or self.duplex >= 1:
            return Transfers(engines=engines)
        return Transfers(
            engines=engines, duplex=round(max(0.5, self.duplex), 4), h2d_share=round(self.h2d_share or 0.0, 4)
        )

    @property
    def h2d_share(self) -> float | None:
        """Share of H2D in what both directions carry when both are busy; None when not measured."""
        if self.duplex is None:
            return None
        rates = {side: share * self.pinned[side].bytes_per_s for side, share in self.duplex_by_direction.items()}
        return rates["h2d"] / sum(rates.values())


def fit_transfers(records: Iterable[Transfer]) -> TransferFit:
    """Fit all that the transfer records show; directions without two sizes of single copies are left out.

    Copies that ran on several devices at once are ignored: they show the host's links, not one device's. Where nothing
    is pinned, as on a CPU, plain copies take the place of pinned ones.
    """
    single = [record for record in records if record.devices == 1]
    alone = [r for r in single if r.concurrent == 1 and not r.bidirectional and r.beside is None]
    links = {pinned: _links(r for r in alone if r.pinned == pinned) for pinned in (True, False)}
    best = any(record.pinned for record in single)
    pinned = [record for record in single if record.pinned == best]
    both = _duplex(links[best], pinned)
    return TransferFit(
        pinned=links[best],
        pageable=links[False] if best else {},
        engines=_engines(links[best], pinned),
        duplex=_kappa(links[best], both),
        duplex_by_direction=both,
        beside=_beside(pinned),
    )


def _links(alone: Iterable[Transfer]) -> dict[Direction, LinkFit]:
    found: dict[Direction, dict[int, list[float]]] = {direction: defaultdict(list) for direction in _DIRECTIONS}
    for record in alone:
        found[record.direction][record.size_bytes].extend(record.seconds)
    return {
        direction: fit_link({size: median(seconds) for size, seconds in sizes.items()})
        for direction, sizes in found.items()
        if len(sizes) > 1
    }


def _alone_s(link: LinkFit, size: int) -> float:
    """Return the time of one copy alone: as measured, else as fitted."""
    return link.seconds.get(size, link.copy_s(size))


def _large(links: Mapping[Direction, LinkFit], records: Sequence[Transfer]) -> list[Transfer]:
    """Return the records whose fixed cost hardly counts; all, if none is that large."""
    usable = [r for r in records if r.direction in links]
    large = [r for r in usable if links[r.direction].alpha_s <= _ALPHA_SHARE * links[r.direction].copy_s(r.size_bytes)]
    return large or usable


def _engines(links: Mapping[Direction, LinkFit], records: Sequence[Transfer]) -> dict[Direction, EngineFit]:
    several = _large(links, [r for r in records if r.concurrent > 1 and not r.bidirectional and r.beside is None])
    found = {}
    for direction in _DIRECTIONS:
        own = [record for record in several if record.direction == direction]
        if own:
            found[direction] = _engine_fit(own, links[direction])
    return found


def _median_by_count(ratios: Iterable[tuple[int, float]]) -> dict[int, float]:
    """Return the median over sizes, by number of copies."""
    groups: dict[int, list[float]] = defaultdict(list)
    for count, ratio in ratios:
        groups[count].append(ratio)
    return {count: median(groups[count]) for count in sorted(groups)}


def _first_s(record: Transfer) -> float:
    """Return when the first of the copies ended; without their single times, when all did."""
    if not record.each_seconds:
        return median(record.seconds)
    return median([min(each) for each in record.each_seconds])


def _engine_fit(records: Sequence[Transfer], link: LinkFit) -> EngineFit:
    """Tell the three ways apart, each by what it predicts for the most copies n at once.

    Parallel copies end together after the time of one: makespan near 1/n of what n in a row would take. Serial and
    shared ones take n times as long together; the first ends after 1 (serial) or n (shared) times the time of one.
    """
    alone_s = {record.size_bytes: _alone_s(link, record.size_bytes) for record in records}
    makespan = _median_by_count(
        (r.concurrent, median(r.seconds) / r.concurrent / alone_s[r.size_bytes]) for r in records
    )
    first = _median_by_count((r.concurrent, _first_s(r) / alone_s[r.size_bytes]) for r in records)
    count = max(makespan)
    sharing: Sharing
    if makespan[count] < (1 + 1 / count) / 2:
        sharing = "parallel"
    else:
        sharing = "serial" if first[count] < (1 + count) / 2 else "shared"
    return EngineFit(sharing, 1 if sharing == "serial" else count, makespan, first)


def _duplex(links: Mapping[Direction, LinkFit], records: Sequence[Transfer]) -> dict[Direction, float]:
    """Return, by direction, its speed while the other one is busy, as a share of its speed alone."""
    both = _large(links, [r for r in records if r.bidirectional and r.concurrent == 1 and r.beside is None])
    found = {}
    for direction in _DIRECTIONS:
        own = [r for r in both if r.direction == direction]
        if own:
            found[direction] = median(_alone_s(links[direction], r.size_bytes) / median(r.seconds) for r in own)
    return found


def _kappa(links: Mapping[Direction, LinkFit], both: Mapping[Direction, float]) -> float | None:
    """Return the rates of both directions together over the sum of their rates alone; needs both directions."""
    if set(both) != set(_DIRECTIONS):
        return None
    alone = {direction: links[direction].bytes_per_s for direction in _DIRECTIONS}
    return sum(both[direction] * alone[direction] for direction in _DIRECTIONS) / sum(alone.values())


def _beside(records: Sequence[Transfer]) -> tuple[Beside, ...]:
    """Compare each copy made while a kernel ran with the copy of that size alone."""
    alone = {
        (r.direction, r.size_bytes): median(r.seconds)
        for r in records
        if r.concurrent == 1 and not r.bidirectional and r.beside is None
    }
    groups: dict[tuple[str, Direction], list[Transfer]] = defaultdict(list)
    for record in records:
        if record.beside is not None and (record.direction, record.size_bytes) in alone:
            groups[record.beside, record.direction].append(record)
    return tuple(
        Beside(
            stressor,
            direction,
            median(median(r.seconds) / alone[direction, r.size_bytes] for r in group),
            _kernel_slowdown(group),
        )
        for (stressor, direction), group in sorted(groups.items())
    )


def _kernel_slowdown(records: Sequence[Transfer]) -> float | None:
    ratios = [
        mean(r.beside_seconds) / mean(r.beside_solo_seconds)
        for r in records
        if r.beside_seconds and r.beside_solo_seconds
    ]
    return median(ratios) if ratios else None
