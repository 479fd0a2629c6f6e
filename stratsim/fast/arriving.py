"""Requests arrive: `stratsim.engine.admission` on arrays."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from stratsim.fast.codes import (
    ADMITTED,
    ARRIVED,
    ASKS,
    CLIENTS,
    COMES_BACK,
    ESTIMATES,
    MODEL_AT,
    MODEL_INTS,
    NATIVE,
    REQUESTS,
    UNTOLD,
    UNTOLD_AT,
    UPCOMING,
    WAITING,
)
from stratsim.fast.compiled import compiled
from stratsim.fast.native import queue
from stratsim.fast.replies import due
from stratsim.fast.waiting import admit

if TYPE_CHECKING:
    from stratsim.fast.columns import Columns
    from stratsim.fast.compiled import Ask, Column, Ints, Reals

__all__ = ["arrive", "queue_arrived", "upcoming_s"]


@compiled
def upcoming_s(ints: Ints, arrival_s: Column) -> float:
    """Return when the next request of the trace is due; `inf` if there is none."""
    return arrival_s[ints[UPCOMING]] if ints[UPCOMING] < ints[REQUESTS] else inf


@compiled
def arrive(ints: Ints, reals: Reals, arrival_s: Column, ask: Ask, now_s: float) -> bool:
    """Take what the trace has for this instant; return whether policies are to be asked."""
    first = upcoming = ints[UPCOMING]
    while upcoming < ints[REQUESTS] and arrival_s[upcoming] <= now_s:
        upcoming += 1
    ints[UPCOMING] = upcoming
    if ints[CLIENTS]:
        return due(ints, reals, ask, upcoming - first, now_s)
    ints[ARRIVED] = upcoming
    return True


@compiled
def queue_arrived(ints: Ints, columns: Columns) -> None:
    """Queue the requests that have arrived, or the one that is sent again."""
    while ints[ADMITTED] < ints[ARRIVED] or ints[COMES_BACK]:
        request = ints[ADMITTED]
        if ints[COMES_BACK]:
            request = ints[COMES_BACK] - 1
            ints[COMES_BACK] = 0
        else:
            ints[ADMITTED] = request + 1
        if ints[NATIVE]:
            queue(ints, request)
        elif ints[ASKS] and not ints[ESTIMATES]:  # who is asked keeps queues of its own
            ints[WAITING] += 1
            if ints[UNTOLD_AT]:
                ints[ints[UNTOLD_AT] + ints[UNTOLD]] = request
                ints[UNTOLD] += 1
        else:
            model = columns.model_of[request] if ints[ESTIMATES] else 0  # one queue for all if nothing is estimated
            admit(ints, columns.priority, columns.order_s, ints[MODEL_AT] + model * MODEL_INTS, request)
