"""A schedule of jobs on one GPU that leaves the least weight late: Moore and Hodgson, with weights and co-location.

A job is a batch: one that executes, one that was stopped, or requests that could be started as one. On a machine that
runs one job at a time, the rule of Moore and Hodgson (1968) finds the order with the fewest late jobs: take jobs by
due date; whenever one is late, put off the longest of those taken so far. With weights the problem is NP-hard; putting
off the job of least weight per work is the usual heuristic, and equals theirs where all weights are equal. Here up to
`slots` jobs run at once, at the rates that a belief gives for who runs beside whom.

Source: Moore 1968 ("An n job, one machine sequencing algorithm for minimizing the number of late jobs"), Hodgson's
version of it; rates, slots and weights are our choice.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from stratsim.model.tolerance import RANK_DIGITS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stratsim.policy.view import InFlight
    from stratsim.predict import Active, Member

    Rates = Callable[[Active], Sequence[float]]

__all__ = ["Job", "late_weight", "plan", "walk"]

_MOST_STEPS = 20
"""Intervals of constant co-runners that a walk follows exactly; what comes later matters little and changes anyway."""
_THROUGHPUT = 1.3
"""Solo work per second beyond them: what two co-located batches do together (our choice)."""


class Job:
    """A batch that runs, was stopped, or could be started.

    Args:
        key: Its model and size, by which beliefs know it.
        left_s: Work left, seconds of solo execution, copy-in included where that is still to come.
        tail_s: From the end of its execution until its outputs are on the host.
        deadlines: Latest finish and weight of each of its requests.
        requests: What would be started; empty for a batch in flight.
        batch: The batch in flight.
    """

    __slots__ = ("batch", "deadlines", "due_s", "end_s", "key", "left_s", "requests", "tail_s", "value")

    def __init__(
        self,
        key: Member,
        left_s: float,
        tail_s: float,
        deadlines: Sequence[tuple[float, float]],
        requests: Sequence[object] = (),
        batch: InFlight | None = None,
    ) -> None:
        self.key = key
        self.left_s = left_s
        self.tail_s = tail_s
        self.deadlines = deadlines
        self.requests = requests
        self.batch = batch
        self.value = 0.0
        """Weight of the requests that can still be in time."""
        self.due_s = inf
        """The earliest deadline among them."""
        self.end_s = inf
        """When its execution ends, by the last walk."""

    def judge(self, now_s: float) -> None:
        """Set `value` and `due_s`: which requests would be in time if it ran alone from now on."""
        soonest_s = now_s + self.left_s + self.tail_s
        value, due_s = 0.0, inf
        for deadline_s, weight in self.deadlines:
            if deadline_s >= soonest_s:
                value += weight
                due_s = min(due_s, deadline_s)
        self.value, self.due_s = value, due_s


def walk(
    order: Sequence[Job], slots: int, now_s: float, rates: Rates, drains: Sequence[tuple[Member, float]] = ()
) -> None:
    """Set `end_s` of every job: the first `slots` run at once, and whenever one ends the next begins.

    Args:
        order: The jobs.
        slots: How many run at once.
        now_s: When the first begin.
        rates: The belief: progress of each of a set of batches that run together, in (0, 1].
        drains: Model and size, and solo work, of what was stopped and still runs for a while, in no slot.
    """
    drained = len(drains)
    keys = [key for key, _ in drains]
    left = [left_s for _, left_s in drains]
    running: list[Job | None] = [None] * drained
    following, total, at_s = 0, len(order), now_s
    for _ in range(_MOST_STEPS + drained):
        while following < total and len(running) - drained < slots:
            job = order[following]
            following += 1
            running.append(job)
            keys.append(job.key)
            left.append(job.left_s)
        if not running:
            return
        speeds = rates(tuple(keys)) if len(running) > 1 else _ALONE
        step_s, which = inf, 0
        for index, rate in enumerate(speeds):
            needs_s = left[index] / rate
            if needs_s < step_s:
                step_s, which = needs_s, index
        at_s += step_s
        for index, rate in enumerate(speeds):
            left[index] -= step_s * rate
        ended = running.pop(which)
        del keys[which], left[which]
        if ended is None:
            drained -= 1
        else:
            ended.end_s = at_s
    for still, left_s in zip(running, left, strict=True):
        at_s += left_s / _THROUGHPUT
        if still is not None:
            still.end_s = at_s
    for job in order[following:]:
        at_s += job.left_s / _THROUGHPUT
        job.end_s = at_s


def late_weight(jobs: Sequence[Job]) -> float:
    """Return the weight of all requests that are late by the last walk."""
    total = 0.0
    for job in jobs:
        finish_s = job.end_s + job.tail_s
        for deadline_s, weight in job.deadlines:
            if finish_s > deadline_s:
                total += weight
    return total


def plan(jobs: Sequence[Job], slots: int, now_s: float, rates: Rates, fixed: Sequence[Job] = ()) -> list[Job]:
    """Return the jobs in an order of little late weight; `end_s` is set by it.

    Args:
        jobs: What may be ordered; `Job.judge` was called for each.
        slots: How many run at once.
        now_s: The time.
        rates: The belief, see `walk`.
        fixed: Jobs that run already and go on first, whatever becomes of them.
    """
    kept = sorted([job for job in jobs if job.value > 0.0], key=_due)
    put_off = [job for job in jobs if job.value <= 0.0]
    while kept:
        order = [*fixed, *kept]
        walk(order, slots, now_s, rates)
        late = next((at for at, job in enumerate(kept) if job.end_s + job.tail_s > job.due_s), None)
        if late is None:
            break
        worst = min(range(late + 1), key=lambda at: _worth(kept[at]))
        put_off.append(kept.pop(worst))
    put_off.sort(key=_due)
    order = [*fixed, *kept, *put_off]
    if put_off or not kept:
        walk(order, slots, now_s, rates)
    return order


_ALONE = (1.0,)


def _due(job: Job) -> float:
    return round(job.due_s, RANK_DIGITS)


def _worth(job: Job) -> float:
    """Return the value per work left."""
    return round(job.value / job.left_s, RANK_DIGITS) if job.left_s > 0.0 else inf
