"""What the host's software takes: `stratsim.engine.host` on arrays. Draws are asked for, some at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratsim.fast.codes import (
    FINE,
    MOST_THOUGHTS,
    OF_STAYS,
    OF_THOUGHTS,
    OTHER_SPEED,
    SINCE_S,
    SPEED,
    STATUS,
    STAY_AT,
    STAYS,
    THOUGHT,
    THOUGHT_AT,
    THOUGHT_S,
)
from stratsim.fast.compiled import compiled

if TYPE_CHECKING:
    from stratsim.fast.compiled import Ask, Ints, Reals

__all__ = ["pace", "thinks_s"]


@compiled
def pace(ints: Ints, reals: Reals, ask: Ask, now_s: float, at_s: float) -> float:
    """Return the factor on what the host takes at `at_s`, now or later."""
    stays = ints[STAY_AT]
    if not stays:
        return 1.0
    while reals[stays + ints[STAYS] - 1] <= at_s:
        reals[SINCE_S] = now_s
        ask(OF_STAYS, 0)
        if ints[STATUS] != FINE:
            return 1.0
    low, high = 0, ints[STAYS]
    while low < high:  # the first that ends later
        middle = (low + high) >> 1
        if reals[stays + middle] <= at_s:
            low = middle + 1
        else:
            high = middle
    return reals[OTHER_SPEED] if low % 2 else reals[SPEED]  # type: ignore[no-any-return]


@compiled
def thinks_s(ints: Ints, reals: Reals, ask: Ask, now_s: float) -> float:
    """Return how long the policy thinks before a dispatch: what it starts at one instant it has thought of at once."""
    if not ints[THOUGHT_AT] or reals[THOUGHT_S] == now_s:
        return 0.0
    reals[THOUGHT_S] = now_s
    if ints[THOUGHT] == MOST_THOUGHTS:
        ask(OF_THOUGHTS, MOST_THOUGHTS)
        ints[THOUGHT] = 0
    ints[THOUGHT] += 1
    return reals[ints[THOUGHT_AT] + ints[THOUGHT] - 1]  # type: ignore[no-any-return]
