"""Clients that wait for replies, and further attempts: `stratsim.engine.clients` for kernels, which ask them.

Requests that arrive are entered by whoever answers (`stratsim.fast.clients`), and queued by the loop.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from stratsim.fast.clock import schedule
from stratsim.fast.codes import (
    AGAIN,
    ANNOUNCED,
    ARRIVED,
    CLIENT,
    CLIENTS,
    CLOSED,
    COMES_BACK,
    DROPS,
    FOUND,
    INSTANCE_AT,
    KINDS,
    LEAD_AT,
    NATIVE,
    NEXT_AT,
    NOW_S,
    OF_ATTEMPT,
    OF_CLIENT,
    OF_DROP,
    OF_DUE,
    OF_FIRST,
    OF_REPLY,
    REJECT_S,
    REJECTED,
    REPLIES,
    RETRIES,
    SENDING,
    SENDS_S,
    SENT_AGAIN,
    TO_COME,
)
from stratsim.fast.compiled import compiled
from stratsim.fast.native import free_stream

if TYPE_CHECKING:
    from stratsim.fast.columns import Columns
    from stratsim.fast.compiled import Ask, Ints, Reals

__all__ = ["begin", "drop", "due", "replied", "reply", "send", "send_again"]


@compiled
def begin(ints: Ints, reals: Reals, ask: Ask) -> None:
    """Schedule the first requests of clients that send on their own."""
    for client in range(ints[CLOSED]):
        ask(OF_FIRST, client)
        _schedule(ints, reals, client)


@compiled
def send(reals: Reals, ask: Ask, client: int, now_s: float) -> None:
    """A client sends a request."""
    reals[NOW_S] = now_s
    ask(OF_CLIENT, client)


@compiled
def due(ints: Ints, reals: Reals, ask: Ask, rows: int, now_s: float) -> bool:
    """So many rows of the trace are due now; return whether policies are to be asked for that."""
    reals[NOW_S] = now_s
    before = ints[ARRIVED]
    ask(OF_DUE, rows)
    if ints[CLIENTS] == ints[CLOSED]:
        return True
    if ints[ARRIVED] > before:  # a request that is held back wakes no policy, so others announce themselves
        schedule(ints, reals, now_s, SENDING, ANNOUNCED)
    return False


@compiled
def reply(ints: Ints, reals: Reals, ask: Ask, request: int, now_s: float) -> None:
    """The client that waits for the reply to a request has it, if one does."""
    reals[NOW_S] = now_s
    ask(OF_REPLY, request)
    if ints[FOUND] >= 0:
        _schedule(ints, reals, ints[FOUND])


@compiled
def drop(ints: Ints, reals: Reals, columns: Columns, ask: Ask, request: int, reason: int, now_s: float) -> None:
    """Drop a request that waits no more; the client that waits for it knows after a while, or it is sent again."""
    if ints[CLIENTS] or ints[RETRIES]:
        reals[NOW_S] = now_s
        ask(OF_DROP, request)
        if ints[FOUND] == SENT_AGAIN:
            ints[TO_COME] += 1
            schedule(ints, reals, reals[SENDS_S], SENDING, request * KINDS + AGAIN)
            return
        if ints[FOUND] >= 0:
            schedule(ints, reals, now_s + reals[REJECT_S], REPLIES, request * KINDS + REJECTED)
    drops = ints[DROPS]
    ints[DROPS] = drops + 1
    columns.dropped[drops], columns.dropped_s[drops], columns.reason[drops] = request, now_s, reason


@compiled
def send_again(ints: Ints, reals: Reals, ask: Ask, request: int, now_s: float) -> None:
    """A request that was dropped arrives once more."""
    reals[NOW_S] = now_s
    ask(OF_ATTEMPT, request)
    ints[TO_COME] -= 1
    ints[COMES_BACK] = request + 1


@compiled
def replied(ints: Ints, reals: Reals, ask: Ask, batch_id: int, now_s: float) -> bool:
    """The host knows that a batch's outputs are there; return whether policies are to be asked."""
    if ints[INSTANCE_AT]:
        ints[ints[ints[INSTANCE_AT] + batch_id]] -= 1
    if not ints[LEAD_AT]:
        return ints[INSTANCE_AT] != 0  # type: ignore[no-any-return]
    lead = ints[ints[LEAD_AT] + batch_id]
    if ints[CLIENTS]:
        request = lead
        while request >= 0:
            reply(ints, reals, ask, request, now_s)
            request = ints[ints[NEXT_AT] + request]
    if ints[NATIVE]:
        free_stream(ints, lead)
        return True
    return ints[INSTANCE_AT] != 0  # type: ignore[no-any-return]


@compiled
def _schedule(ints: Ints, reals: Reals, client: int) -> None:
    if reals[SENDS_S] < inf:
        schedule(ints, reals, reals[SENDS_S], SENDING, client * KINDS + CLIENT)
