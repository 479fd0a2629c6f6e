"""`aware-edf` inside the compiled loop: `stratsim.policy.aware_edf` on arrays.

Its queues are those of the run (`stratsim.fast.waiting`), as of any queue policy; its estimates are those of `strait`
(`stratsim.fast.strait.estimates`). `decide_inside` is called by the loop (`stratsim.fast.following`), by way of `entry`
where kernels are compiled.
"""

from __future__ import annotations

from math import inf, nan
from typing import TYPE_CHECKING

from stratsim.fast.codes import (
    BEGIN,
    DECIDED,
    DEPTH,
    DROPS_EXPIRED,
    DROPS_HOPELESS,
    DROPS_INFEASIBLE,
    DROPS_LATE,
    HEAD_AT,
    HEADS,
    KNOWN_AT,
    LACKS_ROOM,
    LIMIT,
    LISTED,
    MEMBER_AT,
    MODEL_AT,
    MODEL_INTS,
    NOW_S,
    STARTS,
    WAITING,
)
from stratsim.fast.compiled import at_bytes, at_ints, at_reals, at_words, compiled
from stratsim.fast.listing import list_decision, list_request
from stratsim.fast.strait.codes import (
    BATCHES,
    BLOCK_AT,
    CANDIDATE,
    FULLEST_LOG,
    GPU_AT,
    GPU_BLOCK,
    GPUS,
    LOG_ROWS,
    NONE,
    NUMBER,
    PLACES,
    SIZES,
    SLOT_S,
    SLOTS,
    TRIES,
    VIEWED,
    State,
)
from stratsim.fast.strait.estimates import finish_s, latest_finish_s, lone_s, make_kind, started, take_over
from stratsim.fast.strait.forecast import walk
from stratsim.fast.strait.gpus import fewest, next_holding
from stratsim.fast.strait.newcomers import look_behind
from stratsim.fast.strait.telling import tell_of_gpus
from stratsim.fast.waiting import take

if TYPE_CHECKING:
    from stratsim.fast.compiled import Column, Ints, Reals

__all__ = ["decide_inside", "entry"]


def entry(where: int, _: int) -> None:
    """Decide with the arrays whose addresses are listed at an address, in the order of `decide_inside`."""
    listed = at_ints(where)
    decide_inside(
        State(at_ints(listed[0]), at_reals(listed[1]), at_reals(listed[2])),
        at_ints(listed[3]),
        at_reals(listed[4]),
        at_reals(listed[5]),
        at_words(listed[6]),
        at_bytes(listed[7]),
        at_reals(listed[8]),
        at_words(listed[9]),
        at_words(listed[10]),
        at_reals(listed[11]),
    )


@compiled
def decide_inside(
    state: State,
    run: Ints,
    run_reals: Reals,
    _arrival_s: Column,
    _model_of: Column,
    priority: Column,
    deadline_s: Column,
    bytes_in: Column,
    bytes_out: Column,
    times_s: Column,
) -> None:
    """Take over what has happened, decide, and list what was decided among the numbers of the run.

    Args:
        state: What estimates are made from.
        run: The state of the run (`stratsim.fast.codes`); so are its reals, its columns and its table of times.
        run_reals: Likewise.
        priority: Likewise.
        deadline_s: Likewise.
        bytes_in: Likewise.
        bytes_out: Likewise.
        times_s: Likewise.
    """
    ints = state.ints
    run[DECIDED] = run[LACKS_ROOM] = run[LISTED] = 0
    tell_of_gpus(state, run, run_reals, times_s)
    now_s, gpu = run_reals[NOW_S], NONE
    if _least_loaded(state) == NONE:
        return
    take_over(state, now_s)
    while run[HEADS]:
        if gpu == NONE:
            gpu = _pick(state, now_s)
            if gpu == NONE:
                break
        size = _form(state, run, run_reals, priority, deadline_s, bytes_in, bytes_out, gpu, now_s)
        if size:
            started(state, ints[BLOCK_AT], now_s)
            gpu = NONE
    run[LACKS_ROOM] = 1 if 2 * ints[FULLEST_LOG] >= ints[LOG_ROWS] else 0


# Where ----------------------------------------------------------------------------------------------------------------


@compiled
def _least_loaded(state: State) -> int:
    """Return the GPU with the fewest batches, the first among equals; NONE if all are full."""
    held = fewest(state)
    return next_holding(state, held, 0) if held < state.ints[PLACES] else NONE


@compiled
def _pick(state: State, now_s: float) -> int:
    """Return the GPU with the fewest batches; where all slots are taken, the one whose slot frees up first."""
    ints = state.ints
    found = _least_loaded(state)
    if ints[GPUS] == 1 or found == NONE or ints[found + VIEWED] < ints[SLOTS]:
        return found
    found, least_s = NONE, inf
    for number in range(ints[GPUS]):
        gpu = ints[GPU_AT] + number * ints[GPU_BLOCK]
        if ints[gpu + VIEWED] < ints[PLACES]:
            gpu_s = _wait_s(state, gpu, now_s)
            if found == NONE or gpu_s < least_s:
                found, least_s = gpu, gpu_s
    return found


@compiled
def _wait_s(state: State, gpu: int, now_s: float) -> float:
    """Return how long a batch started now is believed to wait for a slot."""
    walk(state, gpu, now_s, NONE, False)
    look_behind(state, gpu, state.ints[BATCHES], now_s)
    return state.reals[SLOT_S] - now_s  # type: ignore[no-any-return]


# What -----------------------------------------------------------------------------------------------------------------


@compiled
def _form(
    state: State,
    run: Ints,
    run_reals: Reals,
    priority: Column,
    deadline_s: Column,
    bytes_in: Column,
    bytes_out: Column,
    gpu: int,
    now_s: float,
) -> int:
    """Decide to start the largest feasible prefix of the first queue on a GPU; return its size.

    Requests that are given up are dropped first; if all of the queue are, the size is 0. The batch is left as the
    candidate.
    """
    ints, model, members = state.ints, run[run[HEAD_AT]], run[MEMBER_AT]
    limit, heap, candidate = run[model + LIMIT], run[model + BEGIN], ints[BLOCK_AT]
    one = run[run[KNOWN_AT] + (model - run[MODEL_AT]) // MODEL_INTS] * ints[SIZES] + 1
    size = all_in = all_out = last = 0
    earliest_s, expected_s = inf, nan
    while run[model + DEPTH] and size < limit:
        request = run[heap]
        own_in, own_out = int(bytes_in[request]), int(bytes_out[request])
        alone_s = _finish_s(state, gpu, one, own_in, own_out, now_s)
        own_s = latest_finish_s(deadline_s[request])
        if alone_s > own_s:
            if ints[TRIES] and now_s + lone_s(state, one, own_in, own_out) <= own_s:
                own_s = alone_s  # nobody may make it later still
            elif run[DROPS_INFEASIBLE] or (run[DROPS_EXPIRED] and now_s > own_s):
                _take(run, priority, deadline_s, model)
                list_request(run, request)
                list_decision(run, run_reals, DROPS_LATE if now_s > own_s else DROPS_HOPELESS, 0, 1, nan)
                if size:
                    continue
                return 0  # another model's request may be next in order now
            else:
                own_s = inf  # hopeless: it must not hold the others back
        due_s = min(earliest_s, own_s)
        done_s = alone_s
        if size:
            done_s = _finish_s(state, gpu, one + size, all_in + own_in, all_out + own_out, now_s)
            if done_s > due_s:
                break
        earliest_s, expected_s, last = due_s, done_s, ints[candidate + CANDIDATE]
        all_in += own_in
        all_out += own_out
        run[members + size] = request
        size += 1
        _take(run, priority, deadline_s, model)
    for place in range(size):
        list_request(run, run[members + place])
    list_decision(run, run_reals, STARTS, ints[gpu + NUMBER], size, expected_s)
    if ints[candidate + CANDIDATE] != last:  # one that was too large was tried after it
        make_kind(state, gpu, candidate, one - 1 + size, all_in, all_out, now_s)
    return size


@compiled
def _finish_s(state: State, gpu: int, kind: int, bytes_in: int, bytes_out: int, now_s: float) -> float:
    """Return when a kind of batch, started now on a GPU, would be done."""
    candidate = state.ints[BLOCK_AT]
    make_kind(state, gpu, candidate, kind, bytes_in, bytes_out, now_s)
    walk(state, gpu, now_s, candidate, False)
    return finish_s(state, candidate, now_s)


# What is decided ------------------------------------------------------------------------------------------------------


@compiled
def _take(run: Ints, priority: Column, deadline_s: Column, model: int) -> None:
    """Take the first request of a model out of its queue; it waits until the decision on it is followed."""
    take(run, priority, deadline_s, model)
    run[WAITING] += 1
