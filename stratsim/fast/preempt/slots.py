"""Who has an execution slot on a GPU whose batches can be stopped: `stratsim.engine.preemption` on arrays, slots."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from stratsim.fast.clock import arm, schedule
from stratsim.fast.codes import (
    BATCH,
    DEVICE,
    EXECUTED,
    FAILED,
    FREE_SLOTS,
    GPU,
    KINDS,
    LAUNCH_S,
    LAUNCHED,
    NEXT_S,
    PREEMPTS,
    QUEUED,
    QUEUED_AT,
    ROWS,
    SOLO_S,
    START,
    START_S,
    STATUS,
)
from stratsim.fast.compiled import compiled
from stratsim.fast.preempt.codes import (
    DONE_S,
    DRAINING,
    EXECUTING,
    HALTED_S,
    HALTING,
    HALTS,
    HALTS_AT,
    HAS_SLOT,
    HAS_STOPPED,
    HOLDS_SLOT,
    IS_RETURNING,
    IS_STOPPING,
    LAUNCH,
    LAUNCHING,
    PAUSE,
    PAUSE_AT,
    PAUSE_ROW,
    PAUSED_S,
    READY_TO_START,
    RESTART_S,
    RETURNS,
    RETURNS_AT,
    STATE,
    STOP,
    STOPPED_S,
    STOPPING,
    UNTIL_S,
    WAITS,
)
from stratsim.fast.preempt.lists import discard
from stratsim.fast.preempt.unit import cut, join, left_s, make_whole, rework

if TYPE_CHECKING:
    from stratsim.fast.compiled import Ask, Column, Ints, Reals

__all__ = ["call_back", "call_off", "done_s", "execute", "launched", "settle", "stops_no_more", "watch"]


@compiled
def settle(ints: Ints, reals: Reals, times_s: Column, ask: Ask, gpu: int, now_s: float) -> None:
    """Give free slots away, to those that were resumed first, and set the alarm."""
    if not ints[gpu + STOPPING] or not ints[ints[PREEMPTS] + HOLDS_SLOT]:
        place = 0
        while place < ints[gpu + RETURNS] and ints[gpu + FREE_SLOTS]:
            batch = ints[ints[gpu + RETURNS_AT] + place]
            if ints[batch + STATE] == HALTING:  # it goes on once it has stopped, in its own slot
                place += 1
            else:
                discard(ints, gpu + RETURNS, gpu + RETURNS_AT, batch)
                _go_on(ints, reals, times_s, ask, gpu, batch, now_s)
        while ints[gpu + FREE_SLOTS] and ints[gpu + QUEUED]:
            batch = ints[ints[gpu + QUEUED_AT]]
            discard(ints, gpu + QUEUED, gpu + QUEUED_AT, batch)
            _take_slot(ints, gpu, batch)
            _launch(ints, reals, times_s, ask, gpu, batch, now_s)
    watch(ints, reals, gpu, now_s)


@compiled
def watch(ints: Ints, reals: Reals, gpu: int, now_s: float) -> None:
    """Set the alarm of a GPU: an execution ends, or a batch that halts has stopped."""
    next_s = reals[ints[gpu] + NEXT_S]
    if ints[gpu + HALTS]:
        next_s = min(next_s, reals[ints[ints[ints[gpu + HALTS_AT]]] + HALTED_S])
    if next_s < inf:
        next_s = max(next_s, now_s)
    arm(ints, reals, gpu, next_s, EXECUTED)


@compiled
def _take_slot(ints: Ints, gpu: int, batch: int) -> None:
    ints[gpu + FREE_SLOTS] -= 1
    ints[batch + HAS_SLOT] = 1


@compiled
def stops_no_more(ints: Ints, gpu: int, batch: int) -> None:
    """Take note that a batch is not stopping any more, if it was."""
    ints[gpu + STOPPING] -= ints[batch + IS_STOPPING]
    ints[batch + IS_STOPPING] = 0


@compiled
def _go_on(ints: Ints, reals: Reals, times_s: Column, ask: Ask, gpu: int, batch: int, now_s: float) -> None:
    ints[batch + WAITS] = 0
    _take_slot(ints, gpu, batch)
    if ints[batch + STATE] == DRAINING:
        reals[ints[ints[PREEMPTS] + PAUSE_AT] + ints[batch + PAUSE] * PAUSE_ROW + RESTART_S] = now_s
        ints[batch + IS_RETURNING] = 0
        call_back(ints, reals, ask, gpu, batch, now_s)
    else:
        _launch(ints, reals, times_s, ask, gpu, batch, now_s)


@compiled
def call_back(ints: Ints, reals: Reals, ask: Ask, gpu: int, batch: int, now_s: float) -> None:
    """Let a batch that drains go on; unless it has been without a slot, nothing has happened to it."""
    done = done_s(ints, reals, gpu, batch, now_s)
    ints[batch + STATE] = EXECUTING
    reals[ints[batch] + UNTIL_S] = reals[ints[batch] + SOLO_S]
    execute(ints, reals, ask, gpu, batch, now_s, done, True)
    stops_no_more(ints, gpu, batch)
    ints[batch + STOP] = ints[batch + PAUSE] = -1


@compiled
def _launch(ints: Ints, reals: Reals, times_s: Column, ask: Ask, gpu: int, batch: int, now_s: float) -> None:
    """Have the host launch a batch that has a slot."""
    if reals[LAUNCH_S]:
        ints[batch + STATE] = LAUNCHING
        ints[batch + LAUNCH] = schedule(ints, reals, now_s + reals[LAUNCH_S], DEVICE, batch * KINDS + LAUNCHED)
    else:
        _run(ints, reals, times_s, ask, gpu, batch, now_s)


@compiled
def launched(ints: Ints, reals: Reals, times_s: Column, ask: Ask, number: int, batch: int, now_s: float) -> None:
    """A launch has ended, unless it was called off."""
    if ints[batch + LAUNCH] == number:
        _run(ints, reals, times_s, ask, ints[batch + GPU], batch, now_s)
        watch(ints, reals, ints[batch + GPU], now_s)


@compiled
def call_off(ints: Ints, gpu: int, batch: int) -> None:
    """Take a batch back that is being launched: no kernel of it is on the device yet."""
    ints[batch + LAUNCH] = -1
    ints[batch + HAS_SLOT] = 0
    ints[gpu + FREE_SLOTS] += 1
    ints[batch + STATE] = READY_TO_START if ints[batch + STOP] < 0 else HAS_STOPPED


@compiled
def _run(ints: Ints, reals: Reals, times_s: Column, ask: Ask, gpu: int, batch: int, now_s: float) -> None:
    """Let a batch execute from here on, for the first time or again."""
    own, pause = ints[batch], ints[batch + PAUSE]
    ints[batch + LAUNCH], ints[batch + STATE], ints[batch + IS_RETURNING] = -1, EXECUTING, 0
    if ints[batch + STOP] < 0:
        reals[own + START_S] = now_s
        times_s[START * ints[ROWS] + ints[batch + BATCH]] = now_s
        execute(ints, reals, ask, gpu, batch, now_s, 0.0, False)
        return
    if pause >= 0:
        reals[ints[ints[PREEMPTS] + PAUSE_AT] + pause * PAUSE_ROW + RESTART_S] = now_s
    stops_no_more(ints, gpu, batch)
    reals[own + PAUSED_S] = reals[own + PAUSED_S] + now_s - reals[own + STOPPED_S]
    ints[batch + STOP] = ints[batch + PAUSE] = -1
    reals[own + UNTIL_S] = reals[own + SOLO_S]
    execute(ints, reals, ask, gpu, batch, now_s, reals[own + DONE_S], False)


@compiled
def execute(ints: Ints, reals: Reals, ask: Ask, gpu: int, batch: int, now_s: float, done: float, again: bool) -> None:
    """Let the unit execute a batch from the work done so far up to `UNTIL_S`; `again` if it is executing."""
    own = ints[batch]
    if not again and not done:
        make_whole(ints, batch)
        join(ints, reals, ask, now_s, gpu, batch)
        return
    start, end = done / reals[own + SOLO_S], reals[own + UNTIL_S] / reals[own + SOLO_S]
    if again:
        rework(ints, reals, ask, now_s, gpu, batch, start, end)
    elif cut(ints, reals, batch, start, end):
        join(ints, reals, ask, now_s, gpu, batch)
    else:
        ints[STATUS] = FAILED


@compiled
def done_s(ints: Ints, reals: Reals, gpu: int, batch: int, now_s: float) -> float:
    """Return the solo work that an executing batch has done."""
    until_s = reals[ints[batch] + UNTIL_S]
    return min(max(until_s - left_s(ints, reals, now_s, gpu, batch), 0.0), until_s)  # type: ignore[no-any-return]
