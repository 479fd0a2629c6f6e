"""What is learned from batches that have ended: of `strait.estimates` on arrays, what it does with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratsim.fast.compiled import compiled
from stratsim.fast.strait.belief import learn
from stratsim.fast.strait.caution import look_up_asked, take_in
from stratsim.fast.strait.codes import (
    ALL_ERRORS_AT,
    DONE_S,
    DURATION_S,
    ENDED,
    ENDED_AT,
    ENDED_NOW,
    ERROR_AT,
    ERROR_BLOCK,
    ERROR_WINDOW,
    EXECUTING,
    FIRST_INTERVAL,
    HAS_MARGIN,
    ID,
    INTERVALS,
    KIND,
    LACKING,
    LACKS,
    LAST_INTERVAL,
    LEAST_ERRORS,
    LESSONS,
    MODELS,
    NONE,
    NUMBER,
    OBSERVATION_AT,
    OBSERVATION_BLOCK,
    OBSERVATIONS,
    ON_GPU,
    PLACES,
    QUANTILE,
    RECENT_COUNT,
    REFRESH,
    REFRESHES,
    SIZES,
    SOLO_S,
    SPARE,
    SPARE_AT,
    START_S,
    STRETCH,
    STRETCH_OF_ALL,
    TAKES_NOTE,
    TARGET,
    TARGET_SOLO_S,
)
from stratsim.fast.strait.forecast import catch_up, note_intervals
from stratsim.fast.strait.gpus import next_holding
from stratsim.fast.strait.lists import quantile, remember
from stratsim.fast.strait.newcomers import forget_besides
from stratsim.fast.strait.queues import at_model

if TYPE_CHECKING:
    from stratsim.fast.strait.codes import State

__all__ = ["note_ends"]


@compiled
def note_ends(state: State, now_s: float) -> None:
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
        _learn_alone(state, ints[batch + KIND] // ints[SIZES], duration_s / reals[batch + SOLO_S] - 1.0)


@compiled
def _learn_alone(state: State, number: int, error: float) -> None:
    """Remember by how much the solo latency of a model was off."""
    ints, reals = state.ints, state.reals
    model, errors = at_model(state, number), ints[ERROR_AT] + number * ERROR_BLOCK
    remember(reals, errors, ERROR_WINDOW, error)
    if reals[errors + RECENT_COUNT] >= LEAST_ERRORS:
        overdue = quantile(reals, errors, ERROR_WINDOW, reals[QUANTILE])
        reals[model + STRETCH] = 1.0 + overdue if overdue > 0.0 else 1.0
        ints[LACKING] -= ints[model + LACKS]
        ints[model + LACKS] = 0
    if not ints[LACKING]:
        return
    overall = ints[ALL_ERRORS_AT]
    remember(reals, overall, ERROR_WINDOW, error)
    if reals[overall + RECENT_COUNT] >= LEAST_ERRORS:
        all_s = 1.0 + max(quantile(reals, overall, ERROR_WINDOW, reals[QUANTILE]), 0.0)
        if all_s == reals[STRETCH_OF_ALL]:
            return
        reals[STRETCH_OF_ALL] = all_s
        for other in range(ints[MODELS]):
            if ints[at_model(state, other) + LACKS]:
                reals[at_model(state, other) + STRETCH] = all_s


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
