"""What happens on the GPUs and their links: `stratsim.engine.gpu`, `copies` and `host` on arrays."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from stratsim.fast.clock import arm, pop_event, schedule
from stratsim.fast.codes import (
    AGAIN,
    ANNOUNCED,
    ARMED,
    ASKS,
    BATCH,
    BYTES_IN,
    CLIENT,
    COLLECT_S,
    COLLECTED,
    COPIES_OUT,
    COPY_IN_END,
    COPY_IN_START,
    COPY_OUT_END,
    COPY_OUT_START,
    COPY_SPARE,
    COPY_SPARE_AT,
    COPY_START_S,
    D2H_ALPHA_S,
    D2H_FREE_S,
    D2H_RATE,
    DEVICE,
    DISPATCHED,
    DONE_AT,
    END,
    END_S,
    ENDED_AT,
    EVENT_AT,
    EXECUTED,
    FABRIC,
    FLYING,
    FLYING_AT,
    FREE_SLOTS,
    GPU,
    GPU_AT,
    GPUS,
    H2D_ALPHA_S,
    H2D_FREE_S,
    H2D_RATE,
    HOSTED,
    IN_ORDER,
    INPUT,
    IS_WOKEN,
    ITEM,
    KINDS,
    LANE,
    LAUNCH_S,
    LAUNCHED,
    LEFT,
    LEFT_AT,
    LINKS,
    NATIVE,
    NEXT_S,
    NOTICE,
    NOTICE_S,
    NOTIFIED,
    NOTIFIED_AT,
    NUMBER,
    OUTPUT,
    QUEUED,
    QUEUED_AT,
    READY_S,
    REJECTED,
    REPLIES,
    REPLY,
    ROWS,
    SPARE,
    SPARE_AT,
    START,
    START_S,
    TOOK_S,
    WAITING,
    WOKEN,
)
from stratsim.fast.compiled import compiled
from stratsim.fast.deciding import count_batches
from stratsim.fast.fabric import end_copies, submit
from stratsim.fast.host import pace
from stratsim.fast.replies import replied, reply, send, send_again
from stratsim.fast.unit import complete, join

if TYPE_CHECKING:
    from stratsim.fast.compiled import Ask, Column, Ints, Reals

__all__ = ["carry_in", "copy_in", "copy_out", "follow_links", "happen", "leave", "send_out"]

_SHIFT = 1 << 32
"""Between a number of batches and the GPU on which they have ended."""


@compiled
def happen(ints: Ints, reals: Reals, times_s: Column, output: Column, ask: Ask, now_s: float) -> bool:
    """Do what follows from the next event; return whether the policy is to be asked."""
    number, what = ints[ints[EVENT_AT]], ints[ints[EVENT_AT] + 1]
    pop_event(ints, reals)
    kind, payload = what % KINDS, what // KINDS
    if kind == EXECUTED:
        if ints[payload + ARMED] != number:
            return False  # its alarm was moved
        ints[payload + ARMED] = -1
        if ints[HOSTED]:
            _on_hosted(ints, reals, times_s, output, ask, payload, now_s)
            return False
        return _on_execution(ints, reals, times_s, output, ask, payload, now_s)
    if kind == NOTICE:
        return _on_notified(ints, reals, times_s, ask, payload % _SHIFT, payload // _SHIFT, now_s)
    if kind == INPUT:
        times_s[COPY_IN_START * ints[ROWS] + ints[payload + BATCH]] = reals[ints[payload] + COPY_START_S]
        times_s[COPY_IN_END * ints[ROWS] + ints[payload + BATCH]] = now_s
        _ready(ints, reals, times_s, ask, payload, now_s)
    elif kind == DISPATCHED:
        copy_in(ints, reals, times_s, output, ask, payload, now_s)
    elif kind == LAUNCHED:
        _execute(ints, reals, times_s, ask, payload, now_s)
    elif kind == COLLECTED:
        send_out(ints, reals, times_s, output, ask, payload, now_s)
    else:
        return _tell_host(ints, reals, times_s, output, ask, number, kind, payload, now_s)
    return False


@compiled
def _tell_host(
    ints: Ints,
    reals: Reals,
    times_s: Column,
    output: Column,
    ask: Ask,
    number: int,
    kind: int,
    payload: int,
    now_s: float,
) -> bool:
    """Do what `happen` does for events of which the host or a client knows."""
    if kind == OUTPUT:
        return _output_there(ints, reals, times_s, ask, payload, now_s)
    if kind == REPLY:
        return replied(ints, reals, ask, payload, now_s)
    if kind == CLIENT:
        send(reals, ask, payload, now_s)
        return True
    if kind == WOKEN:
        ints[IS_WOKEN] = 1
        return True
    if kind == AGAIN:
        send_again(ints, reals, ask, payload, now_s)
        return True
    if kind == REJECTED:
        reply(ints, reals, ask, payload, now_s)
    elif kind == LINKS and ints[payload + ARMED] == number:
        ints[payload + ARMED] = -1
        return _on_links(ints, reals, times_s, output, ask, now_s)
    return kind == ANNOUNCED


@compiled
def _on_links(ints: Ints, reals: Reals, times_s: Column, output: Column, ask: Ask, now_s: float) -> bool:
    """Something changes on links that copies share: maybe some have ended; return whether policies are to be asked."""
    asked = False
    ended = end_copies(ints, reals, output, ask, now_s)
    for place in range(ended):
        copy = ints[ints[DONE_AT] + place]
        item, start_s = ints[copy + ITEM], reals[ints[copy] + TOOK_S]
        ints[ints[COPY_SPARE_AT] + ints[COPY_SPARE]] = copy
        ints[COPY_SPARE] += 1
        if ints[copy + LANE] % 2:
            times_s[COPY_OUT_START * ints[ROWS] + item // ints[GPUS]] = start_s
            if _output_there(ints, reals, times_s, ask, item // ints[GPUS], now_s):
                asked = True
        else:
            times_s[COPY_IN_START * ints[ROWS] + ints[item + BATCH]] = start_s
            times_s[COPY_IN_END * ints[ROWS] + ints[item + BATCH]] = now_s
            _ready(ints, reals, times_s, ask, item, now_s)
    follow_links(ints, reals)
    return asked


@compiled
def follow_links(ints: Ints, reals: Reals) -> None:
    """Take note of what comes next on the links."""
    fabric = ints[FABRIC]
    arm(ints, reals, fabric, reals[ints[fabric] + NEXT_S], LINKS)


@compiled
def _output_there(ints: Ints, reals: Reals, times_s: Column, ask: Ask, batch_id: int, now_s: float) -> bool:
    """A batch's outputs are on the host, which is notified of it; return whether policies are to be asked."""
    times_s[COPY_OUT_END * ints[ROWS] + batch_id] = now_s
    if not ints[HOSTED]:
        return replied(ints, reals, ask, batch_id, now_s)
    schedule(ints, reals, now_s + reals[NOTICE_S], REPLIES, batch_id * KINDS + REPLY)
    return False


@compiled
def copy_in(ints: Ints, reals: Reals, times_s: Column, output: Column, ask: Ask, batch: int, now_s: float) -> None:
    """Copy a batch's inputs in."""
    there_s = carry_in(ints, reals, times_s, output, ask, batch, now_s)
    if there_s >= 0.0:
        _ready(ints, reals, times_s, ask, batch, there_s)


@compiled
def carry_in(ints: Ints, reals: Reals, times_s: Column, output: Column, ask: Ask, batch: int, now_s: float) -> float:
    """Copy a batch's inputs in; return when they are there, if that is known now; -1: an event will say."""
    real, size_bytes, batch_id = ints[ints[batch + GPU]], ints[batch + BYTES_IN], ints[batch + BATCH]
    start_s = end_s = now_s
    if size_bytes and ints[FABRIC]:
        submit(ints, reals, output, ask, 2 * ints[ints[batch + GPU] + NUMBER], batch, now_s)
        follow_links(ints, reals)
        return -1.0
    if size_bytes:
        start_s = max(reals[real + H2D_FREE_S], now_s)
        end_s = start_s + reals[real + H2D_ALPHA_S] + size_bytes / reals[real + H2D_RATE]
        reals[real + H2D_FREE_S] = end_s
    if not ints[IN_ORDER]:
        if end_s > now_s:
            reals[ints[batch] + COPY_START_S] = start_s
            schedule(ints, reals, end_s, DEVICE, batch * KINDS + INPUT)
            return -1.0
        start_s = end_s = now_s
    times_s[COPY_IN_START * ints[ROWS] + batch_id], times_s[COPY_IN_END * ints[ROWS] + batch_id] = start_s, end_s
    return end_s


@compiled
def _ready(ints: Ints, reals: Reals, times_s: Column, ask: Ask, batch: int, at_s: float) -> None:
    """Take a batch whose input is there at `at_s`."""
    gpu = ints[batch + GPU]
    next_s = ints[gpu] + NEXT_S
    if ints[gpu + FREE_SLOTS] and not ints[gpu + QUEUED] and (ints[HOSTED] or at_s < reals[next_s]):
        ints[gpu + FREE_SLOTS] -= 1
        _launch(ints, reals, times_s, ask, batch, at_s)
        if not ints[HOSTED]:
            arm(ints, reals, gpu, reals[next_s], EXECUTED)
        return
    reals[ints[batch] + READY_S] = at_s
    queued = ints[gpu + QUEUED]
    ints[ints[gpu + QUEUED_AT] + queued] = batch
    ints[gpu + QUEUED] = queued + 1


@compiled
def _fill(ints: Ints, reals: Reals, times_s: Column, ask: Ask, gpu: int, now_s: float) -> None:
    """Give free slots to the batches in the queue that can start now, or before the next execution ends."""
    queue = ints[gpu + QUEUED_AT]
    while ints[gpu + QUEUED] and ints[gpu + FREE_SLOTS]:
        batch = ints[queue]
        at_s = reals[ints[batch] + READY_S]
        if at_s <= now_s:
            at_s = now_s
        elif at_s >= reals[ints[gpu] + NEXT_S]:
            return
        ints[gpu + QUEUED] -= 1
        for place in range(ints[gpu + QUEUED]):
            ints[queue + place] = ints[queue + place + 1]
        ints[gpu + FREE_SLOTS] -= 1
        _launch(ints, reals, times_s, ask, batch, at_s)


@compiled
def _launch(ints: Ints, reals: Reals, times_s: Column, ask: Ask, batch: int, at_s: float) -> None:
    """Execute a batch, which has a slot, from `at_s` on, or once the host has launched it."""
    if reals[LAUNCH_S]:
        launched_s = at_s + reals[LAUNCH_S] * pace(ints, reals, ask, at_s, at_s)
        schedule(ints, reals, launched_s, DEVICE, batch * KINDS + LAUNCHED)
    else:
        _execute(ints, reals, times_s, ask, batch, at_s)


@compiled
def _execute(ints: Ints, reals: Reals, times_s: Column, ask: Ask, batch: int, at_s: float) -> None:
    reals[ints[batch] + START_S] = at_s
    times_s[START * ints[ROWS] + ints[batch + BATCH]] = at_s
    gpu = ints[batch + GPU]
    join(ints, reals, ask, at_s, gpu, batch)
    if ints[HOSTED]:
        arm(ints, reals, gpu, reals[ints[gpu] + NEXT_S], EXECUTED)


@compiled
def _on_execution(ints: Ints, reals: Reals, times_s: Column, output: Column, ask: Ask, gpu: int, now_s: float) -> bool:
    """Executions have ended on a GPU, or a phase of one."""
    ended = complete(ints, reals, ask, now_s, gpu)
    ints[gpu + FREE_SLOTS] += ended
    if ints[gpu + QUEUED]:
        _fill(ints, reals, times_s, ask, gpu, now_s)
    if reals[ints[gpu] + NEXT_S] < inf:
        arm(ints, reals, gpu, reals[ints[gpu] + NEXT_S], EXECUTED)
    for place in range(ended):
        batch = ints[ints[ENDED_AT] + place]
        reals[ints[batch] + END_S] = now_s
        if ints[COPIES_OUT]:
            copy_out(ints, reals, times_s, output, ask, batch, now_s)
        leave(ints, reals, times_s, batch)
    return ended > 0 and ints[WAITING] > 0 and not ints[NATIVE]


@compiled
def _on_hosted(ints: Ints, reals: Reals, times_s: Column, output: Column, ask: Ask, gpu: int, now_s: float) -> None:
    """Do the device's part of `_on_execution`: the host is not notified yet."""
    ended = complete(ints, reals, ask, now_s, gpu)
    arm(ints, reals, gpu, reals[ints[gpu] + NEXT_S], EXECUTED)
    if ended:
        schedule(ints, reals, now_s + reals[NOTICE_S], DEVICE, (ended * _SHIFT + gpu) * KINDS + NOTICE)
    for place in range(ended):
        batch = ints[ints[ENDED_AT] + place]
        reals[ints[batch] + END_S] = now_s
        ints[ints[gpu + NOTIFIED_AT] + ints[gpu + NOTIFIED]] = batch
        ints[gpu + NOTIFIED] += 1
        if ints[COPIES_OUT]:
            copy_out(ints, reals, times_s, output, ask, batch, now_s)


@compiled
def _on_notified(ints: Ints, reals: Reals, times_s: Column, ask: Ask, gpu: int, ended: int, now_s: float) -> bool:
    """The host is notified that executions have ended: their slots are free."""
    ints[gpu + FREE_SLOTS] += ended
    _fill(ints, reals, times_s, ask, gpu, now_s)
    queue = ints[gpu + NOTIFIED_AT]
    for place in range(ended):
        leave(ints, reals, times_s, ints[queue + place])
    ints[gpu + NOTIFIED] -= ended
    for place in range(ints[gpu + NOTIFIED]):
        ints[queue + place] = ints[queue + place + ended]
    return ints[WAITING] > 0 and not ints[NATIVE]


@compiled
def leave(ints: Ints, reals: Reals, times_s: Column, batch: int) -> None:
    """Give up the place of a batch that has executed."""
    times_s[END * ints[ROWS] + ints[batch + BATCH]] = reals[ints[batch] + END_S]
    gpu = ints[batch + GPU]
    members, place = ints[gpu + FLYING_AT], 0
    while ints[members + place] != batch:
        place += 1
    ints[gpu + FLYING] -= 1
    for later in range(place, ints[gpu + FLYING]):
        ints[members + later] = ints[members + later + 1]
    ints[ints[SPARE_AT] + ints[SPARE]] = batch
    ints[SPARE] += 1
    if ints[GPUS] > 1:
        count_batches(ints, gpu)
    if ints[ASKS]:
        ints[ints[LEFT_AT] + ints[LEFT]] = ints[gpu + NUMBER]
        ints[LEFT] += 1


@compiled
def copy_out(ints: Ints, reals: Reals, times_s: Column, output: Column, ask: Ask, batch: int, now_s: float) -> None:
    """Copy an executed batch's outputs out, once the host has come to it."""
    payload = ints[batch + BATCH] * ints[GPUS] + ints[ints[batch + GPU] + NUMBER]
    if reals[COLLECT_S]:
        collected_s = now_s + reals[COLLECT_S] * pace(ints, reals, ask, now_s, now_s)
        schedule(ints, reals, collected_s, DEVICE, payload * KINDS + COLLECTED)
    else:
        send_out(ints, reals, times_s, output, ask, payload, now_s)


@compiled
def send_out(ints: Ints, reals: Reals, times_s: Column, output: Column, ask: Ask, payload: int, now_s: float) -> None:
    """Do so now: the payload is that of the event, the batch's id times the number of GPUs, plus its GPU's number."""
    batch_id = payload // ints[GPUS]
    real = ints[ints[ints[GPU_AT] + payload % ints[GPUS]]]
    start_s = end_s = now_s
    if output[batch_id] and ints[FABRIC]:
        submit(ints, reals, output, ask, 2 * (payload % ints[GPUS]) + 1, payload, now_s)
        follow_links(ints, reals)
        return
    if output[batch_id]:
        start_s = max(reals[real + D2H_FREE_S], now_s)
        end_s = start_s + reals[real + D2H_ALPHA_S] + output[batch_id] / reals[real + D2H_RATE]
        reals[real + D2H_FREE_S] = end_s
    times_s[COPY_OUT_START * ints[ROWS] + batch_id] = start_s
    schedule(ints, reals, end_s, REPLIES, batch_id * KINDS + OUTPUT)
