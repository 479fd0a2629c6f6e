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
    COLUMN,
    CONSTANT,
    COVARIANCE_AT,
    CUSUM_DRIFT,
    DIRECTIONAL,
    DRIFT_DOWN,
    DRIFT_UP,
    DURATION_S,
    EXCITATION,
    FEATURE_AT,
    FEATURES,
    FIRST_INTERVAL,
    FORGETTING,
    FORM,
    GROWTH,
    HAS_TERMS,
    IMAGE_AT,
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
    MODEL_AT,
    MODEL_BLOCK,
    MODELS,
    NOISE,
    NONE,
    OF_FEATURES,
    OUTLIER_GATE,
    PAIR_VARIANCE,
    PLACES,
    PRIOR_TRACE,
    RATE,
    REGRESSOR_AT,
    REGRESSORS,
    REST_VARIANCE,
    SAMPLE_NOISE,
    SCALE_SHARE,
    SIZES,
    SLOWDOWN,
    SMOOTHED,
    TABLE_AT,
    TARGET,
    TARGET_SOLO_S,
    TINY,
    TRACE_BOUND,
    TRACE_CAP,
    VALUE_AT,
    VARIANCE_AT,
    WEIGHT_AT,
)
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
    _design_target(state, target, count)
    listed = state.ints[REGRESSOR_AT]
    return _as_rate(state, _weigh(state, state.ints[VALUE_AT], listed, target // state.ints[SIZES]))


@compiled
def hopeful_rate(state: State, target: int, others: int, count: int) -> float:
    """Return a rate whose slowdown is the lower quartile of what is believed."""
    ints, reals = state.ints, state.reals
    if ints[BELIEF] != LEARNED:
        return _plain_rate(state, target, others, count)
    _design_others(state, others, count)
    _design_target(state, target, count)
    values, listed, model = ints[VALUE_AT], ints[REGRESSOR_AT], target // ints[SIZES]
    centre = _weigh(state, values, listed, model)
    spread, _ = _image(state, values, listed, model)
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
                ints[listed], reals[listed] = _column(state, model), scale
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


@compiled
def _weigh(state: State, values: int, listed: int, target: int) -> float:
    """Return w.x of these regressors of the shared weights and of the terms of a target."""
    ints, reals, terms = state.ints, state.reals, state.terms
    weights, leading, models, total = ints[WEIGHT_AT], ints[LEADING], ints[MODELS], 0.0
    for place in range(leading):
        total += reals[values + place] * reals[weights + place]
    table = _table(state, target)
    for place in range(listed, listed + ints[REGRESSORS]):
        at, follows = table + ints[place], 0.0
        for row in range(leading):
            follows += reals[weights + row] * terms[at + row * models]
        total += (terms[at + leading * models] + follows) * reals[place]
    return total


@compiled
def _column(state: State, model: int) -> int:
    """Return the number of a model among the terms."""
    return state.ints[state.ints[MODEL_AT] + model * MODEL_BLOCK + COLUMN]  # type: ignore[no-any-return]


@compiled
def _table(state: State, target: int) -> int:
    """Return where the table of a target's terms begins."""
    models = state.ints[MODELS]
    return _column(state, target) * (state.ints[LEADING] + 1 + models) * models  # type: ignore[no-any-return]


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
    spread, shared = _image(state, values, listed, target)
    if spread < 0.0:  # rounding cost the covariance its definiteness
        _start_anew(state)
        spread, shared = _image(state, values, listed, target)
    changes = ints[CHANGES]
    _correct(state, spread, shared, target, _standardised(state, error, sqrt(reals[SAMPLE_NOISE] + spread)))
    if ints[CHANGES] > changes:
        _start_anew(state)


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
            believed = _as_rate(state, _weigh(state, values, asked, target // ints[SIZES]))
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
    return y - (lost if ints[FORM] == ADDITIVE else _weigh(state, mean, listed, target // ints[SIZES]))  # type: ignore[no-any-return]


@compiled
def _image(state: State, values: int, listed: int, target: int) -> tuple[float, float]:
    """Put what the covariance makes of a sample at IMAGE_AT and TABLE_AT; return its spread, and the shared part.

    At TABLE_AT are as many numbers as a table has rows, the first of them for the shared weights.
    """
    ints, reals, terms = state.ints, state.reals, state.terms
    leading, models, image, moved = ints[LEADING], ints[MODELS], ints[IMAGE_AT], ints[TABLE_AT]
    rest = 0.0
    if ints[REGRESSORS]:
        table = _table(state, target)
        for row in range(leading + 1 + models):
            reals[moved + row] = 0.0
            for place in range(listed, listed + ints[REGRESSORS]):
                part = terms[table + row * models + ints[place]] * reals[place]
                reals[moved + row] = part if place == listed else reals[moved + row] + part
        for row in range(leading):
            reals[moved + row] += reals[values + row]
        for place in range(listed, listed + ints[REGRESSORS]):
            rest += reals[place] * reals[moved + leading + 1 + ints[place]]
    else:
        for row in range(leading):
            reals[moved + row] = reals[values + row]
    for column in range(leading):
        total = reals[ints[COVARIANCE_AT] + column] * reals[moved]
        for row in range(1, leading):
            total += reals[ints[COVARIANCE_AT] + row * leading + column] * reals[moved + row]
        reals[image + column] = total
    shared = 0.0
    for row in range(leading):
        shared += reals[image + row] * reals[moved + row]
    return shared + rest, shared


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


@compiled
def _correct(state: State, spread: float, shared: float, target: int, error: float) -> None:
    """Correct weights and covariance for the sample whose image was taken last."""
    ints, reals = state.ints, state.reals
    leading, weights = ints[LEADING], ints[WEIGHT_AT]
    image, covariance = ints[IMAGE_AT], ints[COVARIANCE_AT]
    innovation = reals[SAMPLE_NOISE] + spread
    step = error / innovation
    grow, forget = 0.0, 1.0 if spread < reals[EXCITATION] else reals[FORGETTING]
    if ints[DIRECTIONAL]:
        if spread > 0.0:
            grow = (1.0 / forget - 1.0) * (1.0 - spread / innovation) / spread
        forget = 1.0
    scale = 1.0 / innovation - grow
    half, sign = sqrt(abs(scale)), -1.0 if scale >= 0.0 else 1.0
    for place in range(leading):
        reals[weights + place] += step * reals[image + place]
        reals[image + place] *= half
    for row in range(leading):
        for column in range(leading):
            reals[covariance + row * leading + column] += sign * (reals[image + row] * reals[image + column])
    if ints[REGRESSORS]:
        # 1 - scale * shared, without a difference of nearly equal numbers
        scale /= (reals[SAMPLE_NOISE] + spread - shared) / innovation + grow * shared
        _correct_table(state, target, step, scale)
    if forget != 1.0:
        _inflate(state, 1.0 / forget)
    reals[TRACE_BOUND] /= reals[FORGETTING]
    if reals[TRACE_BOUND] > reals[TRACE_CAP]:
        trace = _trace(state)
        if trace > reals[TRACE_CAP]:
            _inflate(state, reals[TRACE_CAP] / trace)
        reals[TRACE_BOUND] = min(trace, reals[TRACE_CAP])


@compiled
def _correct_table(state: State, target: int, step: float, scale: float) -> None:
    """Correct the terms of a target, once the shared weights have been."""
    ints, reals, terms = state.ints, state.reals, state.terms
    leading, models, weights, moved = ints[LEADING], ints[MODELS], ints[WEIGHT_AT], ints[TABLE_AT]
    follows = 0.0
    for place in range(leading):
        follows += reals[weights + place] * reals[moved + place]
    step += scale * follows
    half, sign = sqrt(abs(scale)), -1.0 if scale >= 0.0 else 1.0
    half = half if half != 0.0 else TINY
    for row in range(leading + 1 + models):
        reals[moved + row] *= half
    reals[moved + leading] = (-step if scale >= 0.0 else step) / half
    table = _table(state, target)
    for row in range(leading + 1 + models):
        for column in range(models):
            part = reals[moved + row] * reals[moved + leading + 1 + column]
            terms[table + row * models + column] += sign * part


@compiled
def _inflate(state: State, factor: float) -> None:
    """Multiply the covariance."""
    ints, reals, terms = state.ints, state.reals, state.terms
    leading, models = ints[LEADING], ints[MODELS]
    for place in range(ints[COVARIANCE_AT], ints[COVARIANCE_AT] + leading * leading):
        reals[place] *= factor
    if ints[HAS_TERMS]:
        rows = leading + 1 + models
        for target in range(models):
            for place in range((target * rows + leading + 1) * models, (target + 1) * rows * models):
                terms[place] *= factor
    reals[GROWTH] *= factor


@compiled
def _trace(state: State) -> float:
    """Return the trace of the whole covariance."""
    ints, reals, terms = state.ints, state.reals, state.terms
    leading, models, covariance = ints[LEADING], ints[MODELS], ints[COVARIANCE_AT]
    total = 0.0
    for row in range(leading):
        total += reals[covariance + row * (leading + 1)]
    total += reals[GROWTH] * reals[REST_VARIANCE]
    rows = leading + 1 + models
    for target in range(models if ints[HAS_TERMS] else 0):
        table = target * rows * models
        rest = 0.0
        for row in range(models):
            rest += terms[table + (leading + 1 + row) * models + row]
        total += rest
        follows = 0.0
        for row in range(leading):
            for column in range(models):
                part = reals[covariance + row * leading] * terms[table + column]
                for between in range(1, leading):
                    part += reals[covariance + row * leading + between] * terms[table + between * models + column]
                follows += part * terms[table + row * models + column]
        total += follows
    return total  # type: ignore[no-any-return]


@compiled
def _start_anew(state: State) -> None:
    """Forget how sure the weights are, not the weights."""
    ints, reals, terms = state.ints, state.reals, state.terms
    leading, models, weights = ints[LEADING], ints[MODELS], ints[WEIGHT_AT]
    rows = leading + 1 + models
    for target in range(models if ints[HAS_TERMS] else 0):
        table = target * rows * models
        for column in range(models):
            follows = 0.0
            for row in range(leading):
                follows += terms[table + row * models + column] * reals[weights + row]
                terms[table + row * models + column] = 0.0
            terms[table + leading * models + column] += follows
            for row in range(models):
                variance = reals[PAIR_VARIANCE] if row == column else 0.0
                terms[table + (leading + 1 + row) * models + column] = variance
    for row in range(leading):
        for column in range(leading):
            variance = reals[ints[VARIANCE_AT] + row] if row == column else 0.0
            reals[ints[COVARIANCE_AT] + row * leading + column] = variance
    reals[GROWTH] = 1.0
    reals[TRACE_BOUND] = reals[PRIOR_TRACE]
