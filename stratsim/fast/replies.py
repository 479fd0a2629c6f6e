"""Clients that wait for replies: `stratsim.engine.clients` for kernels, which ask the clients themselves.

Requests that arrive are entered by whoever answers (`stratsim.fast.clients`), and queued by the loop.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from stratsim.fast.clock import schedule
from stratsim.fast.codes import (
    ANNOUNCED,
    ARRIVED,
    CLIENT,
    CLIENTS,
    CLOSED,
    FOUND,
    INSTANCE_AT,
    KINDS,
    LEAD_AT,
    NATIVE,
    NEXT_AT,
    NOW_S,
    OF_CLIENT,
    OF_DROP,
    OF_DUE,
    OF_FIRST,
    OF_REPLY,
    REJECT_S,
    REJECTED,
    REPLIES,
    SENDING,
    SENDS_S,
)
from stratsim.fast.compiled import compiled
from stratsim.fast.native import free_stream

if TYPE_CHECKING:
    from stratsim.fast.compiled import Ask, Ints, Reals

__all__ = ["begin", "due", "rejected", "replied", "reply", "send"]


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
def rejected(ints: Ints, reals: Reals, ask: Ask, request: int, now_s: float) -> None:
    """A request is dropped; the client that waits, if one does, knows of it after a while."""
    ask(OF_DROP, request)
    if ints[FOUND] >= 0:
        schedule(ints, reals, now_s + reals[REJECT_S], REPLIES, request * KINDS + REJECTED)


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
