"""One model's queue, and how batches are taken from it: `stratsim.policy.triton.batcher` on arrays."""

from __future__ import annotations

from math import floor, inf, nan
from typing import TYPE_CHECKING

from stratsim.fast.codes import QUEUES
from stratsim.fast.compiled import compiled
from stratsim.fast.listing import list_request
from stratsim.fast.triton.codes import (
    AHEAD,
    CLOSEST_S,
    COUNT,
    CURRENT,
    DELAY_S,
    DELAYED,
    DELAYS,
    FIRST,
    FORMED_AT,
    FORMED_INTS,
    FRESH,
    HEAD,
    LARGEST,
    LEVEL_AT,
    LEVEL_INTS,
    LEVELS,
    LIMIT,
    LOOK_AGAIN_S,
    MOST_AHEAD,
    NONE,
    PREFERRED_AT,
    REJECTS,
    REQUESTS,
    RING,
    SATURATED,
    SLEEPS_UNTIL_S,
    WAITS_SINCE_S,
    WAKE_S,
    WAKES_ALWAYS,
    WALKED_AT,
    WANTED,
    WOKEN,
    State,
)
from stratsim.fast.triton.levels import depth, passed, reached, reject, tick_s, walk
from stratsim.fast.triton.lists import append, behind, clear, pop

if TYPE_CHECKING:
    from stratsim.fast.compiled import Ints

__all__ = ["next_batch", "oldest"]


@compiled
def oldest(state: State, batcher: int) -> int:
    """Return the first to arrive of what heads the queues; NONE if nothing waits."""
    ints, found = state.ints, NONE
    for number in range(ints[batcher + LEVELS]):
        level = ints[batcher + LEVEL_AT] + number * LEVEL_INTS
        found = _earlier(state, found, ints[level + FRESH + FIRST])
        found = _earlier(state, found, ints[level + DELAYED + FIRST])
    if ints[batcher + AHEAD]:
        found = _earlier(state, found, ints[_formed(ints, batcher, 0) + REQUESTS + FIRST])
    return found


@compiled
def _earlier(state: State, one: int, other: int) -> int:
    """Return which of two requests arrived first, either of which may be NONE."""
    if one == NONE or other == NONE:
        return max(one, other)
    one_s, other_s = state.arrival_s[one], state.arrival_s[other]
    return one if one_s < other_s or (one_s == other_s and one < other) else other


@compiled
def _formed(ints: Ints, batcher: int, number: int) -> int:
    """Return the block of a batch ahead; behind the last, of the next that will be."""
    place = (ints[batcher + HEAD] + number) % ints[batcher + RING]
    return ints[batcher + FORMED_AT] + place * FORMED_INTS  # type: ignore[no-any-return]


@compiled
def next_batch(state: State, batcher: int, now_s: float, free: bool) -> int:
    """List the batch for a free instance and return its size, 0 if there is none yet; form batches ahead.

    Sets `WAKE_S`, and decides on requests whose time is up.

    Args:
        state: The queues.
        batcher: The model's.
        now_s: The time.
        free: Whether an instance is free: it takes a batch as soon as one is formed.
    """
    ints, reals = state.ints, state.reals
    own = ints[batcher]
    reals[own + WAKE_S] = inf
    room = max(ints[batcher + MOST_AHEAD], 1 if free else 0)
    if ints[batcher + AHEAD] < room:
        reals[own + WAITS_SINCE_S] = nan
        goes_on = True
        while goes_on and ints[batcher + AHEAD] < room:
            goes_on = _form(state, batcher, now_s) and not (free and ints[batcher + AHEAD] > 0)
    elif ints[batcher + REJECTS]:
        _reject_expired(state, batcher, now_s)
    return _take(state, batcher, now_s) if free and ints[batcher + AHEAD] > 0 else 0


@compiled
def _form(state: State, batcher: int, now_s: float) -> bool:
    """Let the batch that is being formed grow, or begin another; False if nothing changed."""
    ints, reals = state.ints, state.reals
    own, current = ints[batcher], ints[batcher + CURRENT]
    if ints[current + SATURATED]:
        current = ints[batcher + CURRENT] = _formed(ints, batcher, ints[batcher + AHEAD])
        clear(ints, current + REQUESTS)
        ints[current + SATURATED] = ints[current + WANTED] = 0
    empty = ints[current + REQUESTS + COUNT] == 0
    if not empty and _sleeps(state, batcher, now_s):
        return False
    woken = _grow(state, batcher, current, now_s)
    ints[batcher + WOKEN] = 1 if woken else 0
    if not woken:
        reals[own + SLEEPS_UNTIL_S] = reals[own + WAKE_S] if reals[own + WAKE_S] < inf else now_s + LOOK_AGAIN_S
    if empty and ints[current + REQUESTS + COUNT]:
        ints[batcher + AHEAD] += 1
    return woken


@compiled
def _sleeps(state: State, batcher: int, now_s: float) -> bool:
    """Whether nothing has woken Triton's thread since it last looked at a batch that it had formed; set `WAKE_S`."""
    ints, reals = state.ints, state.reals
    own, queued = ints[batcher], 0
    for number in range(ints[batcher + LEVELS]):
        queued += depth(state, ints[batcher + LEVEL_AT] + number * LEVEL_INTS)
    if ints[batcher + WOKEN] or ints[batcher + WAKES_ALWAYS] or queued >= ints[ints[batcher + CURRENT] + WANTED]:
        return False
    if reached(now_s, reals[own + SLEEPS_UNTIL_S]):
        return False
    reals[own + WAKE_S] = reals[own + SLEEPS_UNTIL_S] if queued else inf
    return True


@compiled
def _take(state: State, batcher: int, now_s: float) -> int:
    """List the batch that was formed first, with those behind it that have waited too long and still fit."""
    ints, delay_s = state.ints, state.reals[state.ints[batcher] + DELAY_S]
    size = _next_ahead(state, batcher)
    while delay_s > 0.0 and ints[batcher + AHEAD]:
        formed = _formed(ints, batcher, 0)
        request = ints[formed + REQUESTS + FIRST]
        earliest_s = state.arrival_s[request]
        while request != NONE:
            earliest_s = min(earliest_s, state.arrival_s[request])
            request = behind(ints, request)
        if not passed(now_s, earliest_s + delay_s):
            break
        ints[formed + SATURATED] = 1
        if size + ints[formed + REQUESTS + COUNT] > ints[batcher + LIMIT]:
            break
        size += _next_ahead(state, batcher)
    return size


@compiled
def _next_ahead(state: State, batcher: int) -> int:
    """Remove the batch that was formed first, list its requests and return how many they are."""
    ints = state.ints
    formed = _formed(ints, batcher, 0)
    ints[batcher + HEAD] = (ints[batcher + HEAD] + 1) % ints[batcher + RING]
    ints[batcher + AHEAD] -= 1
    ints[formed + SATURATED] = ints[batcher + WOKEN] = 1
    request = ints[formed + REQUESTS + FIRST]
    while request != NONE:
        list_request(ints, request)
        request = behind(ints, request)
    return ints[formed + REQUESTS + COUNT]  # type: ignore[no-any-return]


@compiled
def _grow(state: State, batcher: int, formed: int, now_s: float) -> bool:
    """Move what may go now from the queue into a batch; False if nothing changed: then `WAKE_S` is set."""
    ints, reals = state.ints, state.reals
    own, size = ints[batcher], ints[formed + REQUESTS + COUNT]
    walked, expires_s = _walk(state, batcher, now_s, ints[batcher + LIMIT] - size + 1)
    pending, best, full = _count(ints, batcher, formed, walked)
    if not pending:
        return ints[formed + SATURATED] != 0  # type: ignore[no-any-return]
    due_s = _earliest_s(state, pending) + reals[own + DELAY_S]
    overdue = reals[own + DELAY_S] > 0.0 and reached(now_s, due_s)
    if best and not overdue:
        pending = best
        if reals[own + DELAY_S] == 0.0:
            ints[formed + SATURATED] = 1
    elif full or size + pending >= ints[batcher + LARGEST]:
        ints[formed + SATURATED] = 1
    elif not overdue and reals[own + DELAY_S] > 0.0:
        wanted, preferred = size + pending + 1, ints[batcher + PREFERRED_AT]
        while not ints[preferred + wanted]:
            wanted += 1
        ints[formed + WANTED] = wanted - size
        if size == 0 or ints[preferred + size]:
            reals[own + WAKE_S] = min(due_s, expires_s + tick_s(expires_s))
            return False
    for _ in range(pending):
        append(ints, formed + REQUESTS, _pop(state, batcher))
    return True


@compiled
def _earliest_s(state: State, pending: int) -> float:
    """Return when the first of those walked that may join arrived."""
    walked = state.ints[state.ints[QUEUES] + WALKED_AT]
    earliest_s = inf
    for place in range(walked, walked + pending):
        earliest_s = min(earliest_s, state.arrival_s[state.ints[place]])
    return earliest_s


@compiled
def _count(ints: Ints, batcher: int, formed: int, walked: int) -> tuple[int, int, bool]:
    """Return how many of those walked may join a batch, how many of them fill it best, and whether more remain."""
    size, pending, best, preferred = ints[formed + REQUESTS + COUNT], 0, 0, ints[batcher + PREFERRED_AT]
    for _ in range(walked):
        total = size + pending
        if total >= ints[batcher + LARGEST] and not best:
            best = pending
            ints[formed + SATURATED] = 1
        if total >= ints[batcher + LIMIT]:
            return pending, best, True
        pending += 1
        if ints[preferred + size + pending]:
            best = pending
    return pending, best, False


@compiled
def _walk(state: State, batcher: int, now_s: float, most: int) -> tuple[int, float]:
    """List the first requests in order, `most` at most; return how many there are, and when the first of them expires.

    Those that have expired are passed: the timeout action is taken.
    """
    found, soonest_s = 0, inf
    for number in range(state.ints[batcher + LEVELS]):
        level = state.ints[batcher + LEVEL_AT] + number * LEVEL_INTS
        found, expires_s = walk(state, level, now_s, found, most)
        soonest_s = min(soonest_s, expires_s)
    return found, soonest_s


@compiled
def _pop(state: State, batcher: int) -> int:
    """Remove and return the first request; there must be one."""
    ints, level = state.ints, state.ints[batcher + LEVEL_AT]
    while not depth(state, level):
        level += LEVEL_INTS
    return pop(ints, level + FRESH if ints[level + FRESH + COUNT] else level + DELAYED)


@compiled
def _reject_expired(state: State, batcher: int, now_s: float) -> None:
    """While no instance is free, reject every `LOOK_AGAIN_S` what has timed out by then; set `WAKE_S`."""
    ints, reals = state.ints, state.reals
    own = ints[batcher]
    if reals[own + WAITS_SINCE_S] != reals[own + WAITS_SINCE_S]:  # NaN
        reals[own + WAITS_SINCE_S] = now_s
    since_s, wake_s = reals[own + WAITS_SINCE_S], inf
    looks = floor((now_s + tick_s(now_s) / 2 - since_s) / LOOK_AGAIN_S)
    for number in range(ints[batcher + LEVELS]):
        level = ints[batcher + LEVEL_AT] + number * LEVEL_INTS
        if not ints[level + DELAYS]:
            if looks:
                reject(state, level, since_s + looks * LOOK_AGAIN_S)
            wake_s = min(wake_s, reals[ints[level] + CLOSEST_S])
    if wake_s < inf:
        after = floor((wake_s - since_s) / LOOK_AGAIN_S) + 1
        wake_s = since_s + max(after, looks + 1) * LOOK_AGAIN_S
    reals[own + WAKE_S] = wake_s
