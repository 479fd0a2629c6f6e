"""Beliefs in a table of pairs: one that never learns, and `stratsim.predict.ewma.EwmaPairs`.

The table is among the terms of the state. Of a belief that never learns it has the rate of each kind of batch beside
each other kind. Of `ewma-pairs` it has excesses of the slowdown: those that were observed, by kind and co-runner's
model; those that were measured beforehand, by kind and kind; and losses of rate of pairs of models that are known, and
their sums by target, by co-runner, and of all. What is not known is NaN.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratsim.fast.compiled import compiled
from stratsim.fast.strait.codes import (
    ALPHA,
    DURATION_S,
    FIRST_INTERVAL,
    INTERVAL_AT,
    KNOWN_LOSS_AT,
    LAST_INTERVAL,
    LOSSES,
    MEASURED_AT,
    MET_AT,
    MODELS,
    MOST_SLOWDOWN,
    PAIRS,
    PLACES,
    PRIOR_EXCESS,
    SIDE_AT,
    SIZES,
    TARGET,
    TARGET_SOLO_S,
    USES_PRIOR,
)

if TYPE_CHECKING:
    from stratsim.fast.strait.codes import State

__all__ = ["learn_pairs", "rate_beside_worst", "rate_of_pairs"]


@compiled
def rate_beside_worst(state: State, target: int, others: int, count: int) -> float:
    """Return the rate of a kind of batch beside the worst of others, by a table that never changes."""
    ints, terms = state.ints, state.terms
    row = target * ints[MODELS] * ints[SIZES]
    found = terms[row + ints[others]]
    for place in range(others + 1, others + count):
        found = min(found, terms[row + ints[place]])
    return found  # type: ignore[no-any-return]


@compiled
def rate_of_pairs(state: State, target: int, others: int, count: int) -> float:
    """Return the rate of a kind of batch beside others, whose excesses of its slowdown add up."""
    excess = 0.0
    for place in range(others, others + count):
        excess += _excess(state, target, state.ints[place])
    return 1.0 / min(1.0 + max(excess, 0.0), state.reals[MOST_SLOWDOWN])  # type: ignore[no-any-return]


@compiled
def _excess(state: State, target: int, other: int) -> float:
    """Return the excess of a kind's slowdown beside another: as observed, or as measured, or else as others have it."""
    ints, terms = state.ints, state.terms
    models, sizes = ints[MODELS], ints[SIZES]
    found = terms[target * models + other // sizes]
    if found == found:  # known: not NaN
        return found  # type: ignore[no-any-return]
    found = terms[ints[MEASURED_AT] + target * models * sizes + other]
    if found == found:
        return found  # type: ignore[no-any-return]
    loss = _usual_loss(state, target // sizes, other // sizes)
    return loss / (1.0 - loss) if loss == loss else state.reals[PRIOR_EXCESS]


@compiled
def _usual_loss(state: State, target: int, other: int) -> float:
    """Return the loss of rate of a model beside another; NaN if nothing is known of any pair.

    Of these two, else of the target beside others and of others beside the co-runner, half and half, else of all.
    """
    ints, terms = state.ints, state.terms
    models, sides = ints[MODELS], ints[SIDE_AT]
    found = terms[ints[KNOWN_LOSS_AT] + target * models + other]
    if found == found:
        return found  # type: ignore[no-any-return]
    own, beside, anything = sides + 2 * target, sides + 2 * (models + other), sides + 4 * models
    if terms[own + PAIRS]:
        found = terms[own + LOSSES] / terms[own + PAIRS]
        if terms[beside + PAIRS]:
            found = (found + terms[beside + LOSSES] / terms[beside + PAIRS]) / 2.0
    elif terms[beside + PAIRS]:
        found = terms[beside + LOSSES] / terms[beside + PAIRS]
    elif terms[anything + PAIRS]:
        found = terms[anything + LOSSES] / terms[anything + PAIRS]
    return found  # type: ignore[no-any-return]


# What is learned ------------------------------------------------------------------------------------------------------


@compiled
def learn_pairs(state: State, observation: int) -> None:
    """Blame a batch's co-runners for what it took; nothing where nobody was beside it."""
    ints, reals = state.ints, state.reals
    duration_s, overlap, crowd = reals[observation + DURATION_S], 0.0, 0.0
    met, count = ints[MET_AT], 0
    for number in range(ints[observation + FIRST_INTERVAL], ints[observation + LAST_INTERVAL]):
        interval = ints[INTERVAL_AT] + number * (1 + ints[PLACES])
        size = ints[interval]
        if not size:
            continue
        share = reals[interval] / duration_s
        overlap += share
        crowd += share * size
        for other in range(interval + 1, interval + 1 + size):
            at = met
            while at < met + count and ints[at] != ints[other]:
                at += 1
            if at == met + count:
                count += 1
                ints[at], reals[at] = ints[other], 0.0
            reals[at] += share
    if not count:
        return
    # A loss beyond the overlap cannot be explained by it: it is noise, and the slowdown is cut.
    lost = (1.0 - reals[observation + TARGET_SOLO_S] / duration_s) / overlap
    lost = min(lost, 1.0 - 1.0 / reals[MOST_SLOWDOWN])
    excess = (1.0 / (1.0 - lost) - 1.0) * overlap / crowd
    for at in range(met, met + count):
        _observe(state, ints[observation + TARGET], ints[at], excess, min(reals[at] / overlap, 1.0))


@compiled
def _observe(state: State, target: int, other: int, excess: float, share: float) -> None:
    """Move an entry towards an excess that is so much of a sample."""
    ints, terms = state.ints, state.terms
    model = other // ints[SIZES]
    at = target * ints[MODELS] + model
    before = terms[at]
    if before != before and ints[USES_PRIOR]:
        before = _excess(state, target, other)
    if before == before:
        alpha = 1.0 - (1.0 - state.reals[ALPHA]) ** share
        terms[at] = before + alpha * (excess - before)
    else:
        terms[at] = excess
    _note(state, target // ints[SIZES], model, terms[at])


@compiled
def _note(state: State, target: int, other: int, excess: float) -> None:
    """Remember what is known of two models now, for pairs of which nothing is."""
    ints, terms = state.ints, state.terms
    models, sides = ints[MODELS], ints[SIDE_AT]
    same = ints[KNOWN_LOSS_AT] + target * models + other
    loss, is_new = excess / (1.0 + excess), terms[same] != terms[same]
    more = loss if is_new else loss - terms[same]
    for side in (sides + 2 * target, sides + 2 * (models + other), sides + 4 * models):
        terms[side + LOSSES] += more
        if is_new:
            terms[side + PAIRS] += 1.0
    terms[same] = loss
