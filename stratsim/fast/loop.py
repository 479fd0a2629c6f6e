"""The event loop on arrays: `stratsim.engine.loop`, `decisions` and `admission` for queue policies.

The reference is those modules, which say why; here is what they do, in the same order, to the last bit. Names are the
same where things are.
"""

from __future__ import annotations

from math import inf, nan
from typing import TYPE_CHECKING

from stratsim.fast.clock import next_event_s, schedule
from stratsim.fast.codes import (
    BATCH,
    BATCHES,
    BEGIN,
    BYTES_IN,
    COPIES_OUT,
    DEPTH,
    DEVICE,
    DISPATCH,
    DISPATCH_S,
    DISPATCHED,
    DROPS,
    DROPS_EXPIRED,
    DROPS_INFEASIBLE,
    ESTIMATES,
    EXPECTED,
    EXPECTED_AT,
    EXPIRED,
    FINE,
    FIRST_AT,
    FLYING,
    FLYING_AT,
    GPU,
    GPUS,
    HEAD_AT,
    HEADS,
    HOST_FREE_S,
    IN_ALPHA_S,
    IN_RATE,
    INFEASIBLE,
    KINDS,
    LAST_AT,
    LAST_PHASE,
    LASTS_S,
    LIMIT,
    MEMBER_AT,
    MODEL_AT,
    MODEL_INTS,
    MOST_ROUNDS,
    NUMBER,
    ON_TIME,
    PHASE,
    SAME,
    SIZES,
    SOLO,
    SOLO_AT,
    SOLO_S,
    SPARE,
    SPARE_AT,
    STAGED_S,
    START_S,
    STATUS,
    STUCK,
    TICK,
    WAITING,
)
from stratsim.fast.compiled import compiled
from stratsim.fast.deciding import copy_s, count_batches, finish_s, pick, wait_s
from stratsim.fast.machine import copy_in, happen
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
        times_s: By batch: takes the times, a row for each that `codes` names.
        output: By batch: takes the size of its outputs, where their copies are events.
        ask: Called with a GPU and a number of loads listed at `ASKED_AT`; puts their rates at `ANSWER_AT`.
    """
    requests, models, one_queue = len(arrival_s), ints[MODEL_AT], ints[ESTIMATES] == 0
    upcoming = rounds = 0
    next_arrival_s = arrival_s[0] if requests else inf
    start_s = next_arrival_s
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
            while next_arrival_s <= now_s:
                model = models if one_queue else models + model_of[upcoming] * MODEL_INTS
                admit(ints, priority, deadline_s, model, upcoming)
                upcoming += 1
                next_arrival_s = arrival_s[upcoming] if upcoming < requests else inf
            pending = True
        elif happen(ints, reals, times_s, output, ask, now_s):
            pending = True
        if pending and until_s < next_arrival_s and until_s < next_event_s(ints, reals):
            pending = False
            if not ints[WAITING]:
                continue
            rounds = rounds + 1 if instant_s == until_s else 0
            instant_s = until_s
            if rounds > MOST_ROUNDS:
                ints[STATUS] = STUCK
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
                ints, reals, priority, deadline_s, bytes_in, bytes_out, dropped, dropped_s, reason, now_s, slot_s
            )
        if size:
            _start(ints, reals, model_of, bytes_in, factor, batch_of, times_s, gpu, size, now_s)
            batch_id = ints[BATCHES] - 1
            times_s[EXPECTED, batch_id] = expected_s
            if ints[GPUS] > 1:
                gpu_of[batch_id] = ints[gpu + NUMBER]
                count_batches(ints, gpu)
            if ints[COPIES_OUT]:
                output[batch_id] = _bytes_of(ints, bytes_out, size)
            _send_in(ints, reals, times_s, output, ask, gpu, now_s)
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


@compiled
def _start(
    ints: Ints,
    reals: Reals,
    model_of: Column,
    bytes_in: Column,
    factor: Column,
    batch_of: Column,
    times_s: Column,
    gpu: int,
    size: int,
    now_s: float,
) -> None:
    """Give the batch of the first `size` members a place on a GPU."""
    batch_id, members = ints[BATCHES], ints[MEMBER_AT]
    ints[BATCHES] = batch_id + 1
    lead = ints[members]
    for place in range(size):
        batch_of[ints[members + place]] = batch_id
        lead = min(lead, ints[members + place])
    all_in = _bytes_of(ints, bytes_in, size)
    ints[SPARE] -= 1
    batch = ints[ints[SPARE_AT] + ints[SPARE]]
    real, kind = ints[batch], model_of[lead] * ints[SIZES] + size
    ints[batch + BATCH], ints[batch + GPU], ints[batch + BYTES_IN] = batch_id, gpu, all_in
    ints[batch + PHASE], ints[batch + LAST_PHASE] = ints[ints[FIRST_AT] + kind], ints[ints[LAST_AT] + kind]
    solo_s = reals[ints[SOLO_AT] + kind] * factor[lead]
    reals[real + SOLO_S], reals[real + START_S] = solo_s, nan
    reals[real + LASTS_S] = reals[ints[EXPECTED_AT] + kind]
    reals[real + STAGED_S] = now_s + copy_s(all_in, reals[IN_ALPHA_S], reals[IN_RATE])
    times_s[DISPATCH, batch_id], times_s[SOLO, batch_id] = now_s, solo_s
    flying = ints[gpu + FLYING]
    ints[ints[gpu + FLYING_AT] + flying] = batch
    ints[gpu + FLYING] = flying + 1


@compiled
def _bytes_of(ints: Ints, size_bytes: Column, size: int) -> int:
    """Return the sum of a column of the first `size` members."""
    total = 0
    for place in range(size):
        total += int(size_bytes[ints[ints[MEMBER_AT] + place]])
    return total


@compiled
def _send_in(ints: Ints, reals: Reals, times_s: Column, output: Column, ask: Ask, gpu: int, now_s: float) -> None:
    """Send the batch that was started last on its way: to the host's thread, or at once."""
    batch = ints[ints[gpu + FLYING_AT] + ints[gpu + FLYING] - 1]
    if reals[DISPATCH_S]:
        free_s = max(reals[HOST_FREE_S], now_s) + reals[DISPATCH_S]
        reals[HOST_FREE_S] = free_s
        schedule(ints, reals, free_s, DEVICE, batch * KINDS + DISPATCHED)
    else:
        copy_in(ints, reals, times_s, output, ask, batch, now_s)
