"""Recursive least squares with its covariance in parts: `stratsim.predict.least_squares` on arrays.

What a target's terms follow from the shared weights, and their base, stand together by co-runner and target (HEAD_AT):
those of many targets beside one co-runner are asked for at once. The rests are in `terms`, by target: of each, which is
symmetric to the last bit, a triangle of those terms that samples have had (USED_AT), in the order in which they had
them. All others are still uncorrelated with everything, and of one variance.
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

from stratsim.fast.compiled import compiled
from stratsim.fast.strait.codes import (
    BEYOND_ROUNDING,
    COVARIANCE_AT,
    DIRECTIONAL,
    EXCITATION,
    FORGETTING,
    GROWTH,
    HAS_TERMS,
    HEAD_AT,
    IMAGE_AT,
    LEADING,
    MODEL_AT,
    MODEL_BLOCK,
    MODELS,
    OF_COLUMN,
    PAIR_VARIANCE,
    PRIOR_TRACE,
    REGRESSORS,
    REST_VARIANCE,
    SAMPLE_NOISE,
    TABLE_AT,
    TINY,
    TRACE_BOUND,
    TRACE_CAP,
    UNUSED_VARIANCE,
    USED_AT,
    VARIANCE_AT,
    WEIGHT_AT,
)

if TYPE_CHECKING:
    from stratsim.fast.strait.codes import State

__all__ = ["correct", "image", "start_anew", "weigh", "with_terms"]


@compiled
def _of_column(state: State, column: int) -> int:
    """Return the model that the reference has in a column of the terms: its sums go by columns."""
    return state.ints[state.ints[MODEL_AT] + column * MODEL_BLOCK + OF_COLUMN]  # type: ignore[no-any-return]


@compiled
def _head(state: State, other: int, target: int) -> int:
    """Return where the slopes and the base of a target's term beside a co-runner are."""
    ints = state.ints
    return ints[HEAD_AT] + (other * ints[MODELS] + target) * (ints[LEADING] + 1)  # type: ignore[no-any-return]


@compiled
def _rest(state: State, target: int) -> int:
    """Return where the rest of a target's covariance begins: the lower triangle, row by row."""
    models = state.ints[MODELS]
    return target * (models * (models + 1) // 2)  # type: ignore[no-any-return]


@compiled
def _used(state: State, target: int) -> int:
    """Return where it is listed how many of a target's terms samples have had, and of which models; see `_place`."""
    return state.ints[USED_AT] + target * (1 + 2 * state.ints[MODELS])  # type: ignore[no-any-return]


@compiled
def _place(state: State, target: int, other: int) -> int:
    """Return where the place of a term among those used is kept: one more than it, or 0."""
    return _used(state, target) + 1 + state.ints[MODELS] + other  # type: ignore[no-any-return]


@compiled
def _use(state: State, target: int, other: int) -> int:
    """Return the place of a term among those that samples have had: now they have."""
    ints, terms, used, place = state.ints, state.terms, _used(state, target), _place(state, target, other)
    if not ints[place]:
        count = ints[used]
        row = _rest(state, target) + count * (count + 1) // 2
        for at in range(row, row + count):
            terms[at] = 0.0
        terms[row + count] = state.reals[UNUSED_VARIANCE]
        ints[used + 1 + count] = other
        ints[used] = ints[place] = count + 1
    return ints[place] - 1  # type: ignore[no-any-return]


@compiled
def weigh(state: State, values: int, listed: int, target: int) -> float:
    """Return w.x of these regressors of the shared weights and of the terms of a target."""
    ints, reals = state.ints, state.reals
    weights, total = ints[WEIGHT_AT], 0.0
    for place in range(ints[LEADING]):
        total += reals[values + place] * reals[weights + place]
    return with_terms(state, total, listed, target)


@compiled
def with_terms(state: State, total: float, listed: int, target: int) -> float:
    """Add to what the shared weights make of a sample what the terms of a target do."""
    ints, reals = state.ints, state.reals
    weights, leading = ints[WEIGHT_AT], ints[LEADING]
    for place in range(listed, listed + ints[REGRESSORS]):
        head, follows = _head(state, ints[place], target), 0.0
        for row in range(leading):
            follows += reals[weights + row] * reals[head + row]
        total += (reals[head + leading] + follows) * reals[place]
    return total


@compiled
def image(state: State, values: int, listed: int, target: int) -> tuple[float, float]:
    """Put what the covariance makes of a sample at IMAGE_AT and TABLE_AT; return its spread, and the shared part.

    At TABLE_AT are the numbers for the shared weights, room for one more, and those of the terms that are used.
    """
    ints, reals = state.ints, state.reals
    leading, found, moved, rest = ints[LEADING], ints[IMAGE_AT], ints[TABLE_AT], 0.0
    for row in range(leading):
        reals[moved + row] = reals[values + row]
    if ints[REGRESSORS]:
        rest = _image_of_terms(state, values, listed, target)
    for column in range(leading):
        total = reals[ints[COVARIANCE_AT] + column] * reals[moved]
        for row in range(1, leading):
            total += reals[ints[COVARIANCE_AT] + row * leading + column] * reals[moved + row]
        reals[found + column] = total
    shared = 0.0
    for row in range(leading):
        shared += reals[found + row] * reals[moved + row]
    return shared + rest, shared


@compiled
def _image_of_terms(state: State, values: int, listed: int, target: int) -> float:
    """Do what `image` does for the terms; return their part of the spread."""
    ints, reals = state.ints, state.reals
    leading, moved, last = ints[LEADING], ints[TABLE_AT], listed + ints[REGRESSORS]
    for row in range(leading):
        total = 0.0
        for place in range(listed, last):
            part = reals[_head(state, ints[place], target) + row] * reals[place]
            total = part if place == listed else total + part
        reals[moved + row] = total + reals[values + row]
    own = moved + leading + 1
    for place in range(listed, last):
        _use(state, target, ints[place])
    for place in range(own, own + ints[_used(state, target)]):
        reals[place] = 0.0
    for place in range(listed, last):
        _add_column(state, target, _use(state, target, ints[place]), reals[place])
    spread = 0.0
    for place in range(listed, last):
        spread += reals[place] * reals[own + _use(state, target, ints[place])]
    return spread


@compiled
def _add_column(state: State, target: int, column: int, value: float) -> None:
    """Add a column of a rest, by its place among those used, times a number, to what is at TABLE_AT for the terms."""
    ints, reals, terms = state.ints, state.reals, state.terms
    rest, moved = _rest(state, target), ints[TABLE_AT] + ints[LEADING] + 1
    at = rest + column * (column + 1) // 2
    for row in range(column):
        reals[moved + row] += terms[at + row] * value
    at += column
    for row in range(column, ints[_used(state, target)]):
        reals[moved + row] += terms[at] * value
        at += row + 1


@compiled
def correct(state: State, spread: float, shared: float, target: int, error: float) -> None:
    """Correct weights and covariance for the sample whose image was taken last."""
    ints, reals = state.ints, state.reals
    leading, weights = ints[LEADING], ints[WEIGHT_AT]
    found, covariance = ints[IMAGE_AT], ints[COVARIANCE_AT]
    innovation = reals[SAMPLE_NOISE] + spread
    step = error / innovation
    grow, forget = 0.0, 1.0 if spread < reals[EXCITATION] else reals[FORGETTING]
    if ints[DIRECTIONAL]:
        if spread > 0.0:
            grow = (1.0 / forget - 1.0) * (1.0 - spread / innovation) / spread
        forget = 1.0
    scale = 1.0 / innovation - grow
    _note_growth(state, -scale * spread)
    half, sign = sqrt(abs(scale)), -1.0 if scale >= 0.0 else 1.0
    for place in range(leading):
        reals[weights + place] += step * reals[found + place]
        reals[found + place] *= half
    for row in range(leading):
        for column in range(leading):
            reals[covariance + row * leading + column] += sign * (reals[found + row] * reals[found + column])
    if ints[REGRESSORS]:
        # 1 - scale * shared, without a difference of nearly equal numbers
        scale /= (reals[SAMPLE_NOISE] + spread - shared) / innovation + grow * shared
        _correct_terms(state, target, step, scale)
    if forget != 1.0:
        _inflate(state, 1.0 / forget)
    _cap(state)


@compiled
def _note_growth(state: State, share: float) -> None:
    """Bound the trace behind a sample.

    It grows by -scale (P x).(P x) if that is positive, and (P x).(P x) is at most the trace times the spread x.P.x. The
    reference has a looser bound, and adds the trace up more often; both find it above the cap whenever it is.
    """
    if share > 0.0:
        state.reals[TRACE_BOUND] *= (1.0 + share) * BEYOND_ROUNDING


@compiled
def _cap(state: State) -> None:
    """Scale the covariance down to the largest trace."""
    reals = state.reals
    if reals[TRACE_BOUND] * BEYOND_ROUNDING > reals[TRACE_CAP]:
        trace = _trace(state)
        if trace > reals[TRACE_CAP]:
            _inflate(state, reals[TRACE_CAP] / trace)
        reals[TRACE_BOUND] = min(trace, reals[TRACE_CAP])


@compiled
def _correct_terms(state: State, target: int, step: float, scale: float) -> None:
    """Correct the terms of a target once the shared weights have been."""
    ints, reals, terms = state.ints, state.reals, state.terms
    leading, weights, moved = ints[LEADING], ints[WEIGHT_AT], ints[TABLE_AT]
    follows = 0.0
    for place in range(leading):
        follows += reals[weights + place] * reals[moved + place]
    step += scale * follows
    half, sign = sqrt(abs(scale)), -1.0 if scale >= 0.0 else 1.0
    half = half if half != 0.0 else TINY
    used, own, at = _used(state, target), moved + leading + 1, _rest(state, target)
    for place in range(moved, own + ints[used]):
        reals[place] *= half
    reals[moved + leading] = (-step if scale >= 0.0 else step) / half
    for row in range(ints[used]):
        part = sign * reals[own + row]
        head = _head(state, ints[used + 1 + row], target)
        for place in range(leading + 1):
            reals[head + place] += part * reals[moved + place]
        for other in range(row + 1):
            terms[at + other] += part * reals[own + other]
        at += row + 1


@compiled
def _inflate(state: State, factor: float) -> None:
    """Multiply the covariance."""
    ints, reals, terms = state.ints, state.reals, state.terms
    leading, models = ints[LEADING], ints[MODELS]
    for place in range(ints[COVARIANCE_AT], ints[COVARIANCE_AT] + leading * leading):
        reals[place] *= factor
    for target in range(models if ints[HAS_TERMS] else 0):
        rest, used = _rest(state, target), ints[_used(state, target)]
        for place in range(rest, rest + used * (used + 1) // 2):
            terms[place] *= factor
    reals[UNUSED_VARIANCE] *= factor
    reals[GROWTH] *= factor
    reals[TRACE_BOUND] *= factor


@compiled
def _trace(state: State) -> float:
    """Return the trace of the whole covariance."""
    ints, reals, terms = state.ints, state.reals, state.terms
    leading, models, covariance = ints[LEADING], ints[MODELS], ints[COVARIANCE_AT]
    total = 0.0
    for row in range(leading):
        total += reals[covariance + row * (leading + 1)]
    total += reals[GROWTH] * reals[REST_VARIANCE]
    for number in range(models if ints[HAS_TERMS] else 0):
        target, own = _of_column(state, number), 0.0
        rest = _rest(state, target)
        for column in range(models):
            place = ints[_place(state, target, _of_column(state, column))]
            own += terms[rest + place * (place + 1) // 2 - 1] if place else reals[UNUSED_VARIANCE]
        total += own
        total += _trace_of_slopes(state, target)
    return total  # type: ignore[no-any-return]


@compiled
def _trace_of_slopes(state: State, target: int) -> float:
    """Return by how much the shared weights add to the variances of a target's terms."""
    ints, reals = state.ints, state.reals
    leading, follows = ints[LEADING], 0.0
    for row in range(leading):
        covariance = ints[COVARIANCE_AT] + row * leading
        for column in range(ints[MODELS]):
            head = _head(state, _of_column(state, column), target)
            if reals[head + row] == 0.0:
                continue
            part = reals[covariance] * reals[head]
            for between in range(1, leading):
                part += reals[covariance + between] * reals[head + between]
            follows += part * reals[head + row]
    return follows


@compiled
def start_anew(state: State) -> None:
    """Forget how sure the weights are, not the weights."""
    ints, reals = state.ints, state.reals
    leading, models, weights = ints[LEADING], ints[MODELS], ints[WEIGHT_AT]
    for target in range(models if ints[HAS_TERMS] else 0):
        ints[_used(state, target)] = 0
        for column in range(models):
            ints[_place(state, target, column)] = 0
            head, follows = _head(state, column, target), 0.0
            for row in range(leading):
                follows += reals[head + row] * reals[weights + row]
                reals[head + row] = 0.0
            reals[head + leading] += follows
    reals[UNUSED_VARIANCE] = reals[PAIR_VARIANCE]
    for row in range(leading):
        for column in range(leading):
            variance = reals[ints[VARIANCE_AT] + row] if row == column else 0.0
            reals[ints[COVARIANCE_AT] + row * leading + column] = variance
    reals[GROWTH] = 1.0
    reals[TRACE_BOUND] = reals[PRIOR_TRACE]
