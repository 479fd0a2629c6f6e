"""Low priority runs beside high priority where their bottlenecks differ: `stratsim.policy.preempt.orion` on arrays."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from stratsim.fast.codes import (
    BEGIN,
    DEPTH,
    FINE,
    FLYING,
    FLYING_AT,
    GPU_AT,
    GPUS,
    MEMBER_AT,
    MODEL_AT,
    MODEL_INTS,
    MODELS,
    ON_TIME,
    PLACES,
    PREEMPTS,
    SIZES,
    SLOTS,
    STATUS,
)
from stratsim.fast.compiled import compiled
from stratsim.fast.forming import form
from stratsim.fast.preempt.codes import ABLE_AT, BOUND_AT, KERNEL_AT, KIND, LEVEL, LISTED_AT, MOST_S, REFUSED_AT
from stratsim.fast.preempt.seeing import count_urgent, has_input, holding, list_low, room, wait_s
from stratsim.fast.preempt.starting import start
from stratsim.fast.waiting import admit, before

if TYPE_CHECKING:
    from stratsim.fast.columns import Columns
    from stratsim.fast.compiled import Ask, Column, Ints, Reals

__all__ = ["launches", "start_unlike", "unlike"]


@compiled
def unlike(ints: Ints, reals: Reals, gpu: int, kind: int, seen_s: float) -> bool:
    """Whether no high-priority batch on a GPU is bound by what a batch of this model and size is bound by."""
    bound = ints[ints[PREEMPTS] + BOUND_AT]
    own = ints[bound + kind]
    if not own:
        return True
    for place in range(ints[gpu + FLYING]):
        batch = ints[ints[gpu + FLYING_AT] + place]
        if (
            ints[batch + LEVEL] == 0
            and ints[bound + ints[batch + KIND]] == own
            and has_input(ints, reals, batch, seen_s)
        ):
            return False
    return True


@compiled
def launches(ints: Ints, reals: Reals, gpu: int, seen_s: float) -> bool:
    """Whether kernels are launched beside one of each low-priority batch in flight."""
    block, kernels_s = ints[PREEMPTS], 0.0
    for place in range(list_low(ints, reals, gpu, seen_s)):
        kernels_s += reals[ints[block + KERNEL_AT] + ints[ints[ints[block + LISTED_AT] + place] + KIND]]
    return ints[SLOTS] == 1 or kernels_s <= reals[ints[block] + MOST_S] * ON_TIME  # type: ignore[no-any-return]


@compiled
def start_unlike(ints: Ints, reals: Reals, columns: Columns, ask: Ask, now_s: float, seen_s: float) -> None:
    """Start low-priority batches in order; one that may not run beside high priority holds nobody up."""
    refused = ints[ints[PREEMPTS] + REFUSED_AT]
    for number in range(ints[MODELS]):
        ints[refused + number] = 0
    while ints[STATUS] == FINE:
        number = _next_model(ints, columns.priority, columns.order_s)
        if number < 0:
            return
        model = ints[MODEL_AT] + number * MODEL_INTS
        gpu, size, expected_s = -1, 0, inf
        if columns.priority[ints[ints[model + BEGIN]]] != 0:
            gpu, size, expected_s = _first_batch(ints, reals, columns, ask, number, now_s, seen_s)
        if gpu < 0:
            ints[refused + number] = 1
        else:
            start(ints, reals, columns, ask, gpu, size, now_s, expected_s)


@compiled
def _next_model(ints: Ints, priority: Column, order_s: Column) -> int:
    """Return the number of the model whose first request comes first, of those not refused; -1: there is none."""
    found, first = -1, -1
    for number in range(ints[MODELS]):
        model = ints[MODEL_AT] + number * MODEL_INTS
        if ints[model + DEPTH] and not ints[ints[ints[PREEMPTS] + REFUSED_AT] + number]:
            request = ints[ints[model + BEGIN]]
            if found < 0 or before(ints, priority, order_s, request, first):
                found, first = number, request
    return found


@compiled
def _first_batch(
    ints: Ints, reals: Reals, columns: Columns, ask: Ask, number: int, now_s: float, seen_s: float
) -> tuple[int, int, float]:
    """List a model's first batch at `MEMBER_AT`; return the GPU where it may run, -1: nowhere, its size and its end."""
    model, able = ints[MODEL_AT] + number * MODEL_INTS, ints[ints[PREEMPTS] + ABLE_AT]
    for each in range(ints[GPUS]):
        gpu = ints[ints[GPU_AT] + each]
        ints[able + each] = ints[gpu + FLYING] < ints[PLACES] and _has_room(ints, reals, gpu, seen_s)
    while ints[model + DEPTH]:
        each = _least(ints, reals, able, now_s, seen_s)
        if each < 0:
            break
        gpu, size, expected_s = ints[ints[GPU_AT] + each], 0, inf
        slot_s = now_s + wait_s(ints, reals, gpu, False, now_s, seen_s)
        while ints[model + DEPTH] and not size:
            size, expected_s = form(ints, reals, columns, ask, model, now_s, slot_s)
        if size and unlike(ints, reals, gpu, number * ints[SIZES] + size, seen_s):
            return gpu, size, expected_s
        for place in range(size):
            admit(ints, columns.priority, columns.order_s, model, ints[ints[MEMBER_AT] + place])
        ints[able + each] = 0
    return -1, 0, inf


@compiled
def _has_room(ints: Ints, reals: Reals, gpu: int, seen_s: float) -> bool:
    """Whether one more low-priority batch may be in flight, if there is a place."""
    held = holding(ints, reals, gpu, seen_s)
    if held and ints[gpu + FLYING] - count_urgent(ints, gpu) >= room(ints, held):
        return False
    return launches(ints, reals, gpu, seen_s)


@compiled
def _least(ints: Ints, reals: Reals, able: int, now_s: float, seen_s: float) -> int:
    """Return the number of the able GPU with the fewest batches; where slots are taken, whose slot frees up first."""
    found, least = -1, 0
    for each in range(ints[GPUS]):
        flying = ints[ints[ints[GPU_AT] + each] + FLYING]
        if ints[able + each] and (found < 0 or flying < least):
            found, least = each, flying
    if found < 0 or least < ints[SLOTS]:
        return found
    found, least_s = -1, inf
    for each in range(ints[GPUS]):
        if ints[able + each]:
            gpu_s = wait_s(ints, reals, ints[ints[GPU_AT] + each], False, now_s, seen_s)
            if found < 0 or gpu_s < least_s:
                found, least_s = each, gpu_s
    return found
