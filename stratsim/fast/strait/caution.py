"""Rates with a margin: `stratsim.policy.strait.caution` on arrays.

A company, the models of the co-runners in ascending order, is a number: 0 is nobody, and each has for every model a
company with one more of it (CHILD_AT). What is kept of a model in a company stands in the row of both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratsim.fast.compiled import compiled
from stratsim.fast.strait.belief import hopeful_rate, rate
from stratsim.fast.strait.codes import (
    ASKED_AT,
    CHILD_AT,
    COMPANIES,
    COUNT_LEVEL_AT,
    DURATION_S,
    FACTOR,
    FIRST_INTERVAL,
    FULL,
    HAS_MARGIN,
    HOPE_AT,
    INTERVAL_AT,
    IS_EXPECTED,
    LAST_INTERVAL,
    LEAST_RATE,
    LEAST_SHARE,
    LESSONS,
    LEVEL_BLOCK,
    LEVEL_DOUBT,
    LEVEL_WINDOW,
    LEVELS,
    MET_AT,
    MODEL_AT,
    MODEL_BLOCK,
    MODEL_LEVEL_AT,
    MODELS,
    MOST_COMPANIES,
    NONE,
    NOTED,
    PAIR_AT,
    PAIR_LEVEL_AT,
    PLACES,
    POWER_AT,
    QUANTILE,
    RATE_AT,
    RATE_ROWS,
    RATIO_AT,
    RATIO_BLOCK,
    RATIOS,
    RECENT_COUNT,
    SIZES,
    TARGET,
    TARGET_SOLO_S,
    USUAL_AT,
)
from stratsim.fast.strait.lists import quantile, remember, sort_others, sort_others_but

if TYPE_CHECKING:
    from stratsim.fast.strait.codes import State

__all__ = ["company_of", "divisor", "hopes", "look_up_asked", "rates", "take_in"]


# Rates ----------------------------------------------------------------------------------------------------------------


@compiled
def rates(state: State, kinds: int, count: int) -> int:
    """Return where the rates are of batches that execute together, with the margin, in their order.

    They stay there until rates are asked for the next time.

    Args:
        state: All that is known.
        kinds: Where the kinds of the batches are listed.
        count: How many they are, at least one.
    """
    ints, reals = state.ints, state.reals
    width = ints[PLACES] + 2
    mixed = count
    for place in range(kinds, kinds + count):
        mixed = (mixed * 31 + ints[place] + (mixed >> 7)) & 0xFFFFFFFF
    row = ints[RATE_AT] + (mixed & (ints[RATE_ROWS] - 1)) * width
    if ints[row] == ints[LESSONS] and ints[row + 1] == count:
        same = True
        for place in range(count):
            same = same and ints[row + 2 + place] == ints[kinds + place]
        if same:
            return row + 2  # type: ignore[no-any-return]
    ints[row], ints[row + 1] = ints[LESSONS], count
    for place in range(count):
        kind = ints[row + 2 + place] = ints[kinds + place]
        if count == 1:
            reals[row + 2] = 1.0
            continue
        others = sort_others_but(state, kinds, count, place)
        found = rate(state, kind, others, count - 1)
        if ints[HAS_MARGIN]:
            found /= divisor(state, company_of(state, others, count - 1), kind // ints[SIZES], count - 1)
        reals[row + 2 + place] = found
    return row + 2  # type: ignore[no-any-return]


@compiled
def hopes(state: State, kinds: int, count: int) -> int:
    """Return where rates are whose slowdowns are the lower quartiles of what is believed."""
    ints, reals = state.ints, state.reals
    hope = ints[HOPE_AT]
    for place in range(count):
        others = sort_others_but(state, kinds, count, place)
        reals[hope + place] = 1.0 if count == 1 else hopeful_rate(state, ints[kinds + place], others, count - 1)
    return hope  # type: ignore[no-any-return]


@compiled
def company_of(state: State, others: int, count: int) -> int:
    """Return the company of batches listed in ascending order."""
    ints = state.ints
    company, models = 0, ints[MODELS]
    for place in range(others, others + count):
        child = ints[CHILD_AT] + company * models + ints[place] // ints[SIZES]
        if not ints[child]:
            if ints[COMPANIES] == ints[MOST_COMPANIES]:
                ints[FULL] = 1
                return company
            ints[child] = ints[COMPANIES]
            ints[COMPANIES] += 1
        company = ints[child]
    return company


@compiled
def divisor(state: State, company: int, model: int, count: int) -> float:
    """Return what the belief's rate of a model in a company of so many is divided by, at least 1.

    Kept until the next lesson, even if more is known before.
    """
    ints, reals = state.ints, state.reals
    row = company * ints[MODELS] + model
    at = ints[PAIR_AT] + row
    if ints[at] == ints[LESSONS]:
        return reals[at]  # type: ignore[no-any-return]
    found = _corrected(state, ints[PAIR_LEVEL_AT] + LEVEL_BLOCK * row, _usual(state, model, count), model)
    ints[at], reals[at] = ints[LESSONS], max(1.0, found)
    return reals[at]  # type: ignore[no-any-return]


@compiled
def _usual(state: State, model: int, count: int) -> float:
    """Return what the belief's rate of a model beside so many is divided by, whoever they are."""
    ints, reals = state.ints, state.reals
    row = count * ints[MODELS] + model
    at = ints[USUAL_AT] + row
    if ints[at] == ints[NOTED]:
        return reals[at]  # type: ignore[no-any-return]
    level = ints[COUNT_LEVEL_AT] + LEVEL_BLOCK * count
    found = reals[level + FACTOR] if reals[level + RATIOS] else 1.0
    found = _corrected(state, ints[MODEL_LEVEL_AT] + LEVEL_BLOCK * row, found, ints[MODELS] + count)
    ints[at], reals[at] = ints[NOTED], found
    return found


@compiled
def _corrected(state: State, level: int, known: float, whose: int) -> float:
    """Return what a level makes of what is known without it: few powers, which are kept by whose they are."""
    reals, count = state.reals, int(state.reals[level + RATIOS])
    if not count:
        return known
    power = state.ints[POWER_AT] + 2 * (whose * (LEVEL_WINDOW + 1) + count)
    if reals[power] != known:
        reals[power], reals[power + 1] = known, known ** (1.0 - count / (count + LEVEL_DOUBT))
    return reals[power + 1] * reals[level + FACTOR]  # type: ignore[no-any-return]


# Lessons --------------------------------------------------------------------------------------------------------------


@compiled
def look_up_asked(state: State, observation: int) -> None:
    """Look up the divisors of a batch in its companies, before more is known, if newcomers have been asked about there.

    For those that were expected then, what was known then counts until the lesson is over.
    """
    ints = state.ints
    model = ints[observation + TARGET] // ints[SIZES]
    for number in range(ints[observation + FIRST_INTERVAL], ints[observation + LAST_INTERVAL]):
        interval = ints[INTERVAL_AT] + number * (1 + ints[PLACES])
        size = ints[interval]
        if size:
            company = company_of(state, sort_others(state, interval + 1, size), size)
            asked = ints[ASKED_AT] + 2 * company
            expected = ints[ints[MODEL_AT] + model * MODEL_BLOCK + IS_EXPECTED]
            if ints[asked] == ints[LESSONS] and expected <= ints[asked + 1]:
                divisor(state, company, model, size)


@compiled
def take_in(state: State, observation: int) -> None:
    """Put down how far the belief was off about a batch to its main company; the other intervals count as known."""
    ints, reals = state.ints, state.reals
    target, models = ints[observation + TARGET], ints[MODELS]
    model, made_s = target // ints[SIZES], reals[observation + TARGET_SOLO_S]
    met, count = ints[MET_AT], 0
    for number in range(ints[observation + FIRST_INTERVAL], ints[observation + LAST_INTERVAL]):
        interval = ints[INTERVAL_AT] + number * (1 + ints[PLACES])
        size, length_s = ints[interval], reals[interval]
        if not size:
            made_s -= length_s
            continue
        others = sort_others(state, interval + 1, size)
        company = company_of(state, others, size)
        progress_s = length_s * rate(state, target, others, size)
        at = met
        while at < met + 3 * count and ints[at] != company:
            at += 3
        if at == met + 3 * count:
            count += 1
            ints[at], ints[at + 1] = company, size
            reals[at], reals[at + 1] = 0.0, 0.0
        reals[at] += length_s
        reals[at + 1] += progress_s
    main = NONE
    for at in range(met, met + 3 * count, 3):
        if main == NONE or reals[at] > reals[main]:
            main = at
    if main == NONE or reals[main] < LEAST_SHARE * reals[observation + DURATION_S]:
        return
    known_s = 0.0
    for at in range(met, met + 3 * count, 3):
        if at != main:
            known_s += reals[at + 1] / divisor(state, ints[at], model, ints[at + 1])
    made_s -= known_s
    ratio = reals[main + 1] / max(made_s, LEAST_RATE * reals[main])
    size = ints[main + 1]
    ints[NOTED] += 1
    _note(state, ints[COUNT_LEVEL_AT] + LEVEL_BLOCK * size, ratio)
    _note(state, ints[MODEL_LEVEL_AT] + LEVEL_BLOCK * (size * models + model), ratio)
    _note(state, ints[PAIR_LEVEL_AT] + LEVEL_BLOCK * (ints[main] * models + model), ratio)


@compiled
def _note(state: State, level: int, ratio: float) -> None:
    """Add a ratio to a level; one that is new has its ratios behind those of the others."""
    ints, reals = state.ints, state.reals
    if not ints[level]:
        ints[level] = ints[RATIO_AT] + ints[LEVELS] * RATIO_BLOCK
        ints[LEVELS] += 1
    ratios = ints[level]
    remember(reals, ratios, LEVEL_WINDOW, ratio)
    count = int(reals[ratios + RECENT_COUNT])
    reals[level + RATIOS] = count
    reals[level + FACTOR] = quantile(reals, ratios, LEVEL_WINDOW, reals[QUANTILE]) ** (count / (count + LEVEL_DOUBT))
