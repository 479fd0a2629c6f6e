"""A batch starts: `stratsim.engine.decisions` on arrays, of that what follows from a start."""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING

from stratsim.fast.clock import schedule
from stratsim.fast.codes import (
    ASKS,
    BATCH,
    BATCHES,
    BYTES_IN,
    COPIES_OUT,
    DEVICE,
    DISPATCH,
    DISPATCH_S,
    DISPATCHED,
    ESTIMATES,
    EXPECTED,
    EXPECTED_AT,
    FIRST_AT,
    FLYING,
    FLYING_AT,
    GPU,
    GPUS,
    HOST_FREE_S,
    IN_ALPHA_S,
    IN_RATE,
    KINDS,
    LAST_AT,
    LAST_PHASE,
    LASTS_S,
    LEAD_AT,
    MEMBER_AT,
    MODEL,
    NEXT_AT,
    NUMBER,
    PHASE,
    ROWS,
    SIZES,
    SOLO,
    SOLO_AT,
    SOLO_S,
    SPARE,
    SPARE_AT,
    STAGED_S,
    START_S,
)
from stratsim.fast.compiled import compiled
from stratsim.fast.deciding import copy_s, count_batches
from stratsim.fast.host import pace, thinks_s
from stratsim.fast.weights import copy_in

if TYPE_CHECKING:
    from stratsim.fast.columns import Columns
    from stratsim.fast.compiled import Ask, Column, Ints, Reals

__all__ = ["enter", "passed_on_s", "start"]


@compiled
def start(
    ints: Ints, reals: Reals, columns: Columns, ask: Ask, gpu: int, size: int, now_s: float, expected_s: float
) -> None:
    """Start the batch of the first `size` members on a GPU."""
    batch = enter(ints, reals, columns, gpu, size, now_s, expected_s)
    at_s = passed_on_s(ints, reals, ask, now_s)
    if at_s < 0.0:
        copy_in(ints, reals, columns.times_s, columns.output, ask, batch, now_s)
    else:
        schedule(ints, reals, at_s, DEVICE, batch * KINDS + DISPATCHED)


@compiled
def enter(ints: Ints, reals: Reals, columns: Columns, gpu: int, size: int, now_s: float, expected_s: float) -> int:
    """Give the batch of the first `size` members a place on a GPU; return its block."""
    batch_id, members = ints[BATCHES], ints[MEMBER_AT]
    ints[BATCHES] = batch_id + 1
    lead = ints[members]
    for place in range(size):
        columns.batch_of[ints[members + place]] = batch_id
        lead = min(lead, ints[members + place])
    all_in = _bytes_of(ints, columns.bytes_in, size)
    ints[SPARE] -= 1
    batch = ints[ints[SPARE_AT] + ints[SPARE]]
    ints[batch + MODEL] = columns.model_of[lead]
    real, kind = ints[batch], ints[batch + MODEL] * ints[SIZES] + size
    ints[batch + BATCH], ints[batch + GPU], ints[batch + BYTES_IN] = batch_id, gpu, all_in
    ints[batch + PHASE], ints[batch + LAST_PHASE] = ints[ints[FIRST_AT] + kind], ints[ints[LAST_AT] + kind]
    solo_s = reals[ints[SOLO_AT] + kind] * columns.factor[lead]
    reals[real + SOLO_S], reals[real + START_S] = solo_s, nan
    reals[real + LASTS_S] = reals[ints[EXPECTED_AT] + kind]
    reals[real + STAGED_S] = now_s + copy_s(all_in, reals[IN_ALPHA_S], reals[IN_RATE])
    columns.times_s[DISPATCH * ints[ROWS] + batch_id], columns.times_s[SOLO * ints[ROWS] + batch_id] = now_s, solo_s
    if ints[ESTIMATES] or ints[ASKS]:  # else nobody looks, and the row takes no memory
        columns.times_s[EXPECTED * ints[ROWS] + batch_id] = expected_s
    flying = ints[gpu + FLYING]
    ints[ints[gpu + FLYING_AT] + flying] = batch
    ints[gpu + FLYING] = flying + 1
    if ints[GPUS] > 1:
        columns.gpu_of[batch_id] = ints[gpu + NUMBER]
        count_batches(ints, gpu)
    if ints[COPIES_OUT]:
        columns.output[batch_id] = _bytes_of(ints, columns.bytes_out, size)
    if ints[LEAD_AT]:
        _link(ints, batch_id, size)
    return batch  # type: ignore[no-any-return]


@compiled
def _link(ints: Ints, batch_id: int, size: int) -> None:
    """Keep the members of a batch: somebody waits for replies to them."""
    members, links = ints[MEMBER_AT], ints[NEXT_AT]
    ints[ints[LEAD_AT] + batch_id] = ints[members]
    for place in range(size):
        ints[links + ints[members + place]] = ints[members + place + 1] if place + 1 < size else -1


@compiled
def _bytes_of(ints: Ints, size_bytes: Column, size: int) -> int:
    """Return the sum of a column of the first `size` members."""
    total = 0
    for place in range(size):
        total += int(size_bytes[ints[ints[MEMBER_AT] + place]])
    return total


@compiled
def passed_on_s(ints: Ints, reals: Reals, ask: Ask, now_s: float) -> float:
    """Return when the host's thread passes a batch that starts now on to have its inputs copied; -1: at once."""
    takes_s = reals[DISPATCH_S] + thinks_s(ints, reals, ask, now_s)
    if not takes_s:
        return -1.0
    free_s = max(reals[HOST_FREE_S], now_s)
    free_s += takes_s * pace(ints, reals, ask, now_s, free_s)
    reals[HOST_FREE_S] = free_s
    return free_s  # type: ignore[no-any-return]
