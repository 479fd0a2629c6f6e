"""The event loop on arrays: `stratsim.engine.loop`, `decisions` and `admission` for queue policies.

The reference is those modules, which say why; here is what they do, in the same order, to the last bit. Names are the
same where things are.
"""

from __future__ import annotations

from math import inf, nan
from typing import TYPE_CHECKING

from stratsim.fast.clock import next_event_s
from stratsim.fast.codes import (
    ADMITTED,
    ARRIVED,
    ASKS,
    BEGIN,
    CLIENTS,
    DEPTH,
    DROPS,
    DROPS_EXPIRED,
    DROPS_INFEASIBLE,
    ESTIMATES,
    EXPECTED_AT,
    EXPIRED,
    FINE,
    GPU_AT,
    GPUS,
    HEAD_AT,
    HEADS,
    INFEASIBLE,
    IS_WOKEN,
    LIMIT,
    MEMBER_AT,
    MODEL_AT,
    MODEL_INTS,
    MOST_ROUNDS,
    NATIVE,
    ON_TIME,
    READY,
    READY_AT,
    REQUESTS,
    SAME,
    SERVED,
    SIZES,
    STATUS,
    STREAM_AT,
    STREAM_INTS,
    STUCK,
    TICK,
    UPCOMING,
    WAITING,
)
from stratsim.fast.compiled import compiled, pointer
from stratsim.fast.deciding import finish_s, pick, wait_s
from stratsim.fast.following import follow
from stratsim.fast.machine import happen
from stratsim.fast.native import queue
from stratsim.fast.replies import begin, due, rejected
from stratsim.fast.starting import start
from stratsim.fast.waiting import admit, take

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
        pointer(arrival_s),
        pointer(model_of),
        pointer(priority),
        pointer(deadline_s),
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
        ask,
        policy,
    )


@compiled
def _run(
    ints: Ints,
    reals: Reals,
    arrival_s: Column,
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
    policy: Ask,
) -> None:
    rounds = 0
    begin(ints, reals, ask)
    next_arrival_s = _next_arrival_s(ints, arrival_s)
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
            if _arrive(ints, reals, arrival_s, ask, now_s):
                pending = True
            next_arrival_s = _next_arrival_s(ints, arrival_s)
        elif happen(ints, reals, times_s, output, ask, now_s):
            pending = True
        if ints[ADMITTED] < ints[ARRIVED]:
            _admit(ints, model_of, priority, deadline_s)
        if pending and until_s < next_arrival_s and until_s < next_event_s(ints, reals):
            pending = False
            if not ints[WAITING] and not ints[IS_WOKEN]:
                continue
            ints[IS_WOKEN] = 0
            rounds = rounds + 1 if instant_s == until_s else 0
            instant_s = until_s
            _check_progress(ints, rounds)
            if ints[ASKS]:
                follow(
                    ints,
                    reals,
                    model_of,
                    bytes_in,
                    bytes_out,
                    factor,
                    batch_of,
                    gpu_of,
                    dropped,
                    dropped_s,
                    reason,
                    times_s,
                    output,
                    ask,
                    policy,
                    now_s,
                    now_s + (until_s - now_s),
                )
                continue
            _decide(
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
                dropped,
                dropped_s,
                reason,
                times_s,
                output,
                ask,
                now_s,
                now_s + (until_s - now_s),
            )


@compiled
def _check_progress(ints: Ints, rounds: int) -> None:
    """Give up a run that decides again and again at one instant."""
    if rounds > MOST_ROUNDS:
        ints[STATUS] = STUCK


@compiled
def _next_arrival_s(ints: Ints, arrival_s: Column) -> float:
    """Return when the next request of the trace is due; `inf` if there is none."""
    return arrival_s[ints[UPCOMING]] if ints[UPCOMING] < ints[REQUESTS] else inf


@compiled
def _arrive(ints: Ints, reals: Reals, arrival_s: Column, ask: Ask, now_s: float) -> bool:
    """Take what the trace has for this instant; return whether policies are to be asked."""
    first = upcoming = ints[UPCOMING]
    while upcoming < ints[REQUESTS] and arrival_s[upcoming] <= now_s:
        upcoming += 1
    ints[UPCOMING] = upcoming
    if ints[CLIENTS]:
        return due(ints, reals, ask, upcoming - first, now_s)
    ints[ARRIVED] = upcoming
    return True


@compiled
def _admit(ints: Ints, model_of: Column, priority: Column, deadline_s: Column) -> None:
    """Queue the requests that have arrived."""
    while ints[ADMITTED] < ints[ARRIVED]:
        request = ints[ADMITTED]
        ints[ADMITTED] = request + 1
        if ints[NATIVE]:
            queue(ints, request)
        elif ints[ASKS] and not ints[ESTIMATES]:  # who is asked keeps queues of its own
            ints[WAITING] += 1
        else:
            model = model_of[request] if ints[ESTIMATES] else 0  # one queue for all if nothing is estimated
            admit(ints, priority, deadline_s, ints[MODEL_AT] + model * MODEL_INTS, request)


@compiled
def _decide(
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
    """Start batches while there are both requests and places."""
    models, one_queue, slot_s, gpu = ints[MODEL_AT], ints[ESTIMATES] == 0, nan, -1
    if ints[NATIVE]:
        ready, ints[READY] = ints[READY], 0
        for place in range(ready):
            own = ints[ints[READY_AT] + place]
            ints[ints[MEMBER_AT]] = ints[ints[STREAM_AT] + own * STREAM_INTS + SERVED]
            ints[WAITING] -= 1
            gpu = ints[ints[GPU_AT] + own % ints[GPUS]]
            start(
                ints,
                reals,
                model_of,
                bytes_in,
                bytes_out,
                factor,
                batch_of,
                gpu_of,
                times_s,
                output,
                ask,
                gpu,
                1,
                now_s,
                nan,
            )
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
            take(ints, priority, deadline_s, models)
        else:
            size, expected_s = _form(
                ints, reals, priority, deadline_s, bytes_in, bytes_out, dropped, dropped_s, reason, ask, now_s, slot_s
            )
        if size:
            start(
                ints,
                reals,
                model_of,
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
            gpu = -1


@compiled
def _form(
    ints: Ints,
    reals: Reals,
    priority: Column,
    deadline_s: Column,
    bytes_in: Column,
    bytes_out: Column,
    dropped: Column,
    dropped_s: Column,
    reason: Column,
    ask: Ask,
    now_s: float,
    slot_s: float,
) -> tuple[int, float]:
    """List the largest feasible prefix of the first queue at `MEMBER_AT`; return its size, and when it should be done.

    Requests that are given up are dropped; if all of the queue are, the size is 0.
    """
    model = ints[ints[HEAD_AT]]
    limit, heap, members = ints[model + LIMIT], ints[model + BEGIN], ints[MEMBER_AT]
    lasts = ints[EXPECTED_AT] + (model - ints[MODEL_AT]) // MODEL_INTS * ints[SIZES]
    size = all_in = all_out = 0
    earliest_s, expected_s = inf, nan
    while ints[model + DEPTH] and size < limit:
        request = ints[heap]
        own_in, own_out = int(bytes_in[request]), int(bytes_out[request])
        alone_s = finish_s(reals, now_s, slot_s, own_in, own_out, reals[lasts + 1])
        own_s = deadline_s[request] * ON_TIME
        if alone_s > own_s:
            expired = now_s > own_s
            if ints[DROPS_INFEASIBLE] or (expired and ints[DROPS_EXPIRED]):
                take(ints, priority, deadline_s, model)
                drops = ints[DROPS]
                ints[DROPS] = drops + 1
                dropped[drops], dropped_s[drops] = request, now_s
                reason[drops] = EXPIRED if expired else INFEASIBLE
                if ints[CLIENTS]:
                    rejected(ints, reals, ask, request, now_s)
                if size:
                    continue
                return 0, nan  # another model's request may be next in order now
            own_s = inf  # hopeless: it must not hold the others back
        due_s = min(earliest_s, own_s)
        done_s = alone_s
        if size:
            lasts_s = reals[lasts + size + 1]
            done_s = finish_s(reals, now_s, slot_s, all_in + own_in, all_out + own_out, lasts_s)
            if done_s > due_s:
                break
        earliest_s, expected_s = due_s, done_s
        all_in += own_in
        all_out += own_out
        ints[members + size] = request
        size += 1
        take(ints, priority, deadline_s, model)
    return size, expected_s
