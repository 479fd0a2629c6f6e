"""What is told of GPUs inside the compiled loop: what `stratsim.policy.view` shows a policy, from array to array."""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING

from stratsim.fast import codes as run_codes
from stratsim.fast.compiled import compiled
from stratsim.fast.strait.codes import (
    CHANGED,
    CHANGED_AT,
    COPIED_S,
    DONE_S,
    GPU_AT,
    GPU_BLOCK,
    GPUS,
    HAS_ENDED,
    ID,
    MEMBERS,
    STAGED,
    START_S,
    VIEWED,
)
from stratsim.fast.strait.estimates import in_flight

if TYPE_CHECKING:
    from stratsim.fast.compiled import Column, Ints, Reals
    from stratsim.fast.strait.codes import State

__all__ = ["tell_of_gpus"]


@compiled
def tell_of_gpus(state: State, run: Ints, run_reals: Reals, times_s: Column) -> None:
    """Tell of the GPUs where anything can have happened: batches are missing, or wait to start."""
    ints, count = state.ints, 0
    ints[HAS_ENDED] = 0
    for number in range(ints[GPUS]):
        gpu, flying = ints[GPU_AT] + number * ints[GPU_BLOCK], run[run[run_codes.GPU_AT] + number] + run_codes.FLYING
        viewed = ints[gpu + VIEWED] = run[flying]
        followed = in_flight(state, gpu)
        may_start = followed if ints[GPUS] == 1 else ints[gpu + STAGED]
        if viewed != followed:
            ints[HAS_ENDED] = 1
        elif not may_start:
            continue
        ints[ints[CHANGED_AT] + count] = number
        count += 1
        for place in range(gpu + MEMBERS, gpu + MEMBERS + followed):
            _tell(state, run, run_reals, times_s, ints[place])
    ints[CHANGED] = count


@compiled
def _tell(state: State, run: Ints, run_reals: Reals, times_s: Column, batch: int) -> None:
    """Tell of what the server's log says of a batch, as `stratsim.policy.state.InFlight` has it."""
    reals, rows, number = state.reals, run[run_codes.ROWS], state.ints[batch + ID]
    seen_s, notice_s = run_reals[run_codes.SEEN_S], run_reals[run_codes.NOTICE_S]
    copied_s, start_s = times_s[run_codes.COPY_IN_END * rows + number], times_s[run_codes.START * rows + number]
    reals[batch + COPIED_S] = copied_s if copied_s + notice_s <= seen_s else nan
    reals[batch + START_S] = start_s if start_s + notice_s <= seen_s else nan
    reals[batch + DONE_S] = times_s[run_codes.END * rows + number]
