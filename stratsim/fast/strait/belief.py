"""The belief of a compiled `strait`: `stratsim.predict.rls` and what it stands on, in the same order of operations.

Or another: one rate for all, or a table of pairs (`stratsim.fast.strait.pairs`).
"""

from __future__ import annotations

from math import inf, sqrt
from typing import TYPE_CHECKING

from stratsim.fast.compiled import compiled
from stratsim.fast.strait.codes import (
    ADDITIVE,
    BELIEF,
    CHANGE_THRESHOLD,
    CHANGES,
    CONSTANT,
    CUSUM_DRIFT,
    DRIFT_DOWN,
    DRIFT_UP,
    DURATION_S,
    FEATURE_AT,
    FEATURES,
    FIRST_INTERVAL,
    FORM,
    HAS_TERMS,
    INTERVAL_AT,
    KNOWN_RATE,
    LAST_INTERVAL,
    LEADING,
    LEARNED,
    LEAST_NOISE,
    LOWER_QUARTILE,
    MEAN_AT,
    MEAN_REGRESSOR_AT,
    MIN_RATE,
    NOISE,
    NONE,
    OF_FEATURES,
    OUTLIER_GATE,
    PLACES,
    RATE,
    REGRESSOR_AT,
    REGRESSORS,
    SAMPLE_NOISE,
    SCALE_SHARE,
    SIZES,
    SLOWDOWN,
    SMOOTHED,
    TARGET,
    TARGET_SOLO_S,
    VALUE_AT,
    WEIGHT_AT,
)
from stratsim.fast.strait.least_squares import correct, image, start_anew, weigh, with_terms
from stratsim.fast.strait.lists import sort_others
from stratsim.fast.strait.pairs import learn_pairs, rate_beside_worst, rate_of_pairs

if TYPE_CHECKING:
    from stratsim.fast.strait.codes import State

__all__ = ["hopeful_rate", "learn", "look_beside", "rate", "rate_beside"]


# What is believed -----------------------------------------------------------------------------------------------------


@compiled
def rate(state: State, target: int, others: int, count: int) -> float:
    """Return the believed rate of a kind of batch beside so many others, at least one, listed in ascending order."""
    look_beside(state, others, count)
    return rate_beside(state, target, others, count)


@compiled
def look_beside(state: State, others: int, count: int) -> None:
    """Put down what others, listed so, mean to whoever is beside them: `rate_beside` is asked about these alone."""
    if state.ints[BELIEF] == LEARNED:
        _design_others(state, others, count)


@compiled
def rate_beside(state: State, target: int, others: int, count: int) -> float:
    """Return the believed rate of a kind of batch beside those that were looked at last."""
    if state.ints[BELIEF] != LEARNED:
        return _plain_rate(state, target, others, count)
    return _as_rate(state, _loss_beside(state, target, count))


@compiled
def _loss_beside(state: State, target: int, count: int) -> float:
    """Return what is believed to be lost: `weigh` of what `_design_target` would put down."""
    ints, reals = state.ints, state.reals
    leading, features, values, weights = ints[LEADING], ints[FEATURES], ints[VALUE_AT], ints[WEIGHT_AT]
    total, scale = 0.0, _scale(state, count)
    for place in range(min(leading, OF_FEATURES)):
        total += reals[values + place] * reals[weights + place]
    if leading > OF_FEATURES:
        own, others, weights = (
            ints[FEATURE_AT] + target * features,
            values + OF_FEATURES + features,
            weights + OF_FEATURES,
        )
        for place in range(features):
            total += reals[own + place] * count * scale * reals[weights + place]
        for place in range(features):
            total += reals[others + place] * reals[weights + features + place]
        for place in range(features):
            total += reals[own + place] * reals[others + place] * reals[weights + 2 * features + place]
    return with_terms(state, total, ints[REGRESSOR_AT], target // ints[SIZES])


@compiled
def hopeful_rate(state: State, target: int, others: int, count: int) -> float:
    """Return a rate whose slowdown is the lower quartile of what is believed."""
    ints, reals = state.ints, state.reals
    if ints[BELIEF] != LEARNED:
        return _plain_rate(state, target, others, count)
    _design_others(state, others, count)
    _design_target(state, target, count)
    values, listed, model = ints[VALUE_AT], ints[REGRESSOR_AT], target // ints[SIZES]
    centre = weigh(state, values, listed, model)
    spread, _ = image(state, values, listed, model)
    return _as_rate(state, centre - reals[LOWER_QUARTILE] * reals[NOISE] * sqrt(max(spread, 0.0)))


@compiled
def _plain_rate(state: State, target: int, others: int, count: int) -> float:
    """Return the rate by one of the other beliefs."""
    belief = state.ints[BELIEF]
    if belief == CONSTANT:
        return state.reals[KNOWN_RATE]  # type: ignore[no-any-return]
    if belief == SMOOTHED:
        return rate_of_pairs(state, target, others, count)
    return rate_beside_worst(state, target, others, count)


@compiled
def _as_rate(state: State, loss: float) -> float:
    if loss <= 0.0:
        return 1.0
    found = 1.0 - loss if state.ints[FORM] == RATE else 1.0 / (1.0 + loss)
    return max(found, state.reals[MIN_RATE])  # type: ignore[no-any-return]


@compiled
def _scale(state: State, count: int) -> float:
    """Return what a co-runner counts as."""
    return 2.0 / (1 + count) if state.ints[FORM] == RATE else 1.0


@compiled
def _design_others(state: State, others: int, count: int) -> None:
    """Put the regressors that others determine at VALUE_AT and REGRESSOR_AT."""
    ints, reals = state.ints, state.reals
    features, values, scale = ints[FEATURES], ints[VALUE_AT], _scale(state, count)
    reals[values] = count * scale
    reals[values + 1] = (count - 1) * scale
    if ints[LEADING] > OF_FEATURES:
        for place in range(features):
            total = 0.0
            for other in range(others, others + count):
                total += reals[ints[FEATURE_AT] + ints[other] * features + place]
            reals[values + OF_FEATURES + features + place] = total * scale
    ints[REGRESSORS] = 0
    if ints[HAS_TERMS]:
        sizes, listed, model = ints[SIZES], ints[REGRESSOR_AT] - 1, NONE
        for other in range(others, others + count):  # equal models stand beside each other
            if ints[other] // sizes != model:
                model = ints[other] // sizes
                listed += 1
                ints[listed], reals[listed] = model, scale
            else:
                reals[listed] += scale
        ints[REGRESSORS] = listed + 1 - ints[REGRESSOR_AT]


@compiled
def _design_target(state: State, target: int, count: int) -> None:
    """Put those of its own at VALUE_AT, beside so many others whose regressors are there."""
    ints, reals = state.ints, state.reals
    if ints[LEADING] <= OF_FEATURES:
        return
    features, scale = ints[FEATURES], _scale(state, count)
    feature, own = ints[FEATURE_AT] + target * features, ints[VALUE_AT] + OF_FEATURES
    for place in range(features):
        value = reals[feature + place]
        reals[own + place] = value * count * scale
        reals[own + 2 * features + place] = value * reals[own + features + place]


# What is learned ------------------------------------------------------------------------------------------------------


@compiled
def learn(state: State, observation: int) -> None:
    """Learn from a batch that overlapped somebody; nothing from one that did not."""
    ints, reals = state.ints, state.reals
    if ints[BELIEF] != LEARNED:
        if ints[BELIEF] == SMOOTHED:
            learn_pairs(state, observation)
        return
    overlapped = False
    for number in range(ints[observation + FIRST_INTERVAL], ints[observation + LAST_INTERVAL]):
        overlapped = overlapped or ints[ints[INTERVAL_AT] + number * (1 + ints[PLACES])] > 0
    if not overlapped:
        return
    error = _sample(state, observation)
    values, listed, target = ints[MEAN_AT], ints[MEAN_REGRESSOR_AT], ints[observation + TARGET] // ints[SIZES]
    spread, shared = image(state, values, listed, target)
    if spread < 0.0:  # rounding cost the covariance its definiteness
        start_anew(state)
        spread, shared = image(state, values, listed, target)
    changes = ints[CHANGES]
    correct(state, spread, shared, target, _standardised(state, error, sqrt(reals[SAMPLE_NOISE] + spread)))
    if ints[CHANGES] > changes:
        start_anew(state)


@compiled
def _sample(state: State, observation: int) -> float:
    """Put the regressors of a batch at MEAN_AT and MEAN_REGRESSOR_AT; return the error of the prediction."""
    ints, reals = state.ints, state.reals
    width, target = 1 + ints[PLACES], ints[observation + TARGET]
    solo_s, duration_s = reals[observation + TARGET_SOLO_S], reals[observation + DURATION_S]
    mean, listed, values, asked = ints[MEAN_AT], ints[MEAN_REGRESSOR_AT], ints[VALUE_AT], ints[REGRESSOR_AT]
    leading, regressors, lost, first = ints[LEADING], 0, 0.0, True
    for number in range(ints[observation + FIRST_INTERVAL], ints[observation + LAST_INTERVAL]):
        interval = ints[INTERVAL_AT] + number * width
        count = ints[interval]
        if not count:
            continue
        share = reals[interval] / duration_s
        _design_others(state, sort_others(state, interval + 1, count), count)
        _design_target(state, target, count)
        if ints[FORM] == ADDITIVE:
            believed = _as_rate(state, weigh(state, values, asked, target // ints[SIZES]))
            lost += share * (1.0 - believed)
            share *= believed * believed
        for place in range(leading):
            part = share * reals[values + place]
            reals[mean + place] = part if first else reals[mean + place] + part
        first = False
        for place in range(asked, asked + ints[REGRESSORS]):
            at = listed
            while at < listed + regressors and ints[at] != ints[place]:
                at += 1
            if at == listed + regressors:
                regressors += 1
                ints[at], reals[at] = ints[place], 0.0
            reals[at] += share * reals[place]
    ints[REGRESSORS] = regressors
    y = duration_s / solo_s - 1.0 if ints[FORM] == SLOWDOWN else 1.0 - solo_s / duration_s
    return y - (lost if ints[FORM] == ADDITIVE else weigh(state, mean, listed, target // ints[SIZES]))  # type: ignore[no-any-return]


@compiled
def _standardised(state: State, error: float, scale: float) -> float:
    """Clip the error, keep the estimate of the noise, look for a change."""
    ints, reals = state.ints, state.reals
    deviation = reals[NOISE] * scale
    limit = reals[OUTLIER_GATE] * deviation
    if error > limit or error < -limit:
        error = limit if error > 0.0 else -limit
    if reals[CHANGE_THRESHOLD] < inf:
        up = max(0.0, reals[DRIFT_UP] + error / deviation - CUSUM_DRIFT)
        down = max(0.0, reals[DRIFT_DOWN] - error / deviation - CUSUM_DRIFT)
        if up > reals[CHANGE_THRESHOLD] or down > reals[CHANGE_THRESHOLD]:
            ints[CHANGES] += 1
            up = down = 0.0
        reals[DRIFT_UP], reals[DRIFT_DOWN] = up, down
    part, share = error / scale, reals[SCALE_SHARE]
    noise = sqrt((1.0 - share) * reals[NOISE] * reals[NOISE] + share * part * part)
    reals[NOISE] = max(noise, reals[LEAST_NOISE])
    return error
