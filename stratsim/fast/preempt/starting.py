"""A batch that can be stopped starts: `stratsim.engine.decisions` on arrays, of that what follows from a start."""

from __future__ import annotations

from math import inf, nan
from typing import TYPE_CHECKING

from stratsim.fast.clock import schedule
from stratsim.fast.codes import (
    BATCH,
    BEGIN,
    DEVICE,
    DISPATCHED,
    ESTIMATES,
    HEAD_AT,
    KINDS,
    LAST_PHASE,
    MEMBER_AT,
    MODEL_AT,
    NUMBER,
    OUT_ALPHA_S,
    OUT_RATE,
    PHASE,
    PREEMPTS,
    READY_S,
    SIZES,
)
from stratsim.fast.compiled import compiled
from stratsim.fast.deciding import copy_s
from stratsim.fast.forming import form
from stratsim.fast.preempt.codes import (
    COPYING,
    DUE_S,
    HAS_SLOT,
    IS_ASIDE,
    IS_RETURNING,
    IS_STOPPING,
    KIND,
    LAUNCH,
    LEAD,
    LEVEL,
    OUT_S,
    PAUSE,
    PAUSED_S,
    STATE,
    STOP,
    STOPS,
    URGENT_AT,
    WAITS,
    WAKES_ON_REPLY,
    WHOLE_FIRST,
    WHOLE_LAST,
)
from stratsim.fast.preempt.machine import copy_in
from stratsim.fast.starting import enter, passed_on_s
from stratsim.fast.waiting import take

if TYPE_CHECKING:
    from stratsim.fast.columns import Columns
    from stratsim.fast.compiled import Ask, Column, Ints, Reals

__all__ = ["start", "take_batch"]


@compiled
def take_batch(ints: Ints, reals: Reals, columns: Columns, ask: Ask, now_s: float, slot_s: float) -> tuple[int, float]:
    """List the next batch at `MEMBER_AT`; return its size, 0 if all are given up, and when it should be done."""
    if ints[ESTIMATES]:
        return form(ints, reals, columns, ask, ints[ints[HEAD_AT]], now_s, slot_s)
    ints[ints[MEMBER_AT]] = ints[ints[ints[MODEL_AT] + BEGIN]]
    take(ints, columns.priority, columns.order_s, ints[MODEL_AT])
    return 1, nan


@compiled
def start(
    ints: Ints, reals: Reals, columns: Columns, ask: Ask, gpu: int, size: int, now_s: float, expected_s: float
) -> None:
    """Start the batch of the first `size` members on a GPU."""
    batch = enter(ints, reals, columns, gpu, size, now_s, expected_s)
    _describe(ints, reals, columns.model_of, columns.priority, columns.deadline_s, columns.bytes_out, gpu, batch, size)
    at_s = passed_on_s(ints, reals, ask, now_s)
    if at_s < 0.0:
        copy_in(ints, reals, columns.times_s, columns.output, ask, batch, now_s)
    else:
        schedule(ints, reals, at_s, DEVICE, batch * KINDS + DISPATCHED)


@compiled
def _describe(
    ints: Ints,
    reals: Reals,
    model_of: Column,
    priority: Column,
    deadline_s: Column,
    bytes_out: Column,
    gpu: int,
    batch: int,
    size: int,
) -> None:
    """Enter what preemption wants to know of a new batch, which nothing has happened to."""
    members, own, block = ints[MEMBER_AT], ints[batch], ints[PREEMPTS]
    lead, level, due_s, all_out = ints[members], 1, inf, 0
    for place in range(size):
        request = ints[members + place]
        lead = min(lead, request)
        if priority[request] == 0:
            level = 0
        due_s = min(due_s, deadline_s[request])
        all_out += int(bytes_out[request])
    ints[batch + LEAD], ints[batch + LEVEL] = lead, level
    ints[batch + KIND] = model_of[lead] * ints[SIZES] + size
    ints[batch + STATE] = COPYING
    ints[batch + HAS_SLOT] = ints[batch + WAITS] = ints[batch + STOPS] = 0
    ints[batch + IS_ASIDE] = ints[batch + IS_STOPPING] = ints[batch + IS_RETURNING] = 0
    ints[batch + STOP] = ints[batch + PAUSE] = ints[batch + LAUNCH] = -1
    ints[batch + WHOLE_FIRST], ints[batch + WHOLE_LAST] = ints[batch + PHASE], ints[batch + LAST_PHASE]
    reals[own + READY_S], reals[own + PAUSED_S], reals[own + DUE_S] = nan, 0.0, due_s
    reals[own + OUT_S] = copy_s(all_out, reals[OUT_ALPHA_S], reals[OUT_RATE])
    if ints[block + WAKES_ON_REPLY]:
        ints[ints[block + URGENT_AT] + ints[batch + BATCH]] = -1 if level else ints[gpu + NUMBER]
