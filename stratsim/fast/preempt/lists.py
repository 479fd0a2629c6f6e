"""Short lists of batches in the arrays of a run: a count in a GPU's block, and where the list begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratsim.fast.codes import BATCH, FLYING, FLYING_AT
from stratsim.fast.compiled import compiled
from stratsim.fast.preempt.codes import ASIDE, ASIDE_AT, IS_ASIDE

if TYPE_CHECKING:
    from stratsim.fast.compiled import Ints

__all__ = ["append", "discard", "set_aside", "take_back"]


@compiled
def append(ints: Ints, count: int, begin: int, batch: int) -> None:
    """Append a batch to a list.

    Args:
        ints: The whole numbers of the run.
        count: The place of its length.
        begin: The place that says where it begins.
        batch: The batch.
    """
    ints[ints[begin] + ints[count]] = batch
    ints[count] += 1


@compiled
def discard(ints: Ints, count: int, begin: int, batch: int) -> None:
    """Take a batch out of a list, if it is there; arguments as for `append`."""
    staying = 0
    for place in range(ints[count]):
        other = ints[ints[begin] + place]
        if other != batch:
            ints[ints[begin] + staying] = other
            staying += 1
    ints[count] = staying


@compiled
def set_aside(ints: Ints, gpu: int, batch: int) -> None:
    """Take a batch out of its place: it is suspended."""
    discard(ints, gpu + FLYING, gpu + FLYING_AT, batch)
    append(ints, gpu + ASIDE, gpu + ASIDE_AT, batch)
    ints[batch + IS_ASIDE] = 1


@compiled
def take_back(ints: Ints, gpu: int, batch: int) -> None:
    """Give a suspended batch a place; batches stay in the order of dispatch."""
    discard(ints, gpu + ASIDE, gpu + ASIDE_AT, batch)
    ints[batch + IS_ASIDE] = 0
    members, place = ints[gpu + FLYING_AT], ints[gpu + FLYING]
    ints[gpu + FLYING] = place + 1
    while place and ints[ints[members + place - 1] + BATCH] > ints[batch + BATCH]:
        ints[members + place] = ints[members + place - 1]
        place -= 1
    ints[members + place] = batch
