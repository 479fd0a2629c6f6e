"""What a candidate would cost the requests that are there: `strait.harm` on arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratsim.fast.compiled import compiled
from stratsim.fast.strait.codes import (
    BATCH_AT,
    BATCHES,
    CANDIDATE,
    DEADLINE_S,
    END_S,
    HARM_CHECK,
    HEAD,
    HIGH,
    HIGHS,
    IN_FLIGHT,
    IS_HIGH,
    KIND,
    LATE_AT,
    LIMIT,
    NONE,
    QUEUED_HIGH,
    SIZES,
    SLOT_S,
    STRETCH,
    WAITING,
    WALKED,
)
from stratsim.fast.strait.estimates import follows_in_time, is_late, latest_finish_s
from stratsim.fast.strait.forecast import walk
from stratsim.fast.strait.newcomers import latency_s, look_behind
from stratsim.fast.strait.queues import at_model, first_waiting, following_model, queued_at

if TYPE_CHECKING:
    from stratsim.fast.strait.codes import State

__all__ = [
    "backlog_in_time",
    "costs_low",
    "harms",
    "largest_in_time",
    "spares_in_flight",
    "spares_waiting",
]


@compiled
def largest_in_time(state: State, number: int, most: int, request: int, now_s: float) -> int:
    """Return the largest batch, of at most so many, with which a request is in time if nobody is beside it; or 0."""
    ints, reals = state.ints, state.reals
    model = at_model(state, number)
    latest_s, size = latest_finish_s(reals[request + DEADLINE_S]), min(most, ints[model + LIMIT])
    while size and now_s + latency_s(state, number * ints[SIZES] + size) * reals[model + STRETCH] > latest_s:
        size -= 1
    return size  # type: ignore[no-any-return]


@compiled
def spares_in_flight(state: State, gpu: int, now_s: float) -> bool:
    """Whether a high-priority candidate, the last of the batches at BATCH_AT, is in time and harms nobody in flight."""
    ints = state.ints
    if is_late(state, ints[ints[BATCH_AT] + ints[BATCHES] - 1], now_s):
        return False
    return not ints[HARM_CHECK] or not harms(state, gpu, now_s, False)


@compiled
def spares_waiting(state: State, gpu: int, now_s: float) -> bool:
    """Whether a candidate, the last of the batches at BATCH_AT, makes no high-priority request late that waits."""
    return not state.ints[HARM_CHECK] or _leaves_time(state, gpu, now_s)


@compiled
def harms(state: State, gpu: int, now_s: float, hopeful: bool) -> bool:
    """Whether the last of the batches at BATCH_AT, as walked, makes a high-priority one of the others late."""
    return _made_late(state, gpu, now_s, 1, hopeful) > 0


@compiled
def costs_low(state: State, gpu: int, now_s: float, hopeful: bool) -> int:
    """Return how many low-priority requests in flight the last of the batches at BATCH_AT, as walked, makes late."""
    return _made_late(state, gpu, now_s, 0, hopeful)


@compiled
def _made_late(state: State, gpu: int, now_s: float, is_high: int, hopeful: bool) -> int:
    """Return how many requests of one class are late with the candidate and would not be without it."""
    ints, reals = state.ints, state.reals
    batches, late, count, lates = ints[BATCH_AT], ints[LATE_AT], ints[BATCHES], 0
    for place in range(count):
        batch = ints[batches + place]
        ints[late + place] = (
            ints[batch + IN_FLIGHT] and ints[batch + IS_HIGH] == is_high and is_late(state, batch, now_s)
        )
        lates += ints[late + place]
        reals[late + place] = reals[batch + END_S]
    if not lates:
        return 0
    walk(state, gpu, now_s, NONE, hopeful)
    made_late = 0
    for place in range(count - 1):
        batch = ints[batches + place]
        if ints[late + place] and not is_late(state, batch, now_s):
            made_late += ints[batch + KIND] % ints[SIZES]
    for place in range(count):
        reals[ints[batches + place] + END_S] = reals[late + place]
    ints[BATCHES], ints[gpu + WALKED] = count, ints[ints[batches + count - 1] + CANDIDATE]
    return made_late


@compiled
def _leaves_time(state: State, gpu: int, now_s: float) -> bool:
    """Whether the first high-priority request of every other model could still follow a candidate in time."""
    ints = state.ints
    waiting, count = ints[HIGHS], ints[BATCHES]
    if not waiting:
        return True
    candidate = ints[ints[BATCH_AT] + count - 1]
    own = ints[candidate + KIND] // ints[SIZES] if ints[candidate + IS_HIGH] else NONE
    if own != NONE and ints[at_model(state, own) + WAITING] == waiting:
        return True
    look_behind(state, gpu, count, now_s)
    late, lates = ints[LATE_AT] + count, 0
    queued = queued_at(state, HIGH)
    for place in range(queued, queued + ints[QUEUED_HIGH]):
        head = ints[at_model(state, ints[place]) + HEAD]
        if ints[place] != own and not follows_in_time(state, head, now_s, 0.0):
            ints[late + lates] = head
            lates += 1
    if not lates:
        return True
    look_behind(state, gpu, count - 1, now_s)
    for place in range(lates):  # noqa: SIM110 (numba compiles loops)
        if follows_in_time(state, ints[late + place], now_s, 0.0):
            return False
    return True


@compiled
def backlog_in_time(state: State, gpu: int, now_s: float) -> bool:
    """Whether all waiting high-priority requests could follow in time behind the batches at BATCH_AT."""
    ints, reals = state.ints, state.reals
    look_behind(state, gpu, ints[BATCHES], now_s)
    number = first_waiting(state, HIGH)
    while number != NONE:
        model = at_model(state, number)
        one, size = number * ints[SIZES] + 1, min(ints[model + WAITING], ints[model + LIMIT])
        lasts_s = latency_s(state, one - 1 + size)
        if not follows_in_time(state, ints[model + HEAD], now_s, lasts_s - latency_s(state, one)):
            return False
        reals[SLOT_S] += lasts_s
        number = following_model(state, HIGH)
    return True
