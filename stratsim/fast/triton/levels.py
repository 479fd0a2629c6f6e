"""One priority level of a model's queue: `_Level` of `stratsim.policy.triton.batcher` on arrays."""

from __future__ import annotations

from math import inf, nan

from stratsim.fast.codes import DROPS_TIMED_OUT, QUEUES, SAME
from stratsim.fast.compiled import compiled
from stratsim.fast.listing import list_decision, list_request
from stratsim.fast.triton.codes import (
    CLOSEST_S,
    COUNT,
    DELAYED,
    DELAYS,
    FIRST,
    FRESH,
    MOST,
    NONE,
    OVERRIDES,
    TIMEOUT_S,
    WALKED_AT,
    State,
)
from stratsim.fast.triton.lists import append, behind, cut

__all__ = ["depth", "passed", "push", "reached", "reject", "tick_s", "walk"]


@compiled
def tick_s(at_s: float) -> float:
    """Return the step in which a time is looked at."""
    return max(1e-9, 4 * SAME * at_s)


@compiled
def reached(now_s: float, at_s: float) -> bool:
    """Whether it is `at_s` or later."""
    return now_s >= at_s - tick_s(now_s) / 2


@compiled
def passed(now_s: float, at_s: float) -> bool:
    """Whether it is later than `at_s`."""
    return now_s > at_s + tick_s(now_s) / 2


@compiled
def depth(state: State, level: int) -> int:
    """Return how many requests wait."""
    return state.ints[level + FRESH + COUNT] + state.ints[level + DELAYED + COUNT]  # type: ignore[no-any-return]


@compiled
def _expires_s(state: State, level: int, request: int) -> float:
    """Return when a request's time in the queue is up; infinite where it has no timeout."""
    arrival_s, timeout_s = state.arrival_s[request], state.reals[state.ints[level] + TIMEOUT_S]
    if state.ints[level + OVERRIDES]:
        deadline_s = state.deadline_s[request]
        if 0.0 < deadline_s - arrival_s < timeout_s:
            return deadline_s  # type: ignore[no-any-return]
    return arrival_s + timeout_s if timeout_s else inf


@compiled
def push(state: State, level: int, request: int) -> bool:
    """Queue a request; False if the queue is full."""
    ints, reals = state.ints, state.reals
    if 0 < ints[level + MOST] <= depth(state, level):
        return False
    append(ints, level + FRESH, request)
    if reals[ints[level] + TIMEOUT_S]:
        closest = ints[level] + CLOSEST_S
        reals[closest] = min(reals[closest], _expires_s(state, level, request))
    return True


@compiled
def walk(state: State, level: int, now_s: float, found: int, most: int) -> tuple[int, float]:
    """List the first requests behind the `found` that are listed; return how many those are then, and when one expires.

    `most` are listed in all, at most. Those that have expired go behind all others on the way, or are rejected.
    """
    ints, soonest_s = state.ints, inf
    walked, times_out = ints[ints[QUEUES] + WALKED_AT], state.reals[ints[level] + TIMEOUT_S] > 0.0
    before, request = NONE, ints[level + FRESH + FIRST]
    while found < most and request != NONE:
        following = behind(ints, request)
        expires_s = _expires_s(state, level, request) if times_out else inf
        if passed(now_s, expires_s):
            cut(ints, level + FRESH, before, request)
            if ints[level + DELAYS]:
                append(ints, level + DELAYED, request)
            else:
                _time_out(state, request)
        else:
            ints[walked + found] = before = request
            found += 1
            soonest_s = min(soonest_s, expires_s)
        request = following
    request = ints[level + DELAYED + FIRST]
    while found < most and request != NONE:
        ints[walked + found] = request
        found += 1
        request = behind(ints, request)
    return found, soonest_s


@compiled
def reject(state: State, level: int, at_s: float) -> None:
    """Reject what has expired at `at_s`, wherever in the queue it is."""
    ints, reals = state.ints, state.reals
    closest = ints[level] + CLOSEST_S
    if not passed(at_s, reals[closest]):
        return
    reals[closest] = inf
    before, request = NONE, ints[level + FRESH + FIRST]
    while request != NONE:
        following = behind(ints, request)
        expires_s = _expires_s(state, level, request)
        if passed(at_s, expires_s):
            cut(ints, level + FRESH, before, request)
            _time_out(state, request)
        else:
            before = request
            reals[closest] = min(reals[closest], expires_s)
        request = following


@compiled
def _time_out(state: State, request: int) -> None:
    """Decide to drop a request whose time is up."""
    list_request(state.ints, request)
    list_decision(state.ints, state.reals, DROPS_TIMED_OUT, 0, 1, nan)
