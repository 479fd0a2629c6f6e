"""The event loop on arrays: `stratsim.engine.loop`, `decisions` and `admission` for queue policies.

The reference is those modules, which say why; here is what they do, in the same order, to the last bit. Names are the
same where things are.
"""

from __future__ import annotations

from math import inf, nan
from typing import TYPE_CHECKING

from stratsim.fast.arriving import arrive, queue_arrived, upcoming_s
from stratsim.fast.clock import next_event_s
from stratsim.fast.codes import (
    ADMITTED,
    ARRIVED,
    ASKS,
    BEGIN,
    COMES_BACK,
    ESTIMATES,
    FINE,
    GPU_AT,
    GPUS,
    HEAD_AT,
    HEADS,
    IS_WOKEN,
    MEMBER_AT,
    MODEL_AT,
    MOST_ROUNDS,
    NATIVE,
    READY,
    READY_AT,
    SAME,
    SERVED,
    STATUS,
    STREAM_AT,
    STREAM_INTS,
    STUCK,
    TICK,
    WAITING,
)
from stratsim.fast.columns import Columns
from stratsim.fast.compiled import compiled, pointer
from stratsim.fast.deciding import pick, wait_s
from stratsim.fast.following import follow
from stratsim.fast.forming import form
from stratsim.fast.machine import happen
from stratsim.fast.replies import begin
from stratsim.fast.starting import start
from stratsim.fast.waiting import take

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
    policy: Ask,
) -> None:
    """Process all arrivals and events; `ints[STATUS]` says whether that went well.

    Columns of the workload are by request, in the order of arrival, shape (n,). What is filled in has as many rows, or
    none where it is not needed.

    Args:
        ints: The state of the run, as `stratsim.fast.setup` makes it.
        reals: Likewise.
        arrival_s: The workload's.
        model_of: The workload's.
        priority: The workload's.
        deadline_s: The workload's.
        order_s: By what requests are ordered if times count: the same, or arrivals.
        bytes_in: The workload's.
        bytes_out: The workload's.
        factor: By which its batch takes longer than usual, should it lead the batch.
        batch_of: By request: takes its batch.
        gpu_of: By batch: takes its GPU.
        dropped: Takes the requests that are dropped, in that order.
        dropped_s: Takes when they are.
        reason: Takes why they are.
        times_s: By batch: takes the times, of each kind that `codes` names one after the other.
        output: By batch: takes the size of its outputs, where their copies are events.
        ask: Called with a GPU and a number of loads listed at `ASKED_AT`; puts their rates at `ANSWER_AT`.
        policy: Called with `ints[ADDRESS]` where it decides (`stratsim.fast.following`).
    """
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
        policy,
    )


@compiled
def _run(ints: Ints, reals: Reals, columns: Columns, ask: Ask, policy: Ask) -> None:
    rounds = 0
    begin(ints, reals, ask)
    next_arrival_s = upcoming_s(ints, columns.arrival_s)
    start_s = min(next_arrival_s, next_event_s(ints, reals))
    now_s = until_s = instant_s = -inf
    pending = False
    while ints[STATUS] == FINE:
        event_s = next_event_s(ints, reals)
        is_arrival = event_s > next_arrival_s and event_s > until_s
        at_s = next_arrival_s if is_arrival else event_s
        if at_s == inf:
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
            if not ints[WAITING] and not ints[IS_WOKEN]:
                continue
            ints[IS_WOKEN] = 0
            rounds = rounds + 1 if instant_s == until_s else 0
            instant_s = until_s
            _check_progress(ints, rounds)
            if ints[ASKS]:
                follow(ints, reals, columns, ask, policy, now_s, now_s + (until_s - now_s))
                continue
            _decide(ints, reals, columns, ask, now_s, now_s + (until_s - now_s))


@compiled
def _check_progress(ints: Ints, rounds: int) -> None:
    """Give up a run that decides again and again at one instant."""
    if rounds > MOST_ROUNDS:
        ints[STATUS] = STUCK


@compiled
def _decide(ints: Ints, reals: Reals, columns: Columns, ask: Ask, now_s: float, seen_s: float) -> None:
    """Start batches while there are both requests and places."""
    models, one_queue, slot_s, gpu = ints[MODEL_AT], ints[ESTIMATES] == 0, nan, -1
    if ints[NATIVE]:
        ready, ints[READY] = ints[READY], 0
        for place in range(ready):
            own = ints[ints[READY_AT] + place]
            ints[ints[MEMBER_AT]] = ints[ints[STREAM_AT] + own * STREAM_INTS + SERVED]
            ints[WAITING] -= 1
            gpu = ints[ints[GPU_AT] + own % ints[GPUS]]
            start(ints, reals, columns, ask, gpu, 1, now_s, nan)
        return
    while ints[HEADS]:
        if gpu < 0:
            gpu = pick(ints, reals, now_s, seen_s)
            if gpu < 0:
                return
            if not one_queue:  # as long as nothing starts, the slot is the same
                slot_s = now_s + wait_s(ints, reals, gpu, now_s, seen_s)
        if one_queue:
            size, expected_s = 1, nan
            ints[ints[MEMBER_AT]] = ints[ints[models + BEGIN]]
            take(ints, columns.priority, columns.order_s, models)
        else:
            size, expected_s = form(ints, reals, columns, ask, ints[ints[HEAD_AT]], now_s, slot_s)
        if size:
            start(ints, reals, columns, ask, gpu, size, now_s, expected_s)
            gpu = -1
