"""For high-priority requests that have not come yet: `strait.guard` and `strait.traffic` on arrays."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from stratsim.fast.compiled import compiled
from stratsim.fast.strait.codes import (
    ALLOWANCE_STAMP,
    ARRIVAL_S,
    ARRIVALS,
    AT_RISK,
    BATCH_AT,
    BATCHES,
    BESIDE,
    BEYOND_ROUNDING,
    CONFIDENCE,
    COPY_S,
    DEADLINE_S,
    END_S,
    GUARD_EPOCH,
    GUARD_REFRESHES,
    GUARD_RENEWALS,
    HAS_GUARD,
    IN_BYTES,
    IS_SEEN,
    KIND,
    LASTS_S,
    LOOK_AGAIN_S,
    MOST_LATE,
    OUT_BYTES,
    REFRESHES,
    RENEW_AT,
    RENEWALS,
    REQUEST_MODEL,
    SAVED_SINCE_S,
    SEEN,
    SEEN_AT,
    SHARE,
    SHARED,
    SHORT_AT,
    SIZES,
    SLO_S,
    STRETCH,
    TRAFFIC,
    TRAFFIC_ARRIVED,
    TRAFFIC_AT,
    TRAFFIC_HEAD,
    TRAFFIC_RENEWED,
    TRAFFIC_WINDOW,
)
from stratsim.fast.strait.estimates import in_s, out_s
from stratsim.fast.strait.newcomers import (
    allowances_at,
    ask,
    ask_of,
    beside_row,
    execute_s,
    forget_besides,
    lasts_s,
    late_for_s,
    latency_s,
    look_behind,
    start_s,
)
from stratsim.fast.strait.queues import at_model
from stratsim.model.tolerance import TIME_RTOL

if TYPE_CHECKING:
    from stratsim.fast.strait.codes import State

__all__ = ["guard_admits", "note_request"]


# Traffic --------------------------------------------------------------------------------------------------------------


@compiled
def note_request(state: State, request: int) -> None:
    """Remember what a high-priority request that has come looks like."""
    ints, reals = state.ints, state.reals
    if not ints[HAS_GUARD]:
        return
    number = ints[request + REQUEST_MODEL]
    model = at_model(state, number)
    ints[TRAFFIC_ARRIVED] += 1
    place = ints[TRAFFIC_AT] + (ints[TRAFFIC_HEAD] + ints[TRAFFIC]) % TRAFFIC_WINDOW
    ints[model + ARRIVALS] += 1
    if ints[TRAFFIC] == TRAFFIC_WINDOW:
        ints[at_model(state, ints[place]) + ARRIVALS] -= 1  # the oldest
        ints[TRAFFIC_HEAD] = (ints[TRAFFIC_HEAD] + 1) % TRAFFIC_WINDOW
    else:
        ints[TRAFFIC] += 1
    ints[place], reals[place] = number, reals[request + ARRIVAL_S]
    if not ints[model + IS_SEEN]:
        ints[model + IS_SEEN] = 1
        ints[ints[SEEN_AT] + ints[SEEN]] = number
        ints[SEEN] += 1
        reals[model + SHARE], reals[model + SLO_S] = 0.0, inf
        ints[RENEW_AT] = ints[TRAFFIC_ARRIVED]
    slo_s = reals[request + DEADLINE_S] - reals[request + ARRIVAL_S]
    before_s = reals[model + SLO_S]
    if slo_s != before_s and abs(slo_s - before_s) > TIME_RTOL * reals[request + DEADLINE_S]:
        reals[model + SLO_S] = slo_s
        ints[RENEWALS] += 1
    reals[model + LASTS_S] = reals[model + SLO_S] - out_s(state, ints[request + OUT_BYTES])
    if ints[TRAFFIC_ARRIVED] >= ints[RENEW_AT]:
        _renew(state)
    reals[COPY_S] = max(reals[COPY_S], in_s(state, ints[request + IN_BYTES]))


@compiled
def _renew(state: State) -> None:
    """Count the shares of models anew."""
    ints, reals = state.ints, state.reals
    ints[RENEW_AT] = ints[TRAFFIC_ARRIVED] + ints[TRAFFIC] // TRAFFIC_RENEWED + 1
    ints[RENEWALS] += 1
    ints[SHARED] = ints[TRAFFIC]
    remain = 0
    for place in range(ints[SEEN_AT], ints[SEEN_AT] + ints[SEEN]):
        number = ints[place]
        count = ints[at_model(state, number) + ARRIVALS]
        if count:
            ints[ints[SEEN_AT] + remain] = number
            remain += 1
            reals[at_model(state, number) + SHARE] = count / ints[TRAFFIC]
        else:
            ints[at_model(state, number) + IS_SEEN] = 0
    ints[SEEN] = remain


# The guard ------------------------------------------------------------------------------------------------------------


@compiled
def guard_admits(state: State, gpu: int, now_s: float) -> bool:
    """Whether the last of the batches at BATCH_AT may start: it is a candidate on this GPU behind the others."""
    ints, reals = state.ints, state.reals
    reals[LOOK_AGAIN_S] = inf
    if not ints[HAS_GUARD] or not ints[SEEN]:
        return True
    if ints[GUARD_REFRESHES] != ints[REFRESHES] or ints[GUARD_RENEWALS] != ints[RENEWALS]:
        ints[GUARD_REFRESHES], ints[GUARD_RENEWALS] = ints[REFRESHES], ints[RENEWALS]
        ints[GUARD_EPOCH] += 1
        forget_besides(state)
    count = ints[BATCHES]
    look_behind(state, gpu, count, now_s)
    if _surely_in_time(state, now_s) >= reals[CONFIDENCE]:
        return True
    kept = _in_time(state, now_s, inf)
    if kept >= reals[CONFIDENCE]:
        return True
    look_behind(state, gpu, count - 1, now_s)
    if kept >= reals[CONFIDENCE] * _in_time(state, now_s, kept):
        return True
    return count == 1 and _is_worth_the_risk(state, ints[ints[BATCH_AT]], now_s)


@compiled
def _is_worth_the_risk(state: State, candidate: int, now_s: float) -> bool:
    """Whether a candidate on an idle GPU makes hardly anybody late, or is the exception that may."""
    ints, reals = state.ints, state.reals
    late_s, left_s, kind = 0.0, reals[candidate + END_S] - now_s, ints[candidate + KIND]
    for place in range(ints[SEEN_AT], ints[SEEN_AT] + ints[SEEN]):
        number = ints[place]
        model = at_model(state, number)
        longest_s = reals[model + LASTS_S] / reals[model + STRETCH] - reals[COPY_S]
        late_s += reals[model + SHARE] * late_for_s(state, kind, left_s, number, longest_s)
    reals[SAVED_SINCE_S] = min(reals[SAVED_SINCE_S], now_s)
    since_s = reals[ints[TRAFFIC_AT] + ints[TRAFFIC_HEAD]]
    # Requests come at the rate count / span, and the span grows while nobody comes.
    unlikely_s = since_s + ints[TRAFFIC] * late_s / reals[MOST_LATE]
    exception_s = reals[SAVED_SINCE_S] + late_s / AT_RISK
    if now_s >= unlikely_s:
        return True
    if now_s >= exception_s:
        reals[SAVED_SINCE_S] = now_s
        return True
    reals[LOOK_AGAIN_S] = min(unlikely_s, exception_s) * BEYOND_ROUNDING
    return False


@compiled
def _in_time(state: State, now_s: float, more_than: float) -> float:
    """Return the share of hypothetical requests that would be in time in the situation."""
    ints, reals = state.ints, state.reals
    begins_s, count = start_s(state, reals[COPY_S]), ints[BESIDE]
    wait_s = begins_s - now_s
    row, met = beside_row(state, count), 0.0
    ask(state, row)
    for place in range(ints[SEEN_AT], ints[SEEN_AT] + ints[SEEN]):
        number = ints[place]
        model = at_model(state, number)
        longest_s = reals[model + LASTS_S] / reals[model + STRETCH] * (1.0 + TIME_RTOL) - wait_s
        if execute_s(state, row, number) > longest_s:
            solo_s = latency_s(state, number * ints[SIZES] + 1)
            if not count or solo_s > longest_s * BEYOND_ROUNDING:  # no walk can help
                continue
            if lasts_s(state, row, number, begins_s) > longest_s:
                continue
        met += reals[model + SHARE]
        if reals[CONFIDENCE] * met > more_than:
            break
    return met


@compiled
def _surely_in_time(state: State, now_s: float) -> float:
    """Return the share that would be in time even if those beside them stayed all the way through."""
    ints, reals = state.ints, state.reals
    row = beside_row(state, ints[BESIDE])
    allowances, seen, last = allowances_at(state, row), ints[SEEN_AT], ints[SEEN_AT] + ints[SEEN]
    if ints[row + ALLOWANCE_STAMP] != ints[GUARD_EPOCH]:
        ints[row + ALLOWANCE_STAMP] = ints[GUARD_EPOCH]
        ask(state, row)
        ask_of(state, row, seen, ints[SEEN])
        for place in range(seen, last):
            model = at_model(state, ints[place])
            allowed_s = reals[model + LASTS_S] / reals[model + STRETCH] - execute_s(state, row, ints[place])
            reals[allowances + ints[place]] = allowed_s
    # Comparing with a little less: a start planned exactly at the latest one is in time.
    delay_s = start_s(state, reals[COPY_S]) - now_s - TIME_RTOL * now_s
    if ints[SHARED] == TRAFFIC_WINDOW:  # shares are whole numbers over a power of two: their sums are exact
        return _surely_exactly(state, allowances, delay_s)
    short, count = ints[SHORT_AT], 0
    for place in range(seen, last):
        allowed_s, late = reals[allowances + ints[place]], reals[at_model(state, ints[place]) + SHARE]
        if allowed_s < delay_s:
            at = short + 2 * count
            while at > short and (reals[at - 2] > allowed_s or (reals[at - 2] == allowed_s and reals[at - 1] > late)):
                reals[at], reals[at + 1] = reals[at - 2], reals[at - 1]
                at -= 2
            reals[at], reals[at + 1] = allowed_s, late
            count += 1
    share = 1.0
    for place in range(count):
        share -= reals[short + 2 * place + 1]
    return share


@compiled
def _surely_exactly(state: State, allowances: int, delay_s: float) -> float:
    """Return that share where the order of its sum does not matter, or less than suffices."""
    ints, reals, share = state.ints, state.reals, 1.0
    for place in range(ints[SEEN_AT], ints[SEEN_AT] + ints[SEEN]):
        if reals[allowances + ints[place]] < delay_s:
            share -= reals[at_model(state, ints[place]) + SHARE]
            if share < reals[CONFIDENCE]:
                break
    return share
