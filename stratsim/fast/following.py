"""Decisions of a policy that is asked, and what follows from them: `stratsim.engine.decisions` on arrays."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from stratsim.fast.clock import schedule
from stratsim.fast.codes import (
    ADDRESS,
    ADMITTED,
    BLOCKS,
    DECIDED,
    DECIDED_AT,
    DECIDED_S_AT,
    DECISION,
    DROPS_LATE,
    FAILED,
    FIRST_LISTED,
    FLYING,
    GPU_AT,
    GPUS,
    LACKS_ROOM,
    MANY,
    MEMBER_AT,
    NOW_S,
    OF_POLICY,
    REQUESTS,
    SEEN_S,
    STARTS,
    STATUS,
    TIMERS,
    TO_COME,
    TOLD,
    UPCOMING,
    WAITING,
    WAKES,
    WHERE,
    WOKEN,
)
from stratsim.fast.compiled import compiled
from stratsim.fast.replies import drop
from stratsim.fast.starting import start

if TYPE_CHECKING:
    from stratsim.fast.columns import Columns
    from stratsim.fast.compiled import Ask, Ints, Reals

__all__ = ["follow"]


@compiled
def follow(ints: Ints, reals: Reals, columns: Columns, ask: Ask, policy: Ask, now_s: float, seen_s: float) -> None:
    """Have the policy decide, and do what it has decided."""
    for number in range(_decide(ints, reals, ask, policy, now_s, seen_s)):
        at = ints[DECIDED_AT] + number * DECISION
        if ints[at] == WAKES:
            _wake(ints, reals, number, now_s)
            continue
        listed, size = ints[at + FIRST_LISTED], ints[at + MANY]
        if ints[at] != STARTS:
            ints[WAITING] -= 1
            drop(ints, reals, columns, ask, ints[listed], ints[at] - DROPS_LATE, now_s)
            continue
        for place in range(size):
            ints[ints[MEMBER_AT] + place] = ints[listed + place]
        ints[WAITING] -= size
        start(
            ints,
            reals,
            columns,
            ask,
            ints[ints[GPU_AT] + ints[at + WHERE]],
            size,
            now_s,
            reals[ints[DECIDED_S_AT] + number],
        )


@compiled
def _decide(ints: Ints, reals: Reals, ask: Ask, policy: Ask, now_s: float, seen_s: float) -> int:
    """Have the policy decide; return how many decisions are listed."""
    untold = ints[ADMITTED] - ints[TOLD]
    if untold > ints[BLOCKS] or ints[LACKS_ROOM]:
        ask(OF_POLICY, untold)
    reals[NOW_S], reals[SEEN_S] = now_s, seen_s
    policy(ints[ADDRESS], 0)
    return ints[DECIDED]  # type: ignore[no-any-return]


@compiled
def _wake(ints: Ints, reals: Reals, number: int, now_s: float) -> None:
    """Set the timer of a decision, unless nothing is left that a policy could decide on."""
    at_s = reals[ints[DECIDED_S_AT] + number]
    if not (now_s < at_s < inf):
        ints[STATUS] = FAILED
        return
    over, gpu = ints[WAITING] == 0 and ints[UPCOMING] == ints[REQUESTS] and ints[TO_COME] == 0, 0
    while over and gpu < ints[GPUS]:
        over = ints[ints[ints[GPU_AT] + gpu] + FLYING] == 0
        gpu += 1
    if not over:
        schedule(ints, reals, at_s, TIMERS, WOKEN)
