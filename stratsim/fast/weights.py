"""Weights that are loaded before the batches that need them: `stratsim.engine.weights` and `device.memory` on arrays.

The block of a model's weights on a GPU begins as a batch's does, so that links copy them as a batch's inputs; what is
the number of a batch there is below 0.
"""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING

from stratsim.fast.codes import (
    BATCH,
    BYTES_IN,
    CAPACITY,
    COPY_IN_END,
    COPY_IN_START,
    FOR_ROOM,
    FOR_ROOM_AT,
    FOR_WEIGHTS,
    FOR_WEIGHTS_AT,
    GPU,
    MEMORY_AT,
    MEMORY_INTS,
    MODEL,
    MODELS,
    NUMBER,
    ON_THEIR_WAY,
    ROW,
    ROWS,
    USED,
    USERS,
    USES,
    USES_SO_FAR,
    WEIGHT_BATCH_AT,
    WEIGHT_COPIES,
    WEIGHT_TIMES_AT,
    WEIGHTS_AT,
    WEIGHTS_INTS,
    WEIGHTS_TIMES,
)
from stratsim.fast.compiled import compiled
from stratsim.fast.copying import carry_in
from stratsim.fast.slots import ready

if TYPE_CHECKING:
    from stratsim.fast.compiled import Ask, Column, Ints, Reals

__all__ = ["arrived", "copy_in", "executed"]


@compiled
def copy_in(ints: Ints, reals: Reals, times_s: Column, output: Column, ask: Ask, batch: int, now_s: float) -> None:
    """Copy a batch's inputs in, after its model's weights if they are not there."""
    if ints[WEIGHTS_AT]:
        memory = _memory(ints, ints[batch + GPU])
        _list(ints, memory + FOR_ROOM, batch)
        if ints[memory + FOR_ROOM] == 1:
            _admit(ints, reals, times_s, output, ask, memory, now_s)
        return
    there_s = carry_in(ints, reals, times_s, output, ask, batch, now_s)
    if there_s >= 0.0:
        ready(ints, reals, times_s, ask, batch, there_s)


@compiled
def executed(ints: Ints, reals: Reals, times_s: Column, output: Column, ask: Ask, batch: int, now_s: float) -> None:
    """A batch has executed: others may have the room of its model's weights."""
    weights = _weights(ints, ints[batch + GPU], ints[batch + MODEL])
    ints[weights + USERS] -= 1
    _use(ints, weights)
    _admit(ints, reals, times_s, output, ask, _memory(ints, ints[batch + GPU]), now_s)


@compiled
def arrived(ints: Ints, reals: Reals, times_s: Column, ask: Ask, item: int, start_s: float, now_s: float) -> None:
    """A batch's inputs are on its GPU, or weights are: what has both there may execute."""
    if ints[item + BATCH] < 0:
        _let_go(ints, reals, times_s, ask, item, start_s, now_s)
        return
    times_s[COPY_IN_START * ints[ROWS] + ints[item + BATCH]] = start_s
    times_s[COPY_IN_END * ints[ROWS] + ints[item + BATCH]] = now_s
    if ints[WEIGHTS_AT] and ints[_weights(ints, ints[item + GPU], ints[item + MODEL]) + ON_THEIR_WAY]:
        _list(ints, _memory(ints, ints[item + GPU]) + FOR_WEIGHTS, item)
    else:
        ready(ints, reals, times_s, ask, item, now_s)


@compiled
def _let_go(ints: Ints, reals: Reals, times_s: Column, ask: Ask, weights: int, start_s: float, now_s: float) -> None:
    """Let the batches execute that have waited for weights."""
    ints[weights + ON_THEIR_WAY] = 0
    row = ints[WEIGHT_TIMES_AT] + ints[weights + ROW] * WEIGHTS_TIMES
    reals[row], reals[row + 1] = start_s, now_s
    memory = _memory(ints, ints[weights + GPU])
    waiting, waiters, left = ints[memory + FOR_WEIGHTS], ints[memory + FOR_WEIGHTS_AT], 0
    for place in range(waiting):
        batch = ints[waiters + place]
        if ints[batch + MODEL] == ints[weights + MODEL]:
            ready(ints, reals, times_s, ask, batch, now_s)
        else:
            ints[waiters + left] = batch
            left += 1
    ints[memory + FOR_WEIGHTS] = left


@compiled
def _memory(ints: Ints, gpu: int) -> int:
    """Return the block of a GPU's memory."""
    return ints[MEMORY_AT] + ints[gpu + NUMBER] * MEMORY_INTS  # type: ignore[no-any-return]


@compiled
def _weights(ints: Ints, gpu: int, model: int) -> int:
    """Return the block of a model's weights on a GPU."""
    return ints[WEIGHTS_AT] + (ints[gpu + NUMBER] * ints[MODELS] + model) * WEIGHTS_INTS  # type: ignore[no-any-return]


@compiled
def _list(ints: Ints, count: int, batch: int) -> None:
    """Put a batch behind those that are counted at a place; where they are is behind it."""
    ints[ints[count + 1] + ints[count]] = batch
    ints[count] += 1


@compiled
def _use(ints: Ints, weights: int) -> None:
    """Note that no other weights were used more recently."""
    ints[USES_SO_FAR] += 1
    ints[weights + USES] = ints[USES_SO_FAR]


@compiled
def _admit(ints: Ints, reals: Reals, times_s: Column, output: Column, ask: Ask, memory: int, now_s: float) -> None:
    """Let batches start to copy, in the order of dispatch, as far as there is room for their models: weights first."""
    queue = ints[memory + FOR_ROOM_AT]
    while ints[memory + FOR_ROOM]:
        item = ints[queue]
        weights = _weights(ints, ints[item + GPU], ints[item + MODEL])
        if ints[weights + USES] == 0:
            if not _make_room(ints, reals, memory, weights, now_s):
                return
            _note_copy(ints, reals, weights, ints[item + BATCH])
            item = weights
        else:
            ints[weights + USERS] += 1
            ints[memory + FOR_ROOM] -= 1
            for place in range(ints[memory + FOR_ROOM]):
                ints[queue + place] = ints[queue + place + 1]
        there_s = carry_in(ints, reals, times_s, output, ask, item, now_s)
        if there_s >= 0.0:
            arrived(ints, reals, times_s, ask, item, now_s, now_s)


@compiled
def _make_room(ints: Ints, reals: Reals, memory: int, weights: int, now_s: float) -> bool:
    """Give weights room, for which those go that were not used for the longest time; False if there is none yet."""
    own, first, last = ints[memory], _weights(ints, ints[weights + GPU], 0), 0
    needed = float(ints[weights + BYTES_IN]) - (reals[own + CAPACITY] - reals[own + USED])
    while needed > 0.0:
        goes = -1
        for model in range(ints[MODELS]):
            other = first + model * WEIGHTS_INTS
            may_go = ints[other + USES] > last and not ints[other + USERS]
            if may_go and (goes < 0 or ints[other + USES] < ints[goes + USES]):
                goes = other
        if goes < 0:
            return False
        last = ints[goes + USES]
        needed -= float(ints[goes + BYTES_IN])
    for model in range(ints[MODELS]):
        other = first + model * WEIGHTS_INTS
        if 0 < ints[other + USES] <= last and not ints[other + USERS]:
            ints[other + USES] = 0
            reals[own + USED] -= float(ints[other + BYTES_IN])
            reals[ints[WEIGHT_TIMES_AT] + ints[other + ROW] * WEIGHTS_TIMES + 2] = now_s
    _use(ints, weights)
    reals[own + USED] += float(ints[weights + BYTES_IN])
    return True


@compiled
def _note_copy(ints: Ints, reals: Reals, weights: int, batch_id: int) -> None:
    """Begin a row of the table of copies of weights, for a batch."""
    row = ints[WEIGHT_COPIES]
    ints[WEIGHT_COPIES] = row + 1
    ints[weights + ROW], ints[weights + ON_THEIR_WAY] = row, 1
    ints[ints[WEIGHT_BATCH_AT] + row] = batch_id
    first = ints[WEIGHT_TIMES_AT] + row * WEIGHTS_TIMES
    reals[first] = reals[first + 1] = reals[first + 2] = nan
