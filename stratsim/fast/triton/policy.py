"""What `triton` decides: `stratsim.policy.triton.policy` on arrays.

`decide` is called by the loop (`stratsim.fast.following`), by way of `entry` where kernels are compiled.
"""

from __future__ import annotations

from math import inf, nan
from typing import TYPE_CHECKING

from stratsim.fast.codes import (
    BATCHES,
    DECIDED,
    DROPS_QUEUE_FULL,
    FAILED,
    FLYING,
    GPU_AT,
    GPUS,
    INSTANCE_AT,
    LEFT,
    LISTED,
    MODELS,
    NOW_S,
    PLACES,
    QUEUES,
    STARTS,
    STATUS,
    UNTOLD,
    UNTOLD_AT,
    WAKES,
)
from stratsim.fast.compiled import at_bytes, at_ints, at_reals, at_words, compiled
from stratsim.fast.listing import list_decision, list_request
from stratsim.fast.triton.batcher import next_batch, oldest
from stratsim.fast.triton.codes import (
    BATCHER_AT,
    BEGUN_AT,
    BUSY_AT,
    HIGH_LEVEL,
    INSTANCES_AT,
    LOW_LEVEL,
    NONE,
    OLDEST,
    TIMER_S,
    WAITING_AT,
    WAKE_S,
    State,
)
from stratsim.fast.triton.levels import push, tick_s

if TYPE_CHECKING:
    from stratsim.fast.compiled import Ints

__all__ = ["decide", "entry"]


def entry(where: int, _: int) -> None:
    """Decide with the arrays whose addresses are listed at an address, in the order of `State`."""
    listed = at_ints(where)
    decide(
        State(
            at_ints(listed[0]),
            at_reals(listed[1]),
            at_reals(listed[2]),
            at_words(listed[3]),
            at_bytes(listed[4]),
            at_reals(listed[5]),
        )
    )


@compiled
def decide(state: State) -> None:
    """Take over what has arrived; give batches to free instances, form further ones ahead, and wait for the rest."""
    ints, reals = state.ints, state.reals
    heap, now_s, next_s, begun = ints[ints[QUEUES] + WAITING_AT], reals[NOW_S], inf, 0
    ints[DECIDED] = ints[LISTED] = ints[LEFT] = 0
    _take_over(state)
    for number in range(ints[GPUS]):
        ints[ints[ints[QUEUES] + BEGUN_AT] + number] = 0
    waiting = _gather(state)
    while waiting:
        batcher = ints[heap]
        gpu = _free_instance(ints, batcher)
        size = next_batch(state, batcher, now_s, gpu != NONE)
        if size:
            list_decision(ints, reals, STARTS, gpu, size, nan)
            ints[ints[ints[QUEUES] + BEGUN_AT] + gpu] += 1
            busy = ints[batcher + BUSY_AT] + gpu
            ints[busy] += 1
            ints[ints[INSTANCE_AT] + ints[BATCHES] + begun] = busy
            begun += 1
            ints[batcher + OLDEST] = oldest(state, batcher)
        else:
            next_s = min(next_s, reals[ints[batcher] + WAKE_S])
            waiting -= 1
            batcher = ints[heap + waiting]
        _sink(state, waiting, 0, batcher)
    timer = ints[ints[QUEUES]] + TIMER_S
    if next_s < inf and not (now_s + tick_s(now_s) / 2 < reals[timer] <= next_s):
        reals[timer] = next_s
        list_decision(ints, reals, WAKES, 0, 0, next_s)


@compiled
def _take_over(state: State) -> None:
    """Queue what has arrived, or decide to drop it where the queue is full."""
    ints, batchers = state.ints, state.ints[state.ints[QUEUES] + BATCHER_AT]
    for place in range(ints[UNTOLD]):
        request = ints[ints[UNTOLD_AT] + place]
        batcher = ints[batchers + state.model_of[request]]
        if not batcher:
            ints[STATUS] = FAILED
            return
        level = ints[batcher + LOW_LEVEL] if state.priority[request] else ints[batcher + HIGH_LEVEL]
        if not push(state, level, request):
            list_request(ints, request)
            list_decision(ints, state.reals, DROPS_QUEUE_FULL, 0, 1, nan)
    ints[UNTOLD] = 0


@compiled
def _free_instance(ints: Ints, batcher: int) -> int:
    """Return the GPU with the fewest batches among those with a place and an idle instance of the model, or NONE."""
    instances, busy, begun = ints[batcher + INSTANCES_AT], ints[batcher + BUSY_AT], ints[ints[QUEUES] + BEGUN_AT]
    found, least = NONE, ints[PLACES]
    for number in range(ints[GPUS]):
        held = ints[ints[ints[GPU_AT] + number] + FLYING] + ints[begun + number]
        if held < least and ints[busy + number] < ints[instances + number]:
            found, least = number, held
    return found


# Who is served first --------------------------------------------------------------------------------------------------


@compiled
def _gather(state: State) -> int:
    """Make the heap of the batchers at which something waits; return how many there are."""
    ints, waiting = state.ints, 0
    heap, batchers = ints[ints[QUEUES] + WAITING_AT], ints[ints[QUEUES] + BATCHER_AT]
    for model in range(ints[MODELS]):
        batcher = ints[batchers + model]
        if batcher:
            ints[batcher + OLDEST] = oldest(state, batcher)
            if ints[batcher + OLDEST] != NONE:
                ints[heap + waiting] = batcher
                waiting += 1
    for place in range(waiting // 2 - 1, -1, -1):
        _sink(state, waiting, place, ints[heap + place])
    return waiting


@compiled
def _sink(state: State, waiting: int, place: int, batcher: int) -> None:
    """Put a batcher into the heap, from a place downwards."""
    ints = state.ints
    heap = ints[ints[QUEUES] + WAITING_AT]
    while True:
        below = 2 * place + 1
        if below >= waiting:
            break
        if below + 1 < waiting and _before(state, ints[heap + below + 1], ints[heap + below]):
            below += 1
        if not _before(state, ints[heap + below], batcher):
            break
        ints[heap + place] = ints[heap + below]
        place = below
    ints[heap + place] = batcher


@compiled
def _before(state: State, one: int, other: int) -> bool:
    """Whether a batcher's oldest request arrived first; where nothing waits any more comes last."""
    mine, others = state.ints[one + OLDEST], state.ints[other + OLDEST]
    if mine == NONE or others == NONE:
        return mine != NONE  # type: ignore[no-any-return]
    mine_s, others_s = state.arrival_s[mine], state.arrival_s[others]
    return mine_s < others_s or (mine_s == others_s and mine < others)  # type: ignore[no-any-return]
