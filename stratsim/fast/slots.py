"""Who executes in a GPU's slots: `stratsim.engine.gpu` on arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratsim.fast.clock import arm, schedule
from stratsim.fast.codes import (
    BATCH,
    DEVICE,
    EXECUTED,
    FREE_SLOTS,
    GPU,
    HOSTED,
    KINDS,
    LAUNCH_S,
    LAUNCHED,
    NEXT_S,
    QUEUED,
    QUEUED_AT,
    READY_S,
    ROWS,
    START,
    START_S,
)
from stratsim.fast.compiled import compiled
from stratsim.fast.host import pace
from stratsim.fast.unit import join

if TYPE_CHECKING:
    from stratsim.fast.compiled import Ask, Column, Ints, Reals

__all__ = ["execute", "fill", "ready"]


@compiled
def ready(ints: Ints, reals: Reals, times_s: Column, ask: Ask, batch: int, at_s: float) -> None:
    """Take a batch whose input is there at `at_s`."""
    gpu = ints[batch + GPU]
    next_s = ints[gpu] + NEXT_S
    if ints[gpu + FREE_SLOTS] and not ints[gpu + QUEUED] and (ints[HOSTED] or at_s < reals[next_s]):
        ints[gpu + FREE_SLOTS] -= 1
        _launch(ints, reals, times_s, ask, batch, at_s)
        if not ints[HOSTED]:
            arm(ints, reals, gpu, reals[next_s], EXECUTED)
        return
    reals[ints[batch] + READY_S] = at_s
    queued = ints[gpu + QUEUED]
    ints[ints[gpu + QUEUED_AT] + queued] = batch
    ints[gpu + QUEUED] = queued + 1


@compiled
def fill(ints: Ints, reals: Reals, times_s: Column, ask: Ask, gpu: int, now_s: float) -> None:
    """Give free slots to the batches in the queue that can start now, or before the next execution ends."""
    queue = ints[gpu + QUEUED_AT]
    while ints[gpu + QUEUED] and ints[gpu + FREE_SLOTS]:
        batch = ints[queue]
        at_s = reals[ints[batch] + READY_S]
        if at_s <= now_s:
            at_s = now_s
        elif at_s >= reals[ints[gpu] + NEXT_S]:
            return
        ints[gpu + QUEUED] -= 1
        for place in range(ints[gpu + QUEUED]):
            ints[queue + place] = ints[queue + place + 1]
        ints[gpu + FREE_SLOTS] -= 1
        _launch(ints, reals, times_s, ask, batch, at_s)


@compiled
def _launch(ints: Ints, reals: Reals, times_s: Column, ask: Ask, batch: int, at_s: float) -> None:
    """Execute a batch, which has a slot, from `at_s` on, or once the host has launched it."""
    if reals[LAUNCH_S]:
        launched_s = at_s + reals[LAUNCH_S] * pace(ints, reals, ask, at_s, at_s)
        schedule(ints, reals, launched_s, DEVICE, batch * KINDS + LAUNCHED)
    else:
        execute(ints, reals, times_s, ask, batch, at_s)


@compiled
def execute(ints: Ints, reals: Reals, times_s: Column, ask: Ask, batch: int, at_s: float) -> None:
    """Execute a batch from `at_s` on."""
    reals[ints[batch] + START_S] = at_s
    times_s[START * ints[ROWS] + ints[batch + BATCH]] = at_s
    gpu = ints[batch + GPU]
    join(ints, reals, ask, at_s, gpu, batch)
    if ints[HOSTED]:
        arm(ints, reals, gpu, reals[ints[gpu] + NEXT_S], EXECUTED)
