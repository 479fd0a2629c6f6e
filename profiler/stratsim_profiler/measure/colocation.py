"""Streams that are kept backlogged side by side, with each alone just before and just after (ABBA)."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from stratsim_profiler.device.base import Stress
from stratsim_profiler.device.timeline import thin
from stratsim_profiler.environment import Verdict
from stratsim_profiler.samples import Colocation, Stream

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratsim_profiler.device.base import Lane, Work
    from stratsim_profiler.measure.bench import Bench, Window
    from stratsim_profiler.plan import Cell
    from stratsim_profiler.samples import Record

__all__ = ["colocation"]

Times = dict["Work", tuple[float, ...]]


def colocation(bench: Bench, cell: Cell) -> list[Record]:
    """Measure one co-location cell.

    Raises:
        Rejected: too few iterations, too little overlap, or a device that was disturbed.
    """
    lanes = bench.lanes.take(cell.works(bench.dtype, bench.mode), cell.priorities)
    distinct = list({lane.work: lane for lane in lanes}.values())
    with bench.watch() as seen:
        before = {lane.work: bench.alone(lane) for lane in distinct}
        window = bench.together(lanes, bench.settings.window_s)
        after = {lane.work: bench.alone(lane) for lane in reversed(distinct)}
    _check(bench, lanes, window)
    _check_drift(bench, before, after)
    return [
        Colocation(
            cell=cell.id,
            role=cell.role,
            held_out=cell.held_out,
            group=cell.model_group,
            streams=tuple(_stream(bench, lane, window, i, before, after) for i, lane in enumerate(lanes)),
            window_s=round(window.length_s, 6),
            settle_s=bench.settings.settle_s,
            dtype=bench.dtype,
            mode="graph" if bench.mode == "graph" else "eager",
            conditions=seen.conditions,
        )
    ]


def _stream(bench: Bench, lane: Lane, window: Window, index: int, before: Times, after: Times) -> Stream:
    most = bench.settings.most_samples
    return Stream(
        model=lane.work.name,
        batch=getattr(lane.work, "batch", 1),
        loaded_seconds=thin(window.seconds[index], most),
        solo_before_seconds=thin(before[lane.work], most),
        solo_after_seconds=thin(after[lane.work], most),
        iterations=len(window.seconds[index]),
        overlap=round(window.overlap[index], 4),
        priority=lane.priority,
    )


def _check(bench: Bench, lanes: Sequence[Lane], window: Window) -> None:
    """Refuse streams that were not co-located all the time.

    Empty kernels load the launcher: that they, and a model that waits for it, pause is what they are there for.
    """
    launcher = any(lane.work == Stress("empty") for lane in lanes)
    for lane, seconds, overlap in zip(lanes, window.seconds, window.overlap, strict=True):
        if len(seconds) < bench.settings.least_iterations:
            bench.object_to(Verdict("iterations", f"{lane.work.name} has {len(seconds)} inside the window"))
        if overlap < bench.settings.least_overlap and not launcher:
            bench.object_to(Verdict("overlap", f"{lane.work.name} was busy for {overlap:.1%} of the window"))


def _check_drift(bench: Bench, before: Times, after: Times) -> None:
    """Object where the device was faster or slower after than before.

    A stressor at full power heats the device and slows itself down: that is not a disturbance.
    """
    for work, seconds in before.items():
        if isinstance(work, Stress):
            continue
        change = median(after[work]) / median(seconds) - 1.0
        if abs(change) > bench.settings.drift:
            bench.object_to(Verdict("drift", f"{work.name} alone changed by {change:+.1%}", final=False))
