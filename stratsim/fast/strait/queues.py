"""Waiting requests by class and model, earliest deadline first: `stratsim.policy.strait.queues` as linked lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratsim.fast.compiled import compiled
from stratsim.fast.strait.codes import (
    BEFORE,
    DEADLINE_S,
    HEAD,
    HIGH,
    HIGHS,
    IS_LOW,
    IS_TRIED,
    KNOWN_HIGH,
    LISTED,
    LISTED_AT,
    LOWS,
    MODEL_AT,
    MODEL_BLOCK,
    MODELS,
    NEXT,
    NONE,
    POSITION,
    QUEUED_AT,
    QUEUED_HIGH,
    RANK,
    REQUEST_ID,
    REQUEST_MODEL,
    TAIL,
    WAITING,
)

if TYPE_CHECKING:
    from stratsim.fast.strait.codes import State

__all__ = ["at_model", "first_waiting", "following_model", "push", "queued_at", "take"]


@compiled
def at_model(state: State, model: int) -> int:
    """Return the block of a model."""
    return state.ints[MODEL_AT] + model * MODEL_BLOCK  # type: ignore[no-any-return]


@compiled
def queued_at(state: State, level: int) -> int:
    """Return where the models of a class that have requests that wait are listed, in no order."""
    return state.ints[QUEUED_AT] + level * state.ints[MODELS]  # type: ignore[no-any-return]


@compiled
def push(state: State, request: int) -> None:
    """Add a request to its queue."""
    ints = state.ints
    level, model = ints[request + IS_LOW], at_model(state, ints[request + REQUEST_MODEL])
    if not ints[model + RANK + level]:
        ints[KNOWN_HIGH + level] += 1
        ints[model + RANK + level] = ints[KNOWN_HIGH + level]
    if not ints[model + WAITING + level]:
        ints[model + POSITION + level] = ints[QUEUED_HIGH + level]
        ints[queued_at(state, level) + ints[QUEUED_HIGH + level]] = ints[request + REQUEST_MODEL]
        ints[QUEUED_HIGH + level] += 1
    before = ints[model + TAIL + level]
    while before != NONE and precedes(state, request, before):
        before = ints[before + BEFORE]
    after = ints[model + HEAD + level] if before == NONE else ints[before + NEXT]
    ints[request + BEFORE], ints[request + NEXT] = before, after
    if before == NONE:
        ints[model + HEAD + level] = request
    else:
        ints[before + NEXT] = request
    if after == NONE:
        ints[model + TAIL + level] = request
    else:
        ints[after + BEFORE] = request
    ints[model + WAITING + level] += 1
    ints[HIGHS if level == HIGH else LOWS] += 1


@compiled
def precedes(state: State, one: int, other: int) -> bool:
    """Whether one request has the earlier deadline, or the same and came earlier."""
    ints, reals = state.ints, state.reals
    if reals[one + DEADLINE_S] != reals[other + DEADLINE_S]:
        return reals[one + DEADLINE_S] < reals[other + DEADLINE_S]  # type: ignore[no-any-return]
    return ints[one + REQUEST_ID] < ints[other + REQUEST_ID]  # type: ignore[no-any-return]


@compiled
def take(state: State, model: int, level: int, count: int) -> None:
    """Remove a model's first requests from their queue, and list them as those of a decision."""
    ints = state.ints
    at = at_model(state, model)
    request = ints[at + HEAD + level]
    for _ in range(count):
        ints[ints[LISTED_AT] + ints[LISTED]] = request
        ints[LISTED] += 1
        request = ints[request + NEXT]
    ints[at + HEAD + level] = request
    if request == NONE:
        ints[at + TAIL + level] = NONE
    else:
        ints[request + BEFORE] = NONE
    ints[at + WAITING + level] -= count
    if not ints[at + WAITING + level]:  # the last of those that wait takes its place
        ints[QUEUED_HIGH + level] -= 1
        queued = queued_at(state, level)
        last = ints[queued + ints[QUEUED_HIGH + level]]
        ints[queued + ints[at + POSITION + level]] = last
        ints[at_model(state, last) + POSITION + level] = ints[at + POSITION + level]
    ints[HIGHS if level == HIGH else LOWS] -= count


@compiled
def first_waiting(state: State, level: int) -> int:
    """Begin a round over the models that have requests, by the deadline of their first; NONE: there are none."""
    ints = state.ints
    queued = queued_at(state, level)
    for place in range(queued, queued + ints[QUEUED_HIGH + level]):
        ints[at_model(state, ints[place]) + IS_TRIED] = 0
    return following_model(state, level)


@compiled
def following_model(state: State, level: int) -> int:
    """Return the next model of a round; NONE at its end."""
    ints = state.ints
    queued, found, first = queued_at(state, level), NONE, NONE
    for place in range(queued, queued + ints[QUEUED_HIGH + level]):
        at = at_model(state, ints[place])
        head = ints[at + HEAD + level]
        if not ints[at + IS_TRIED] and (first == NONE or precedes(state, head, first)):
            found, first = ints[place], head
    if found != NONE:
        ints[at_model(state, found) + IS_TRIED] = 1
    return found
