"""When inputs would be on their GPUs: `stratsim.policy.strait.pending_copies` on arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratsim.fast.compiled import compiled
from stratsim.fast.strait.codes import (
    ALONE,
    BYTES_IN,
    CONTENDED,
    COPIED_S,
    DISPATCHED_S,
    EXECUTING,
    IN_ALPHA_S,
    IN_RATE,
    IS_PENDING,
    MEMBERS,
    OUT_ALPHA_S,
    OUT_RATE,
    PENDING,
    PENDING_ANYWHERE,
    READY_S,
    STAGED,
    TRANSFERS,
)

if TYPE_CHECKING:
    from stratsim.fast.strait.codes import State

__all__ = ["in_s", "out_s", "ready_s", "take_over_copies"]


@compiled
def in_s(state: State, size_bytes: int) -> float:
    """Return what a copy to a GPU takes alone."""
    return state.reals[IN_ALPHA_S] + size_bytes / state.reals[IN_RATE] if size_bytes else 0.0


@compiled
def out_s(state: State, size_bytes: int) -> float:
    """Return what a copy from a GPU takes alone."""
    return state.reals[OUT_ALPHA_S] + size_bytes / state.reals[OUT_RATE] if size_bytes else 0.0


@compiled
def take_over_copies(state: State, gpu: int) -> None:
    """Take over which copies to a GPU have ended."""
    ints, reals = state.ints, state.reals
    if not ints[gpu + PENDING]:
        return
    for place in range(gpu + MEMBERS, gpu + MEMBERS + ints[gpu + EXECUTING] + ints[gpu + STAGED]):
        batch = ints[place]
        if ints[batch + IS_PENDING] and reals[batch + COPIED_S] == reals[batch + COPIED_S]:  # known: not NaN
            reals[batch + READY_S] = reals[batch + COPIED_S]
            ints[batch + IS_PENDING] = 0
            ints[gpu + PENDING] -= 1
            ints[PENDING_ANYWHERE] -= 1


@compiled
def ready_s(state: State, gpu: int, size_bytes: int, now_s: float) -> float:
    """Return when a copy-in asked for now would be done."""
    ints, reals = state.ints, state.reals
    if ints[TRANSFERS] != CONTENDED:
        return now_s + in_s(state, size_bytes) if ints[TRANSFERS] == ALONE else now_s
    if not ints[PENDING_ANYWHERE]:
        return now_s + in_s(state, size_bytes)
    begin_s, free_s = now_s, -1.0
    if ints[gpu + PENDING]:
        for place in range(gpu + MEMBERS, gpu + MEMBERS + ints[gpu + EXECUTING] + ints[gpu + STAGED]):
            batch = ints[place]
            if ints[batch + IS_PENDING]:
                begin_s = reals[batch + DISPATCHED_S]
                if free_s >= 0.0:
                    begin_s = max(begin_s, free_s)
                free_s = begin_s + reals[IN_ALPHA_S] + ints[batch + BYTES_IN] / reals[IN_RATE]
        begin_s = max(now_s, free_s)
    return begin_s + reals[IN_ALPHA_S] + size_bytes / reals[IN_RATE]  # type: ignore[no-any-return]
