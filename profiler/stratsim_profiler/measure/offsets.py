"""Inferences that start at random offsets, once each, and overlap in part: held out, to judge the fit."""

from __future__ import annotations

from random import Random
from statistics import median
from typing import TYPE_CHECKING

from stratsim_profiler.samples import Offset, OffsetStream

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratsim_profiler.device.base import Lane, Span
    from stratsim_profiler.measure.bench import Bench
    from stratsim_profiler.plan import Cell
    from stratsim_profiler.samples import Conditions, Record

__all__ = ["offsets"]

_AT_ONCE = 1e-6
"""An offset that is no offset: alone, an inference is started in the same way as with co-runners."""

_SOLO_REPEATS = 5
_LATEST = 0.9
"""Latest start, as a share of the longest inference's time."""


def offsets(bench: Bench, cell: Cell) -> list[Record]:
    """Measure some runs of one combination, each with offsets of its own.

    Raises:
        Rejected: the device was disturbed.
    """
    random = Random(cell.id)
    lanes = bench.lanes.take(cell.works(bench.dtype, bench.mode))
    with bench.watch() as seen:
        solo = [_alone(bench, lane) for lane in lanes]
        runs = []
        for _ in range(bench.settings.offset_rounds):
            starts = [_AT_ONCE, *(random.uniform(0.05, _LATEST) * max(solo) for _ in lanes[1:])]
            runs.append(bench.device.fire(lanes, starts))
    return [_record(bench, cell, lanes, solo, spans, seen.conditions) for spans in runs]


def _alone(bench: Bench, lane: Lane) -> float:
    return median(bench.device.fire([lane], [_AT_ONCE])[0].seconds for _ in range(_SOLO_REPEATS))


def _record(
    bench: Bench, cell: Cell, lanes: Sequence[Lane], solo: Sequence[float], spans: Sequence[Span], seen: Conditions
) -> Record:
    zero = min(span.start_s for span in spans)
    return Offset(
        cell=cell.id,
        group=cell.model_group,
        streams=tuple(
            OffsetStream(
                model=lane.work.name,
                batch=getattr(lane.work, "batch", 1),
                start_s=round(span.start_s - zero, 8),
                end_s=round(span.end_s - zero, 8),
                solo_s=round(alone, 8),
            )
            for lane, span, alone in zip(lanes, spans, solo, strict=True)
        ),
        dtype=bench.dtype,
        mode="graph" if bench.mode == "graph" else "eager",
        conditions=seen,
    )
