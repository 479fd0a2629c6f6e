"""Batches stop and go on: `stratsim.engine.preemption` on arrays, but for who has a slot (`slots`)."""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING

from stratsim.fast.clock import schedule
from stratsim.fast.codes import (
    BATCH,
    DEVICE,
    END_S,
    ENDED_AT,
    FREE_SLOTS,
    FULL,
    KINDS,
    NEXT_S,
    NOTICE,
    NOTICE_S,
    NOTIFIED,
    NOTIFIED_AT,
    NUMBER,
    OF_STOP,
    PREEMPTS,
    QUEUED,
    QUEUED_AT,
    READY_S,
    SAME,
    SIZES,
    SOLO_S,
    STATUS,
    TICK,
)
from stratsim.fast.compiled import compiled
from stratsim.fast.preempt.codes import (
    ASIDE,
    BATCH_ID,
    BEGAN_S,
    COPYING,
    DONE_S,
    DRAINING,
    DRAWN,
    EXECUTING,
    FREED_S,
    HAD_STOPPED_S,
    HALTED_S,
    HALTING,
    HALTS,
    HALTS_AT,
    HAS_ENDED,
    HAS_SLOT,
    HAS_STOPPED,
    HOLDS_SLOT,
    IS_ASIDE,
    IS_RETURNING,
    IS_STOPPING,
    KERNEL_S,
    KERNELS_AT,
    KIND,
    LAUNCHING,
    LEAD,
    LOST,
    LOST_S,
    MOST_ASIDE,
    MOST_PAUSES,
    NEEDS_KERNELS,
    NOTED,
    NOTED_AT,
    NOTED_SERIAL_AT,
    OVERHEAD,
    PAUSE,
    PAUSE_AT,
    PAUSE_ROW,
    PAUSES,
    READY_TO_START,
    RESTART_S,
    RETURNS,
    RETURNS_AT,
    SEVERAL,
    STATE,
    STOP,
    STOP_SERIAL,
    STOPPED_AT,
    STOPPED_S,
    STOPPING,
    STOPS,
    SUSPEND_S,
    SUSPENDED_S,
    UNTIL_S,
    WAITS,
)
from stratsim.fast.preempt.lists import append, discard, set_aside, take_back
from stratsim.fast.preempt.mechanism import draws, step_s, stop
from stratsim.fast.preempt.slots import call_back, call_off, done_s, execute, settle, stops_no_more, watch
from stratsim.fast.preempt.unit import complete, hold, remove

if TYPE_CHECKING:
    from stratsim.fast.compiled import Ask, Column, Ints, Reals

__all__ = ["complete_now", "notified", "ready", "resume", "suspend"]


@compiled
def ready(ints: Ints, reals: Reals, times_s: Column, ask: Ask, gpu: int, batch: int, now_s: float) -> None:
    """Take a batch whose input is there now."""
    own, block = ints[batch], ints[PREEMPTS]
    ints[batch + STATE] = READY_TO_START
    reals[own + READY_S] = now_s
    solo_s = reals[own + SOLO_S] * (1.0 + reals[ints[block] + OVERHEAD])
    reals[own + SOLO_S] = reals[own + UNTIL_S] = solo_s
    if ints[block + NEEDS_KERNELS]:
        reals[own + KERNEL_S] = solo_s / ints[ints[block + KERNELS_AT] + ints[batch + KIND] // ints[SIZES]]
    else:
        reals[own + KERNEL_S] = 0.0
    if not ints[batch + IS_ASIDE]:
        append(ints, gpu + QUEUED, gpu + QUEUED_AT, batch)
        settle(ints, reals, times_s, ask, gpu, now_s)


@compiled
def suspend(ints: Ints, reals: Reals, times_s: Column, ask: Ask, gpu: int, batch: int, now_s: float) -> None:
    """Begin to stop a batch that is in flight."""
    if ints[gpu + ASIDE] == ints[ints[PREEMPTS] + MOST_ASIDE]:
        ints[STATUS] = FULL
        return
    set_aside(ints, gpu, batch)
    state = ints[batch + STATE]
    if ints[batch + WAITS]:  # a slot had not come yet: back to where it was
        ints[batch + WAITS] = ints[batch + IS_RETURNING] = 0
        discard(ints, gpu + RETURNS, gpu + RETURNS_AT, batch)
    elif state == READY_TO_START:
        discard(ints, gpu + QUEUED, gpu + QUEUED_AT, batch)
    elif state == LAUNCHING:
        call_off(ints, gpu, batch)
    elif state == EXECUTING:
        _begin_stop(ints, reals, times_s, ask, gpu, batch, now_s)
    settle(ints, reals, times_s, ask, gpu, now_s)


@compiled
def resume(ints: Ints, reals: Reals, times_s: Column, ask: Ask, gpu: int, batch: int, now_s: float) -> None:
    """Let a suspended batch go on as soon as there is a slot for it."""
    take_back(ints, gpu, batch)
    state = ints[batch + STATE]
    if state == DRAINING and ints[batch + HAS_SLOT]:
        call_back(ints, reals, ask, gpu, batch, now_s)
    elif COPYING < state < HAS_ENDED:
        ints[batch + WAITS] = 1
        append(ints, gpu + RETURNS, gpu + RETURNS_AT, batch)
        if ints[batch + STOP] >= 0:
            ints[batch + IS_RETURNING] = 1
    settle(ints, reals, times_s, ask, gpu, now_s)


@compiled
def _begin_stop(ints: Ints, reals: Reals, times_s: Column, ask: Ask, gpu: int, batch: int, now_s: float) -> None:
    own, block = ints[batch], ints[PREEMPTS]
    solo_s, kernel_s = reals[own + SOLO_S], reals[own + KERNEL_S]
    resolution_s = SAME * (now_s - reals[ints[block] + BEGAN_S]) + TICK * now_s
    done = done_s(ints, reals, gpu, batch, now_s)
    done = _whole_steps_s(done, step_s(ints, reals, kernel_s), solo_s, resolution_s)
    draw = 0.0
    if draws(ints):
        ask(OF_STOP, ints[batch + LEAD] + (ints[batch + STOPS] << 32))
        draw = reals[ints[block] + DRAWN]
    drain_s, latency_s, lost_s = stop(ints, reals, done, solo_s, kernel_s, draw)
    ints[batch + STOPS] += 1
    ints[batch + STOP] = ints[block + STOP_SERIAL]
    ints[block + STOP_SERIAL] += 1
    ints[batch + PAUSE] = -1
    reals[own + SUSPEND_S], reals[own + STOPPED_S], reals[own + LOST_S] = now_s, nan, lost_s
    ints[gpu + STOPPING] += 1 - ints[batch + IS_STOPPING]
    ints[batch + IS_STOPPING] = 1
    if not ints[block + HOLDS_SLOT]:
        _free(ints, reals, gpu, batch, now_s)
    if drain_s > 0 or solo_s - done <= resolution_s:
        ints[batch + STATE] = DRAINING
        # What it has left may be less, or rounding alone: then it ends before it stops, and was never stopped.
        until_s = done + drain_s
        if until_s < solo_s * (1.0 - SAME) - resolution_s:
            reals[own + UNTIL_S] = until_s
            execute(ints, reals, ask, gpu, batch, now_s, done, True)
        return
    reals[own + DONE_S] = max(done - lost_s, 0.0)
    ints[batch + STATE] = HALTING
    if latency_s > 0:
        hold(ints, reals, ask, now_s, gpu, batch)
        reals[own + HALTED_S] = now_s + latency_s
        append(ints, gpu + HALTS, gpu + HALTS_AT, batch)
    else:
        _stop(ints, reals, ask, gpu, batch, now_s)
        ints[ints[block + STOPPED_AT]] = batch
        _report(ints, reals, times_s, ask, gpu, 0, 1, now_s)


@compiled
def _whole_steps_s(done: float, step: float, solo_s: float, resolution_s: float) -> float:
    """Return the work done, a whole number of steps where the clock cannot tell it from one."""
    if not step:
        return done
    whole_s = round(done / step) * step
    return whole_s if abs(done - whole_s) <= resolution_s and whole_s < solo_s else done


@compiled
def _stop(ints: Ints, reals: Reals, ask: Ask, gpu: int, batch: int, now_s: float) -> None:
    """The GPU is free of a batch."""
    if ints[batch + STATE] == HALTING:
        remove(ints, reals, ask, now_s, gpu, batch)
    ints[batch + STATE] = HAS_STOPPED
    reals[ints[batch] + STOPPED_S] = now_s
    if ints[batch + PAUSE] >= 0:
        reals[ints[ints[PREEMPTS] + PAUSE_AT] + ints[batch + PAUSE] * PAUSE_ROW + HAD_STOPPED_S] = now_s


@compiled
def _free(ints: Ints, reals: Reals, gpu: int, batch: int, now_s: float) -> None:
    """A batch gives its slot up: that is a pause, and enters the table."""
    own, block = ints[batch], ints[PREEMPTS]
    ints[batch + HAS_SLOT] = 0
    ints[gpu + FREE_SLOTS] += 1
    number = ints[block + PAUSES]
    if number == ints[block + MOST_PAUSES]:
        ints[STATUS] = FULL
        return
    ints[block + PAUSES] = number + 1
    ints[batch + PAUSE] = number
    row = ints[block + PAUSE_AT] + number * PAUSE_ROW
    reals[row + BATCH_ID] = float(ints[batch + BATCH])
    reals[row + SUSPENDED_S], reals[row + FREED_S] = reals[own + SUSPEND_S], now_s
    reals[row + HAD_STOPPED_S], reals[row + RESTART_S] = reals[own + STOPPED_S], nan
    reals[row + LOST] = reals[own + LOST_S]


@compiled
def complete_now(ints: Ints, reals: Reals, times_s: Column, ask: Ask, gpu: int, now_s: float) -> int:
    """List the executions that end now at `ENDED_AT`, and return their number; let those stop that are to."""
    stopped_at, ended_at = ints[ints[PREEMPTS] + STOPPED_AT], ints[ENDED_AT]
    stopped = ended = 0
    while ints[gpu + HALTS] and reals[ints[ints[ints[gpu + HALTS_AT]]] + HALTED_S] <= now_s:
        batch = ints[ints[gpu + HALTS_AT]]
        discard(ints, gpu + HALTS, gpu + HALTS_AT, batch)
        _stop(ints, reals, ask, gpu, batch, now_s)
        ints[stopped_at + stopped] = batch
        stopped += 1
    if reals[ints[gpu] + NEXT_S] <= now_s:
        for place in range(complete(ints, reals, ask, now_s, gpu)):
            batch = ints[ended_at + place]
            own = ints[batch]
            if ints[batch + STATE] == DRAINING and reals[own + UNTIL_S] < reals[own + SOLO_S]:
                reals[own + DONE_S] = reals[own + UNTIL_S]
                _stop(ints, reals, ask, gpu, batch, now_s)
                ints[stopped_at + stopped] = batch
                stopped += 1
            else:
                ints[batch + STATE] = HAS_ENDED
                reals[own + END_S] = now_s
                ints[ended_at + ended] = batch
                ended += 1
    _report(ints, reals, times_s, ask, gpu, ended, stopped, now_s)
    return ended


@compiled
def _report(
    ints: Ints, reals: Reals, times_s: Column, ask: Ask, gpu: int, ended: int, stopped: int, now_s: float
) -> None:
    """Batches that are listed have ended or stopped: the host is notified, now or later."""
    if not reals[NOTICE_S]:
        _take_note(ints, reals, times_s, ask, gpu, ended, stopped, now_s)
        return
    if ended or stopped:
        for place in range(ended):
            append(ints, gpu + NOTIFIED, gpu + NOTIFIED_AT, ints[ints[ENDED_AT] + place])
        for place in range(stopped):
            batch = ints[ints[ints[PREEMPTS] + STOPPED_AT] + place]
            ints[ints[gpu + NOTED_SERIAL_AT] + ints[gpu + NOTED]] = ints[batch + STOP]
            append(ints, gpu + NOTED, gpu + NOTED_AT, batch)
        payload = (stopped * SEVERAL + ended) * SEVERAL + ints[gpu + NUMBER]
        schedule(ints, reals, now_s + reals[NOTICE_S], DEVICE, payload * KINDS + NOTICE)
    watch(ints, reals, gpu, now_s)


@compiled
def notified(
    ints: Ints, reals: Reals, times_s: Column, ask: Ask, gpu: int, ended: int, stopped: int, now_s: float
) -> None:
    """The host is notified that the next so many have ended, which are listed at `ENDED_AT`, and stopped."""
    for place in range(ended):
        ints[ints[ENDED_AT] + place] = ints[ints[gpu + NOTIFIED_AT] + place]
    ints[gpu + NOTIFIED] -= ended
    for place in range(ints[gpu + NOTIFIED]):
        ints[ints[gpu + NOTIFIED_AT] + place] = ints[ints[gpu + NOTIFIED_AT] + place + ended]
    still = 0
    for place in range(stopped):
        batch = ints[ints[gpu + NOTED_AT] + place]
        if ints[batch + STATE] == HAS_STOPPED and ints[batch + STOP] == ints[ints[gpu + NOTED_SERIAL_AT] + place]:
            ints[ints[ints[PREEMPTS] + STOPPED_AT] + still] = batch
            still += 1
    ints[gpu + NOTED] -= stopped
    for place in range(ints[gpu + NOTED]):
        ints[ints[gpu + NOTED_AT] + place] = ints[ints[gpu + NOTED_AT] + place + stopped]
        ints[ints[gpu + NOTED_SERIAL_AT] + place] = ints[ints[gpu + NOTED_SERIAL_AT] + place + stopped]
    _take_note(ints, reals, times_s, ask, gpu, ended, still, now_s)


@compiled
def _take_note(
    ints: Ints, reals: Reals, times_s: Column, ask: Ask, gpu: int, ended: int, stopped: int, now_s: float
) -> None:
    """The host knows that batches have ended, or stopped: their slots are free."""
    for place in range(stopped):
        batch = ints[ints[ints[PREEMPTS] + STOPPED_AT] + place]
        if ints[batch + HAS_SLOT]:
            _free(ints, reals, gpu, batch, now_s)
        stops_no_more(ints, gpu, batch)
    for place in range(ended):
        batch = ints[ints[ENDED_AT] + place]
        ints[gpu + FREE_SLOTS] += ints[batch + HAS_SLOT]
        if ints[batch + WAITS]:
            discard(ints, gpu + RETURNS, gpu + RETURNS_AT, batch)
        stops_no_more(ints, gpu, batch)  # it ended before it had stopped, or was called back then
        if ints[batch + IS_ASIDE]:
            take_back(ints, gpu, batch)
    settle(ints, reals, times_s, ask, gpu, now_s)
