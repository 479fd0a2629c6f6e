"""Which low-priority batch starts next: `strait.low` on arrays."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from stratsim.fast.compiled import compiled
from stratsim.fast.strait.codes import (
    AGAIN_S,
    BATCH_AT,
    BATCHES,
    DRAW_AT,
    DRAWN,
    DRAWS,
    DUE_S,
    END_S,
    ENDED,
    EXECUTING,
    EXPECTED_S,
    EXPLORE,
    EXPLORES,
    FULL,
    GPU_AT,
    GPU_BLOCK,
    GPUS,
    HARM_CHECK,
    HEAD,
    KIND,
    LOOK_AGAIN_S,
    LOW,
    MEMBERS,
    NONE,
    ON_GPU,
    OPTION,
    OUT_S,
    PLACES,
    QUEUED_HIGH,
    REFUSED,
    REFUSED_AFTER,
    REFUSED_AT,
    REFUSED_UNTIL_S,
    RESERVE,
    SIZES,
    TRIED,
    WAITING,
    WALKED,
)
from stratsim.fast.strait.estimates import is_late, plan
from stratsim.fast.strait.forecast import walk
from stratsim.fast.strait.gpus import following_open, next_holding
from stratsim.fast.strait.guard import guard_admits
from stratsim.fast.strait.harm import costs_low, harms, largest_in_time, spares_waiting
from stratsim.fast.strait.high import block, keep
from stratsim.fast.strait.queues import at_model, first_waiting, following_model, queued_at, take

if TYPE_CHECKING:
    from stratsim.fast.strait.codes import State

__all__ = ["admits_low", "any_unrefused", "forget_refusals", "look_again_s", "take_next_low"]


@compiled
def forget_refusals(state: State) -> None:
    """Look at everything again if a batch has ended since it was refused."""
    ints, reals = state.ints, state.reals
    if ints[REFUSED_AFTER] != ints[ENDED]:
        ints[REFUSED_AFTER] = ints[ENDED]
        for place in range(ints[REFUSED_AT], ints[REFUSED_AT] + ints[REFUSED]):
            reals[at_model(state, ints[place]) + REFUSED_UNTIL_S] = -inf
        ints[REFUSED] = 0


@compiled
def _is_refused(state: State, model: int, now_s: float) -> bool:
    return now_s < state.reals[at_model(state, model) + REFUSED_UNTIL_S]  # type: ignore[no-any-return]


@compiled
def any_unrefused(state: State, now_s: float) -> bool:
    """Whether a model waits and is not refused as yet."""
    ints = state.ints
    queued = queued_at(state, LOW)
    for place in range(queued, queued + ints[QUEUED_HIGH + LOW]):  # noqa: SIM110 (numba compiles loops)
        if not _is_refused(state, ints[place], now_s):
            return True
    return False


@compiled
def take_next_low(state: State, now_s: float) -> int:
    """Take the next batch to start off the queue; NONE if all that waits is refused."""
    ints, reals = state.ints, state.reals
    model = first_waiting(state, LOW)
    while model != NONE:
        if not _is_refused(state, model, now_s):
            option = _best(state, model, now_s)
            if option != NONE:
                take(state, model, LOW, ints[option + KIND] % ints[SIZES])
                return option
            if reals[at_model(state, model) + REFUSED_UNTIL_S] == -inf:
                ints[ints[REFUSED_AT] + ints[REFUSED]] = model
                ints[REFUSED] += 1
            reals[at_model(state, model) + REFUSED_UNTIL_S] = _retry_s(state, now_s)
        model = following_model(state, LOW)
    return NONE


@compiled
def _retry_s(state: State, now_s: float) -> float:
    """Return when to look at a refusal again if nothing happens."""
    ints, reals = state.ints, state.reals
    end_s = inf
    for number in range(ints[GPUS]):
        gpu = ints[GPU_AT] + number * ints[GPU_BLOCK]
        for place in range(gpu + MEMBERS, gpu + MEMBERS + ints[gpu + EXECUTING]):
            end_s = min(end_s, reals[ints[place] + EXPECTED_S])
    return min(now_s + 0.5 * max(end_s - now_s, 0.0), reals[AGAIN_S])  # type: ignore[no-any-return]


@compiled
def look_again_s(state: State) -> float:
    """Return when to look at the first of the refusals again if nothing happens; inf if there is none."""
    ints, found_s = state.ints, inf
    for place in range(ints[REFUSED_AT], ints[REFUSED_AT] + ints[REFUSED]):
        found_s = min(found_s, state.reals[at_model(state, ints[place]) + REFUSED_UNTIL_S])
    return found_s


@compiled
def _best(state: State, model: int, now_s: float) -> int:
    """Return where to start how many of a model's requests, on the first GPU that admits one of them."""
    ints, reals = state.ints, state.reals
    head = ints[at_model(state, model) + HEAD + LOW]
    most = largest_in_time(state, model, ints[at_model(state, model) + WAITING + LOW], head, now_s)
    reals[AGAIN_S] = inf
    room = ints[PLACES] - ints[RESERVE]
    gpu = following_open(state, NONE, room)
    while gpu != NONE:
        admitted, low, high, size = NONE, 1, most, 1
        while low <= high:
            candidate = block(state, TRIED)
            plan(state, gpu, candidate, head, size, now_s)
            if admits_low(state, candidate, now_s):
                admitted, low = keep(state, OPTION, candidate), size + 1
            else:
                high = size - 1
            size = high if size == 1 else (low + high + 1) // 2
        if admitted != NONE:
            return admitted
        gpu = following_open(state, gpu, room)
    return _but_for_the_margin(state, head, now_s)


@compiled
def _but_for_the_margin(state: State, head: int, now_s: float) -> int:
    """Return a model's first request on an idle GPU, if it is in time there: it will be no surer later."""
    reals, gpu, candidate = state.reals, next_holding(state, 0, 0), block(state, TRIED)
    if gpu == NONE:
        return NONE
    plan(state, gpu, candidate, head, 1, now_s)
    walk(state, gpu, now_s, candidate, False)
    if (
        reals[candidate + END_S] + reals[candidate + OUT_S] <= reals[candidate + DUE_S]
        and is_late(state, candidate, now_s)
        and _is_harmless(state, gpu, now_s, False)
        and _passes(state, gpu, now_s)
    ):
        return candidate
    return NONE


@compiled
def _passes(state: State, gpu: int, now_s: float) -> bool:
    """Whether the guard admits the last of the batches at BATCH_AT; if not, note when it may."""
    reals = state.reals
    admitted = guard_admits(state, gpu, now_s)
    reals[AGAIN_S] = min(reals[AGAIN_S], reals[LOOK_AGAIN_S])
    return admitted


@compiled
def admits_low(state: State, candidate: int, now_s: float) -> bool:
    """Whether a low-priority candidate is in time, and costs nobody more than it is worth."""
    ints, gpu = state.ints, state.ints[candidate + ON_GPU]
    walk(state, gpu, now_s, candidate, False)
    if is_late(state, candidate, now_s):
        return False
    if _is_harmless(state, gpu, now_s, False):
        return _passes(state, gpu, now_s)
    if not ints[EXPLORES] or _draw(state) >= state.reals[EXPLORE] or not _passes(state, gpu, now_s):
        return False
    walk(state, gpu, now_s, candidate, True)
    admitted = _is_harmless(state, gpu, now_s, True)
    ints[gpu + WALKED] = NONE  # what is expected of it is what is believed, not what was hoped
    return admitted


@compiled
def _draw(state: State) -> float:
    """Return the next random number."""
    ints = state.ints
    if ints[DRAWN] == ints[DRAWS]:
        ints[FULL] = 1
        return 1.0
    ints[DRAWN] += 1
    return state.reals[ints[DRAW_AT] + ints[DRAWN] - 1]  # type: ignore[no-any-return]


@compiled
def _is_harmless(state: State, gpu: int, now_s: float, hopeful: bool) -> bool:
    """Whether the last of the batches at BATCH_AT costs high priority nothing and low priority less than it gains."""
    ints = state.ints
    size = ints[ints[ints[BATCH_AT] + ints[BATCHES] - 1] + KIND] % ints[SIZES]
    if costs_low(state, gpu, now_s, hopeful) >= size:
        return False
    if not ints[HARM_CHECK]:
        return True
    return not harms(state, gpu, now_s, hopeful) and spares_waiting(state, gpu, now_s)
