"""What happens on the GPUs and their links, and what follows from it: `stratsim.engine.loop` on arrays."""

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
    CLIENT,
    COLLECTED,
    COPIES_OUT,
    COPY_OUT_END,
    COPY_OUT_START,
    COPY_SPARE,
    COPY_SPARE_AT,
    COPY_START_S,
    DEVICE,
    DISPATCHED,
    DONE_AT,
    END,
    END_S,
    ENDED_AT,
    EVENT_AT,
    EXECUTED,
    FLYING,
    FLYING_AT,
    FREE_SLOTS,
    GPU,
    GPUS,
    HOSTED,
    INPUT,
    IS_WOKEN,
    ITEM,
    KINDS,
    LANE,
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
    REJECTED,
    REPLIES,
    REPLY,
    ROWS,
    SPARE,
    SPARE_AT,
    TOOK_S,
    WAITING,
    WEIGHTS_AT,
    WOKEN,
)
from stratsim.fast.compiled import compiled
from stratsim.fast.copying import copy_out, follow_links, send_out
from stratsim.fast.deciding import count_batches
from stratsim.fast.fabric import end_copies
from stratsim.fast.replies import replied, reply, send, send_again
from stratsim.fast.slots import execute, fill
from stratsim.fast.unit import complete
from stratsim.fast.weights import arrived, copy_in, executed

if TYPE_CHECKING:
    from stratsim.fast.compiled import Ask, Column, Ints, Reals

__all__ = ["happen", "leave"]

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
        return _on_notified(ints, reals, times_s, output, ask, payload % _SHIFT, payload // _SHIFT, now_s)
    if kind == INPUT:
        arrived(ints, reals, times_s, ask, payload, reals[ints[payload] + COPY_START_S], now_s)
    elif kind == DISPATCHED:
        copy_in(ints, reals, times_s, output, ask, payload, now_s)
    elif kind == LAUNCHED:
        execute(ints, reals, times_s, ask, payload, now_s)
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
            arrived(ints, reals, times_s, ask, item, start_s, now_s)
    follow_links(ints, reals)
    return asked


@compiled
def _output_there(ints: Ints, reals: Reals, times_s: Column, ask: Ask, batch_id: int, now_s: float) -> bool:
    """A batch's outputs are on the host, which is notified of it; return whether policies are to be asked."""
    times_s[COPY_OUT_END * ints[ROWS] + batch_id] = now_s
    if not ints[HOSTED]:
        return replied(ints, reals, ask, batch_id, now_s)
    schedule(ints, reals, now_s + reals[NOTICE_S], REPLIES, batch_id * KINDS + REPLY)
    return False


@compiled
def _on_execution(ints: Ints, reals: Reals, times_s: Column, output: Column, ask: Ask, gpu: int, now_s: float) -> bool:
    """Executions have ended on a GPU, or a phase of one."""
    ended = complete(ints, reals, ask, now_s, gpu)
    ints[gpu + FREE_SLOTS] += ended
    if ints[gpu + QUEUED]:
        fill(ints, reals, times_s, ask, gpu, now_s)
    if reals[ints[gpu] + NEXT_S] < inf:
        arm(ints, reals, gpu, reals[ints[gpu] + NEXT_S], EXECUTED)
    for place in range(ended):
        batch = ints[ints[ENDED_AT] + place]
        reals[ints[batch] + END_S] = now_s
        if ints[COPIES_OUT]:
            copy_out(ints, reals, times_s, output, ask, batch, now_s)
        if ints[WEIGHTS_AT]:
            executed(ints, reals, times_s, output, ask, batch, now_s)
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
def _on_notified(
    ints: Ints, reals: Reals, times_s: Column, output: Column, ask: Ask, gpu: int, ended: int, now_s: float
) -> bool:
    """The host is notified that executions have ended: their slots are free."""
    ints[gpu + FREE_SLOTS] += ended
    fill(ints, reals, times_s, ask, gpu, now_s)
    queue = ints[gpu + NOTIFIED_AT]
    for place in range(ended):
        if ints[WEIGHTS_AT]:
            executed(ints, reals, times_s, output, ask, ints[queue + place], now_s)
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
