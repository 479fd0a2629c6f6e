"""The names of further places in the arrays of a run (`stratsim.fast.codes`): the queues of `triton`.

Requests are in lists: of a level, or of a batch that has been formed. Each is in one of them at most.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from stratsim.fast.compiled import Column, Ints, Reals

__all__ = ["State"]


class State(NamedTuple):
    """What the policy works on, each a `pointer`: the arrays of the run, and columns by request."""

    ints: Ints
    reals: Reals
    arrival_s: Column
    model_of: Column
    priority: Column
    deadline_s: Column


# The block of the policy.
(
    _,
    BATCHER_AT,  # blocks, by model; 0: the model is not served
    WAITING_AT,  # batchers at which something waits: a heap, by their oldest request
    BEHIND_AT,  # by request: the next in its list; -1: it is the last
    WALKED_AT,  # the requests walked
    BEGUN_AT,  # by GPU: batches that are decided on
    BLOCK,
) = range(7)
(TIMER_S, BLOCK_REALS) = range(2)
"""The timer that was set last."""

# A list.
(FIRST, LAST, COUNT, LIST) = range(4)

# A batcher: one model's queue.
(
    _,
    LIMIT,
    LARGEST,  # of the preferred sizes
    PREFERRED_AT,  # by size: whether it is preferred
    MOST_AHEAD,  # batches that are formed before an instance is free
    REJECTS,
    WAKES_ALWAYS,
    LEVELS,
    LEVEL_AT,  # its levels, the first of them
    HIGH_LEVEL,  # those of each class
    LOW_LEVEL,
    INSTANCES_AT,  # by GPU
    BUSY_AT,  # by GPU: those of them that serve a batch
    FORMED_AT,  # blocks of batches that have been formed, in a ring
    RING,  # how many blocks
    HEAD,  # the number of the first batch ahead
    AHEAD,  # batches ahead
    CURRENT,  # the batch that is being formed, a block
    WOKEN,
    OLDEST,  # the first to arrive of what heads its queues; -1: nothing waits
    BATCHER_INTS,
) = range(21)
(DELAY_S, WAKE_S, SLEEPS_UNTIL_S, WAITS_SINCE_S, BATCHER_REALS) = range(5)
"""`WAITS_SINCE_S` is NaN while an instance is free."""

# A level.
(_, FRESH, DELAYED, DELAYS, OVERRIDES, MOST, LEVEL_INTS) = (0, 1, 1 + LIST, *range(1 + 2 * LIST, 5 + 2 * LIST))
(TIMEOUT_S, CLOSEST_S, LEVEL_REALS) = range(3)

# A batch that has been formed.
(REQUESTS, SATURATED, WANTED, FORMED_INTS) = (0, *range(LIST, LIST + 3))

NONE = -1
LOOK_AGAIN_S = 0.5
