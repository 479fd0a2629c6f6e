"""What executes on a GPU: `stratsim.device.execution.fluid` on arrays.

The rates of co-located loads are the device model's own answers, kept in front of it; it is asked for those that are
not there.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from stratsim.fast.codes import (
    ANSWER_AT,
    ASKED_AT,
    ENDED_AT,
    FIRST,
    FORGET,
    LAST_PHASE,
    LEFT_S,
    LOAD,
    LOAD_AT,
    LOADS,
    MOST_RUNNING,
    NEXT_S,
    NUMBER,
    PAIR_AT,
    PAIR_RATE_AT,
    PAIRS,
    PHASE,
    RATE,
    RUNNING,
    RUNNING_AT,
    SAME,
    SET_AT,
    SET_RATE_AT,
    SETS,
    SHARE_AT,
    SOLO_S,
    START_COST_S,
    UPDATED_S,
)
from stratsim.fast.compiled import compiled

if TYPE_CHECKING:
    from stratsim.fast.compiled import Ask, Ints, Reals

__all__ = ["complete", "join", "solve"]


@compiled
def _enter(ints: Ints, reals: Reals, batch: int, phase: int) -> None:
    """Let a batch begin a phase."""
    ints[batch + PHASE] = phase
    ints[batch + LOAD] = ints[ints[LOAD_AT] + phase]
    reals[ints[batch] + LEFT_S] = reals[ints[batch] + SOLO_S] * reals[ints[SHARE_AT] + phase]


@compiled
def join(ints: Ints, reals: Reals, ask: Ask, now_s: float, gpu: int, batch: int) -> None:
    """Let a batch execute on a GPU from `now_s` on."""
    _enter(ints, reals, batch, ints[batch + PHASE])
    running, members, real = ints[gpu + RUNNING], ints[gpu + RUNNING_AT], ints[gpu]
    ints[members + running] = batch
    ints[gpu + RUNNING] = running + 1
    if running:
        elapsed_s = now_s - reals[real + UPDATED_S]
        for place in range(running):
            other = ints[ints[members + place]]
            reals[other + LEFT_S] -= elapsed_s * reals[other + RATE]
    solve(ints, reals, ask, now_s, gpu)
    if reals[START_COST_S] and running:  # those that run make no progress for as long
        for place in range(running):
            other = ints[ints[members + place]]
            reals[other + LEFT_S] += reals[START_COST_S] * reals[other + RATE]
        solve(ints, reals, ask, now_s, gpu)


@compiled
def complete(ints: Ints, reals: Reals, ask: Ask, now_s: float, gpu: int) -> int:
    """Go on to `now_s`, when a GPU's unit must be called; list those that end at `ENDED_AT` and return their number."""
    first, running, members, real = ints[gpu + FIRST], ints[gpu + RUNNING], ints[gpu + RUNNING_AT], ints[gpu]
    if first < 0:
        return 0
    if running == 1 and ints[first + PHASE] == ints[first + LAST_PHASE]:
        ints[gpu + RUNNING] = 0
        ints[gpu + FIRST] = -1
        reals[real + NEXT_S] = inf
        ints[ints[ENDED_AT]] = first
        return 1
    elapsed_s = now_s - reals[real + UPDATED_S]
    staying = ended = 0
    for place in range(running):
        batch = ints[members + place]
        own = ints[batch]
        left_s = 0.0 if batch == first else reals[own + LEFT_S] - elapsed_s * reals[own + RATE]
        if left_s > SAME * reals[own + SOLO_S]:
            reals[own + LEFT_S] = left_s
        elif ints[batch + PHASE] < ints[batch + LAST_PHASE]:
            _enter(ints, reals, batch, ints[batch + PHASE] + 1)
        else:
            ints[ints[ENDED_AT] + ended] = batch
            ended += 1
            continue
        ints[members + staying] = batch
        staying += 1
    ints[gpu + RUNNING] = staying
    solve(ints, reals, ask, now_s, gpu)
    return ended


@compiled
def solve(ints: Ints, reals: Reals, ask: Ask, now_s: float, gpu: int) -> None:
    """Find the rates from `now_s` on, and what ends next."""
    real, running, members = ints[gpu], ints[gpu + RUNNING], ints[gpu + RUNNING_AT]
    reals[real + UPDATED_S] = now_s
    if running == 1:  # alone: full speed, by definition of solo time
        batch = ints[members]
        reals[ints[batch] + RATE] = 1.0
        ints[gpu + FIRST] = batch
        reals[real + NEXT_S] = now_s + reals[ints[batch] + LEFT_S]
        return
    if running == 2:
        _solve_pair(ints, reals, ask, gpu)
    elif running > 2:
        _solve_set(ints, reals, ask, gpu, running)
    first, next_s = -1, inf
    for place in range(running):
        batch = ints[members + place]
        at_s = now_s + reals[ints[batch] + LEFT_S] / reals[ints[batch] + RATE]
        if at_s < next_s:
            first, next_s = batch, at_s
    ints[gpu + FIRST] = first
    reals[real + NEXT_S] = next_s


@compiled
def _solve_pair(ints: Ints, reals: Reals, ask: Ask, gpu: int) -> None:
    members = ints[gpu + RUNNING_AT]
    one, other = ints[members], ints[members + 1]
    key = ints[one + LOAD] * ints[LOADS] + ints[other + LOAD]
    row = key & (ints[PAIRS] - 1)
    rates = ints[PAIR_RATE_AT] + 2 * row
    if ints[ints[PAIR_AT] + row] != key:
        asked, answer = ints[ASKED_AT], ints[ANSWER_AT]
        ints[asked], ints[asked + 1] = ints[one + LOAD], ints[other + LOAD]
        ask(ints[gpu + NUMBER], 2)
        _keep_pair(ints, reals, ints[other + LOAD] * ints[LOADS] + ints[one + LOAD], answer + 1, answer)
        _keep_pair(ints, reals, key, answer, answer + 1)
    reals[ints[one] + RATE], reals[ints[other] + RATE] = reals[rates], reals[rates + 1]


@compiled
def _keep_pair(ints: Ints, reals: Reals, key: int, one: int, other: int) -> None:
    """Keep an answer about a pair: in which order they are asked about makes no difference."""
    row = key & (ints[PAIRS] - 1)
    rates = ints[PAIR_RATE_AT] + 2 * row
    ints[ints[PAIR_AT] + row] = key
    reals[rates], reals[rates + 1] = reals[one], reals[other]


@compiled
def _solve_set(ints: Ints, reals: Reals, ask: Ask, gpu: int, running: int) -> None:
    """Find the rates of more than two; equal loads have equal rates."""
    members, asked, most = ints[gpu + RUNNING_AT], ints[ASKED_AT], ints[MOST_RUNNING]
    for place in range(running):  # ascending, so that the order in which they started does not matter
        load, at = ints[ints[members + place] + LOAD], place
        while at and ints[asked + at - 1] > load:
            ints[asked + at] = ints[asked + at - 1]
            at -= 1
        ints[asked + at] = load
    digest = ints[gpu + NUMBER]
    for place in range(running):
        digest = (digest * 8191 + ints[asked + place] + 1) % 2147483647
    row = digest % ints[SETS]
    known, rates = ints[SET_AT] + row * (most + 2), ints[SET_RATE_AT] + row * most
    if not _is_known(ints, known, running, ints[gpu + NUMBER]):
        _ask_for_set(ints, reals, ask, gpu, running, known, rates)
    for place in range(running):
        batch = ints[members + place]
        low, high = 0, running - 1
        while low < high:
            middle = (low + high) >> 1
            if ints[known + 2 + middle] < ints[batch + LOAD]:
                low = middle + 1
            else:
                high = middle
        reals[ints[batch] + RATE] = reals[rates + low]


@compiled
def _is_known(ints: Ints, known: int, running: int, number: int) -> bool:
    if ints[known] != running or ints[known + 1] != number:
        return False
    place = 0
    while place < running and ints[known + 2 + place] == ints[ints[ASKED_AT] + place]:
        place += 1
    return place == running


@compiled
def _ask_for_set(ints: Ints, reals: Reals, ask: Ask, gpu: int, running: int, known: int, rates: int) -> None:
    """Ask the device model, in the order in which batches started, and keep its answer in a row."""
    asked, answer, most = ints[ASKED_AT], ints[ANSWER_AT], ints[MOST_RUNNING]
    for place in range(running):
        ints[known + 2 + place] = ints[asked + place]
    for place in range(running):
        ints[asked + place] = ints[ints[ints[gpu + RUNNING_AT] + place] + LOAD]
    ask(ints[gpu + NUMBER], running)
    if ints[FORGET]:
        ints[FORGET] = 0
        for row in range(ints[SETS]):
            ints[ints[SET_AT] + row * (most + 2)] = 0
    ints[known], ints[known + 1] = running, ints[gpu + NUMBER]
    for place in range(running):
        for at in range(running):
            if ints[known + 2 + at] == ints[asked + place]:
                reals[rates + at] = reals[answer + place]
