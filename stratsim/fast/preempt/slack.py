"""High priority stops low priority only where its slack is at stake: `stratsim.policy.preempt.slack` on arrays."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from stratsim.fast.clock import schedule
from stratsim.fast.codes import (
    FAILED,
    FLYING,
    FLYING_AT,
    GPU_AT,
    GPUS,
    LASTS_S,
    ON_TIME,
    PREEMPTS,
    READY_S,
    START_S,
    STATUS,
    TIMERS,
    WOKEN,
)
from stratsim.fast.compiled import compiled
from stratsim.fast.preempt.codes import DUE_S, FREE_AT, LEVEL, OUT_S, PAUSED_S, STRETCH, TIMER_S
from stratsim.fast.preempt.seeing import count_urgent, executes, has_input

if TYPE_CHECKING:
    from stratsim.fast.compiled import Ints, Reals

__all__ = ["is_short", "joins", "set_timer", "slots_wanted"]


@compiled
def _allowed_s(ints: Ints, reals: Reals, own: int) -> float:
    """Return what a batch is allowed to take, from its first kernel to its last."""
    return reals[ints[ints[PREEMPTS]] + STRETCH] * reals[own + LASTS_S]  # type: ignore[no-any-return]


@compiled
def _done_by_s(reals: Reals, own: int) -> float:
    """Return when a batch's execution must have ended."""
    return reals[own + DUE_S] * ON_TIME - reals[own + OUT_S]  # type: ignore[no-any-return]


@compiled
def _has_time(ints: Ints, reals: Reals, own: int) -> bool:
    """Whether an executing batch is in time with all that it is allowed."""
    return reals[own + START_S] + _allowed_s(ints, reals, own) <= _done_by_s(reals, own)  # type: ignore[no-any-return]


@compiled
def _until_s(ints: Ints, reals: Reals, own: int) -> float:
    """Return until when low priority may run beside an executing batch of high priority."""
    start_s, stretch = reals[own + START_S], reals[ints[ints[PREEMPTS]] + STRETCH]
    if _has_time(ints, reals, own):
        return start_s + _allowed_s(ints, reals, own)  # type: ignore[no-any-return]
    spare_s = _done_by_s(reals, own) - start_s - reals[own + LASTS_S]
    if spare_s < 0.0:
        return inf  # late even alone: nobody is stopped for it
    if stretch == 1.0:  # by rounding alone: the reference fails, too
        ints[STATUS] = FAILED
        return inf
    return start_s + spare_s * stretch / (stretch - 1.0)  # type: ignore[no-any-return]


@compiled
def is_short(ints: Ints, reals: Reals, gpu: int, now_s: float, seen_s: float) -> bool:
    """Whether a high-priority batch that executes has no slack left."""
    for place in range(ints[gpu + FLYING]):
        batch = ints[ints[gpu + FLYING_AT] + place]
        is_urgent = ints[batch + LEVEL] == 0 and executes(ints, reals, batch, seen_s)
        if is_urgent and _until_s(ints, reals, ints[batch]) <= now_s * ON_TIME:
            return True
    return False


@compiled
def joins(ints: Ints, reals: Reals, gpu: int, lasts_s: float, now_s: float, seen_s: float) -> bool:
    """Whether high priority can bear a low-priority batch of that length beside it."""
    ends_s = now_s + lasts_s
    for place in range(ints[gpu + FLYING]):
        batch = ints[ints[gpu + FLYING_AT] + place]
        if ints[batch + LEVEL] == 0 and executes(ints, reals, batch, seen_s):
            own = ints[batch]
            if not (_has_time(ints, reals, own) or ends_s <= _until_s(ints, reals, own)):
                return False
    return True


@compiled
def slots_wanted(ints: Ints, reals: Reals, gpu: int, now_s: float, seen_s: float) -> int:
    """Return how many high-priority batches cannot wait for the slots that come free by themselves."""
    members, free, executing = ints[gpu + FLYING_AT], ints[ints[PREEMPTS] + FREE_AT], 0
    for place in range(ints[gpu + FLYING]):
        batch = ints[members + place]
        if executes(ints, reals, batch, seen_s):
            own, at = ints[batch], executing
            free_s = max(reals[own + START_S] + reals[own + PAUSED_S] + _allowed_s(ints, reals, own), now_s)
            while at and reals[free + at - 1] > free_s:
                reals[free + at] = reals[free + at - 1]
                at -= 1
            reals[free + at] = free_s
            executing += 1
    wanted = waiting = 0
    for place in range(ints[gpu + FLYING]):
        batch = ints[members + place]
        if ints[batch + LEVEL] == 0 and not executes(ints, reals, batch, seen_s):
            own = ints[batch]
            if has_input(ints, reals, batch, seen_s) and reals[own + READY_S] <= now_s:
                at, latest_s = waiting - wanted, _latest_start_s(ints, reals, own)
                if at >= executing or reals[free + at] > latest_s or latest_s <= now_s * ON_TIME:
                    wanted += 1
                waiting += 1
    return wanted


@compiled
def _latest_start_s(ints: Ints, reals: Reals, own: int) -> float:
    """Return when a batch must have a slot, to be in time beside others."""
    return _done_by_s(reals, own) - _allowed_s(ints, reals, own)


@compiled
def set_timer(ints: Ints, reals: Reals, now_s: float, seen_s: float) -> None:
    """Have the policy asked when low priority may next have to be stopped, unless the last timer was for then."""
    soonest_s, timer = inf, ints[ints[PREEMPTS]] + TIMER_S
    for number in range(ints[GPUS]):
        gpu = ints[ints[GPU_AT] + number]
        if ints[gpu + FLYING] > count_urgent(ints, gpu):
            soonest_s = min(soonest_s, _next_s(ints, reals, gpu, now_s, seen_s))
    if soonest_s < inf and soonest_s != reals[timer]:
        reals[timer] = soonest_s
        schedule(ints, reals, soonest_s, TIMERS, WOKEN)


@compiled
def _next_s(ints: Ints, reals: Reals, gpu: int, now_s: float, seen_s: float) -> float:
    """Return when low priority on a GPU may next have to be stopped, `inf` for never as things are."""
    next_s = inf
    for place in range(ints[gpu + FLYING]):
        batch = ints[ints[gpu + FLYING_AT] + place]
        if ints[batch + LEVEL] == 0:
            if executes(ints, reals, batch, seen_s):
                at_s = _until_s(ints, reals, ints[batch])
            else:
                at_s = _latest_start_s(ints, reals, ints[batch])
            if now_s * ON_TIME < at_s < next_s:
                next_s = at_s
    return next_s
