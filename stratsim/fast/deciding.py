"""What a queue policy wants to know before it decides: `stratsim.policy.queueing` on arrays."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from stratsim.fast.codes import (
    ANSWER_AT,
    ESTIMATES,
    FLYING,
    FLYING_AT,
    GPU_AT,
    GPUS,
    IN_ALPHA_S,
    IN_RATE,
    LASTS_S,
    LOADED,
    LOADED_AT,
    MOST_LOADED,
    NOTICE_S,
    NUMBER,
    OUT_ALPHA_S,
    OUT_RATE,
    PLACES,
    SLOTS,
    STAGED_S,
    START_S,
)
from stratsim.fast.compiled import compiled

if TYPE_CHECKING:
    from stratsim.fast.compiled import Ints, Reals

__all__ = ["copy_s", "count_batches", "finish_s", "pick", "wait_s"]


@compiled
def copy_s(size_bytes: int, alpha_s: float, rate: float) -> float:
    """Return what a copy takes alone on a link."""
    return alpha_s + size_bytes / rate if size_bytes else 0.0


@compiled
def finish_s(reals: Reals, now_s: float, slot_s: float, bytes_in: int, bytes_out: int, lasts_s: float) -> float:
    """Return when a batch started now would be done: its input copies while it waits for the slot."""
    execute_s = now_s + copy_s(bytes_in, reals[IN_ALPHA_S], reals[IN_RATE])
    execute_s = max(execute_s, slot_s)
    execute_s += lasts_s
    return execute_s + copy_s(bytes_out, reals[OUT_ALPHA_S], reals[OUT_RATE])


@compiled
def wait_s(ints: Ints, reals: Reals, gpu: int, now_s: float, seen_s: float) -> float:
    """Return how long a batch started now would wait for a slot of a GPU, if all batches ran at solo speed."""
    flying, members, slots = ints[gpu + FLYING], ints[gpu + FLYING_AT], ints[SLOTS]
    if flying < slots:
        return 0.0
    free, notice_s, executing = ints[ANSWER_AT], reals[NOTICE_S], 0
    for place in range(flying):
        batch = ints[ints[members + place]]
        if reals[batch + START_S] + notice_s <= seen_s:
            reals[free + executing] = reals[batch + START_S] + reals[batch + LASTS_S]
            executing += 1
    for place in range(executing, slots):
        reals[free + place] = now_s
    slots = max(executing, slots)
    if executing < flying:
        for place in range(flying):  # in the order of dispatch, each takes the first slot that frees up
            batch = ints[ints[members + place]]
            if not reals[batch + START_S] + notice_s <= seen_s:
                soonest = _soonest(reals, free, slots)
                start_s = max(now_s, reals[batch + STAGED_S], reals[soonest])
                reals[soonest] = start_s + reals[batch + LASTS_S]
    return max(reals[_soonest(reals, free, slots)] - now_s, 0.0)  # type: ignore[no-any-return]


@compiled
def _soonest(reals: Reals, free: int, slots: int) -> int:
    found = free
    for place in range(free + 1, free + slots):
        if reals[place] < reals[found]:
            found = place
    return found


@compiled
def pick(ints: Ints, reals: Reals, now_s: float, seen_s: float) -> int:
    """Return the GPU for the next batch; -1 if all are full.

    The one with the fewest batches; where all slots are taken and it matters, the one whose slot frees up first.
    """
    gpu = ints[ints[GPU_AT]] if ints[GPUS] == 1 else _least_loaded(ints)
    if ints[gpu + FLYING] == ints[PLACES]:
        return -1
    if ints[GPUS] == 1 or not ints[ESTIMATES] or ints[gpu + FLYING] < ints[SLOTS]:
        return gpu
    found, least_s = -1, inf
    for number in range(ints[GPUS]):
        gpu = ints[ints[GPU_AT] + number]
        if ints[gpu + FLYING] < ints[PLACES]:
            gpu_s = wait_s(ints, reals, gpu, now_s, seen_s)
            if found < 0 or gpu_s < least_s:
                found, least_s = gpu, gpu_s
    return found


@compiled
def _least_loaded(ints: Ints) -> int:
    """Return the GPU with the fewest batches: a heap of (batches, its number) in one, with stale entries."""
    heap, gpus = ints[LOADED_AT], ints[GPUS]
    while True:
        gpu = ints[ints[GPU_AT] + ints[heap] % gpus]
        if ints[heap] // gpus == ints[gpu + FLYING]:
            return gpu  # type: ignore[no-any-return]
        last = ints[LOADED] - 1
        ints[LOADED] = last
        item, place = ints[heap + last], 0
        while True:
            below = 2 * place + 1
            if below >= last:
                break
            if below + 1 < last and ints[heap + below + 1] < ints[heap + below]:
                below += 1
            if item <= ints[heap + below]:
                break
            ints[heap + place] = ints[heap + below]
            place = below
        ints[heap + place] = item


@compiled
def count_batches(ints: Ints, gpu: int) -> None:
    """Note a new number of batches on one of several GPUs."""
    if ints[LOADED] < ints[MOST_LOADED]:
        _note(ints, gpu)
        return
    ints[LOADED] = 0
    for number in range(ints[GPUS]):
        _note(ints, ints[ints[GPU_AT] + number])


@compiled
def _note(ints: Ints, gpu: int) -> None:
    heap, place = ints[LOADED_AT], ints[LOADED]
    ints[LOADED] = place + 1
    item = ints[gpu + FLYING] * ints[GPUS] + ints[gpu + NUMBER]
    while place:
        above = (place - 1) >> 1
        if ints[heap + above] <= item:
            break
        ints[heap + place] = ints[heap + above]
        place = above
    ints[heap + place] = item
