"""Copies between host and device: alone, several at once, in both directions, while a kernel reads memory."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from stratsim_profiler.device.base import Copy, Stress
from stratsim_profiler.device.timeline import thin
from stratsim_profiler.environment import Verdict
from stratsim_profiler.samples import Transfer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stratsim_profiler.device.base import Lane, Span, Work
    from stratsim_profiler.measure.bench import Bench
    from stratsim_profiler.plan import Cell, Copies
    from stratsim_profiler.samples import Record

__all__ = ["transfers"]

_LEAST_BACKLOGGED = 1 << 20
"""Copies smaller than this are over before another one meets them."""

_LEAST_REPEATS = 3
_AT_ONCE = 1e-6
"""An offset that is no offset: the copy starts on an idle stream, and the host's part of it is seen."""


def transfers(bench: Bench, cell: Cell) -> list[Record]:
    """Measure one way of copying, at all sizes.

    Raises:
        Rejected: the device was disturbed.
    """
    case = cell.copies
    if case is None:
        raise ValueError(f"cell {cell.id} has no copies")
    together = case.bidirectional or case.beside or case.devices > 1
    sizes = [size for size in bench.settings.transfer_sizes if not together or size >= _LEAST_BACKLOGGED]
    measure = _backlogged if together else _fired
    return [record for size in sizes for record in measure(bench, cell.id, case, size)]


def _fired(bench: Bench, cell: str, case: Copies, size: int) -> Iterator[Record]:
    """Start `concurrent` copies together, again and again."""
    works = [Copy(case.direction, size, case.pinned)] * case.concurrent
    lanes = bench.lanes.take(works)
    # The host copies pageable memory into a buffer first. Behind a gate it would do so before the clock starts.
    staged = bench.device.info.pinned and not case.pinned
    with bench.watch() as seen:
        rounds = list(_rounds(bench, lanes, _AT_ONCE if staged else 0.0))
    bench.lanes.drop(works[0])
    ends = [[span.end_s - min(other.start_s for other in spans) for span in spans] for spans in rounds]
    yield Transfer(
        cell=cell,
        direction=case.direction,
        pinned=case.pinned,
        size_bytes=size,
        concurrent=case.concurrent,
        bidirectional=False,
        beside=None,
        seconds=thin([max(each) for each in ends], bench.settings.most_samples),
        each_seconds=tuple(thin(each, len(each)) for each in ends) if case.concurrent > 1 else (),
        conditions=seen.conditions,
    )


def _rounds(bench: Bench, lanes: Sequence[Lane], start_s: float) -> Iterator[tuple[Span, ...]]:
    starts = [start_s] * len(lanes)
    until = time.perf_counter() + bench.settings.transfer_budget_s
    bench.device.fire(lanes, starts)
    for done in range(bench.settings.transfer_repeats):
        if done >= _LEAST_REPEATS and time.perf_counter() > until:
            return
        yield bench.device.fire(lanes, starts)


def _backlogged(bench: Bench, cell: str, case: Copies, size: int) -> Iterator[Record]:
    """Keep copies going while others go in the other direction or on other devices, or while a stressor runs."""
    own = Copy(case.direction, size, case.pinned)
    others = _others(case, size)
    lanes = bench.lanes.take([own, *others])
    window_s = max(bench.settings.transfer_budget_s, bench.settings.solo_window_s)
    with bench.watch() as seen:
        alone = bench.together(lanes[1:], window_s).seconds[0] if case.beside else ()
        window = bench.together(lanes, window_s)
    for work in (own, *others):
        if isinstance(work, Copy):
            bench.lanes.drop(work)
    if not window.seconds[0]:
        bench.object_to(Verdict("iterations", f"no copy of {size} bytes lies inside the window"))
    most = bench.settings.most_samples
    yield Transfer(
        cell=cell,
        direction=case.direction,
        pinned=case.pinned,
        size_bytes=size,
        concurrent=1,
        bidirectional=case.bidirectional,
        beside=others[0].name if case.beside else None,
        seconds=thin(window.seconds[0], most),
        devices=case.devices,
        beside_seconds=thin(window.seconds[1], most) if case.beside else (),
        beside_solo_seconds=thin(alone, most),
        conditions=seen.conditions,
    )


def _others(case: Copies, size: int) -> list[Work]:
    if case.beside:
        return [Stress(case.beside)]
    if case.bidirectional:
        return [Copy("d2h" if case.direction == "h2d" else "h2d", size, case.pinned)]
    return [Copy(case.direction, size, case.pinned, peer) for peer in range(1, case.devices)]
