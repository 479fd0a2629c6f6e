"""A model alone: what it is, how long it takes, which kernels it runs."""

from __future__ import annotations

import time
from math import sqrt
from statistics import fmean, median, stdev
from typing import TYPE_CHECKING

from stratsim_profiler.device.timeline import thin
from stratsim_profiler.samples import Kernels, Model, Solo

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratsim_profiler.device.base import Lane, Span
    from stratsim_profiler.measure.bench import Bench
    from stratsim_profiler.plan import Cell
    from stratsim_profiler.samples import Record

__all__ = ["kernels", "model", "relative_error", "solo"]


def model(bench: Bench, cell: Cell) -> list[Record]:
    """Return what a model is; nothing is measured."""
    from stratsim_profiler.zoo.build import facts

    name = cell.loads[0].model
    found = facts(name, bench.dtype)
    return [
        Model(
            cell.id,
            name,
            found.source,
            found.parameters,
            found.weights_bytes,
            found.bytes_in,
            found.bytes_out,
            found.flops,
        )
    ]


def solo(bench: Bench, cell: Cell) -> list[Record]:
    """Measure inferences one at a time, each after a flush of the caches.

    It stops when the mean's relative standard error is small enough, when its time is up, or at the most inferences.

    Raises:
        Rejected: the device was disturbed.
    """
    lane = bench.lanes.take(cell.works(bench.dtype, bench.mode))[0]
    with bench.watch() as seen:
        spans, stopped = _repeat(bench, lane)
    seconds = [span.seconds for span in spans]
    enqueue = [span.enqueue_s for span in spans if span.enqueue_s > 0]
    bench.typical_s[lane.work] = median(seconds)
    most = bench.settings.most_samples
    return [
        Solo(
            cell=cell.id,
            model=cell.loads[0].model,
            batch=cell.loads[0].batch,
            dtype=bench.dtype,
            mode="graph" if bench.mode == "graph" else "eager",
            seconds=thin(seconds, most),
            enqueue_seconds=thin(enqueue, most),
            launch_bound=bool(enqueue) and median(enqueue) > bench.settings.launch_bound * median(seconds),
            stopped=stopped,
            conditions=seen.conditions,
        )
    ]


def kernels(bench: Bench, cell: Cell) -> list[Record]:
    """Look at the kernels of an inference through torch.profiler."""
    lane = bench.lanes.take(cell.works(bench.dtype, bench.mode))[0]
    found = bench.device.kernels(lane, bench.settings.kernel_iterations)
    load = cell.loads[0]
    if not found.count:
        return []
    return [
        Kernels(cell.id, load.model, load.batch, found.count, found.mean_s, found.max_s, found.total_s, found.phases)
    ]


def relative_error(seconds: Sequence[float]) -> float:
    """Return the relative standard error of the mean; infinite for fewer than two values."""
    if len(seconds) < 2:
        return float("inf")
    return stdev(seconds) / sqrt(len(seconds)) / fmean(seconds)


def _repeat(bench: Bench, lane: Lane) -> tuple[list[Span], str]:
    least, most = bench.settings.solo_samples
    until = time.perf_counter() + bench.settings.solo_budget_s
    bench.device.fire([lane], [0.0], flush=True)  # the first one after a pause is not like the others
    spans: list[Span] = []
    while len(spans) < most:
        spans.append(bench.device.fire([lane], [0.0], flush=True)[0])
        if len(spans) < least:
            continue
        if relative_error([span.seconds for span in spans]) <= bench.settings.solo_noise:
            return spans, "noise"
        if time.perf_counter() > until:
            return spans, "budget"
    return spans, "count"
