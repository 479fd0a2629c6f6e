"""The event loop on arrays: `stratsim.engine.loop`, `decisions` and `admission` for queue policies.

The reference is those modules, which say why; here is what they do, in the same order, to the last bit. Names are the
same where things are.
"""

from __future__ import annotations

from math import inf, nan
from typing import TYPE_CHECKING

from stratsim.fast.clock import next_event_s, schedule
from stratsim.fast.codes import (
    ADMITTED,
    ARRIVED,
    BATCH,
    BATCHES,
    BEGIN,
    BYTES_IN,
    CLIENTS,
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
    GPU_AT,
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
    LEAD_AT,
    LIMIT,
    MEMBER_AT,
    MODEL_AT,
    MODEL_INTS,
    MOST_ROUNDS,
    NATIVE,
    NEXT_AT,
    NUMBER,
    ON_TIME,
    PHASE,
    READY,
    READY_AT,
    REQUESTS,
    ROWS,
    SAME,
    SERVED,
    SIZES,
    SOLO,
    SOLO_AT,
    SOLO_S,
    SPARE,
    SPARE_AT,
    STAGED_S,
    START_S,
    STATUS,
    STREAM_AT,
    STREAM_INTS,
    STUCK,
    TICK,
    UPCOMING,
    WAITING,
)
from stratsim.fast.compiled import compiled, pointer
from stratsim.fast.deciding import copy_s, count_batches, finish_s, pick, wait_s
from stratsim.fast.host import pace, thinks_s
from stratsim.fast.machine import copy_in, happen
from stratsim.fast.native import queue
from stratsim.fast.replies import begin, due, rejected
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
        times_s: By batch: takes the times, of each kind that `codes` names one after the other.
        output: By batch: takes the size of its outputs, where their copies are events.
        ask: Called with a GPU and a number of loads listed at `ASKED_AT`; puts their rates at `ANSWER_AT`.
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
            _start(
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
            _start(
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


@compiled
def _start(
    ints: Ints,
    reals: Reals,
    model_of: Column,
    bytes_in: Column,
    bytes_out: Column,
    factor: Column,
    batch_of: Column,
    gpu_of: Column,
    times_s: Column,
    output: Column,
    ask: Ask,
    gpu: int,
    size: int,
    now_s: float,
    expected_s: float,
) -> None:
    """Start the batch of the first `size` members on a GPU."""
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
    times_s[DISPATCH * ints[ROWS] + batch_id], times_s[SOLO * ints[ROWS] + batch_id] = now_s, solo_s
    times_s[EXPECTED * ints[ROWS] + batch_id] = expected_s
    flying = ints[gpu + FLYING]
    ints[ints[gpu + FLYING_AT] + flying] = batch
    ints[gpu + FLYING] = flying + 1
    if ints[GPUS] > 1:
        gpu_of[batch_id] = ints[gpu + NUMBER]
        count_batches(ints, gpu)
    if ints[COPIES_OUT]:
        output[batch_id] = _bytes_of(ints, bytes_out, size)
    if ints[LEAD_AT]:
        _link(ints, batch_id, size)
    _send_in(ints, reals, times_s, output, ask, batch, now_s)


@compiled
def _link(ints: Ints, batch_id: int, size: int) -> None:
    """Keep the members of a batch: somebody waits for replies to them."""
    members, links = ints[MEMBER_AT], ints[NEXT_AT]
    ints[ints[LEAD_AT] + batch_id] = ints[members]
    for place in range(size):
        ints[links + ints[members + place]] = ints[members + place + 1] if place + 1 < size else -1


@compiled
def _bytes_of(ints: Ints, size_bytes: Column, size: int) -> int:
    """Return the sum of a column of the first `size` members."""
    total = 0
    for place in range(size):
        total += int(size_bytes[ints[ints[MEMBER_AT] + place]])
    return total


@compiled
def _send_in(ints: Ints, reals: Reals, times_s: Column, output: Column, ask: Ask, batch: int, now_s: float) -> None:
    """Send a batch on its way: to the host's thread, or at once."""
    takes_s = reals[DISPATCH_S] + thinks_s(ints, reals, ask, now_s)
    if takes_s:
        free_s = max(reals[HOST_FREE_S], now_s)
        free_s += takes_s * pace(ints, reals, ask, now_s, free_s)
        reals[HOST_FREE_S] = free_s
        schedule(ints, reals, free_s, DEVICE, batch * KINDS + DISPATCHED)
    else:
        copy_in(ints, reals, times_s, output, ask, batch, now_s)
