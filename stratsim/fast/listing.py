"""Lists what a policy that is asked has decided, for `stratsim.fast.following`: decisions, and the requests in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratsim.fast.codes import (
    DECIDED,
    DECIDED_AT,
    DECIDED_S_AT,
    DECISION,
    FIRST_LISTED,
    LISTED,
    LISTED_AT,
    MANY,
    WHERE,
)
from stratsim.fast.compiled import compiled

if TYPE_CHECKING:
    from stratsim.fast.compiled import Ints, Reals

__all__ = ["list_decision", "list_request"]


@compiled
def list_request(ints: Ints, request: int) -> None:
    """List a request as one of the next decision."""
    ints[ints[LISTED_AT] + ints[LISTED]] = request
    ints[LISTED] += 1


@compiled
def list_decision(ints: Ints, reals: Reals, what: int, where: int, many: int, at_s: float) -> None:
    """List a decision on the last `many` requests that were listed."""
    number = ints[DECIDED]
    at = ints[DECIDED_AT] + number * DECISION
    ints[at], ints[at + WHERE], ints[at + MANY] = what, where, many
    ints[at + FIRST_LISTED] = ints[LISTED_AT] + ints[LISTED] - many
    reals[ints[DECIDED_S_AT] + number] = at_s
    ints[DECIDED] = number + 1
