"""Makes the arrays of a compiled `strait`, and lengthens them (`stratsim.fast.strait.codes` names the places)."""

from __future__ import annotations

from typing import Any

import numpy as np

from stratsim.fast.strait import codes

__all__ = ["Builder", "add_requests", "lengthen_logs"]

_REQUESTS = 1 << 12


class Builder:
    """Collects what is where; whole numbers and reals have as many places."""

    def __init__(self) -> None:
        self.values: dict[int, Any] = {}
        """What is set from the start, by the first place."""
        self.reals: dict[int, Any] = {}
        self.room = max(codes.INT_SCALARS, codes.REAL_SCALARS)

    def table(self, place: int, numbers: int, ints: object = None, reals: object = None) -> int:
        """Make room for a table, whose beginning is kept at `place`; return its beginning."""
        at = self.values[place] = self.room
        self.room += numbers
        if ints is not None:
            self.values[at] = ints
        if reals is not None:
            self.reals[at] = reals
        return at

    def made(self, terms: Any) -> codes.State:
        """Return the arrays. What is not set is 0, and takes no memory until it is used."""
        ints, reals = np.zeros(self.room, np.int64), np.zeros(self.room)
        for array, values in ((ints, self.values), (reals, self.reals)):
            for at, value in values.items():
                row = np.asarray(value).ravel()
                array[at : at + len(row)] = row
        return codes.State(ints, reals, terms)


# Growing --------------------------------------------------------------------------------------------------------------


def _lengthened(state: codes.State, numbers: int) -> codes.State:
    """Return the same arrays with more places behind; what is not used yet takes no memory, and is not copied."""
    for array in (state.ints, state.reals):
        array.resize(len(array) + numbers, refcheck=False)
    return state


def add_requests(state: codes.State, requests: int) -> tuple[codes.State, range]:
    """Return the arrays with room for more requests than there were, and the blocks of those that are new."""
    new = max(_REQUESTS, requests)
    most, at = requests + new, len(state.ints)
    state = _lengthened(state, new * codes.REQUEST_BLOCK + most * (2 + codes.DECISION_BLOCK) + _MORE_DECISIONS)
    blocks = range(at, at + new * codes.REQUEST_BLOCK, codes.REQUEST_BLOCK)
    at = blocks.stop
    for place, numbers in {codes.LISTED_AT: most, codes.ARRIVED_AT: most, codes.DECISION_AT: 0}.items():
        if place == codes.ARRIVED_AT:
            before, count = state.ints[place], state.ints[codes.ARRIVED]
            state.ints[at : at + count] = state.ints[before : before + count]
        state.ints[place] = at
        at += numbers
    return state, blocks


_MORE_DECISIONS = 64 * codes.DECISION_BLOCK
"""Beside one for every request that waits: timers."""


def lengthen_logs(state: codes.State, refresh: int) -> codes.State:
    """Return the arrays with twice the room for what is logged of every GPU."""
    ints = state.ints
    gpus, places, rows = int(ints[codes.GPUS]), int(ints[codes.PLACES]), 2 * int(ints[codes.LOG_ROWS])
    width, intervals = 1 + 2 * places, (refresh + gpus * places) * rows * (1 + places)
    at = len(ints)
    state = _lengthened(state, gpus * rows * width + intervals + 3 * rows)
    ints, reals = state.ints, state.reals
    for number in range(gpus):
        gpu = ints[codes.GPU_AT] + number * ints[codes.GPU_BLOCK]
        before, used = ints[gpu + codes.LOG_AT], ints[gpu + codes.LOGGED] * width
        for array in (ints, reals):
            array[at : at + used] = array[before : before + used]
        ints[gpu + codes.LOG_AT] = at
        at += rows * width
    before, used = ints[codes.INTERVAL_AT], ints[codes.INTERVALS] * (1 + places)
    for array in (ints, reals):
        array[at : at + used] = array[before : before + used]
    ints[codes.INTERVAL_AT], ints[codes.MET_AT], ints[codes.LOG_ROWS] = at, at + intervals, rows
    return state
