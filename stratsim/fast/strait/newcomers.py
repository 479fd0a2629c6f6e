"""What a request would take that came to batches in flight: `stratsim.policy.strait.newcomers` on arrays.

The situation that is looked at (`behind`) is kept in the state: DISPATCH_S, SLOT_S, COPY_FREE_S, and at BESIDE_AT the
kinds of those who still execute, each with its end.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from stratsim.fast.compiled import compiled
from stratsim.fast.strait.belief import look_beside, rate, rate_beside
from stratsim.fast.strait.caution import company_of, divisor, rates
from stratsim.fast.strait.codes import (
    ALLOWANCE_STAMP,
    ASKED_AT,
    BATCH_AT,
    BESIDE,
    BESIDE_AT,
    BESIDE_COMPANY,
    BESIDE_COUNT,
    BESIDE_INDEX_AT,
    BESIDE_KINDS,
    BESIDE_ROW_AT,
    BESIDES,
    BYTES_IN,
    COPY_FREE_S,
    DISPATCH_S,
    END_AT,
    END_S,
    EXPECTED,
    FREE_S,
    FULL,
    HAS_MARGIN,
    IN_FLIGHT,
    IS_EXPECTED,
    KEPT_BESIDES,
    KEY_AT,
    KIND,
    LATENCY_AT,
    LEFT_AT,
    LESSONS,
    MODELS,
    MOST_BESIDES,
    PLACES,
    READY_S,
    SIZES,
    SLOT_S,
    SLOTS,
)
from stratsim.fast.strait.lists import sort_others
from stratsim.fast.strait.queues import at_model
from stratsim.model.tolerance import TIME_RTOL

if TYPE_CHECKING:
    from stratsim.fast.strait.codes import State

__all__ = [
    "allowances_at",
    "ask",
    "ask_of",
    "beside_row",
    "execute_s",
    "expect",
    "fits",
    "forget_besides",
    "lasts_s",
    "late_for_s",
    "look_behind",
    "start_s",
]


@compiled
def expect(state: State, model: int) -> None:
    """Count with requests of a model: one has come."""
    ints = state.ints
    if not ints[at_model(state, model) + IS_EXPECTED]:
        ints[EXPECTED] += 1
        ints[at_model(state, model) + IS_EXPECTED] = ints[EXPECTED]


@compiled
def latency_s(state: State, kind: int) -> float:
    """Return what a kind of batch takes alone."""
    return state.reals[state.ints[LATENCY_AT] + kind]  # type: ignore[no-any-return]


# The situation --------------------------------------------------------------------------------------------------------


@compiled
def look_behind(state: State, gpu: int, count: int, now_s: float) -> None:
    """Look at the situation behind the first `count` batches at BATCH_AT, of which the last may be a candidate."""
    ints, reals = state.ints, state.reals
    batches, slots = ints[BATCH_AT], ints[SLOTS]
    reals[COPY_FREE_S] = reals[gpu + FREE_S]
    if count:
        last = ints[batches + count - 1]
        if not ints[last + IN_FLIGHT] and ints[last + BYTES_IN]:
            reals[COPY_FREE_S] = reals[last + READY_S]
    reals[DISPATCH_S] = reals[SLOT_S] = now_s
    after_s = -inf
    if count >= slots:
        ends = ints[END_AT]
        for place in range(count):
            end_s, at = reals[ints[batches + place] + END_S], ends + place
            while at > ends and reals[at - 1] > end_s:
                reals[at] = reals[at - 1]
                at -= 1
            reals[at] = end_s
        after_s = reals[SLOT_S] = reals[ends + count - slots]
        if count >= ints[PLACES]:
            reals[DISPATCH_S] = reals[ends + count - ints[PLACES]]
    first, beside = ints[BESIDE_AT], 0
    for place in range(count):
        batch = ints[batches + place]
        end_s, at = reals[batch + END_S], first + beside
        if count >= slots and not end_s > after_s:
            continue
        while at > first and reals[at - 1] > end_s:
            ints[at], reals[at] = ints[at - 1], reals[at - 1]
            at -= 1
        ints[at], reals[at] = ints[batch + KIND], end_s
        beside += 1
    ints[BESIDE] = beside


@compiled
def start_s(state: State, in_s: float) -> float:
    """Return when an execution could start if its copy-in takes `in_s` alone."""
    reals = state.reals
    if in_s == 0.0:
        return reals[SLOT_S]  # type: ignore[no-any-return]
    return max(reals[SLOT_S], max(reals[COPY_FREE_S], reals[DISPATCH_S]) + in_s)  # type: ignore[no-any-return]


# What is known of newcomers -------------------------------------------------------------------------------------------


@compiled
def beside_row(state: State, count: int) -> int:
    """Return the row of what is known of newcomers beside the first `count` kinds at BESIDE_AT, in their order."""
    ints = state.ints
    kinds, width = ints[BESIDE_AT], BESIDE_KINDS + 2 * (ints[PLACES] + ints[MODELS])
    mixed, mask = count, 2 * ints[MOST_BESIDES] - 1
    for place in range(kinds, kinds + count):
        mixed = (mixed * 31 + ints[place] + (mixed >> 7)) & 0xFFFFFFFF
    at = mixed & mask
    while ints[ints[BESIDE_INDEX_AT] + at]:
        row = ints[BESIDE_ROW_AT] + (ints[ints[BESIDE_INDEX_AT] + at] - 1) * width
        same = ints[row + BESIDE_COUNT] == count
        for place in range(count):
            same = same and ints[row + BESIDE_KINDS + place] == ints[kinds + place]
        if same:
            return row  # type: ignore[no-any-return]
        at = (at + 1) & mask
    if ints[BESIDES] == ints[MOST_BESIDES]:  # the last row is for all those that find no place
        ints[FULL] = 1
        row = ints[BESIDE_ROW_AT] + ints[MOST_BESIDES] * width
    else:
        row = ints[BESIDE_ROW_AT] + ints[BESIDES] * width
        ints[BESIDES] += 1
        ints[ints[BESIDE_INDEX_AT] + at] = ints[BESIDES]
    _begin(state, row, count)
    return row  # type: ignore[no-any-return]


@compiled
def _begin(state: State, row: int, count: int) -> None:
    """Begin a row for the first `count` kinds at BESIDE_AT."""
    ints, kinds = state.ints, state.ints[BESIDE_AT]
    ints[row + BESIDE_COUNT], ints[row + ALLOWANCE_STAMP] = count, 0
    for place in range(count):
        ints[row + BESIDE_KINDS + place] = ints[kinds + place]
    others = sort_others(state, kinds, count)
    sorted_at = _others(state, row)
    for place in range(count):
        ints[sorted_at + place] = ints[others + place]
    ints[row + BESIDE_COMPANY] = company_of(state, others, count) if ints[HAS_MARGIN] else 0
    by_model = _by_model(state, row)
    for place in range(by_model, by_model + ints[MODELS]):
        ints[place] = 0


@compiled
def _others(state: State, row: int) -> int:
    """Return where the kinds of a row are listed in ascending order."""
    return row + BESIDE_KINDS + state.ints[PLACES]  # type: ignore[no-any-return]


@compiled
def _by_model(state: State, row: int) -> int:
    """Return where the rates of a row are listed by model, each behind the lesson that it is as of."""
    return row + BESIDE_KINDS + 2 * state.ints[PLACES]  # type: ignore[no-any-return]


@compiled
def forget_besides(state: State) -> None:
    """Clear the rows away if many are in use; call it where nothing that is in them holds any more."""
    ints = state.ints
    if ints[BESIDES] > KEPT_BESIDES:
        ints[BESIDES] = 0
        for place in range(2 * ints[MOST_BESIDES]):
            ints[ints[BESIDE_INDEX_AT] + place] = 0


@compiled
def ask(state: State, row: int) -> None:
    """Note that it is asked what newcomers would take beside a row.

    The reference answers for all models that are expected, and keeps their divisors until the next lesson. Here each is
    looked up when it is needed, which may be when more is known: `caution.look_up_asked`.
    """
    ints = state.ints
    if ints[row + BESIDE_COUNT] and ints[HAS_MARGIN]:
        asked = ints[ASKED_AT] + 2 * ints[row + BESIDE_COMPANY]
        ints[asked], ints[asked + 1] = ints[LESSONS], ints[EXPECTED]


@compiled
def ask_of(state: State, row: int, models: int, count: int) -> None:
    """Look up the rates, beside a row, of so many models, listed at a place, that are not known as yet."""
    ints, by_model, others = state.ints, _by_model(state, row), _others(state, row)
    besides, has_looked = ints[row + BESIDE_COUNT], False
    if not besides:
        return
    for place in range(models, models + count):
        model = ints[place]
        if ints[by_model + model] != ints[LESSONS]:
            if not has_looked:
                has_looked = True
                look_beside(state, others, besides)
            _answer(state, row, model, rate_beside(state, model * ints[SIZES] + 1, others, besides))


@compiled
def _answer(state: State, row: int, model: int, believed: float) -> None:
    """Put down the rate of a batch of one beside a row, with the margin."""
    ints, reals, place = state.ints, state.reals, _by_model(state, row) + model
    if ints[HAS_MARGIN]:
        believed /= divisor(state, ints[row + BESIDE_COMPANY], model, ints[row + BESIDE_COUNT])
    ints[place], reals[place] = ints[LESSONS], believed


@compiled
def _rate_in(state: State, row: int, model: int) -> float:
    """Return the rate of a batch of one beside a row."""
    ints, place, count = state.ints, _by_model(state, row) + model, state.ints[row + BESIDE_COUNT]
    if not count:
        return 1.0
    if ints[place] != ints[LESSONS]:
        _answer(state, row, model, rate(state, model * ints[SIZES] + 1, _others(state, row), count))
    return state.reals[place]  # type: ignore[no-any-return]


@compiled
def execute_s(state: State, row: int, model: int) -> float:
    """Return what a batch of one takes beside a row if they stay."""
    return latency_s(state, model * state.ints[SIZES] + 1) / _rate_in(state, row, model)


@compiled
def allowances_at(state: State, row: int) -> int:
    """Return where allowances beside a row are listed, by model; `guard` fills them in."""
    return _by_model(state, row) + state.ints[MODELS]  # type: ignore[no-any-return]


@compiled
def fits(state: State, model: int, begins_s: float, longest_s: float) -> bool:
    """Whether a batch of one, started then in the situation, lasts no longer than this."""
    row = beside_row(state, state.ints[BESIDE])
    ask(state, row)
    if execute_s(state, row, model) <= longest_s:
        return True
    return state.ints[BESIDE] > 0 and lasts_s(state, row, model, begins_s) <= longest_s


@compiled
def lasts_s(state: State, row: int, model: int, begins_s: float) -> float:
    """Return what a batch of one takes that starts at `begins_s` in the situation, by a walk of its own.

    `row` is that of those who are there.
    """
    ints, reals = state.ints, state.reals
    kind = model * ints[SIZES] + 1
    solo_s = latency_s(state, kind)
    if ints[BESIDE] == 1:  # the usual case, written out
        other, end_s = ints[ints[BESIDE_AT]], reals[ints[BESIDE_AT]]
        if end_s <= begins_s:
            return solo_s
        other_rate, own_rate = _host_rate(state, other, model), _rate_in(state, row, model)
        beside_s = (end_s - begins_s) / other_rate
        if solo_s <= beside_s * own_rate * (1.0 + TIME_RTOL):
            return min(solo_s / own_rate, beside_s)  # type: ignore[no-any-return]
        return beside_s + (solo_s - beside_s * own_rate)  # type: ignore[no-any-return]
    count = _left(state, begins_s)
    kinds, left = ints[KEY_AT], ints[LEFT_AT]
    ints[kinds + count], reals[left + count] = kind, solo_s
    count += 1
    lasted_s = 0.0
    while True:
        believed, step_s = rates(state, kinds, count), inf
        for place in range(count):
            step_s = min(step_s, reals[left + place] / reals[believed + place])
        lasted_s += step_s
        if reals[left + count - 1] <= step_s * reals[believed + count - 1] * (1.0 + TIME_RTOL):
            return lasted_s
        remain = 0
        for place in range(count):
            work_s, own_rate = reals[left + place], reals[believed + place]
            if work_s > step_s * own_rate * (1.0 + TIME_RTOL):
                ints[kinds + remain], reals[left + remain] = ints[kinds + place], work_s - step_s * own_rate
                remain += 1
        count = remain


@compiled
def _left(state: State, at_s: float) -> int:
    """List those beside a newcomer that are still there at that time, and the solo work that each has left."""
    ints, reals = state.ints, state.reals
    beside, count, kinds, left = ints[BESIDE_AT], ints[BESIDE], ints[KEY_AT], ints[LEFT_AT]
    for place in range(count):
        reals[left + place] = 0.0
    for first in range(count):  # from one end to the next the rest run together
        end_s = reals[beside + first]
        if end_s > at_s:
            believed = rates(state, beside + first, count - first)
            for place in range(first, count):
                reals[left + place] += (end_s - at_s) * reals[believed + place - first]
            at_s = end_s
    remain = 0
    for place in range(count):
        if reals[left + place] > 0.0:
            ints[kinds + remain], reals[left + remain] = ints[beside + place], reals[left + place]
            remain += 1
    return remain


@compiled
def _host_rate(state: State, other: int, model: int) -> float:
    """Return the rate of a batch with one request beside it."""
    ints = state.ints
    others = ints[KEY_AT]
    ints[others] = model * ints[SIZES] + 1
    believed = rate(state, other, others, 1)
    return believed / divisor(state, company_of(state, others, 1), other // ints[SIZES], 1)


@compiled
def late_for_s(state: State, other: int, left_s: float, model: int, longest_s: float) -> float:
    """Return for how long a request that comes to one other batch would be late: none is that comes later.

    Args:
        state: All that is known.
        other: The kind of the batch, alone on its GPU.
        left_s: How long it still takes if nobody joins it.
        model: The newcomer's, a batch of one.
        longest_s: How long it may take from its arrival, its copies aside.
    """
    ints = state.ints
    solo_s = latency_s(state, model * ints[SIZES] + 1)
    spare_s = longest_s - solo_s
    if spare_s < 0.0:
        return 0.0
    if ints[SLOTS] == 1:  # it waits for the other's end
        return min(max(left_s - spare_s, 0.0), left_s)
    ints[ints[BESIDE_AT]] = other
    row = beside_row(state, 1)
    ask(state, row)
    own_rate = _rate_in(state, row, model)
    if solo_s <= longest_s * own_rate:  # beside it from beginning to end
        return 0.0
    beside_s = spare_s / (1.0 - own_rate)
    return min(max(left_s - beside_s * _host_rate(state, other, model), 0.0), left_s)
