"""What a policy sees of GPUs whose batches can be stopped: `stratsim.policy.view` on arrays, as far as it is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratsim.fast.codes import (
    BEGIN,
    FLYING,
    FLYING_AT,
    HEAD_AT,
    LASTS_S,
    NOTICE_S,
    PREEMPTS,
    READY_S,
    SLOTS,
    STAGED_S,
    START_S,
)
from stratsim.fast.compiled import compiled
from stratsim.fast.preempt.codes import (
    ASIDE,
    ASIDE_AT,
    DUE_S,
    FREE_AT,
    IS_RETURNING,
    LEVEL,
    LISTED_AT,
    OTHERS_AT,
    PAUSED_S,
    STOPS_ALL,
    UNANSWERED,
    WHOLE_REQUEST,
)

if TYPE_CHECKING:
    from stratsim.fast.compiled import Ints, Reals

__all__ = [
    "count_urgent",
    "executes",
    "first_waiting",
    "has_input",
    "holding",
    "list_low",
    "list_suspended",
    "room",
    "wait_s",
]


@compiled
def first_waiting(ints: Ints) -> int:
    """Return the first request of all that wait."""
    return ints[ints[ints[ints[HEAD_AT]] + BEGIN]]  # type: ignore[no-any-return]


@compiled
def executes(ints: Ints, reals: Reals, batch: int, seen_s: float) -> bool:
    """Whether a batch in flight has a slot as far as the policy knows; else it is staged."""
    return reals[ints[batch] + START_S] + reals[NOTICE_S] <= seen_s and not ints[batch + IS_RETURNING]


@compiled
def has_input(ints: Ints, reals: Reals, batch: int, seen_s: float) -> bool:
    """Whether the inputs of a batch are on its GPU as far as the policy knows."""
    return reals[ints[batch] + READY_S] + reals[NOTICE_S] <= seen_s  # type: ignore[no-any-return]


@compiled
def count_urgent(ints: Ints, gpu: int) -> int:
    """Return how many batches in flight on a GPU are of high priority."""
    count = 0
    for place in range(ints[gpu + FLYING]):
        count += ints[ints[ints[gpu + FLYING_AT] + place] + LEVEL] == 0
    return count


@compiled
def holding(ints: Ints, reals: Reals, gpu: int, seen_s: float) -> int:
    """Return how many high-priority batches hold a GPU."""
    if ints[ints[PREEMPTS] + WHOLE_REQUEST]:
        return ints[gpu + UNANSWERED]  # type: ignore[no-any-return]
    count = 0
    for place in range(ints[gpu + FLYING]):
        batch = ints[ints[gpu + FLYING_AT] + place]
        if ints[batch + LEVEL] == 0 and has_input(ints, reals, batch, seen_s):
            count += 1
    return count


@compiled
def room(ints: Ints, holding: int) -> int:
    """Return how many low-priority batches may be in flight where high priority holds the GPU."""
    return 0 if ints[ints[PREEMPTS] + STOPS_ALL] else max(ints[SLOTS] - holding, 0)


@compiled
def list_low(ints: Ints, reals: Reals, gpu: int, seen_s: float) -> int:
    """List the low-priority batches in flight at `LISTED_AT`, and return their number.

    Those that execute, then those that are staged, each by deadline; equal ones by start, and by dispatch.
    """
    listed, members = ints[ints[PREEMPTS] + LISTED_AT], ints[gpu + FLYING_AT]
    count = 0
    for place in range(ints[gpu + FLYING]):
        batch = ints[members + place]
        if ints[batch + LEVEL] and executes(ints, reals, batch, seen_s):
            own, at = ints[batch], count
            while at and _is_before(reals, own, ints[ints[listed + at - 1]]):
                ints[listed + at] = ints[listed + at - 1]
                at -= 1
            ints[listed + at] = batch
            count += 1
    first = count
    for place in range(ints[gpu + FLYING]):
        batch = ints[members + place]
        if ints[batch + LEVEL] and not executes(ints, reals, batch, seen_s):
            own, at = ints[batch], count
            while at > first and reals[own + DUE_S] < reals[ints[ints[listed + at - 1]] + DUE_S]:
                ints[listed + at] = ints[listed + at - 1]
                at -= 1
            ints[listed + at] = batch
            count += 1
    return count


@compiled
def _is_before(reals: Reals, one: int, other: int) -> bool:
    """Whether an executing batch is due before another, or started before one that is due then, too."""
    if reals[one + DUE_S] != reals[other + DUE_S]:
        return reals[one + DUE_S] < reals[other + DUE_S]  # type: ignore[no-any-return]
    return reals[one + START_S] < reals[other + START_S]  # type: ignore[no-any-return]


@compiled
def list_suspended(ints: Ints, reals: Reals, gpu: int) -> int:
    """List the suspended batches at `OTHERS_AT` by deadline, equal ones as they were suspended; return their number."""
    listed = ints[ints[PREEMPTS] + OTHERS_AT]
    for place in range(ints[gpu + ASIDE]):
        batch, at = ints[ints[gpu + ASIDE_AT] + place], place
        while at and reals[ints[batch] + DUE_S] < reals[ints[ints[listed + at - 1]] + DUE_S]:
            ints[listed + at] = ints[listed + at - 1]
            at -= 1
        ints[listed + at] = batch
    return ints[gpu + ASIDE]  # type: ignore[no-any-return]


@compiled
def wait_s(ints: Ints, reals: Reals, gpu: int, urgent: bool, now_s: float, seen_s: float) -> float:
    """Return how long a batch started now would wait for a slot; one of high priority waits for its class only."""
    flying, members, slots = ints[gpu + FLYING], ints[gpu + FLYING_AT], ints[SLOTS]
    if (count_urgent(ints, gpu) if urgent else flying) < slots:
        return 0.0
    free, executing = ints[ints[PREEMPTS] + FREE_AT], 0
    for place in range(flying):
        batch = ints[members + place]
        if (not urgent or ints[batch + LEVEL] == 0) and executes(ints, reals, batch, seen_s):
            own = ints[batch]
            reals[free + executing] = reals[own + START_S] + reals[own + PAUSED_S] + reals[own + LASTS_S]
            executing += 1
    for place in range(executing, slots):
        reals[free + place] = now_s
    slots = max(executing, slots)
    for place in range(flying):  # in the order of dispatch, each takes the first slot that frees up
        batch = ints[members + place]
        if (not urgent or ints[batch + LEVEL] == 0) and not executes(ints, reals, batch, seen_s):
            soonest = _soonest(reals, free, slots)
            start_s = max(now_s, reals[ints[batch] + STAGED_S], reals[soonest])
            reals[soonest] = start_s + reals[ints[batch] + LASTS_S]
    return max(reals[_soonest(reals, free, slots)] - now_s, 0.0)  # type: ignore[no-any-return]


@compiled
def _soonest(reals: Reals, free: int, slots: int) -> int:
    found = free
    for place in range(free + 1, free + slots):
        if reals[place] < reals[found]:
            found = place
    return found
