"""`strait` inside the compiled loop: what it is told of a run, and what it decides, from array to array.

What `stratsim.fast.strait.policy` does with the requests and batches of the SimPy loop. `decide_inside` is called by
the loop (`stratsim.fast.following`), by way of `entry` where kernels are compiled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratsim.fast import codes as run_codes
from stratsim.fast.compiled import at_bytes, at_ints, at_reals, at_words, compiled
from stratsim.fast.strait.codes import (
    ARRIVAL_S,
    ARRIVED,
    ARRIVED_AT,
    AT_S,
    DEADLINE_S,
    DECISION_AT,
    DECISION_BLOCK,
    DRAWN,
    DRAWS,
    DROP_EXPIRED,
    FIRST_LISTED,
    FULLEST_LOG,
    IN_BYTES,
    IS_LOW,
    LISTED_AT,
    LOG_ROWS,
    MANY,
    NEXT,
    NOW_S,
    OUT_BYTES,
    REQUEST_ID,
    REQUEST_MODEL,
    START,
    TIMER,
    UPDATED,
    WHAT,
    WHERE,
    State,
)
from stratsim.fast.strait.deciding import decide
from stratsim.fast.strait.telling import tell_of_gpus

if TYPE_CHECKING:
    from stratsim.fast.compiled import Column, Ints, Reals

__all__ = ["decide_inside", "entry"]


def entry(where: int, alone: int) -> None:
    """Decide with the arrays whose addresses are listed at an address, in the order of `decide_inside`.

    Args:
        where: The address.
        alone: Not 0: call `decide`, at the time `NOW_S`, with the first three of them.
    """
    listed = at_ints(where)
    state = State(at_ints(listed[0]), at_reals(listed[1]), at_reals(listed[2]))
    if alone:
        decide(state, state.reals[NOW_S])
        return
    decide_inside(
        state,
        at_ints(listed[3]),
        at_reals(listed[4]),
        at_reals(listed[5]),
        at_words(listed[6]),
        at_bytes(listed[7]),
        at_reals(listed[8]),
        at_words(listed[9]),
        at_words(listed[10]),
        at_reals(listed[11]),
    )


@compiled
def decide_inside(
    state: State,
    run: Ints,
    run_reals: Reals,
    arrival_s: Column,
    model_of: Column,
    priority: Column,
    deadline_s: Column,
    bytes_in: Column,
    bytes_out: Column,
    times_s: Column,
) -> None:
    """Take over what has happened, decide, and list what was decided among the numbers of the run.

    Args:
        state: All that `strait` knows.
        run: The state of the run (`stratsim.fast.codes`); so are its reals, its columns and its table of times.
        run_reals: Likewise.
        arrival_s: Likewise.
        model_of: Likewise.
        priority: Likewise.
        deadline_s: Likewise.
        bytes_in: Likewise.
        bytes_out: Likewise.
        times_s: Likewise.
    """
    ints, reals = state.ints, state.reals
    while run[run_codes.TOLD] < run[run_codes.ADMITTED]:
        request, block = run[run_codes.TOLD], run[run_codes.BLOCK]
        run[run_codes.TOLD] += 1
        run[run_codes.BLOCK] = ints[block + NEXT]
        run[run_codes.BLOCKS] -= 1
        ints[block + REQUEST_ID] = request
        ints[block + REQUEST_MODEL] = run[run[run_codes.KNOWN_AT] + model_of[request]]
        ints[block + IS_LOW] = priority[request]
        ints[block + IN_BYTES], ints[block + OUT_BYTES] = bytes_in[request], bytes_out[request]
        reals[block + DEADLINE_S], reals[block + ARRIVAL_S] = deadline_s[request], arrival_s[request]
        ints[ints[ARRIVED_AT] + ints[ARRIVED]] = block
        ints[ARRIVED] += 1
    tell_of_gpus(state, run, run_reals, times_s)
    count = decide(state, run_reals[run_codes.NOW_S])
    _list_decisions(state, run, run_reals, count)
    lacks = 2 * ints[DRAWN] >= ints[DRAWS] or (ints[UPDATED] > 0 and 2 * ints[FULLEST_LOG] >= ints[LOG_ROWS])
    run[run_codes.LACKS_ROOM] = 1 if lacks else 0


@compiled
def _list_decisions(state: State, run: Ints, run_reals: Reals, count: int) -> None:
    """Hand decisions over; the requests in them leave the policy."""
    ints, reals, listed = state.ints, state.reals, run[run_codes.LISTED_AT]
    run[run_codes.DECIDED] = count
    for number in range(count):
        at, own = ints[DECISION_AT] + number * DECISION_BLOCK, run[run_codes.DECIDED_AT] + number * run_codes.DECISION
        what = ints[at + WHAT]
        if what == START:
            run[own] = run_codes.STARTS
        elif what == TIMER:
            run[own] = run_codes.WAKES
        else:
            run[own] = run_codes.DROPS_LATE if what == DROP_EXPIRED else run_codes.DROPS_HOPELESS
        run[own + run_codes.WHERE] = ints[at + WHERE]
        run[own + run_codes.FIRST_LISTED] = listed
        run[own + run_codes.MANY] = ints[at + MANY]
        run_reals[run[run_codes.DECIDED_S_AT] + number] = reals[at + AT_S]
        first = ints[LISTED_AT] + ints[at + FIRST_LISTED]
        for place in range(first, first + ints[at + MANY]):
            block = ints[place]
            run[listed] = ints[block + REQUEST_ID]
            listed += 1
            ints[block + NEXT] = run[run_codes.BLOCK]
            run[run_codes.BLOCK] = block
            run[run_codes.BLOCKS] += 1
