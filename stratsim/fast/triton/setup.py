"""From a `triton` to what its runs need in the arrays, and to who decides."""

from __future__ import annotations

from math import inf, nan
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from stratsim.fast import codes as run_codes
from stratsim.fast.compiled import IS_COMPILED, entered
from stratsim.fast.triton import codes
from stratsim.fast.triton.policy import decide, entry
from stratsim.model.request import Priority

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stratsim.fast.compiled import Ask
    from stratsim.fast.state import Builder
    from stratsim.model.workload import Workload
    from stratsim.policy.triton import Triton
    from stratsim.policy.triton.batcher import Batcher

__all__ = ["Queues", "add_queues", "largest_of"]


class Queues:
    """The compiled policy that the compiled loop asks: its queues are in the arrays of the run, and need no more room.

    Args:
        state: Those arrays, and columns of the workload.
    """

    is_exact: ClassVar[bool] = True
    expects: ClassVar[bool] = False

    def __init__(self, state: codes.State) -> None:
        self._state = state
        self._where = np.array([array.ctypes.data for array in state], np.int64)
        state.ints[run_codes.ADDRESS] = self._where.ctypes.data

    def callback(self) -> Ask:
        """Return what kernels call to have decided."""
        if IS_COMPILED:
            return entered(entry)  # type: ignore[no-any-return]
        return lambda _, __: decide(self._state)


def largest_of(policy: Triton, names: Mapping[str, object]) -> dict[str, int]:
    """Return the largest batch of each model; 1 of those that are not served.

    Args:
        policy: Is prepared.
        names: The models of the profile.
    """
    return {name: policy._batchers[name]._limit if name in policy._batchers else 1 for name in names}


def add_queues(builder: Builder, workload: Workload, policy: Triton, gpus: int, rows: int) -> None:
    """Add the queues of all models.

    Args:
        builder: Has all else.
        workload: Has the names of models.
        policy: Is prepared.
        gpus: Number of GPUs.
        rows: How many requests there may be.
    """
    batchers = [policy._batchers.get(name) for name in workload.models]
    block = np.zeros(codes.BLOCK, np.int64)
    block[0] = builder.reals([-inf])
    for place, begin in {
        codes.BATCHER_AT: builder.ints(
            [0 if each is None else _add(builder, each, policy._instances[each.model], gpus) for each in batchers]
        ),
        codes.WAITING_AT: builder.ints(max(len(batchers), 1)),
        codes.BEHIND_AT: builder.ints(rows),
        codes.WALKED_AT: builder.ints(1 + max([each._limit for each in batchers if each is not None], default=0)),
        codes.BEGUN_AT: builder.ints(gpus),
    }.items():
        block[place] = begin
    builder.set(run_codes.QUEUES, builder.ints(block))
    builder.set(run_codes.INSTANCE_AT, builder.ints(rows))
    builder.set(run_codes.UNTOLD_AT, builder.ints(rows))


def _add(builder: Builder, batcher: Batcher, instances: list[int], gpus: int) -> int:
    """Add one model's queue; return its block."""
    block = np.zeros(codes.BATCHER_INTS, np.int64)
    reals = [0.0] * codes.BATCHER_REALS
    reals[codes.DELAY_S], reals[codes.WAKE_S] = batcher._delay_s, inf
    reals[codes.SLEEPS_UNTIL_S], reals[codes.WAITS_SINCE_S] = -inf, nan
    ring = max(batcher._most_ahead, 1) + 1
    formed = builder.ints(np.tile([codes.NONE, codes.NONE, *[0] * (codes.FORMED_INTS - 2)], ring))
    level_at = _add_levels(builder, batcher)
    level_of = {
        priority: level_at + codes.LEVEL_INTS * batcher._levels.index(batcher._level_of[priority])
        for priority in Priority
    }
    for place, value in {
        0: builder.reals(reals),
        codes.LIMIT: batcher._limit,
        codes.LARGEST: batcher._largest,
        codes.PREFERRED_AT: builder.ints([size in batcher._preferred for size in range(batcher._limit + 2)]),
        codes.MOST_AHEAD: batcher._most_ahead,
        codes.REJECTS: batcher._rejects,
        codes.WAKES_ALWAYS: batcher._wakes_always,
        codes.LEVELS: len(batcher._levels),
        codes.LEVEL_AT: level_at,
        codes.HIGH_LEVEL: level_of[Priority.HIGH],
        codes.LOW_LEVEL: level_of[Priority.LOW],
        codes.INSTANCES_AT: builder.ints(instances),
        codes.BUSY_AT: builder.ints(gpus),
        codes.FORMED_AT: formed,
        codes.RING: ring,
        codes.CURRENT: formed,
        codes.WOKEN: batcher._woken,
        codes.OLDEST: codes.NONE,
    }.items():
        block[place] = value
    return builder.ints(block)


def _add_levels(builder: Builder, batcher: Batcher) -> int:
    """Add the levels of a queue, one block behind the other; return the first."""
    blocks = np.zeros((len(batcher._levels), codes.LEVEL_INTS), np.int64)
    for block, level in zip(blocks, batcher._levels, strict=True):
        reals = [0.0] * codes.LEVEL_REALS
        reals[codes.TIMEOUT_S], reals[codes.CLOSEST_S] = level.policy.timeout_s, inf
        block[0] = builder.reals(reals)
        for queue in (codes.FRESH, codes.DELAYED):
            block[queue + codes.FIRST] = block[queue + codes.LAST] = codes.NONE
        block[codes.DELAYS] = level.policy.timeout_action == "delay"
        block[codes.OVERRIDES] = level.policy.allow_timeout_override
        block[codes.MOST] = level.policy.max_queue_size
    return builder.ints(blocks)
