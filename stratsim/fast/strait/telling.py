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
    GPUS,
    HAS_ENDED,
    ID,
    IS_MISSING,
    MEMBERS,
    MISSING,
    MISSING_AT,
    NUMBER,
    STAGING,
    STAGING_AT,
    START_S,
    VIEWED,
)
from stratsim.fast.strait.estimates import in_flight
from stratsim.fast.strait.gpus import at_gpu, recount

if TYPE_CHECKING:
    from stratsim.fast.compiled import Column, Ints, Reals
    from stratsim.fast.strait.codes import State

__all__ = ["tell_of_gpus"]


@compiled
def tell_of_gpus(state: State, run: Ints, run_reals: Reals, times_s: Column) -> None:
    """Tell of the GPUs where anything can have happened: batches are missing, or wait to start."""
    ints = state.ints
    ints[HAS_ENDED] = ints[CHANGED] = 0
    _note_missing(state, run)
    missing, ints[MISSING] = ints[MISSING], 0
    for place in range(ints[MISSING_AT], ints[MISSING_AT] + missing):
        gpu = at_gpu(state, ints[place])
        viewed = ints[gpu + VIEWED] = run[run[run[run_codes.GPU_AT] + ints[place]] + run_codes.FLYING]
        recount(state, gpu)
        ints[gpu + IS_MISSING] = viewed != in_flight(state, gpu)
        if ints[gpu + IS_MISSING]:
            ints[HAS_ENDED] = 1
            ints[ints[MISSING_AT] + ints[MISSING]] = ints[place]
            ints[MISSING] += 1
            _tell_of(state, run, run_reals, times_s, gpu)
    if ints[GPUS] == 1:  # looked at whenever there is something in flight
        gpu = ints[GPU_AT]
        if in_flight(state, gpu) and not ints[gpu + IS_MISSING]:
            _tell_of(state, run, run_reals, times_s, gpu)
        return
    for place in range(ints[STAGING_AT], ints[STAGING_AT] + ints[STAGING]):
        if not ints[ints[place] + IS_MISSING]:
            _tell_of(state, run, run_reals, times_s, ints[place])


@compiled
def _note_missing(state: State, run: Ints) -> None:
    """Take over from the loop which GPUs batches have left."""
    ints = state.ints
    for place in range(run[run_codes.LEFT_AT], run[run_codes.LEFT_AT] + run[run_codes.LEFT]):
        gpu = at_gpu(state, run[place])
        if not ints[gpu + IS_MISSING]:
            ints[gpu + IS_MISSING] = 1
            ints[ints[MISSING_AT] + ints[MISSING]] = run[place]
            ints[MISSING] += 1
    run[run_codes.LEFT] = 0


@compiled
def _tell_of(state: State, run: Ints, run_reals: Reals, times_s: Column, gpu: int) -> None:
    """Tell of a GPU."""
    ints = state.ints
    ints[ints[CHANGED_AT] + ints[CHANGED]] = ints[gpu + NUMBER]
    ints[CHANGED] += 1
    for place in range(gpu + MEMBERS, gpu + MEMBERS + in_flight(state, gpu)):
        _tell(state, run, run_reals, times_s, ints[place])


@compiled
def _tell(state: State, run: Ints, run_reals: Reals, times_s: Column, batch: int) -> None:
    """Tell of what the server's log says of a batch, as `stratsim.policy.state.InFlight` has it."""
    reals, rows, number = state.reals, run[run_codes.ROWS], state.ints[batch + ID]
    seen_s, notice_s = run_reals[run_codes.SEEN_S], run_reals[run_codes.NOTICE_S]
    copied_s, start_s = times_s[run_codes.COPY_IN_END * rows + number], times_s[run_codes.START * rows + number]
    reals[batch + COPIED_S] = copied_s if copied_s + notice_s <= seen_s else nan
    reals[batch + START_S] = start_s if start_s + notice_s <= seen_s else nan
    reals[batch + DONE_S] = times_s[run_codes.END * rows + number]
