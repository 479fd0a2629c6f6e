"""Batches that start once each and overlap in part: the fitted rates integrated over time.

Steady-state cells cannot tell a model that is right only on average from one that is right at every instant; these
runs can. The walk is the simulator's own: a batch has work left, in seconds of solo time, and the rates change whenever
a batch starts or ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from stratsim.fit.cells import Load

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stratsim_profiler.samples import Offset

__all__ = ["Job", "durations", "measured_slowdowns", "offset_slowdowns"]


class Job(NamedTuple):
    """A batch that is started once."""

    load: Load
    start_s: float
    work_s: float
    """Execution time alone, seconds."""


def durations(jobs: Sequence[Job], rates: Callable[[Sequence[Load]], Sequence[float]]) -> list[float]:
    """Return how long each job takes, seconds.

    Args:
        jobs: The jobs, in any order.
        rates: Rates of loads that run together, each > 0.
    """
    left = [job.work_s for job in jobs]
    waiting = sorted(range(len(jobs)), key=lambda at: (jobs[at].start_s, at))
    active: list[int] = []
    ends = [0.0] * len(jobs)
    now = jobs[waiting[0]].start_s if jobs else 0.0
    while waiting or active:
        if not active:
            now = max(now, jobs[waiting[0]].start_s)
        while waiting and jobs[waiting[0]].start_s <= now:
            active.append(waiting.pop(0))
        speed = rates([jobs[at].load for at in active])
        first = min(range(len(active)), key=lambda at: left[active[at]] / speed[at])
        step = left[active[first]] / speed[first]
        ending = not waiting or now + step <= jobs[waiting[0]].start_s
        if not ending:
            step = jobs[waiting[0]].start_s - now
        for at, rate in zip(active, speed, strict=True):
            left[at] -= rate * step
        now = now + step if ending else jobs[waiting[0]].start_s
        if ending:
            ends[active[first]] = now
            del active[first]
    return [end - job.start_s for end, job in zip(ends, jobs, strict=True)]


def offset_slowdowns(run: Offset, rates: Callable[[Sequence[Load]], Sequence[float]]) -> list[float]:
    """Return the predicted duration of each inference of a run over its duration alone."""
    jobs = [Job(Load(s.model, s.batch), s.start_s, s.solo_s) for s in run.streams]
    return [took / job.work_s for took, job in zip(durations(jobs, rates), jobs, strict=True)]


def measured_slowdowns(run: Offset) -> list[float]:
    """Return the measured duration of each inference of a run over its duration alone."""
    return [(stream.end_s - stream.start_s) / stream.solo_s for stream in run.streams]
