"""Which GPUs hold how many batches, and which kind executes alone on how many: without a look at every GPU.

For each number of batches there are a count and words of 32 bits, a bit per GPU (HELD_AT).
"""

from __future__ import annotations

from math import frexp
from typing import TYPE_CHECKING

from stratsim.fast.compiled import compiled
from stratsim.fast.strait.codes import (
    COUNTED,
    EXECUTING,
    GPU_AT,
    GPU_BLOCK,
    HELD_AT,
    KIND,
    LONE,
    LONE_AT,
    LONES,
    LONES_AT,
    MEMBERS,
    NONE,
    NUMBER,
    OPEN_AT,
    PLACES,
    STAGED,
    VIEWED,
    WORD,
    WORDS,
)

if TYPE_CHECKING:
    from stratsim.fast.strait.codes import State

__all__ = ["at_gpu", "fewest", "following_open", "how_many", "list_open", "next_holding", "note_lone", "recount"]


@compiled
def at_gpu(state: State, number: int) -> int:
    """Return the block of a GPU."""
    return state.ints[GPU_AT] + number * state.ints[GPU_BLOCK]  # type: ignore[no-any-return]


# By how many batches they hold ----------------------------------------------------------------------------------------


@compiled
def _held(state: State, count: int) -> int:
    """Return where the GPUs that hold so many batches are counted; their words follow."""
    return state.ints[HELD_AT] + count * (1 + state.ints[WORDS])  # type: ignore[no-any-return]


@compiled
def recount(state: State, gpu: int) -> None:
    """Take over how many batches are viewed on a GPU."""
    ints, before, now = state.ints, state.ints[gpu + COUNTED], state.ints[gpu + VIEWED]
    if before == now:
        return
    ints[gpu + COUNTED] = now
    word, bit = 1 + ints[gpu + NUMBER] // WORD, 1 << (ints[gpu + NUMBER] % WORD)
    ints[_held(state, before)] -= 1
    ints[_held(state, before) + word] -= bit
    ints[_held(state, now)] += 1
    ints[_held(state, now) + word] += bit


@compiled
def how_many(state: State, count: int) -> int:
    """Return how many GPUs hold so many batches."""
    return state.ints[_held(state, count)]  # type: ignore[no-any-return]


@compiled
def fewest(state: State) -> int:
    """Return the least number of batches that a GPU holds."""
    count = 0
    while not how_many(state, count):
        count += 1
    return count


@compiled
def next_holding(state: State, count: int, first: int) -> int:
    """Return the first GPU, from this number on, that holds so many batches; NONE if there is none."""
    ints, words, word = state.ints, state.ints[WORDS], first // WORD
    if word >= words or not how_many(state, count):
        return NONE
    held = _held(state, count) + 1
    bits = ints[held + word] & (-1 << (first % WORD))
    while not bits:
        word += 1
        if word == words:
            return NONE
        bits = ints[held + word]
    return at_gpu(state, word * WORD + frexp(float(bits & -bits))[1] - 1)


@compiled
def following_open(state: State, gpu: int, most: int) -> int:
    """Return the GPU that is tried behind this one (NONE: first) of those with fewer than `most` batches; or NONE.

    The fullest first; of the idle ones, which are all alike, one.
    """
    count = most - 1 if gpu == NONE else state.ints[gpu + COUNTED]
    first = 0 if gpu == NONE else state.ints[gpu + NUMBER] + 1
    if gpu != NONE and not count:
        return NONE
    while count >= 0:
        found = next_holding(state, count, first)
        if found != NONE:
            return found
        count -= 1
        first = 0
    return NONE


@compiled
def list_open(state: State) -> int:
    """List the GPUs that have a place at OPEN_AT; of the idle ones, which are all alike, the first. Return how many."""
    ints, found, idle = state.ints, 0, next_holding(state, 0, 0)
    for word in range(1, 1 + ints[WORDS]):
        bits = 0
        for count in range(1, ints[PLACES]):
            bits |= ints[_held(state, count) + word]
        if idle != NONE and ints[idle + NUMBER] // WORD == word - 1:
            bits |= 1 << (ints[idle + NUMBER] % WORD)
        while bits:
            number = (word - 1) * WORD + frexp(float(bits & -bits))[1] - 1
            ints[ints[OPEN_AT] + found] = at_gpu(state, number)
            found += 1
            bits &= bits - 1
    return found


# Who executes alone ---------------------------------------------------------------------------------------------------


@compiled
def note_lone(state: State, gpu: int) -> None:
    """Take over which kind executes alone on a GPU, with nothing staged: LONE of the GPU; NONE if none does."""
    ints, before, now = state.ints, state.ints[gpu + LONE], NONE
    if ints[gpu + EXECUTING] == 1 and not ints[gpu + STAGED]:
        now = ints[ints[gpu + MEMBERS] + KIND]
    if before == now:
        return
    ints[gpu + LONE] = now
    counts, listed = ints[LONES_AT], ints[LONE_AT]
    if before != NONE:
        ints[counts + 2 * before] -= 1
        if not ints[counts + 2 * before]:  # the last in the list takes its place
            ints[LONES] -= 1
            last = ints[listed + ints[LONES]]
            ints[listed + ints[counts + 2 * before + 1]] = last
            ints[counts + 2 * last + 1] = ints[counts + 2 * before + 1]
    if now != NONE:
        if not ints[counts + 2 * now]:
            ints[listed + ints[LONES]] = now
            ints[counts + 2 * now + 1] = ints[LONES]
            ints[LONES] += 1
        ints[counts + 2 * now] += 1
