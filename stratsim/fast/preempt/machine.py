"""What happens on GPUs whose batches can be stopped, and what follows from it: `stratsim.engine.loop` on arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratsim.fast.clock import pop_event, schedule
from stratsim.fast.codes import (
    AGAIN,
    ANNOUNCED,
    ARMED,
    BATCH,
    CLIENT,
    COLLECTED,
    COPIES_OUT,
    COPY_IN_END,
    COPY_IN_START,
    COPY_OUT_END,
    COPY_OUT_START,
    COPY_SPARE,
    COPY_SPARE_AT,
    COPY_START_S,
    DEVICE,
    DISPATCHED,
    DONE_AT,
    ENDED_AT,
    EVENT_AT,
    EXECUTED,
    GPU,
    GPU_AT,
    GPUS,
    HOSTED,
    INPUT,
    ITEM,
    KINDS,
    LANE,
    LAUNCHED,
    LINKS,
    NOTICE,
    NOTICE_S,
    OUTPUT,
    PREEMPTS,
    REJECTED,
    REPLIES,
    REPLY,
    ROWS,
    TOOK_S,
    WOKEN,
)
from stratsim.fast.compiled import compiled
from stratsim.fast.copying import carry_in, copy_out, follow_links, send_out
from stratsim.fast.fabric import end_copies
from stratsim.fast.machine import leave
from stratsim.fast.preempt.codes import SEVERAL, UNANSWERED, URGENT_AT, WAKES_ON_INPUT, WAKES_ON_REPLY
from stratsim.fast.preempt.slots import launched
from stratsim.fast.preempt.stopping import complete_now, notified, ready
from stratsim.fast.replies import replied, reply, send, send_again

if TYPE_CHECKING:
    from stratsim.fast.compiled import Ask, Column, Ints, Reals

__all__ = ["copy_in", "happen"]


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
        return _on_execution(ints, reals, times_s, output, ask, payload, now_s)
    if kind == INPUT:
        times_s[COPY_IN_START * ints[ROWS] + ints[payload + BATCH]] = reals[ints[payload] + COPY_START_S]
        times_s[COPY_IN_END * ints[ROWS] + ints[payload + BATCH]] = now_s
        return _input_there(ints, reals, times_s, ask, payload, now_s)
    if kind == NOTICE:
        return _on_notice(ints, reals, times_s, ask, payload, now_s)
    if kind == DISPATCHED:
        copy_in(ints, reals, times_s, output, ask, payload, now_s)
    elif kind == LAUNCHED:
        launched(ints, reals, times_s, ask, number, payload, now_s)
    elif kind == COLLECTED:
        send_out(ints, reals, times_s, output, ask, payload, now_s)
    elif kind == LINKS:
        if ints[payload + ARMED] == number:
            ints[payload + ARMED] = -1
            return _on_links(ints, reals, times_s, output, ask, now_s)
    else:
        return _tell_host(ints, reals, times_s, ask, kind, payload, now_s)
    return False


@compiled
def _tell_host(ints: Ints, reals: Reals, times_s: Column, ask: Ask, kind: int, payload: int, now_s: float) -> bool:
    """Do what `happen` does for events of which the host or a client knows."""
    if kind == OUTPUT:
        return _output_there(ints, reals, times_s, ask, payload, now_s)
    if kind == REPLY:
        return _answered(ints, reals, ask, payload, now_s)
    if kind == CLIENT:
        send(reals, ask, payload, now_s)
        return True
    if kind == AGAIN:
        send_again(ints, reals, ask, payload, now_s)
        return True
    if kind == REJECTED:
        reply(ints, reals, ask, payload, now_s)
        return False
    return kind in (ANNOUNCED, WOKEN)


@compiled
def _on_execution(ints: Ints, reals: Reals, times_s: Column, output: Column, ask: Ask, gpu: int, now_s: float) -> bool:
    """Executions have ended on a GPU, or a phase of one, or batches have stopped."""
    ended = complete_now(ints, reals, times_s, ask, gpu, now_s)
    for place in range(ended):
        batch = ints[ints[ENDED_AT] + place]
        if ints[COPIES_OUT]:
            copy_out(ints, reals, times_s, output, ask, batch, now_s)
        if not reals[NOTICE_S]:
            leave(ints, reals, times_s, batch)
    return ended > 0 and not reals[NOTICE_S]


@compiled
def _on_notice(ints: Ints, reals: Reals, times_s: Column, ask: Ask, payload: int, now_s: float) -> bool:
    """The host is notified that batches have ended or stopped."""
    gpu = ints[ints[GPU_AT] + payload % SEVERAL]
    ended = payload // SEVERAL % SEVERAL
    notified(ints, reals, times_s, ask, gpu, ended, payload // SEVERAL // SEVERAL, now_s)
    for place in range(ended):
        leave(ints, reals, times_s, ints[ints[ENDED_AT] + place])
    return ended > 0


@compiled
def copy_in(ints: Ints, reals: Reals, times_s: Column, output: Column, ask: Ask, batch: int, now_s: float) -> None:
    """Copy a batch's inputs in."""
    if carry_in(ints, reals, times_s, output, ask, batch, now_s) < 0.0:
        return  # an event will say when they are there
    if _input_there(ints, reals, times_s, ask, batch, now_s):
        schedule(ints, reals, now_s, DEVICE, ANNOUNCED)


@compiled
def _input_there(ints: Ints, reals: Reals, times_s: Column, ask: Ask, batch: int, now_s: float) -> bool:
    """A batch's inputs are on its GPU; return whether the policy is to be asked."""
    ready(ints, reals, times_s, ask, ints[batch + GPU], batch, now_s)
    if not ints[ints[PREEMPTS] + WAKES_ON_INPUT]:
        return False
    if ints[HOSTED]:
        schedule(ints, reals, now_s + reals[NOTICE_S], DEVICE, ANNOUNCED)
        return False
    return True


@compiled
def _output_there(ints: Ints, reals: Reals, times_s: Column, ask: Ask, batch_id: int, now_s: float) -> bool:
    """A batch's outputs are on the host, which is notified of it; return whether the policy is to be asked."""
    times_s[COPY_OUT_END * ints[ROWS] + batch_id] = now_s
    if not ints[HOSTED]:
        return _answered(ints, reals, ask, batch_id, now_s)
    schedule(ints, reals, now_s + reals[NOTICE_S], REPLIES, batch_id * KINDS + REPLY)
    return False


@compiled
def _answered(ints: Ints, reals: Reals, ask: Ask, batch_id: int, now_s: float) -> bool:
    """The host knows that a batch's outputs are there; return whether the policy is to be asked."""
    replied(ints, reals, ask, batch_id, now_s)
    block = ints[PREEMPTS]
    if not ints[block + WAKES_ON_REPLY]:
        return False
    number = ints[ints[block + URGENT_AT] + batch_id]
    if number >= 0:
        ints[ints[ints[GPU_AT] + number] + UNANSWERED] -= 1
    return True


@compiled
def _on_links(ints: Ints, reals: Reals, times_s: Column, output: Column, ask: Ask, now_s: float) -> bool:
    """Something changes on links that copies share: maybe some have ended; return whether the policy is to be asked."""
    asked = False
    for place in range(end_copies(ints, reals, output, ask, now_s)):
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
            if _input_there(ints, reals, times_s, ask, item, now_s):
                asked = True
    follow_links(ints, reals)
    return asked
