"""The k batches with the earliest deadlines run: `stratsim.policy.preempt.deadline` on arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratsim.fast.codes import BATCH, FINE, FLYING, FLYING_AT, GPU, GPU_AT, GPUS, HEADS, ON_TIME, PREEMPTS, STATUS
from stratsim.fast.compiled import compiled
from stratsim.fast.preempt.codes import ASIDE, ASIDE_AT, DUE_S, OTHERS_AT, RUN, RUN_IN_ALL
from stratsim.fast.preempt.seeing import first_waiting
from stratsim.fast.preempt.starting import start, take_batch
from stratsim.fast.preempt.stopping import resume, suspend

if TYPE_CHECKING:
    from stratsim.fast.columns import Columns
    from stratsim.fast.compiled import Ask, Column, Ints, Reals

__all__ = ["let_earliest_run"]


@compiled
def let_earliest_run(ints: Ints, reals: Reals, columns: Columns, ask: Ask, now_s: float) -> None:
    """Let the earliest deadlines run, whether they wait or were stopped."""
    while ints[STATUS] == FINE:
        if not ints[HEADS]:
            _resume_all(ints, reals, columns.times_s, ask, False, 0.0, now_s)
            return
        due_s = columns.deadline_s[first_waiting(ints)]
        _resume_all(ints, reals, columns.times_s, ask, True, due_s, now_s)
        gpu = _place(ints, reals, due_s)
        if gpu < 0:
            return
        size, expected_s = take_batch(ints, reals, columns, ask, now_s, now_s)
        if not size:
            continue
        if not _has_room(ints, gpu):
            last = _last_of_all(ints, reals)
            suspend(ints, reals, columns.times_s, ask, ints[last + GPU], last, now_s)
        if ints[STATUS] == FINE:
            start(ints, reals, columns, ask, gpu, size, now_s, expected_s)


@compiled
def _resume_all(ints: Ints, reals: Reals, times_s: Column, ask: Ask, waits: bool, due_s: float, now_s: float) -> None:
    """Let go on what was stopped and is due no later than the first that waits, if one does."""
    listed, count = ints[ints[PREEMPTS] + OTHERS_AT], 0
    for number in range(ints[GPUS] - 1, -1, -1):  # from the end: what was stopped last is due soonest, as a rule
        gpu = ints[ints[GPU_AT] + number]
        for place in range(ints[gpu + ASIDE] - 1, -1, -1):
            batch, at = ints[ints[gpu + ASIDE_AT] + place], count
            while at and reals[ints[batch] + DUE_S] <= reals[ints[ints[listed + at - 1]] + DUE_S]:
                ints[listed + at] = ints[listed + at - 1]
                at -= 1
            ints[listed + at] = batch
            count += 1
    for place in range(count):
        batch = ints[listed + place]
        if _has_room(ints, ints[batch + GPU]) and (not waits or reals[ints[batch] + DUE_S] <= due_s * ON_TIME):
            resume(ints, reals, times_s, ask, ints[batch + GPU], batch, now_s)


@compiled
def _has_room(ints: Ints, gpu: int) -> bool:
    """Whether one more batch may run on a GPU."""
    flying = 0
    for number in range(ints[GPUS]):
        flying += ints[ints[ints[GPU_AT] + number] + FLYING]
    return ints[gpu + FLYING] < ints[ints[PREEMPTS] + RUN] and flying < ints[ints[PREEMPTS] + RUN_IN_ALL]  # type: ignore[no-any-return]


@compiled
def _place(ints: Ints, reals: Reals, due_s: float) -> int:
    """Return the GPU where a batch due then may run, in the place of another if need be; -1 if nowhere."""
    gpu = ints[ints[GPU_AT]]
    for number in range(1, ints[GPUS]):
        other = ints[ints[GPU_AT] + number]
        if ints[other + FLYING] < ints[gpu + FLYING]:
            gpu = other
    if _has_room(ints, gpu):
        return gpu  # type: ignore[no-any-return]
    last = _last_of_all(ints, reals)
    if due_s * ON_TIME >= reals[ints[last] + DUE_S]:  # rounding alone stops nobody
        return -1
    return gpu if ints[gpu + FLYING] < ints[ints[PREEMPTS] + RUN] else ints[last + GPU]  # type: ignore[no-any-return]


@compiled
def _last_of_all(ints: Ints, reals: Reals) -> int:
    """Return the batch in flight that is due last: on the first of several GPUs, the newest there."""
    found = -1
    for number in range(ints[GPUS]):
        gpu, last = ints[ints[GPU_AT] + number], -1
        for place in range(ints[gpu + FLYING]):
            batch = ints[ints[gpu + FLYING_AT] + place]
            if last < 0 or _is_later(ints, reals, batch, last):
                last = batch
        if last >= 0 and (found < 0 or reals[ints[last] + DUE_S] > reals[ints[found] + DUE_S]):
            found = last
    return found


@compiled
def _is_later(ints: Ints, reals: Reals, one: int, other: int) -> bool:
    """Whether a batch is due after another, or was started after one that is due then, too."""
    if reals[ints[one] + DUE_S] != reals[ints[other] + DUE_S]:
        return reals[ints[one] + DUE_S] > reals[ints[other] + DUE_S]  # type: ignore[no-any-return]
    return ints[one + BATCH] > ints[other + BATCH]  # type: ignore[no-any-return]
