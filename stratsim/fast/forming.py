"""Which waiting requests make a batch: `QueuePolicy._form` of `stratsim.policy.queueing` on arrays."""

from __future__ import annotations

from math import inf, nan
from typing import TYPE_CHECKING

from stratsim.fast.codes import (
    BEGIN,
    DEPTH,
    DROPS_EXPIRED,
    DROPS_INFEASIBLE,
    EXPECTED_AT,
    EXPIRED,
    INFEASIBLE,
    LIMIT,
    MEMBER_AT,
    MODEL_AT,
    MODEL_INTS,
    ON_TIME,
    SIZES,
)
from stratsim.fast.compiled import compiled
from stratsim.fast.deciding import finish_s
from stratsim.fast.replies import drop
from stratsim.fast.waiting import take

if TYPE_CHECKING:
    from stratsim.fast.columns import Columns
    from stratsim.fast.compiled import Ask, Ints, Reals

__all__ = ["form"]


@compiled
def form(
    ints: Ints, reals: Reals, columns: Columns, ask: Ask, model: int, now_s: float, slot_s: float
) -> tuple[int, float]:
    """List the largest feasible prefix of a model's queue at `MEMBER_AT`; return its size, and when it should be done.

    Requests that are given up are dropped; if all of the queue are, the size is 0.
    """
    limit, heap, members = ints[model + LIMIT], ints[model + BEGIN], ints[MEMBER_AT]
    lasts = ints[EXPECTED_AT] + (model - ints[MODEL_AT]) // MODEL_INTS * ints[SIZES]
    size = all_in = all_out = 0
    earliest_s, expected_s = inf, nan
    while ints[model + DEPTH] and size < limit:
        request = ints[heap]
        own_in, own_out = int(columns.bytes_in[request]), int(columns.bytes_out[request])
        alone_s = finish_s(reals, now_s, slot_s, own_in, own_out, reals[lasts + 1])
        own_s = columns.deadline_s[request] * ON_TIME
        if alone_s > own_s:
            expired = now_s > own_s
            if ints[DROPS_INFEASIBLE] or (expired and ints[DROPS_EXPIRED]):
                take(ints, columns.priority, columns.order_s, model)
                drop(ints, reals, columns, ask, request, EXPIRED if expired else INFEASIBLE, now_s)
                if size:
                    continue
                return 0, nan  # another model's request may be next in order now
            own_s = inf  # hopeless: it must not hold the others back
        due_s = min(earliest_s, own_s)
        done_s = alone_s
        if size:
            lasts_s = reals[lasts + size + 1]
            done_s = finish_s(reals, now_s, slot_s, all_in + own_in, all_out + own_out, lasts_s)
            if done_s > due_s:
                break
        earliest_s, expected_s = due_s, done_s
        all_in += own_in
        all_out += own_out
        ints[members + size] = request
        size += 1
        take(ints, columns.priority, columns.order_s, model)
    return size, expected_s
