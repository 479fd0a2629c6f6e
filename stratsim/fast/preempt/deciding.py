"""Priority-EDF whose high class stops the low one: `stratsim.policy.preempt.base` on arrays."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from stratsim.fast.codes import (
    BEGIN,
    ESTIMATES,
    FINE,
    FLYING,
    FLYING_AT,
    GPU_AT,
    GPUS,
    HEAD_AT,
    HEADS,
    PLACES,
    PREEMPTS,
    SLOTS,
    STATUS,
)
from stratsim.fast.compiled import compiled
from stratsim.fast.preempt.codes import (
    ASIDE,
    HIGH_AT_ONCE,
    LEVEL,
    LISTED_AT,
    OTHERS_AT,
    STOPS_ALL,
    UNANSWERED,
    WHOLE_REQUEST,
)
from stratsim.fast.preempt.seeing import count_urgent, has_input, list_low, list_suspended, wait_s
from stratsim.fast.preempt.starting import start, take_batch
from stratsim.fast.preempt.stopping import resume, suspend

if TYPE_CHECKING:
    from stratsim.fast.compiled import Ask, Column, Ints, Reals

__all__ = ["decide"]


@compiled
def decide(
    ints: Ints,
    reals: Reals,
    model_of: Column,
    priority: Column,
    deadline_s: Column,
    bytes_in: Column,
    bytes_out: Column,
    factor: Column,
    batch_of: Column,
    gpu_of: Column,
    dropped: Column,
    dropped_s: Column,
    reason: Column,
    times_s: Column,
    output: Column,
    ask: Ask,
    now_s: float,
    seen_s: float,
) -> None:
    """Start what is urgent, stop or resume the rest, then start the rest."""
    urgent = True
    while ints[STATUS] == FINE:
        gpu = -1
        if ints[HEADS] and (priority[_first(ints)] == 0) == urgent:
            gpu = _pick(ints, reals, urgent, now_s, seen_s)
        if gpu < 0:
            if not urgent:
                return
            urgent = False
            for number in range(ints[GPUS]):
                gpu = ints[ints[GPU_AT] + number]
                _suspend_low(ints, reals, times_s, ask, gpu, now_s, seen_s)
                _resume_low(ints, reals, times_s, ask, gpu, now_s, seen_s)
            continue
        slot_s = now_s
        if ints[ESTIMATES]:
            slot_s = now_s + wait_s(ints, reals, gpu, urgent, now_s, seen_s)
        size, expected_s = take_batch(
            ints, reals, priority, deadline_s, bytes_in, bytes_out, dropped, dropped_s, reason, ask, now_s, slot_s
        )
        if not size:
            continue
        if urgent:
            ints[gpu + UNANSWERED] += 1
            if ints[ints[PREEMPTS] + WHOLE_REQUEST]:  # before it could start in a slot that happens to be free
                _suspend_low(ints, reals, times_s, ask, gpu, now_s, seen_s)
        if ints[gpu + FLYING] == ints[PLACES]:
            last = list_low(ints, reals, gpu, seen_s) - 1
            suspend(ints, reals, times_s, ask, gpu, ints[ints[ints[PREEMPTS] + LISTED_AT] + last], now_s)
        if ints[STATUS] == FINE:
            start(
                ints,
                reals,
                model_of,
                priority,
                deadline_s,
                bytes_in,
                bytes_out,
                factor,
                batch_of,
                gpu_of,
                times_s,
                output,
                ask,
                gpu,
                size,
                now_s,
                expected_s,
            )


@compiled
def _first(ints: Ints) -> int:
    """Return the first request of all that wait."""
    return ints[ints[ints[ints[HEAD_AT]] + BEGIN]]  # type: ignore[no-any-return]


@compiled
def _pick(ints: Ints, reals: Reals, urgent: bool, now_s: float, seen_s: float) -> int:
    """Return the GPU for the next batch; -1: there is no room, or high priority has all it may."""
    found, least, least_flying = -1, 0, 0
    for number in range(ints[GPUS]):
        gpu = ints[ints[GPU_AT] + number]
        if _is_able(ints, reals, gpu, urgent, seen_s):
            count, flying = count_urgent(ints, gpu) if urgent else ints[gpu + FLYING], ints[gpu + FLYING]
            if found < 0 or count < least or (count == least and flying < least_flying):
                found, least, least_flying = gpu, count, flying
    if found < 0 or least < ints[SLOTS] or ints[GPUS] == 1:
        return found
    found, least_s = -1, inf
    for number in range(ints[GPUS]):
        gpu = ints[ints[GPU_AT] + number]
        if _is_able(ints, reals, gpu, urgent, seen_s):
            gpu_s = wait_s(ints, reals, gpu, urgent, now_s, seen_s)
            if found < 0 or gpu_s < least_s:
                found, least_s = gpu, gpu_s
    return found


@compiled
def _is_able(ints: Ints, reals: Reals, gpu: int, urgent: bool, seen_s: float) -> bool:
    """Whether a batch may start on a GPU: one of high priority needs no free place."""
    if urgent:
        return count_urgent(ints, gpu) < ints[ints[PREEMPTS] + HIGH_AT_ONCE]  # type: ignore[no-any-return]
    return ints[gpu + FLYING] < ints[PLACES] and not ints[gpu + ASIDE] and _has_room(ints, reals, gpu, seen_s)


@compiled
def _holding(ints: Ints, reals: Reals, gpu: int, seen_s: float) -> int:
    """Return how many high-priority batches hold a GPU."""
    if ints[ints[PREEMPTS] + WHOLE_REQUEST]:
        return ints[gpu + UNANSWERED]  # type: ignore[no-any-return]
    count = 0
    for place in range(ints[gpu + FLYING]):
        batch = ints[ints[gpu + FLYING_AT] + place]
        if ints[batch + LEVEL] == 0 and has_input(ints, reals, batch, seen_s):
            count += 1
    return count


@compiled
def _room(ints: Ints, holding: int) -> int:
    """Return how many low-priority batches may be in flight where high priority holds the GPU."""
    return 0 if ints[ints[PREEMPTS] + STOPS_ALL] else max(ints[SLOTS] - holding, 0)


@compiled
def _has_room(ints: Ints, reals: Reals, gpu: int, seen_s: float) -> bool:
    """Whether one more low-priority batch may be in flight, if there is a place."""
    holding = _holding(ints, reals, gpu, seen_s)
    return not holding or ints[gpu + FLYING] - count_urgent(ints, gpu) < _room(ints, holding)


@compiled
def _suspend_low(ints: Ints, reals: Reals, times_s: Column, ask: Ask, gpu: int, now_s: float, seen_s: float) -> None:
    holding = _holding(ints, reals, gpu, seen_s)
    if not holding:
        return
    listed = ints[ints[PREEMPTS] + LISTED_AT]
    place, stay = list_low(ints, reals, gpu, seen_s) - 1, _room(ints, holding)
    while place >= stay:  # from the end: what has not started must not get a slot that others leave
        suspend(ints, reals, times_s, ask, gpu, ints[listed + place], now_s)
        place -= 1


@compiled
def _resume_low(ints: Ints, reals: Reals, times_s: Column, ask: Ask, gpu: int, now_s: float, seen_s: float) -> None:
    if not ints[gpu + ASIDE]:
        return
    listed = ints[ints[PREEMPTS] + OTHERS_AT]
    for place in range(list_suspended(ints, reals, gpu)):
        if ints[gpu + FLYING] < ints[PLACES] and _has_room(ints, reals, gpu, seen_s):
            resume(ints, reals, times_s, ask, gpu, ints[listed + place], now_s)
