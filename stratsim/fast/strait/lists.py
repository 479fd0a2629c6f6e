"""Lists of numbers in the two arrays: sorting them, and the last values of a sequence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratsim.fast.compiled import compiled
from stratsim.fast.strait.codes import OTHER_AT, RECENT, RECENT_COUNT, RECENT_NEXT

if TYPE_CHECKING:
    from stratsim.fast.compiled import Reals
    from stratsim.fast.strait.codes import State

__all__ = ["quantile", "remember", "sort_others", "sort_others_but"]


@compiled
def sort_others(state: State, kinds: int, count: int) -> int:
    """Return where kinds of batches, `count` from place `kinds` on, are listed in ascending order."""
    return sort_others_but(state, kinds, count, -1)


@compiled
def sort_others_but(state: State, kinds: int, count: int, without: int) -> int:
    """Return the same, without the one that stands at position `without`."""
    ints = state.ints
    others, found = ints[OTHER_AT], 0
    for position in range(count):
        if position == without:
            continue
        kind, place = ints[kinds + position], others + found
        while place > others and ints[place - 1] > kind:
            ints[place] = ints[place - 1]
            place -= 1
        ints[place] = kind
        found += 1
    return others  # type: ignore[no-any-return]


@compiled
def remember(reals: Reals, at: int, window: int, value: float) -> None:
    """Take a value in; the oldest beyond the window is forgotten."""
    count, following = int(reals[at + RECENT_COUNT]), int(reals[at + RECENT_NEXT])
    arrived, ordered = at + RECENT, at + RECENT + window
    if count == window:
        oldest, place = reals[arrived + following], ordered
        while reals[place] < oldest:
            place += 1
        for later in range(place, ordered + count - 1):
            reals[later] = reals[later + 1]
        count -= 1
    reals[arrived + following] = value
    reals[at + RECENT_NEXT] = (following + 1) % window
    place = ordered + count
    while place > ordered and reals[place - 1] > value:
        reals[place] = reals[place - 1]
        place -= 1
    reals[place] = value
    reals[at + RECENT_COUNT] = count + 1


@compiled
def quantile(reals: Reals, at: int, window: int, share: float) -> float:
    """Return the smallest value that at least this share of all values does not exceed."""
    count, ordered = int(reals[at + RECENT_COUNT]), at + RECENT + window
    return reals[ordered + min(int(share * count), count - 1)]  # type: ignore[no-any-return]
