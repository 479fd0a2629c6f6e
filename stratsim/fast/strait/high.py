"""Which high-priority batch starts next, and which low-priority request is rescued from it: `strait.high` on arrays.

A candidate's requests are the first of its model's queue, so what is chosen is a candidate, and from whose queue.
"""

from __future__ import annotations

from math import floor, inf
from typing import TYPE_CHECKING

from stratsim.fast.compiled import compiled
from stratsim.fast.strait.codes import (
    BATCH_AT,
    BATCH_BLOCK,
    BATCHES,
    BLOCK_AT,
    CANDIDATE,
    DEADLINE_S,
    DUE_S,
    END_S,
    FILL,
    FOUND,
    HARM_CHECK,
    HEAD,
    HIGH,
    HIGHS,
    IN_BYTES,
    IS_HIGH,
    KIND,
    LARGER,
    LIMIT,
    LOW,
    LOWS,
    MEMBERS,
    NEXT,
    NONE,
    ON_GPU,
    ON_IDLE,
    OPEN,
    OPEN_AT,
    OPTION,
    OUT_BYTES,
    PLACES,
    QUEUED_HIGH,
    RANK,
    RESCUE,
    RESCUED,
    RIVAL_AT,
    SIZES,
    SOLO_S,
    SPARING,
    STAGING,
    STAGING_AT,
    TRIED,
    UNSPARING,
    WAITING,
    WALKED,
)
from stratsim.fast.strait.estimates import (
    all_surely_later,
    finish_s,
    follows_in_time,
    in_flight,
    is_late,
    latest_finish_s,
    latest_start_s,
    make,
    plan,
    surely_later,
)
from stratsim.fast.strait.forecast import walk
from stratsim.fast.strait.gpus import following_open, list_open, next_holding
from stratsim.fast.strait.guard import guard_admits
from stratsim.fast.strait.harm import backlog_in_time, harms, largest_in_time, spares_in_flight, spares_waiting
from stratsim.fast.strait.margins import stretch
from stratsim.fast.strait.newcomers import look_behind
from stratsim.fast.strait.queues import at_model, first_waiting, following_model, queued_at, take

if TYPE_CHECKING:
    from stratsim.fast.strait.codes import State

__all__ = ["block", "keep", "last_call_s", "take_next_high"]


@compiled
def block(state: State, which: int) -> int:
    """Return the block of a candidate."""
    return state.ints[BLOCK_AT] + which * BATCH_BLOCK  # type: ignore[no-any-return]


@compiled
def keep(state: State, which: int, candidate: int) -> int:
    """Copy a candidate to another block; return that."""
    ints, reals = state.ints, state.reals
    kept = block(state, which)
    for place in range(BATCH_BLOCK):
        ints[kept + place], reals[kept + place] = ints[candidate + place], reals[candidate + place]
    return kept


@compiled
def take_next_high(state: State, now_s: float) -> int:
    """Take the next batch to start off the queues, high priority or low that is rescued from it; NONE if there is none.

    There is a GPU that has a place.
    """
    ints = state.ints
    if ints[HIGHS] == 1 and ints[OPEN] == 1 and not ints[LOWS]:
        taken = _take_only(state, following_open(state, NONE, ints[PLACES]), now_s)
        if taken != NONE:
            return taken
    option = _choose(state, now_s)
    if option == NONE:
        return NONE
    option = keep(state, OPTION, option)
    if ints[LOWS]:
        if ints[RESCUE]:
            rescued = _rescued(state, option, now_s)
            if rescued != NONE:  # and look again
                take(state, ints[rescued + KIND] // ints[SIZES], LOW, 1)
                return rescued
        return _take_filled(state, option, now_s)
    take(state, ints[option + KIND] // ints[SIZES], HIGH, ints[option + KIND] % ints[SIZES])
    return option


@compiled
def last_call_s(state: State, now_s: float) -> float:
    """Return when the first waiting request that still can wait cannot any longer; inf if there is none."""
    ints, found_s, queued = state.ints, inf, queued_at(state, HIGH)
    for place in range(queued, queued + ints[QUEUED_HIGH]):
        at_s = latest_start_s(state, ints[at_model(state, ints[place]) + HEAD])
        if at_s > now_s:
            found_s = min(found_s, at_s)
    return found_s


@compiled
def _take_only(state: State, gpu: int, now_s: float) -> int:
    """Take the only request that waits if it is in time and harms nobody; NONE if that cannot be said so easily."""
    ints, reals = state.ints, state.reals
    model = first_waiting(state, HIGH)
    candidate = block(state, TRIED)
    plan(state, gpu, candidate, ints[at_model(state, model) + HEAD], 1, now_s)
    if now_s + reals[candidate + SOLO_S] * stretch(state, ints[candidate + KIND]) > reals[candidate + DUE_S]:
        return NONE
    walk(state, gpu, now_s, candidate, False)
    for place in range(ints[BATCH_AT], ints[BATCH_AT] + ints[BATCHES]):
        batch = ints[place]
        if ints[batch + IS_HIGH] and (ints[HARM_CHECK] or batch == candidate) and is_late(state, batch, now_s):
            return NONE
    take(state, model, HIGH, 1)
    return candidate


@compiled
def _choose(state: State, now_s: float) -> int:
    """Return the next batch to start: the most urgent that harms nobody, or else one that cannot wait any longer."""
    model = first_waiting(state, HIGH)
    while model != NONE:
        option = _best(state, model, now_s)
        if option != NONE:
            return option
        model = following_model(state, HIGH)
    model = first_waiting(state, HIGH)
    while model != NONE:
        option = _last_call(state, model, now_s)
        if option != NONE:
            return option
        model = following_model(state, HIGH)
    return NONE


@compiled
def _best(state: State, model: int, now_s: float) -> int:
    """Return where to start how many of a model's requests: most requests, then earliest end, then lowest GPU."""
    ints, reals = state.ints, state.reals
    head, unsparing = ints[at_model(state, model) + HEAD], NONE
    size = largest_in_time(state, model, ints[at_model(state, model) + WAITING], head, now_s)
    while size:
        idle = _on_idle(state, head, size, now_s) if ints[OPEN] > 1 else NONE
        rivals = _list_rivals(state, idle, now_s)
        if idle != NONE and rivals == 1:
            return idle
        sparing = found = NONE
        for place in range(ints[RIVAL_AT], ints[RIVAL_AT] + rivals):
            gpu, candidate = ints[place], block(state, TRIED)
            plan(state, gpu, candidate, head, size, now_s)
            walk(state, gpu, now_s, candidate, False)
            if not spares_in_flight(state, gpu, now_s):
                continue
            ends_s = latest_finish_s(reals[candidate + END_S])  # ahead of another only by more than rounding
            if found == NONE or ends_s < reals[found + END_S]:
                found = keep(state, FOUND, candidate)
            if (sparing == NONE or ends_s < reals[sparing + END_S]) and spares_waiting(state, gpu, now_s):
                sparing = keep(state, SPARING, candidate)
        if sparing != NONE:
            return sparing
        if unsparing == NONE and found != NONE:
            unsparing = keep(state, UNSPARING, found)
        size = largest_in_time(state, model, size - 1, head, now_s)
    return unsparing


@compiled
def _on_idle(state: State, head: int, size: int, now_s: float) -> int:
    """Return a batch on an idle GPU, if there is one and everybody is spared there."""
    gpu, candidate = next_holding(state, 0, 0), block(state, ON_IDLE)
    if gpu == NONE:
        return NONE
    plan(state, gpu, candidate, head, size, now_s)
    walk(state, gpu, now_s, candidate, False)
    if not is_late(state, candidate, now_s) and spares_waiting(state, gpu, now_s):
        return candidate
    return NONE


@compiled
def _list_rivals(state: State, idle: int, now_s: float) -> int:
    """List at RIVAL_AT where a batch may end no later than on an idle GPU; all that are open where none is idle."""
    ints, count = state.ints, 0
    if idle != NONE and all_surely_later(state, idle, now_s):
        return _list_staging(state, ints[idle + ON_GPU])
    for place in range(ints[OPEN_AT], ints[OPEN_AT] + list_open(state)):
        if idle == NONE or not surely_later(state, ints[place], idle, now_s):
            ints[ints[RIVAL_AT] + count] = ints[place]
            count += 1
    return count


@compiled
def _list_staging(state: State, idle: int) -> int:
    """List an idle GPU, and those that have a place and staged batches, at RIVAL_AT, by number; return how many."""
    ints, rivals, count = state.ints, state.ints[RIVAL_AT], 1
    ints[rivals] = idle
    for position in range(ints[STAGING_AT], ints[STAGING_AT] + ints[STAGING]):
        gpu, place = ints[position], rivals + count
        if in_flight(state, gpu) == ints[PLACES]:
            continue
        while place > rivals and ints[place - 1] > gpu:
            ints[place] = ints[place - 1]
            place -= 1
        ints[place] = gpu
        count += 1
    return count


@compiled
def _last_call(state: State, model: int, now_s: float) -> int:
    """Return the least harmful way to start a request that cannot wait any longer; NONE if it still can."""
    ints, reals = state.ints, state.reals
    head = ints[at_model(state, model) + HEAD]
    if latest_start_s(state, head) > now_s:
        return NONE
    best, best_high, best_low, best_end = NONE, 0, 0, 0.0
    for place in range(ints[OPEN_AT], ints[OPEN_AT] + list_open(state)):
        gpu, candidate = ints[place], block(state, TRIED)
        plan(state, gpu, candidate, head, 1, now_s)
        walk(state, gpu, now_s, candidate, False)
        high = low = 0
        for at in range(ints[BATCH_AT], ints[BATCH_AT] + ints[BATCHES]):
            if is_late(state, ints[at], now_s):
                if ints[ints[at] + IS_HIGH]:
                    high += 1
                else:
                    low += 1
        end = _nanoseconds(reals[candidate + END_S])
        less = best == NONE or high < best_high
        if not less and high == best_high:
            less = low < best_low or (low == best_low and end < best_end)
        if less:
            best, best_high, best_low, best_end = keep(state, FOUND, candidate), high, low, end
    return best


@compiled
def _nanoseconds(at_s: float) -> float:
    """Return a time in whole nanoseconds, rounded as Python's `round` does: from the exact product, halves to even."""
    product = at_s * 1e9
    whole = floor(product)
    if product - whole != 0.5:
        return whole if product - whole < 0.5 else whole + 1.0
    # What rounding took off the product (Dekker), as 1e9 has 21 bits.
    split = 134217729.0 * at_s
    upper = split - (split - at_s)
    rest = (upper * 1e9 - product) + (at_s - upper) * 1e9
    if rest != 0.0:
        return whole if rest < 0.0 else whole + 1.0
    return whole if whole % 2.0 == 0.0 else whole + 1.0


@compiled
def _take_filled(state: State, option: int, now_s: float) -> int:
    """Take a batch off the queue, with its free places filled with low priority where nobody suffers."""
    ints = state.ints
    number, size = ints[option + KIND] // ints[SIZES], ints[option + KIND] % ints[SIZES]
    model = at_model(state, number)
    room = min(ints[model + LIMIT] - size, ints[model + WAITING + LOW])
    tried = 0
    if ints[FILL] and room > 0 and ints[model + WAITING] == size:
        for extra in (room, room // 2, 1):
            if not extra or extra == tried:
                continue
            tried = extra
            if _fits_in(state, option, extra, now_s):
                take(state, number, HIGH, size)
                take(state, number, LOW, extra)
                return block(state, LARGER)
    take(state, number, HIGH, size)
    return option


@compiled
def _fits_in(state: State, option: int, extra: int, now_s: float) -> bool:
    """Whether so many low-priority requests may join a batch, which is then at LARGER."""
    ints, reals = state.ints, state.reals
    gpu, number, size = ints[option + ON_GPU], ints[option + KIND] // ints[SIZES], ints[option + KIND] % ints[SIZES]
    first = ints[at_model(state, number) + HEAD + LOW]
    if largest_in_time(state, number, size + extra, first, now_s) < size + extra:
        return False
    larger = block(state, LARGER)
    head = ints[at_model(state, number) + HEAD]
    bytes_in = bytes_out = 0
    following = head
    for joined in range(size + extra):
        if joined == size:
            following = first
        bytes_in += ints[following + IN_BYTES]
        bytes_out += ints[following + OUT_BYTES]
        following = ints[following + NEXT]
    make(state, gpu, larger, head, size + extra, bytes_in, bytes_out, now_s)
    walk(state, gpu, now_s, larger, False)
    if not (spares_in_flight(state, gpu, now_s) and spares_waiting(state, gpu, now_s)):
        return False
    if finish_s(state, larger, now_s) > latest_finish_s(reals[first + DEADLINE_S]):
        return False
    return guard_admits(state, gpu, now_s)


@compiled
def _rescued(state: State, option: int, now_s: float) -> int:
    """Return the most urgent low-priority request, as a batch, if only going before that of `option` saves it."""
    ints = state.ints
    gpu, urgent = ints[option + ON_GPU], _most_urgent_low(state)
    if ints[gpu + WALKED] != ints[option + CANDIDATE]:
        walk(state, gpu, now_s, option, False)
    _list_with(state, gpu, option)
    look_behind(state, gpu, ints[BATCHES], now_s)
    if follows_in_time(state, urgent, now_s, 0.0):
        return NONE
    rescued = block(state, RESCUED)
    plan(state, gpu, rescued, urgent, 1, now_s)
    walk(state, gpu, now_s, rescued, False)
    if is_late(state, rescued, now_s) or harms(state, gpu, now_s, False):
        return NONE
    if backlog_in_time(state, gpu, now_s) and guard_admits(state, gpu, now_s):
        return rescued
    return NONE


@compiled
def _most_urgent_low(state: State) -> int:
    """Return the first low-priority request that cannot wait any longer; of several, that of the model seen first."""
    ints, queued = state.ints, queued_at(state, LOW)
    urgent, urgent_s, rank = NONE, inf, 0
    for place in range(queued, queued + ints[QUEUED_HIGH + LOW]):
        model = at_model(state, ints[place])
        at_s, own = latest_start_s(state, ints[model + HEAD + LOW]), ints[model + RANK + LOW]
        if urgent == NONE or at_s < urgent_s or (at_s == urgent_s and own < rank):
            urgent, urgent_s, rank = ints[model + HEAD + LOW], at_s, own
    return urgent


@compiled
def _list_with(state: State, gpu: int, candidate: int) -> None:
    """List the batches on a GPU, and a candidate behind them, at BATCH_AT."""
    ints = state.ints
    count = in_flight(state, gpu)
    for place in range(count):
        ints[ints[BATCH_AT] + place] = ints[gpu + MEMBERS + place]
    ints[ints[BATCH_AT] + count] = candidate
    ints[BATCHES] = count + 1
