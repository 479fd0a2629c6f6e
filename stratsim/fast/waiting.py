"""Waiting requests in the order of a queue policy's key: a heap per model, and a heap of the models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratsim.fast.codes import BEGIN, BY_PRIORITY, BY_TIME, DEPTH, HEAD_AT, HEADS, PLACE, WAITING
from stratsim.fast.compiled import compiled

if TYPE_CHECKING:
    from stratsim.fast.compiled import Column, Ints

__all__ = ["admit", "before", "take"]


@compiled
def before(ints: Ints, priority: Column, order_s: Column, one: int, other: int) -> bool:
    """Whether a request's key is the smaller: class and time as far as the policy heeds them, then its number."""
    if ints[BY_PRIORITY] and priority[one] != priority[other]:
        return priority[one] < priority[other]  # type: ignore[no-any-return]
    if ints[BY_TIME] and order_s[one] != order_s[other]:
        return order_s[one] < order_s[other]  # type: ignore[no-any-return]
    return one < other


@compiled
def _rise(ints: Ints, priority: Column, order_s: Column, heap: int, place: int, request: int) -> None:
    """Put a request into a heap, from a free place upwards."""
    while place:
        above = (place - 1) >> 1
        if not before(ints, priority, order_s, request, ints[heap + above]):
            break
        ints[heap + place] = ints[heap + above]
        place = above
    ints[heap + place] = request


@compiled
def _sink(ints: Ints, priority: Column, order_s: Column, heap: int, size: int, request: int) -> None:
    """Put a request into a heap, from its top downwards."""
    place = 0
    while True:
        below = 2 * place + 1
        if below >= size:
            break
        if below + 1 < size and before(ints, priority, order_s, ints[heap + below + 1], ints[heap + below]):
            below += 1
        if not before(ints, priority, order_s, ints[heap + below], request):
            break
        ints[heap + place] = ints[heap + below]
        place = below
    ints[heap + place] = request


@compiled
def _first(ints: Ints, model: int) -> int:
    return ints[ints[model + BEGIN]]  # type: ignore[no-any-return]


@compiled
def _raise_head(ints: Ints, priority: Column, order_s: Column, model: int, place: int) -> None:
    """Move a model up to where its first request belongs."""
    heads, request = ints[HEAD_AT], _first(ints, model)
    while place:
        above = ints[heads + ((place - 1) >> 1)]
        if not before(ints, priority, order_s, request, _first(ints, above)):
            break
        ints[heads + place] = above
        ints[above + PLACE] = place
        place = (place - 1) >> 1
    ints[heads + place] = model
    ints[model + PLACE] = place


@compiled
def _lower_head(ints: Ints, priority: Column, order_s: Column, model: int, place: int) -> None:
    """Move a model down to where its first request belongs."""
    heads, request, size = ints[HEAD_AT], _first(ints, model), ints[HEADS]
    while True:
        below = 2 * place + 1
        if below >= size:
            break
        other = ints[heads + below]
        if below + 1 < size:
            beside = ints[heads + below + 1]
            if before(ints, priority, order_s, _first(ints, beside), _first(ints, other)):
                below, other = below + 1, beside
        if not before(ints, priority, order_s, _first(ints, other), request):
            break
        ints[heads + place] = other
        ints[other + PLACE] = place
        place = below
    ints[heads + place] = model
    ints[model + PLACE] = place


@compiled
def admit(ints: Ints, priority: Column, order_s: Column, model: int, request: int) -> None:
    """Queue a request that arrives."""
    ints[WAITING] += 1
    depth = ints[model + DEPTH]
    ints[model + DEPTH] = depth + 1
    heap = ints[model + BEGIN]
    _rise(ints, priority, order_s, heap, depth, request)
    if depth == 0:
        size = ints[HEADS]
        ints[HEADS] = size + 1
        _raise_head(ints, priority, order_s, model, size)
    elif ints[heap] == request:
        _raise_head(ints, priority, order_s, model, ints[model + PLACE])


@compiled
def take(ints: Ints, priority: Column, order_s: Column, model: int) -> None:
    """Take the first request of a model out of its queue; it heads all others, or one that did was just taken."""
    ints[WAITING] -= 1
    depth = ints[model + DEPTH] - 1
    ints[model + DEPTH] = depth
    heap, place = ints[model + BEGIN], ints[model + PLACE]
    if depth:
        _sink(ints, priority, order_s, heap, depth, ints[heap + depth])
        _lower_head(ints, priority, order_s, model, place)
        return
    last = ints[HEADS] - 1
    ints[HEADS] = last
    ints[model + PLACE] = -1
    if place < last:
        moved = ints[ints[HEAD_AT] + last]
        _lower_head(ints, priority, order_s, moved, place)
        _raise_head(ints, priority, order_s, moved, ints[moved + PLACE])
