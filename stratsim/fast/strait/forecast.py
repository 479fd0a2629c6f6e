"""What GPUs will do next, as it is believed: `stratsim.policy.forecast` on arrays."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from stratsim.fast.compiled import compiled
from stratsim.fast.strait.caution import hopes, rates
from stratsim.fast.strait.codes import (
    BATCH_AT,
    BATCHES,
    CANDIDATE,
    DONE_S,
    END_S,
    ENDED_AT,
    ENDED_NOW,
    EXECUTING,
    EXPECTED_S,
    FIRST,
    FLOOR,
    FULLEST_LOG,
    HAPPENED_AT,
    INTERVAL_AT,
    INTERVALS,
    KEY_AT,
    KIND,
    LEFT_AT,
    LEFT_S,
    LOG_AT,
    LOG_ROWS,
    LOGGED,
    MEMBERS,
    NONE,
    PLACES,
    READY_S,
    RUNNING_AT,
    SLOTS,
    SOLO_S,
    STAGED,
    START_S,
    UPDATED_S,
    WALKED,
)

if TYPE_CHECKING:
    from stratsim.fast.strait.codes import State

__all__ = ["catch_up", "commit", "make_room", "note_intervals", "update", "walk"]


# What has happened ----------------------------------------------------------------------------------------------------


@compiled
def update(state: State, gpu: int, now_s: float) -> None:
    """Take over from the server's log what has happened on a GPU; batches that have ended are added to ENDED_AT."""
    ints, reals = state.ints, state.reals
    members, executing = gpu + MEMBERS, ints[gpu + EXECUTING]
    count = 0
    for place in range(executing + ints[gpu + STAGED]):
        batch = ints[members + place]
        if place >= executing:
            if not reals[batch + START_S] <= now_s:  # not known: NaN
                continue
            count = _happens(state, count, reals[batch + START_S], batch, 1)
        if reals[batch + DONE_S] <= now_s:
            count = _happens(state, count, reals[batch + DONE_S], batch, 0)
    for place in range(ints[HAPPENED_AT], ints[HAPPENED_AT] + 2 * count, 2):
        _follow(state, gpu, ints[place], ints[place + 1], reals[place])
    _integrate(state, gpu, now_s)


@compiled
def _happens(state: State, count: int, at_s: float, batch: int, starts: int) -> int:
    """List what has happened in the order of time, ends before starts; return how much there is."""
    ints, reals = state.ints, state.reals
    first = ints[HAPPENED_AT]
    place = first + 2 * count
    while place > first and (at_s < reals[place - 2] or (at_s == reals[place - 2] and starts < ints[place - 1])):
        ints[place], ints[place + 1], reals[place] = ints[place - 2], ints[place - 1], reals[place - 2]
        place -= 2
    ints[place], ints[place + 1], reals[place] = batch, starts, at_s
    return count + 1


@compiled
def _follow(state: State, gpu: int, batch: int, starts: int, at_s: float) -> None:
    """Follow one start or end."""
    ints, reals = state.ints, state.reals
    members, executing = gpu + MEMBERS, ints[gpu + EXECUTING]
    if executing:
        _integrate(state, gpu, at_s)
    else:
        reals[gpu + UPDATED_S] = at_s
    place = members
    while ints[place] != batch:
        place += 1
    if starts:
        while place > members + executing:
            ints[place] = ints[place - 1]
            place -= 1
        ints[place] = batch
        ints[gpu + EXECUTING] += 1
        ints[gpu + STAGED] -= 1
        ints[batch + FIRST] = ints[gpu + LOGGED]
    else:
        for later in range(place, members + executing + ints[gpu + STAGED] - 1):
            ints[later] = ints[later + 1]
        ints[gpu + EXECUTING] -= 1
        ints[ints[ENDED_AT] + ints[ENDED_NOW]] = batch
        ints[ENDED_NOW] += 1
    executing = ints[gpu + EXECUTING]
    row = _logged(state, gpu, ints[gpu + LOGGED])
    ints[gpu + LOGGED] += 1
    ints[row], reals[row] = executing, at_s
    for place in range(executing):
        other = ints[members + place]
        ints[row + 1 + place], ints[row + 1 + ints[PLACES] + place] = other, ints[other + KIND]


@compiled
def _logged(state: State, gpu: int, number: int) -> int:
    """Return where an interval of constant co-runners is logged: when it began, and who executed in it."""
    ints = state.ints
    return ints[gpu + LOG_AT] + number * (1 + 2 * ints[PLACES])  # type: ignore[no-any-return]


@compiled
def make_room(state: State, gpu: int) -> None:
    """Forget what is logged and nobody will ask for any more, if the log is half full."""
    ints, reals = state.ints, state.reals
    logged, width = ints[gpu + LOGGED], 1 + 2 * ints[PLACES]
    if 2 * logged < ints[LOG_ROWS]:
        return
    oldest = logged
    for place in range(ints[gpu + EXECUTING]):
        oldest = min(oldest, ints[ints[gpu + MEMBERS + place] + FIRST])
    for place in range(ints[gpu + EXECUTING]):
        ints[ints[gpu + MEMBERS + place] + FIRST] -= oldest
    first, shift = ints[gpu + LOG_AT], oldest * width
    for place in range(first, first + (logged - oldest) * width):
        ints[place], reals[place] = ints[place + shift], reals[place + shift]
    ints[gpu + LOGGED] = logged - oldest
    ints[FULLEST_LOG] = max(ints[FULLEST_LOG], logged - oldest)


@compiled
def catch_up(state: State, gpu: int, now_s: float) -> None:
    """Take off the work that was done until now, if nothing else has happened since the last update."""
    if state.reals[gpu + UPDATED_S] < now_s:
        _integrate(state, gpu, now_s)


@compiled
def _integrate(state: State, gpu: int, to_s: float) -> None:
    """Take what was done since the last update, at the believed rates, off the work left."""
    ints, reals = state.ints, state.reals
    elapsed_s = to_s - reals[gpu + UPDATED_S]
    reals[gpu + UPDATED_S] = to_s
    executing, members = ints[gpu + EXECUTING], gpu + MEMBERS
    if not executing or elapsed_s <= 0.0:
        return
    kinds = ints[KEY_AT]
    for place in range(executing):
        ints[kinds + place] = ints[ints[members + place] + KIND]
    believed = rates(state, kinds, executing)
    for place in range(executing):
        batch = ints[members + place]
        left_s = reals[batch + LEFT_S] - elapsed_s * reals[believed + place]
        reals[batch + LEFT_S] = max(left_s, reals[FLOOR] * reals[batch + SOLO_S])


@compiled
def note_intervals(state: State, gpu: int, batch: int) -> bool:
    """Add the intervals of an ended batch's execution to those to learn from; return whether anybody was beside it."""
    ints, reals = state.ints, state.reals
    number, beside = ints[batch + FIRST], False
    row = _logged(state, gpu, number)
    while True:
        own = NONE
        for place in range(ints[row]):
            if ints[row + 1 + place] == batch:
                own = place
        if own == NONE:
            return beside
        number += 1
        following = _logged(state, gpu, number)
        if reals[following] > reals[row]:
            interval = ints[INTERVAL_AT] + ints[INTERVALS] * (1 + ints[PLACES])
            ints[INTERVALS] += 1
            reals[interval], ints[interval] = reals[following] - reals[row], ints[row] - 1
            beside = beside or ints[row] > 1
            for place in range(ints[row]):
                if place != own:
                    ints[interval + 1 + place - (place > own)] = ints[row + 1 + ints[PLACES] + place]
        row = following


# What may happen ------------------------------------------------------------------------------------------------------


@compiled
def walk(state: State, gpu: int, now_s: float, candidate: int, hopeful: bool) -> None:
    """Set the believed end of every batch on a GPU, and of a candidate behind them (NONE: of none).

    They are listed at BATCH_AT, the candidate last.

    Args:
        state: All that is known.
        gpu: The GPU.
        now_s: The time.
        candidate: A batch that would be started now.
        hopeful: Whether to walk at the rates of the optimistic.
    """
    ints, reals = state.ints, state.reals
    if reals[gpu + UPDATED_S] < now_s:
        _integrate(state, gpu, now_s)
    executing, batches = ints[gpu + EXECUTING], ints[BATCH_AT]
    count = executing + ints[gpu + STAGED]
    for place in range(count):
        ints[batches + place] = ints[gpu + MEMBERS + place]
    ints[gpu + WALKED] = NONE
    if candidate != NONE:
        ints[batches + count] = candidate
        ints[gpu + WALKED] = ints[candidate + CANDIDATE]
        count += 1
    ints[BATCHES] = count
    if count == 1:
        lone = ints[batches]
        if executing:
            reals[lone + END_S] = now_s + reals[lone + LEFT_S]
        else:
            reals[lone + END_S] = max(reals[lone + READY_S], now_s) + reals[lone + SOLO_S]
    elif count == 2 and executing == 1 and ints[SLOTS] > 1:
        first = ints[batches]
        _walk_pair(state, first, reals[first + LEFT_S], ints[batches + 1], now_s, hopeful)
    elif count == 3 and executing == 2 and ints[SLOTS] == 2:
        _walk_third(state, ints[batches], ints[batches + 1], ints[batches + 2], now_s, hopeful)
    else:
        _walk_any(state, executing, count, now_s, hopeful)


@compiled
def _rates(state: State, count: int, hopeful: bool) -> int:
    """Return where the rates are of the kinds listed at KEY_AT."""
    kinds = state.ints[KEY_AT]
    return hopes(state, kinds, count) if hopeful else rates(state, kinds, count)


@compiled
def _rates_of_two(state: State, one: int, two: int, hopeful: bool) -> int:
    ints = state.ints
    kinds = ints[KEY_AT]
    ints[kinds], ints[kinds + 1] = ints[one + KIND], ints[two + KIND]
    return _rates(state, 2, hopeful)


@compiled
def _walk_pair(state: State, first: int, left_s: float, other: int, now_s: float, hopeful: bool) -> None:
    """Walk where one batch, with that work left, executes and another joins it."""
    reals = state.reals
    at_s, solo_s = now_s, reals[other + SOLO_S]
    if reals[other + READY_S] > now_s:
        at_s = reals[other + READY_S]
        alone_s = at_s - now_s
        if left_s <= alone_s:
            reals[first + END_S], reals[other + END_S] = now_s + left_s, at_s + solo_s
            return
        left_s -= alone_s
    believed = _rates_of_two(state, first, other, hopeful)
    first_rate, rate = reals[believed], reals[believed + 1]
    first_s, needs_s = left_s / first_rate, solo_s / rate
    if first_s <= needs_s:
        end_s = reals[first + END_S] = at_s + first_s
        reals[other + END_S] = end_s + (solo_s - first_s * rate)
    else:
        end_s = reals[other + END_S] = at_s + needs_s
        reals[first + END_S] = end_s + (left_s - needs_s * first_rate)


@compiled
def _walk_third(state: State, one: int, two: int, third: int, now_s: float, hopeful: bool) -> None:
    """Walk where two batches have the two slots and a third waits for the one that ends first, and joins the other."""
    reals = state.reals
    believed = _rates_of_two(state, one, two, hopeful)
    one_rate, two_rate = reals[believed], reals[believed + 1]
    one_s, two_s = reals[one + LEFT_S] / one_rate, reals[two + LEFT_S] / two_rate
    if one_s <= two_s:
        end_s = reals[one + END_S] = now_s + one_s
        _walk_pair(state, two, reals[two + LEFT_S] - one_s * two_rate, third, end_s, hopeful)
    else:
        end_s = reals[two + END_S] = now_s + two_s
        _walk_pair(state, one, reals[one + LEFT_S] - two_s * one_rate, third, end_s, hopeful)


@compiled
def _walk_any(state: State, executing: int, total: int, now_s: float, hopeful: bool) -> None:
    ints, reals = state.ints, state.reals
    batches, running, kinds, left = ints[BATCH_AT], ints[RUNNING_AT], ints[KEY_AT], ints[LEFT_AT]
    slots, following, at_s, count = ints[SLOTS], executing, now_s, executing
    for place in range(executing):
        batch = ints[running + place] = ints[batches + place]
        reals[left + place], ints[kinds + place] = reals[batch + LEFT_S], ints[batch + KIND]
    while True:
        while following < total and count < slots and reals[ints[batches + following] + READY_S] <= at_s:
            batch = ints[running + count] = ints[batches + following]
            reals[left + count], ints[kinds + count] = reals[batch + SOLO_S], ints[batch + KIND]
            count += 1
            following += 1
        if not count:
            if following == total:
                return
            at_s = reals[ints[batches + following] + READY_S]
            continue
        if count == 1 and following == total:  # the last one: no need to go on
            reals[ints[running] + END_S] = at_s + reals[left]
            return
        believed = _rates(state, count, hopeful)
        step_s, which = inf, 0
        for place in range(count):
            needs_s = reals[left + place] / reals[believed + place]
            if needs_s < step_s:
                step_s, which = needs_s, place
        next_s = at_s + step_s
        if following < total and count < slots and reals[ints[batches + following] + READY_S] - at_s < step_s:
            next_s, which = reals[ints[batches + following] + READY_S], NONE
            step_s = next_s - at_s
        at_s = next_s
        for place in range(count):
            reals[left + place] -= step_s * reals[believed + place]
        if which != NONE:
            reals[ints[running + which] + END_S] = at_s
            count -= 1
            _leave(state, which, count)


@compiled
def _leave(state: State, which: int, count: int) -> None:
    """Take one out of those that run in a walk; `count` remain."""
    ints, reals = state.ints, state.reals
    running, kinds, left = ints[RUNNING_AT], ints[KEY_AT], ints[LEFT_AT]
    for place in range(which, count):
        ints[running + place], ints[kinds + place] = ints[running + place + 1], ints[kinds + place + 1]
        reals[left + place] = reals[left + place + 1]


@compiled
def commit(state: State, gpu: int) -> None:
    """Remember the ends of the last walk as what is expected of each batch on the GPU."""
    ints, reals = state.ints, state.reals
    for place in range(gpu + MEMBERS, gpu + MEMBERS + ints[gpu + EXECUTING] + ints[gpu + STAGED]):
        reals[ints[place] + EXPECTED_S] = reals[ints[place] + END_S]
