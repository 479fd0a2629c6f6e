"""Priority-EDF whose high class stops the low one: `stratsim.policy.preempt.base` on arrays."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from stratsim.fast.codes import (
    ESTIMATES,
    EXPECTED_AT,
    FINE,
    FLYING,
    GPU_AT,
    GPUS,
    HEADS,
    PLACES,
    PREEMPTS,
    SIZES,
    SLOTS,
    STATUS,
)
from stratsim.fast.compiled import compiled
from stratsim.fast.preempt.bottleneck import launches, unlike
from stratsim.fast.preempt.codes import (
    ASIDE,
    BY_BOTTLENECK,
    BY_SLACK,
    HIGH_AT_ONCE,
    KIND,
    LISTED_AT,
    OTHERS_AT,
    POLICY,
    UNANSWERED,
    WHOLE_REQUEST,
)
from stratsim.fast.preempt.seeing import (
    count_urgent,
    executes,
    first_waiting,
    holding,
    list_low,
    list_suspended,
    room,
    wait_s,
)
from stratsim.fast.preempt.slack import is_short, joins, slots_wanted
from stratsim.fast.preempt.starting import start, take_batch
from stratsim.fast.preempt.stopping import resume, suspend

if TYPE_CHECKING:
    from stratsim.fast.columns import Columns
    from stratsim.fast.compiled import Ask, Column, Ints, Reals

__all__ = ["let_high_run"]


@compiled
def let_high_run(ints: Ints, reals: Reals, columns: Columns, ask: Ask, now_s: float, seen_s: float) -> None:
    """Start what is urgent, stop or resume the rest, then start the rest."""
    urgent = True
    while ints[STATUS] == FINE:
        gpu = -1
        if ints[HEADS] and (columns.priority[first_waiting(ints)] == 0) == urgent:
            gpu = _pick(ints, reals, columns.model_of, urgent, now_s, seen_s)
        if gpu < 0:
            if not urgent or not _sort_out(ints, reals, columns.times_s, ask, now_s, seen_s):
                return
            urgent = False
            continue
        slot_s = now_s
        if ints[ESTIMATES]:
            slot_s = now_s + wait_s(ints, reals, gpu, urgent, now_s, seen_s)
        size, expected_s = take_batch(ints, reals, columns, ask, now_s, slot_s)
        if not size:
            continue
        if urgent:
            ints[gpu + UNANSWERED] += 1
            if ints[ints[PREEMPTS] + WHOLE_REQUEST]:  # before it could start in a slot that happens to be free
                _suspend_low(ints, reals, columns.times_s, ask, gpu, now_s, seen_s)
        if ints[gpu + FLYING] == ints[PLACES]:
            last = list_low(ints, reals, gpu, seen_s) - 1
            suspend(ints, reals, columns.times_s, ask, gpu, ints[ints[ints[PREEMPTS] + LISTED_AT] + last], now_s)
        if ints[STATUS] == FINE:
            start(ints, reals, columns, ask, gpu, size, now_s, expected_s)


@compiled
def _sort_out(ints: Ints, reals: Reals, times_s: Column, ask: Ask, now_s: float, seen_s: float) -> bool:
    """Stop or resume low priority on each GPU; return whether more of it starts by the rules here."""
    for number in range(ints[GPUS]):
        gpu = ints[ints[GPU_AT] + number]
        _suspend_low(ints, reals, times_s, ask, gpu, now_s, seen_s)
        _resume_low(ints, reals, times_s, ask, gpu, now_s, seen_s)
    return ints[ints[PREEMPTS] + POLICY] != BY_BOTTLENECK  # type: ignore[no-any-return]


@compiled
def _pick(ints: Ints, reals: Reals, model_of: Column, urgent: bool, now_s: float, seen_s: float) -> int:
    """Return the GPU for the next batch; -1: there is no room, or high priority has all it may."""
    found, least, least_flying = -1, 0, 0
    for number in range(ints[GPUS]):
        gpu = ints[ints[GPU_AT] + number]
        if _is_able(ints, reals, model_of, gpu, urgent, now_s, seen_s):
            count, flying = count_urgent(ints, gpu) if urgent else ints[gpu + FLYING], ints[gpu + FLYING]
            if found < 0 or count < least or (count == least and flying < least_flying):
                found, least, least_flying = gpu, count, flying
    if found < 0 or least < ints[SLOTS] or ints[GPUS] == 1:
        return found
    found, least_s = -1, inf
    for number in range(ints[GPUS]):
        gpu = ints[ints[GPU_AT] + number]
        if _is_able(ints, reals, model_of, gpu, urgent, now_s, seen_s):
            gpu_s = wait_s(ints, reals, gpu, urgent, now_s, seen_s)
            if found < 0 or gpu_s < least_s:
                found, least_s = gpu, gpu_s
    return found


@compiled
def _is_able(ints: Ints, reals: Reals, model_of: Column, gpu: int, urgent: bool, now_s: float, seen_s: float) -> bool:
    """Whether the next batch may start on a GPU: one of high priority needs no free place."""
    if urgent:
        return count_urgent(ints, gpu) < ints[ints[PREEMPTS] + HIGH_AT_ONCE]  # type: ignore[no-any-return]
    if ints[gpu + FLYING] == ints[PLACES] or ints[gpu + ASIDE] or not _has_room(ints, reals, gpu, now_s, seen_s):
        return False
    return _joins(ints, reals, gpu, model_of[first_waiting(ints)] * ints[SIZES] + 1, now_s, seen_s)


@compiled
def _joins(ints: Ints, reals: Reals, gpu: int, kind: int, now_s: float, seen_s: float) -> bool:
    """Whether a low-priority batch of that model and size may run beside those that hold a GPU, if there is room."""
    policy = ints[ints[PREEMPTS] + POLICY]
    if policy == BY_SLACK:
        return joins(ints, reals, gpu, reals[ints[EXPECTED_AT] + kind], now_s, seen_s)
    return policy != BY_BOTTLENECK or unlike(ints, reals, gpu, kind, seen_s)


@compiled
def _has_room(ints: Ints, reals: Reals, gpu: int, now_s: float, seen_s: float) -> bool:
    """Whether one more low-priority batch may be in flight, if there is a place."""
    held = holding(ints, reals, gpu, seen_s)
    if held and ints[gpu + FLYING] - count_urgent(ints, gpu) >= room(ints, held):
        return False
    if ints[ints[PREEMPTS] + POLICY] == BY_BOTTLENECK:
        return launches(ints, reals, gpu, seen_s)
    if ints[ints[PREEMPTS] + POLICY] != BY_SLACK:
        return True
    return not is_short(ints, reals, gpu, now_s, seen_s) and not slots_wanted(ints, reals, gpu, now_s, seen_s)


@compiled
def _suspend_low(ints: Ints, reals: Reals, times_s: Column, ask: Ask, gpu: int, now_s: float, seen_s: float) -> None:
    """Stop the low-priority batches on a GPU that are in the way."""
    listed, stays = ints[ints[PREEMPTS] + LISTED_AT], ints[ints[PREEMPTS] + OTHERS_AT]
    if ints[ints[PREEMPTS] + POLICY] == BY_SLACK:
        low = list_low(ints, reals, gpu, seen_s)
        left = _staying(ints, reals, gpu, low, now_s, seen_s)
    else:
        held = holding(ints, reals, gpu, seen_s)
        if not held:
            return
        low, left = list_low(ints, reals, gpu, seen_s), room(ints, held)
    for place in range(low):
        kind = ints[ints[listed + place] + KIND]
        ints[stays + place] = 0
        if left and (ints[ints[PREEMPTS] + POLICY] == BY_SLACK or _joins(ints, reals, gpu, kind, now_s, seen_s)):
            ints[stays + place] = 1
            left -= 1
    for place in range(low - 1, -1, -1):  # from the end: what has not started must not get a slot that others leave
        if not ints[stays + place]:
            suspend(ints, reals, times_s, ask, gpu, ints[listed + place], now_s)


@compiled
def _staying(ints: Ints, reals: Reals, gpu: int, low: int, now_s: float, seen_s: float) -> int:
    """Return how many of the low-priority batches that are listed may stay, as far as slack allows."""
    executing, listed = 0, ints[ints[PREEMPTS] + LISTED_AT]
    while executing < low and executes(ints, reals, ints[listed + executing], seen_s):
        executing += 1
    if not low:
        return low
    if is_short(ints, reals, gpu, now_s, seen_s):
        count = executing
    else:
        count = min(slots_wanted(ints, reals, gpu, now_s, seen_s), executing)
    return executing - count if count else low


@compiled
def _resume_low(ints: Ints, reals: Reals, times_s: Column, ask: Ask, gpu: int, now_s: float, seen_s: float) -> None:
    """Let what was stopped on a GPU go on, as far as there is room."""
    if not ints[gpu + ASIDE]:
        return
    listed = ints[ints[PREEMPTS] + OTHERS_AT]
    for place in range(list_suspended(ints, reals, gpu)):
        batch = ints[listed + place]
        if (
            ints[gpu + FLYING] < ints[PLACES]
            and _has_room(ints, reals, gpu, now_s, seen_s)
            and _joins(ints, reals, gpu, ints[batch + KIND], now_s, seen_s)
        ):
            resume(ints, reals, times_s, ask, gpu, batch, now_s)
