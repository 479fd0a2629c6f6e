"""The events of a run: a heap, as `stratsim.engine.clock` has it, dead events of moved alarms included."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from stratsim.fast.codes import (
    ARMED,
    ARMED_S,
    DEVICE,
    EVENT_AT,
    EVENT_TIME_AT,
    EVENTS,
    FULL,
    KINDS,
    MOST_EVENTS,
    SCHEDULED,
    STATUS,
)
from stratsim.fast.compiled import compiled

if TYPE_CHECKING:
    from stratsim.fast.compiled import Ints, Reals

__all__ = ["arm", "next_event_s", "pop_event", "schedule"]


@compiled
def next_event_s(ints: Ints, reals: Reals) -> float:
    """Return when the next event is due; `inf` if there is none."""
    return reals[ints[EVENT_TIME_AT]] if ints[EVENTS] else inf


@compiled
def schedule(ints: Ints, reals: Reals, at_s: float, order: int, what: int) -> int:
    """Schedule an event and return its number."""
    number = ints[SCHEDULED]
    ints[SCHEDULED] = number + 1
    place = ints[EVENTS]
    if place == ints[MOST_EVENTS]:
        ints[STATUS] = FULL
        return number  # type: ignore[no-any-return]
    ints[EVENTS] = place + 1
    key, events, times = order + number, ints[EVENT_AT], ints[EVENT_TIME_AT]
    while place:
        above = (place - 1) >> 1
        other_s = reals[times + above]
        if at_s > other_s or (at_s == other_s and key > ints[events + 2 * above]):
            break
        reals[times + place] = other_s
        ints[events + 2 * place] = ints[events + 2 * above]
        ints[events + 2 * place + 1] = ints[events + 2 * above + 1]
        place = above
    reals[times + place] = at_s
    ints[events + 2 * place] = key
    ints[events + 2 * place + 1] = what
    return number  # type: ignore[no-any-return]


@compiled
def pop_event(ints: Ints, reals: Reals) -> None:
    """Remove the next event."""
    last = ints[EVENTS] - 1
    ints[EVENTS] = last
    events, times = ints[EVENT_AT], ints[EVENT_TIME_AT]
    at_s, key, what = reals[times + last], ints[events + 2 * last], ints[events + 2 * last + 1]
    place = 0
    while True:
        below = 2 * place + 1
        if below >= last:
            break
        below_s = reals[times + below]
        if below + 1 < last:
            other_s = reals[times + below + 1]
            if other_s < below_s or (other_s == below_s and ints[events + 2 * below + 2] < ints[events + 2 * below]):
                below, below_s = below + 1, other_s
        if at_s < below_s or (at_s == below_s and key < ints[events + 2 * below]):
            break
        reals[times + place] = below_s
        ints[events + 2 * place] = ints[events + 2 * below]
        ints[events + 2 * place + 1] = ints[events + 2 * below + 1]
        place = below
    reals[times + place] = at_s
    ints[events + 2 * place] = key
    ints[events + 2 * place + 1] = what


@compiled
def arm(ints: Ints, reals: Reals, gpu: int, at_s: float, kind: int) -> None:
    """Have the alarm of a GPU, or of the links, go off at `at_s` and no more when it was to; `inf` disarms it."""
    armed_s = ints[gpu] + ARMED_S
    if ints[gpu + ARMED] >= 0:
        if at_s == reals[armed_s]:
            return
        ints[gpu + ARMED] = -1
    if at_s != inf:
        reals[armed_s] = at_s
        ints[gpu + ARMED] = schedule(ints, reals, at_s, DEVICE, gpu * KINDS + kind)
