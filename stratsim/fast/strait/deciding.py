"""What to start now: `stratsim.policy.strait.policy` on arrays. `decide` is what is called."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from stratsim.fast.compiled import compiled
from stratsim.fast.strait.codes import (
    AGAIN_S,
    ARRIVED,
    ARRIVED_AT,
    AT_S,
    BEST_EFFORT,
    CHANGED,
    CHANGED_AT,
    DEADLINE_S,
    DECISION_AT,
    DECISION_BLOCK,
    DECISIONS,
    DROP_EXPIRED,
    DROP_INFEASIBLE,
    DUE_S,
    EXPIRES_S,
    FIRST_LISTED,
    GPUS,
    HAS_ENDED,
    HEAD,
    HIGH,
    HIGHS,
    HOPELESS,
    HOPELESS_AGAIN_S,
    HOPELESS_HEAD,
    HOPELESS_TAIL,
    IS_HIGH,
    IS_LOW,
    LISTED,
    LISTED_AT,
    LOW,
    LOW_TIMER_S,
    LOWS,
    MANY,
    NEXT,
    NONE,
    NUMBER,
    ON_GPU,
    OPEN,
    OPEN_AT,
    ORDER_AT,
    PLACES,
    QUEUED_HIGH,
    REQUEST_MODEL,
    RESERVE,
    START,
    TIMER,
    TIMER_S,
    TRIED,
    UPDATED,
    WHAT,
    WHERE,
    WHICH,
)
from stratsim.fast.strait.estimates import alone_s, finish_s, in_flight, latest_finish_s, plan, started, take_over
from stratsim.fast.strait.gpus import at_gpu, fewest, following_open, how_many, list_open, recount
from stratsim.fast.strait.guard import note_request
from stratsim.fast.strait.high import block, last_call_s, take_next_high
from stratsim.fast.strait.low import admits_low, any_unrefused, forget_refusals, look_again_s, take_next_low
from stratsim.fast.strait.newcomers import expect
from stratsim.fast.strait.queues import at_model, first_waiting, following_model, push, queued_at, take

if TYPE_CHECKING:
    from stratsim.fast.strait.codes import State

__all__ = ["decide"]


@compiled
def decide(state: State, now_s: float) -> int:
    """Take in the requests listed at ARRIVED_AT, decide, list what was decided at DECISION_AT; return how much."""
    ints, reals = state.ints, state.reals
    ints[DECISIONS] = ints[LISTED] = ints[UPDATED] = 0
    for place in range(ints[ARRIVED_AT], ints[ARRIVED_AT] + ints[ARRIVED]):
        _take_in(state, ints[place])
    ints[ARRIVED] = 0
    for place in range(ints[CHANGED_AT], ints[CHANGED_AT] + ints[CHANGED]):
        recount(state, at_gpu(state, ints[place]))
    if now_s > reals[EXPIRES_S]:
        _expire(state, now_s)
    if _is_settled(state, now_s):
        _wake_for_low(state, now_s)
    else:
        _serve(state, now_s)
    return ints[DECISIONS]  # type: ignore[no-any-return]


@compiled
def _take_in(state: State, request: int) -> None:
    """Queue a request."""
    ints, reals = state.ints, state.reals
    expect(state, ints[request + REQUEST_MODEL])
    push(state, request)
    if ints[request + IS_LOW] == HIGH:
        note_request(state, request)
    reals[EXPIRES_S] = min(reals[EXPIRES_S], reals[request + DEADLINE_S] - alone_s(state, request))


@compiled
def _is_settled(state: State, now_s: float) -> bool:
    """Whether nothing can start, as no slot is free, or as all that waits was refused and nothing has changed."""
    ints = state.ints
    held = fewest(state)
    if held == ints[PLACES]:
        return True
    if ints[HIGHS]:
        return False
    if ints[PLACES] - held <= ints[RESERVE]:
        return True
    if ints[HOPELESS] or any_unrefused(state, now_s):
        return False
    return not ints[HAS_ENDED]


@compiled
def _serve(state: State, now_s: float) -> None:
    ints = state.ints
    take_over(state, now_s)
    if ints[HIGHS]:
        _serve_high(state, now_s)
    if ints[LOWS]:
        _serve_low(state, now_s)
    if ints[HOPELESS]:
        _serve_hopeless(state, now_s)
    if ints[LOWS] or ints[HOPELESS]:
        _wake_for_low(state, now_s)


@compiled
def _serve_high(state: State, now_s: float) -> None:
    """Start high-priority batches, and what is rescued from them, as long as one is acceptable."""
    ints = state.ints
    while ints[HIGHS]:
        taken = NONE
        ints[OPEN] = _count_open(state)
        if ints[OPEN]:
            taken = take_next_high(state, now_s)
        if taken == NONE:
            _wake_for_last_call(state, now_s)
            return
        _start(state, taken, now_s)


@compiled
def _serve_low(state: State, now_s: float) -> None:
    """Start low-priority batches as long as one is acceptable, on the fullest GPU that admits it."""
    ints = state.ints
    forget_refusals(state)
    while ints[LOWS] and following_open(state, NONE, ints[PLACES] - ints[RESERVE]) != NONE:
        taken = take_next_low(state, now_s)
        if taken == NONE:
            return
        _start(state, taken, now_s)


@compiled
def _serve_hopeless(state: State, now_s: float) -> None:
    """Serve what is too late already, one by one, where it makes nobody else late."""
    ints, reals = state.ints, state.reals
    reals[AGAIN_S] = inf
    for place in range(ints[OPEN_AT], ints[OPEN_AT] + list_open(state)):
        gpu = ints[place]
        while ints[HOPELESS] and ints[PLACES] - in_flight(state, gpu) > ints[RESERVE]:
            candidate, request = block(state, TRIED), ints[HOPELESS_HEAD]
            plan(state, gpu, candidate, request, 1, now_s)
            ints[candidate + IS_HIGH], reals[candidate + DUE_S] = 0, inf
            if not admits_low(state, candidate, now_s):
                break
            ints[HOPELESS_HEAD] = ints[request + NEXT]
            ints[HOPELESS] -= 1
            ints[ints[LISTED_AT] + ints[LISTED]] = request
            ints[LISTED] += 1
            _start(state, candidate, now_s)
    reals[HOPELESS_AGAIN_S] = reals[AGAIN_S]


@compiled
def _decided(state: State, what: int, gpu: int, listed: int, batch: int, at_s: float) -> None:
    """List a decision, with the last `listed` of the requests at LISTED_AT."""
    ints, reals = state.ints, state.reals
    decision = ints[DECISION_AT] + ints[DECISIONS] * DECISION_BLOCK
    ints[decision + WHAT], ints[decision + WHERE], ints[decision + WHICH] = what, gpu, batch
    ints[decision + FIRST_LISTED], ints[decision + MANY] = ints[LISTED] - listed, listed
    reals[decision + AT_S] = at_s
    ints[DECISIONS] += 1


@compiled
def _start(state: State, candidate: int, now_s: float) -> None:
    ints = state.ints
    gpu, listed = ints[candidate + ON_GPU], ints[LISTED]
    for place in range(ints[DECISION_AT], ints[DECISION_AT] + ints[DECISIONS] * DECISION_BLOCK, DECISION_BLOCK):
        listed -= ints[place + MANY]
    finish = finish_s(state, candidate, now_s)
    _decided(state, START, ints[gpu + NUMBER], listed, started(state, candidate, now_s), finish)


@compiled
def _count_open(state: State) -> int:
    """Return how many GPUs have a place; the idle ones, which are all alike, are one."""
    found = min(1, how_many(state, 0))
    for count in range(1, state.ints[PLACES]):
        found += how_many(state, count)
    return found


@compiled
def _expire(state: State, now_s: float) -> None:
    """Give up requests that could not be in time even alone on an idle GPU."""
    ints, reals = state.ints, state.reals
    reals[EXPIRES_S] = inf
    for level in range(2):
        count, number = 0, first_waiting(state, level)
        while number != NONE:
            ints[ints[ORDER_AT] + count] = number
            count += 1
            number = following_model(state, level)
        for place in range(ints[ORDER_AT], ints[ORDER_AT] + count):
            _expire_model(state, ints[place], level, now_s)


@compiled
def _expire_model(state: State, number: int, level: int, now_s: float) -> None:
    ints, reals = state.ints, state.reals
    model = at_model(state, number)
    while ints[model + HEAD + level] != NONE:
        request = ints[model + HEAD + level]
        takes_s = alone_s(state, request)
        if now_s + takes_s <= latest_finish_s(reals[request + DEADLINE_S]):
            reals[EXPIRES_S] = min(reals[EXPIRES_S], reals[request + DEADLINE_S] - takes_s)
            return
        take(state, number, level, 1)
        if ints[BEST_EFFORT] and level == HIGH:
            ints[LISTED] -= 1
            ints[request + NEXT] = NONE
            if ints[HOPELESS]:
                ints[ints[HOPELESS_TAIL] + NEXT] = request
            else:
                ints[HOPELESS_HEAD] = request
            ints[HOPELESS_TAIL] = request
            ints[HOPELESS] += 1
        else:
            why = DROP_EXPIRED if now_s > reals[request + DEADLINE_S] else DROP_INFEASIBLE
            _decided(state, why, 0, 1, NONE, now_s)


# Timers ---------------------------------------------------------------------------------------------------------------


@compiled
def _wake_for_last_call(state: State, now_s: float) -> None:
    """Ask to be woken when the first waiting high-priority request cannot wait any longer, if there is a place."""
    ints, reals = state.ints, state.reals
    if how_many(state, ints[PLACES]) == ints[GPUS]:
        return
    next_s = last_call_s(state, now_s)
    if next_s < inf and not (now_s < reals[TIMER_S] and reals[TIMER_S] <= next_s):
        reals[TIMER_S] = next_s
        _decided(state, TIMER, 0, 0, NONE, next_s)


@compiled
def _wake_for_low(state: State, now_s: float) -> None:
    """Ask to be woken where low priority is refused and no batch is there whose end would do so."""
    ints, reals = state.ints, state.reals
    if not (ints[LOWS] or ints[HOPELESS]) or how_many(state, 0) < ints[GPUS]:
        return
    next_s = look_again_s(state)
    queued = queued_at(state, LOW)
    for place in range(queued, queued + ints[QUEUED_HIGH + LOW]):
        next_s = min(next_s, reals[ints[at_model(state, ints[place]) + HEAD + LOW] + DEADLINE_S])
    if ints[HOPELESS]:
        next_s = min(next_s, reals[HOPELESS_AGAIN_S])
    if (now_s < reals[LOW_TIMER_S] and reals[LOW_TIMER_S] <= next_s) or not (now_s < next_s and next_s < inf):
        return
    reals[LOW_TIMER_S] = next_s
    _decided(state, TIMER, 0, 0, NONE, next_s)
