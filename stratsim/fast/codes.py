"""The state of a run in two arrays, whole numbers and reals, and the names of the places in them.

An object, say a GPU, is a block of whole numbers; a reference to it is the place where its block begins. The first
number of a block is the place of its reals. So `reals[ints[gpu] + NEXT_S]` is a GPU's `next_s`. Two arrays rather than
one per field: a compiled function is handed seven words for every array, on each call.
"""

from __future__ import annotations

from stratsim.model.tolerance import CLOCK_RTOL, TIME_RTOL

__all__: list[str] = []

# The run: whole numbers from place 0.
(
    STATUS,
    SCHEDULED,  # events so far
    EVENTS,  # in the heap
    BATCHES,
    DROPS,
    WAITING,  # requests
    HEADS,  # models with a waiting request
    SPARE,  # blocks of batches that are free
    LOADED,  # entries in the heap of GPUs
    FORGET,  # whether the memory of sets is out of date
    BY_PRIORITY,  # whether the policy heeds classes
    BY_DEADLINE,
    ESTIMATES,
    DROPS_EXPIRED,
    DROPS_INFEASIBLE,
    GPUS,
    SLOTS,
    PLACES,
    IN_ORDER,  # as `stratsim.engine.layout.Layout`
    COPIES_OUT,
    HOSTED,
    MODELS,
    SIZES,  # by model: one more than the largest batch
    LOADS,  # kinds of loads
    PAIRS,  # rows in the memory of pairs of loads
    SETS,  # and of sets of more
    MOST_EVENTS,
    MOST_LOADED,
    FABRIC,  # the block of the links; 0: none are shared
    COPY_SPARE,  # blocks of copies that are free
    MOST_COPIES,  # that engines have taken up
    LANE_ROWS,  # rows in the memory of the links' answers
    # Where tables begin, among the whole numbers:
    GPU_AT,  # references, by number
    SPARE_AT,
    EVENT_AT,  # pairs of (key, what)
    HEAD_AT,
    MODEL_AT,  # blocks of models
    LOADED_AT,
    LOAD_AT,  # by phase
    FIRST_AT,  # the first phase of a batch, by model and size
    LAST_AT,
    PAIR_AT,
    SET_AT,  # rows of (number of loads, GPU, the loads in ascending order)
    ASKED_AT,
    ENDED_AT,
    MEMBER_AT,
    ENGINE_AT,  # references, by lane: two lanes per GPU, one for each direction
    COPY_SPARE_AT,
    LINK_AT,  # by batch: what waits behind the copy of its outputs
    LANES_AT,  # rows of (number of copies, their lanes in the order in which they were taken up)
    DONE_AT,
    # and among the reals:
    EVENT_TIME_AT,
    SHARE_AT,  # by phase
    EXPECTED_AT,  # by model and size: what the policy expects a batch to take
    SOLO_AT,  # and what it takes alone on average
    PAIR_RATE_AT,
    SET_RATE_AT,
    ANSWER_AT,
    ALPHA_AT,  # by lane
    LANE_RATE_AT,
    HEADER,
) = range(61)

# Reals from place 0: the policy's links and the host.
(
    IN_ALPHA_S,
    IN_RATE,
    OUT_ALPHA_S,
    OUT_RATE,
    DISPATCH_S,
    LAUNCH_S,
    NOTICE_S,
    COLLECT_S,
    HOST_FREE_S,
    REAL_HEADER,
) = range(10)

# A GPU.
(
    _,
    NUMBER,
    ARMED,  # the number of its alarm's event; -1: not armed
    FIRST,  # the batch that ends next, or changes phase; -1: none
    FREE_SLOTS,
    RUNNING,  # how many execute; which, in the order in which they started, is in the list of that name
    QUEUED,  # wait for a slot or for their input
    FLYING,  # hold a place, in the order of dispatch
    NOTIFIED,  # have ended, and the host is to be notified
    RUNNING_AT,
    QUEUED_AT,
    FLYING_AT,
    NOTIFIED_AT,
    GPU_INTS,
) = range(14)
(
    NEXT_S,  # when the execution unit must be called again
    UPDATED_S,
    ARMED_S,
    H2D_FREE_S,
    H2D_ALPHA_S,
    H2D_RATE,
    D2H_FREE_S,
    D2H_ALPHA_S,
    D2H_RATE,
    GPU_REALS,
) = range(10)

# A batch that holds a place.
(_, BATCH, GPU, PHASE, LAST_PHASE, LOAD, BYTES_IN, LINK, BATCH_INTS) = range(9)
(
    LEFT_S,  # solo work left in the phase, when the unit was updated last
    RATE,
    SOLO_S,
    READY_S,  # when its input is there
    START_S,  # when it executes; NaN: not known yet
    END_S,
    LASTS_S,  # what the policy expects it to take
    STAGED_S,  # when the policy expects its input to be there
    COPY_START_S,
    BATCH_REALS,
) = range(10)

# An engine: how many copies it could take up, and the codes of the first and the last that wait; -1: none.
(FREE, HEAD, TAIL, ENGINE_INTS) = range(4)

# A copy that an engine has taken up.
(_, LANE, ENGINE, ITEM, OWN_BYTES, COPY_INTS) = range(6)
(LEFT_BYTES, MOVES, TOOK_S, JOINS_S, COPY_REALS) = range(5)
"""Bytes left at the last update; bytes per second since; when it was taken up, and when it joins its links."""

# A model.
(LIMIT, DEPTH, PLACE, BEGIN, MODEL_INTS) = range(5)
"""Largest batch; how many of its requests wait; its place among the heads, or -1; where its heap begins."""

# Kinds of events; a payload times KINDS comes on top.
KINDS = 9
EXECUTED, INPUT, DISPATCHED, LAUNCHED, NOTICE, COLLECTED, OUTPUT, REPLY, LINKS = range(KINDS)

# Order within an instant, as `stratsim.engine.clock.Order`, in front of an event's number.
DEVICE = 0
REPLIES = 1 << 58

# Rows of the table of times.
DISPATCH, COPY_IN_START, COPY_IN_END, START, END, COPY_OUT_START, COPY_OUT_END, SOLO, EXPECTED = range(9)
TIMES = 9

# What `STATUS` says.
FINE, FULL, FAILED, STUCK = range(4)

# Why a request was dropped.
EXPIRED, INFEASIBLE = range(2)

ON_TIME = 1.0 + TIME_RTOL
SAME = TIME_RTOL
TICK = CLOCK_RTOL
MOST_ROUNDS = 100_000
"""Of decisions at one instant, as `stratsim.engine.decisions`."""
