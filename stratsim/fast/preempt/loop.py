"""The event loop of runs in which batches are stopped: `stratsim.fast.loop` with the machine of this room."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from stratsim.fast.arriving import arrive, queue_arrived, upcoming_s
from stratsim.fast.clock import next_event_s
from stratsim.fast.codes import (
    ADMITTED,
    ARRIVED,
    COMES_BACK,
    FAILED,
    FINE,
    FLYING,
    GPU_AT,
    GPUS,
    MOST_ROUNDS,
    PREEMPTS,
    SAME,
    STATUS,
    STUCK,
    TICK,
)
from stratsim.fast.columns import Columns
from stratsim.fast.compiled import compiled, pointer
from stratsim.fast.preempt.codes import ASIDE, BEGAN_S
from stratsim.fast.preempt.deciding import decide
from stratsim.fast.preempt.machine import happen
from stratsim.fast.replies import begin

if TYPE_CHECKING:
    from stratsim.fast.compiled import Ask, Column, Ints, Reals

__all__ = ["run"]


@compiled
def run(
    ints: Ints,
    reals: Reals,
    arrival_s: Column,
    model_of: Column,
    priority: Column,
    deadline_s: Column,
    order_s: Column,
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
) -> None:
    """Process all arrivals and events; arguments as for `stratsim.fast.loop.run`."""
    _run(
        pointer(ints),
        pointer(reals),
        Columns(
            pointer(arrival_s),
            pointer(model_of),
            pointer(priority),
            pointer(deadline_s),
            pointer(order_s),
            pointer(bytes_in),
            pointer(bytes_out),
            pointer(factor),
            pointer(batch_of),
            pointer(gpu_of),
            pointer(dropped),
            pointer(dropped_s),
            pointer(reason),
            pointer(times_s),
            pointer(output),
        ),
        ask,
    )


@compiled
def _run(ints: Ints, reals: Reals, columns: Columns, ask: Ask) -> None:
    rounds = 0
    begin(ints, reals, ask)
    next_arrival_s = upcoming_s(ints, columns.arrival_s)
    start_s = min(next_arrival_s, next_event_s(ints, reals))
    reals[ints[ints[PREEMPTS]] + BEGAN_S] = start_s
    now_s = until_s = instant_s = -inf
    pending = False
    while ints[STATUS] == FINE:
        event_s = next_event_s(ints, reals)
        is_arrival = event_s > next_arrival_s and event_s > until_s
        at_s = next_arrival_s if is_arrival else event_s
        if at_s == inf:
            _check_end(ints)
            return
        if at_s > until_s:
            until_s = at_s + (SAME * (at_s - start_s) + TICK * at_s)
            if is_arrival and event_s <= until_s:
                continue  # an event of this instant, an ulp later, comes first
        now_s = max(now_s, at_s)
        if is_arrival:
            if arrive(ints, reals, columns.arrival_s, ask, now_s):
                pending = True
            next_arrival_s = upcoming_s(ints, columns.arrival_s)
        elif happen(ints, reals, columns.times_s, columns.output, ask, now_s):
            pending = True
        if ints[ADMITTED] < ints[ARRIVED] or ints[COMES_BACK]:
            queue_arrived(ints, columns)
        if pending and until_s < next_arrival_s and until_s < next_event_s(ints, reals):
            pending = False
            rounds = rounds + 1 if instant_s == until_s else 0
            instant_s = until_s
            if rounds > MOST_ROUNDS:
                ints[STATUS] = STUCK
            decide(ints, reals, columns, ask, now_s, now_s + (until_s - now_s))


@compiled
def _check_end(ints: Ints) -> None:
    """Leave it to the reference to say that batches are suspended for ever, or never end."""
    for number in range(ints[GPUS]):
        gpu = ints[ints[GPU_AT] + number]
        if ints[gpu + ASIDE] or ints[gpu + FLYING]:
            ints[STATUS] = FAILED
