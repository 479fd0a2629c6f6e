"""When batches are expected to be done, and what is learned from those that are: `strait.estimates` on arrays."""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING

from stratsim.fast.compiled import compiled
from stratsim.fast.strait.belief import learn
from stratsim.fast.strait.caution import look_up_asked, rates, take_in
from stratsim.fast.strait.codes import (
    BATCH_BLOCK,
    BYTES_IN,
    CANDIDATE,
    CHANGED,
    CHANGED_AT,
    CLEARLY,
    COPIED_S,
    DEADLINE_S,
    DISPATCHED_S,
    DONE_S,
    DUE_S,
    DURATION_S,
    END_S,
    ENDED,
    ENDED_AT,
    ENDED_NOW,
    EXECUTING,
    FIRST_INTERVAL,
    FLOOR,
    FREE_S,
    FULLEST_LOG,
    HAS_MARGIN,
    HIGH,
    ID,
    IN_BYTES,
    IN_FLIGHT,
    INTERVALS,
    IS_HIGH,
    IS_LOW,
    IS_MISSING,
    IS_PENDING,
    KEY_AT,
    KIND,
    LAST_INTERVAL,
    LATENCY_AT,
    LEAST_LATENCY_S,
    LEFT_S,
    LESSONS,
    LONE_AT,
    LONES,
    MEMBERS,
    MISSING,
    NEXT,
    NONE,
    NUMBER,
    OBSERVATION_AT,
    OBSERVATION_BLOCK,
    OBSERVATIONS,
    ON_GPU,
    OUT_BYTES,
    OUT_S,
    PENDING,
    PENDING_ANYWHERE,
    PLACES,
    READY_S,
    REFRESH,
    REFRESHES,
    REQUEST_MODEL,
    SERIAL,
    SIZES,
    SLOTS,
    SOLO_S,
    SPARE,
    SPARE_AT,
    STAGED,
    STAGING,
    STAGING_AT,
    START_S,
    STARTS,
    STRETCH,
    TAKES_NOTE,
    TARGET,
    TARGET_SOLO_S,
    UPDATED,
    VIEWED,
    WALKED,
)
from stratsim.fast.strait.forecast import catch_up, commit, make_room, note_intervals, update, walk
from stratsim.fast.strait.gpus import at_gpu, next_holding, note_lone, recount
from stratsim.fast.strait.margins import learn_alone, stretch
from stratsim.fast.strait.newcomers import fits, forget_besides, latency_s, start_s
from stratsim.fast.strait.pending_copies import in_s, out_s, ready_s, take_over_copies
from stratsim.fast.strait.queues import at_model
from stratsim.model.tolerance import TIME_RTOL

if TYPE_CHECKING:
    from stratsim.fast.strait.codes import State

__all__ = [
    "all_surely_later",
    "alone_s",
    "finish_s",
    "follows_in_time",
    "in_flight",
    "is_late",
    "latest_finish_s",
    "latest_start_s",
    "lone_s",
    "make",
    "make_kind",
    "plan",
    "started",
    "surely_later",
    "take_over",
]


@compiled
def latest_finish_s(deadline_s: float) -> float:
    """Return the latest finish that still meets a deadline."""
    return deadline_s * (1.0 + TIME_RTOL)


@compiled
def in_flight(state: State, gpu: int) -> int:
    """Return how many batches execute or are staged on a GPU, as followed."""
    return state.ints[gpu + EXECUTING] + state.ints[gpu + STAGED]  # type: ignore[no-any-return]


# What has happened ----------------------------------------------------------------------------------------------------


@compiled
def take_over(state: State, now_s: float) -> None:
    """Bring the forecasts of the GPUs listed at CHANGED_AT up to now, and learn from the batches that have ended."""
    ints = state.ints
    ints[UPDATED], ints[ENDED_NOW], ints[FULLEST_LOG] = 1, 0, 0
    ints[MISSING] = ints[STAGING] = 0
    for place in range(ints[CHANGED_AT], ints[CHANGED_AT] + ints[CHANGED]):
        gpu = at_gpu(state, ints[place])
        take_over_copies(state, gpu)
        update(state, gpu, now_s)
        ints[gpu + VIEWED], ints[gpu + IS_MISSING] = in_flight(state, gpu), 0
        recount(state, gpu)
        note_lone(state, gpu)
        if ints[gpu + STAGED]:
            ints[ints[STAGING_AT] + ints[STAGING]] = gpu
            ints[STAGING] += 1
    if ints[ENDED_NOW]:
        _note_ends(state, now_s)
    for place in range(ints[CHANGED_AT], ints[CHANGED_AT] + ints[CHANGED]):
        make_room(state, at_gpu(state, ints[place]))


@compiled
def _note_ends(state: State, now_s: float) -> None:
    """Learn from batches that have ended, in that order."""
    ints = state.ints
    ended, count = ints[ENDED_AT], ints[ENDED_NOW]
    ints[ENDED] += count
    for position in range(1, count):
        batch, place = ints[ended + position], ended + position
        while place > ended and _ends_before(state, batch, ints[place - 1]):
            ints[place] = ints[place - 1]
            place -= 1
        ints[place] = batch
    for place in range(ended, ended + count):
        batch = ints[place]
        if ints[TAKES_NOTE]:
            _note(state, batch)
        ints[ints[SPARE_AT] + ints[SPARE]] = batch
        ints[SPARE] += 1
    if ints[OBSERVATIONS] >= ints[REFRESH]:
        _learn(state, now_s)


@compiled
def _ends_before(state: State, one: int, other: int) -> bool:
    ints, reals = state.ints, state.reals
    if reals[one + DONE_S] != reals[other + DONE_S]:
        return reals[one + DONE_S] < reals[other + DONE_S]  # type: ignore[no-any-return]
    return ints[one + ID] < ints[other + ID]  # type: ignore[no-any-return]


@compiled
def _note(state: State, batch: int) -> None:
    """Take over how a batch turned out: for the margins at once, for the belief later."""
    ints, reals = state.ints, state.reals
    duration_s = reals[batch + DONE_S] - reals[batch + START_S]
    observation = ints[OBSERVATION_AT] + ints[OBSERVATIONS] * OBSERVATION_BLOCK
    ints[OBSERVATIONS] += 1
    ints[observation + TARGET], ints[observation + FIRST_INTERVAL] = ints[batch + KIND], ints[INTERVALS]
    reals[observation + TARGET_SOLO_S], reals[observation + DURATION_S] = reals[batch + SOLO_S], duration_s
    beside = note_intervals(state, ints[batch + ON_GPU], batch)
    ints[observation + LAST_INTERVAL] = ints[INTERVALS]
    if not beside and ints[HAS_MARGIN] and reals[batch + SOLO_S] > 0.0:
        learn_alone(state, ints[batch + KIND] // ints[SIZES], duration_s / reals[batch + SOLO_S] - 1.0)


@compiled
def _learn(state: State, now_s: float) -> None:
    """Let the belief learn from what has happened since it last did."""
    ints = state.ints
    for count in range(2, ints[PLACES] + 1):  # what was done until now was done at the rates believed until now
        gpu = next_holding(state, count, 0)
        while gpu != NONE:
            if ints[gpu + EXECUTING] > 1:
                catch_up(state, gpu, now_s)
            gpu = next_holding(state, count, ints[gpu + NUMBER] + 1)
    first, last = ints[OBSERVATION_AT], ints[OBSERVATION_AT] + ints[OBSERVATIONS] * OBSERVATION_BLOCK
    if ints[HAS_MARGIN]:
        for observation in range(first, last, OBSERVATION_BLOCK):
            look_up_asked(state, observation)
        for observation in range(first, last, OBSERVATION_BLOCK):
            take_in(state, observation)
    ints[LESSONS] += 1
    for observation in range(first, last, OBSERVATION_BLOCK):
        learn(state, observation)
    ints[OBSERVATIONS] = ints[INTERVALS] = 0
    ints[REFRESHES] += 1
    forget_besides(state)


@compiled
def started(state: State, candidate: int, now_s: float) -> int:
    """Follow a candidate that is dispatched now; return its block."""
    ints, reals = state.ints, state.reals
    gpu = ints[candidate + ON_GPU]
    ints[SPARE] -= 1
    batch = ints[ints[SPARE_AT] + ints[SPARE]]
    for place in range(BATCH_BLOCK):
        ints[batch + place], reals[batch + place] = ints[candidate + place], reals[candidate + place]
    if ints[batch + BYTES_IN]:
        ints[batch + IS_PENDING] = 1
        ints[gpu + PENDING] += 1
        ints[PENDING_ANYWHERE] += 1
        reals[gpu + FREE_S] = reals[batch + READY_S]
    if ints[gpu + WALKED] != ints[batch + CANDIDATE]:
        walk(state, gpu, now_s, batch, False)
    ints[batch + ID], ints[batch + IN_FLIGHT] = ints[STARTS], 1
    ints[STARTS] += 1
    reals[batch + DISPATCHED_S] = now_s
    reals[batch + START_S] = reals[batch + DONE_S] = reals[batch + COPIED_S] = nan
    ints[gpu + MEMBERS + in_flight(state, gpu)] = batch
    if not ints[gpu + STAGED]:
        ints[ints[STAGING_AT] + ints[STAGING]] = gpu
        ints[STAGING] += 1
    ints[gpu + STAGED] += 1
    ints[gpu + VIEWED] += 1
    recount(state, gpu)
    note_lone(state, gpu)
    commit(state, gpu)
    return batch  # type: ignore[no-any-return]


# What may happen ------------------------------------------------------------------------------------------------------


@compiled
def alone_s(state: State, request: int) -> float:
    """Return the latency of a request that is alone on an idle GPU."""
    ints = state.ints
    kind = ints[request + REQUEST_MODEL] * ints[SIZES] + 1
    return lone_s(state, kind, ints[request + IN_BYTES], ints[request + OUT_BYTES])


@compiled
def lone_s(state: State, kind: int, bytes_in: int, bytes_out: int) -> float:
    """Return the latency of a kind of batch that is alone on an idle GPU."""
    copies_s = in_s(state, bytes_in) + out_s(state, bytes_out)
    return copies_s + latency_s(state, kind)


@compiled
def latest_start_s(state: State, request: int) -> float:
    """Return when a request must start, alone and with the margin, to be in time."""
    model = at_model(state, state.ints[request + REQUEST_MODEL])
    return state.reals[request + DEADLINE_S] - alone_s(state, request) * state.reals[model + STRETCH]  # type: ignore[no-any-return]


@compiled
def plan(state: State, gpu: int, candidate: int, request: int, size: int, now_s: float) -> None:
    """Make a candidate of a request and those behind it in its queue: one batch, started now on this GPU."""
    ints = state.ints
    bytes_in = bytes_out = 0
    following = request
    for _ in range(size):
        bytes_in += ints[following + IN_BYTES]
        bytes_out += ints[following + OUT_BYTES]
        following = ints[following + NEXT]
    make(state, gpu, candidate, request, size, bytes_in, bytes_out, now_s)


@compiled
def make(
    state: State, gpu: int, candidate: int, request: int, size: int, bytes_in: int, bytes_out: int, now_s: float
) -> None:
    """Make a candidate of so many requests, with `request` as the first, and so many bytes."""
    ints, reals = state.ints, state.reals
    kind = ints[request + REQUEST_MODEL] * ints[SIZES] + size
    make_kind(state, gpu, candidate, kind, bytes_in, bytes_out, now_s)
    ints[candidate + IS_HIGH] = ints[request + IS_LOW] == HIGH
    reals[candidate + DUE_S] = latest_finish_s(reals[request + DEADLINE_S])


@compiled
def make_kind(state: State, gpu: int, candidate: int, kind: int, bytes_in: int, bytes_out: int, now_s: float) -> None:
    """Make a candidate of a kind of batch: all of it but its class and when it is due."""
    ints, reals = state.ints, state.reals
    ints[SERIAL] += 1
    ints[candidate + CANDIDATE], ints[candidate + KIND] = ints[SERIAL], kind
    ints[candidate + BYTES_IN], ints[candidate + ON_GPU] = bytes_in, gpu
    ints[candidate + IN_FLIGHT] = ints[candidate + IS_PENDING] = 0
    reals[candidate + SOLO_S] = reals[candidate + LEFT_S] = reals[ints[LATENCY_AT] + kind]
    reals[candidate + READY_S] = ready_s(state, gpu, bytes_in, now_s) if bytes_in else now_s
    reals[candidate + OUT_S] = out_s(state, bytes_out)


@compiled
def surely_later(state: State, gpu: int, candidate: int, now_s: float) -> bool:
    """Whether a batch would end later beside those on a GPU than alone, however far they have got."""
    ints, reals = state.ints, state.reals
    executing, kinds = ints[gpu + EXECUTING], ints[KEY_AT]
    if ints[gpu + STAGED] or not executing:
        return False
    least_s = reals[FLOOR] * latency_s(state, ints[ints[gpu + MEMBERS] + KIND])
    for place in range(executing):
        kind = ints[kinds + place] = ints[ints[gpu + MEMBERS + place] + KIND]
        least_s = min(least_s, reals[FLOOR] * latency_s(state, kind))
    overlap_s = least_s - max(reals[candidate + READY_S] - now_s, 0.0)
    own_rate = 0.0
    if executing < ints[SLOTS]:
        ints[kinds + executing] = ints[candidate + KIND]
        own_rate = reals[rates(state, kinds, executing + 1) + executing]
    later_s = (1.0 - own_rate) * min(overlap_s, reals[candidate + SOLO_S])
    return later_s > CLEARLY * reals[candidate + END_S]  # type: ignore[no-any-return]


@compiled
def all_surely_later(state: State, candidate: int, now_s: float) -> bool:
    """Whether that holds of every GPU where nothing is staged, if there are no more than two slots.

    Where all slots are taken the batches there are as if of the kind that takes least.
    """
    ints, reals, kinds = state.ints, state.reals, state.ints[KEY_AT]
    solo_s, end_s = reals[candidate + SOLO_S], reals[candidate + END_S]
    wait_s = max(reals[candidate + READY_S] - now_s, 0.0)
    if ints[SLOTS] > 2 or not min(reals[FLOOR] * reals[LEAST_LATENCY_S] - wait_s, solo_s) > CLEARLY * end_s:
        return False
    for place in range(ints[LONE_AT], ints[LONE_AT] + (ints[LONES] if ints[SLOTS] == 2 else 0)):
        kind = ints[kinds] = ints[place]
        ints[kinds + 1] = ints[candidate + KIND]
        own_rate = reals[rates(state, kinds, 2) + 1]
        overlap_s = reals[FLOOR] * latency_s(state, kind) - wait_s
        if not (1.0 - own_rate) * min(overlap_s, solo_s) > CLEARLY * end_s:
            return False
    return True


@compiled
def finish_s(state: State, batch: int, now_s: float) -> float:
    """Return when a walked batch's outputs are back, with the margin."""
    reals = state.reals
    takes_s = (reals[batch + END_S] - now_s) * stretch(state, state.ints[batch + KIND])
    return now_s + takes_s + reals[batch + OUT_S]  # type: ignore[no-any-return]


@compiled
def is_late(state: State, batch: int, now_s: float) -> bool:
    """Whether a walked batch misses its deadline, with the margin."""
    return finish_s(state, batch, now_s) > state.reals[batch + DUE_S]  # type: ignore[no-any-return]


@compiled
def follows_in_time(state: State, request: int, now_s: float, sooner_s: float) -> bool:
    """Whether a waiting request would still be in time in the situation, were its deadline so much sooner."""
    ints, reals = state.ints, state.reals
    model = ints[request + REQUEST_MODEL]
    deadline_s = reals[request + DEADLINE_S] - sooner_s
    left_s = latest_finish_s(deadline_s) - now_s - out_s(state, ints[request + OUT_BYTES])
    longest_s = left_s / reals[at_model(state, model) + STRETCH]
    begins_s = start_s(state, in_s(state, ints[request + IN_BYTES]))
    return fits(state, model, begins_s, now_s + longest_s - begins_s)
