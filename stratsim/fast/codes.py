"""The state of a run in two arrays, whole numbers and reals, and the names of the places in them.

An object, say a GPU, is a block of whole numbers; a reference to it is the place where its block begins. The first
number of a block is the place of its reals. So `reals[ints[gpu] + NEXT_S]` is a GPU's `next_s`.
"""

from __future__ import annotations

from stratsim.model.tolerance import CLOCK_RTOL, TIME_RTOL

__all__: list[str] = []

# The run: whole numbers from place 0.
(
    STATUS,
    REQUESTS,  # rows of the trace
    ROWS,  # rows of the tables: as many, or more where clients wait for replies
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
    BY_TIME,  # likewise times: deadlines, or arrivals where these are not in the order of requests
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
    STAYS,  # of the host in one of two speeds, whose ends are known
    MOST_STAYS,
    THOUGHT,  # how many of the drawn thinking times have been used
    NATIVE,  # whether the policy is `native`
    READY,  # streams of `native` that are free and have a request
    CLIENTS,  # clients that wait for replies
    CLOSED,  # those of them that send on their own: the first ones
    UPCOMING,  # the next row of the trace
    ARRIVED,  # requests so far
    ADMITTED,  # those of them that are in the queue, or were
    FOUND,  # what was answered to a question about clients
    ASKS,  # whether decisions are another's, which is asked: `stratsim.fast.strait`, `aware_edf`
    ADDRESS,  # where it finds its arrays
    IS_WOKEN,  # whether its timer has gone off
    TOLD,  # requests that it was told of
    BLOCK,  # its first free block of a request
    BLOCKS,  # how many are free
    LACKS_ROOM,  # whether it is to be given more room
    LEFT,  # GPUs that batches have left since it was told of them
    DECIDED,  # decisions
    LISTED,  # requests of those decisions
    TO_COME,  # clients that wait for a reply or are to send, and requests that are to be sent again
    RETRIES,  # whether any are
    COMES_BACK,  # one more than a request that is sent again now; 0: none is
    WEIGHT_COPIES,  # of weights, so far
    USES_SO_FAR,  # of weights
    UNTOLD,  # requests that who is asked is to be told of, where they are listed
    MOST_RUNNING,  # on a GPU: as many as it has slots, or more where what is stopped gives its slot up at once
    PREEMPTS,  # the block of preemption (`stratsim.fast.preempt`); 0: nothing is stopped
    QUEUES,  # the block of `triton` (`stratsim.fast.triton`)
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
    STAY_AT,  # when stays end; 0: the host has one speed
    THOUGHT_AT,  # thinking times; 0: the policy takes none
    STREAM_AT,  # blocks of the streams of `native`
    OWN_AT,  # by request: the number of its stream
    BEHIND_AT,  # by request: which waits behind it in its stream; -1: none
    READY_AT,
    LEAD_AT,  # by batch: its first request; 0: nobody waits for replies
    NEXT_AT,  # by request: the next in its batch; -1: it is the last
    KNOWN_AT,  # by model: its number to who is asked
    LEFT_AT,  # numbers of GPUs
    DECIDED_AT,  # blocks of decisions
    DECIDED_S_AT,  # when a batch should be done, or a timer goes off
    LISTED_AT,  # requests of decisions
    WEIGHTS_AT,  # blocks, by GPU and model; 0: the weights of all models are always there
    MEMORY_AT,  # blocks, by GPU
    WEIGHT_BATCH_AT,  # by copy of weights: the batch that it is for
    WEIGHT_TIMES_AT,  # among the reals, by such a copy: its start, its end, and when they had to go
    UNTOLD_AT,  # 0: requests are told of in their order
    INSTANCE_AT,  # by batch: the count of busy instances that its own is among; 0: nobody counts
    HEADER,
) = range(112)

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
    THOUGHT_S,  # when the policy thought last
    SPEED,  # factors on what the host takes, in turn
    OTHER_SPEED,
    SINCE_S,  # stays that ended before are asked about no more
    START_COST_S,  # what the start of a batch costs each of those that run
    REJECT_S,  # from a drop until a client knows of it
    NOW_S,  # when a question about clients, or a policy, is asked
    SENDS_S,  # when a client sends next; infinity: never
    SEEN_S,  # the end of the instant in which a policy is asked
    REAL_HEADER,
) = range(19)

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
(_, BATCH, GPU, PHASE, LAST_PHASE, LOAD, BYTES_IN, LINK, MODEL, BATCH_INTS) = range(10)
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

# The weights of a model on a GPU: behind what a batch has.
(
    USERS,  # batches that use them
    USES,  # the higher the more recently they were used; 0: they have no room
    ROW,  # of their last copy
    ON_THEIR_WAY,
    WEIGHTS_INTS,
) = range(BATCH_INTS, BATCH_INTS + 5)
WEIGHTS_TIMES = 3

# The memory of a GPU: the batches that wait for room or behind one that does, and those that wait for weights alone.
(_, FOR_ROOM, FOR_ROOM_AT, FOR_WEIGHTS, FOR_WEIGHTS_AT, MEMORY_INTS) = range(6)
(CAPACITY, USED, MEMORY_REALS) = range(3)

# An engine: how many copies it could take up, and the codes of the first and the last that wait; -1: none.
(FREE, HEAD, TAIL, ENGINE_INTS) = range(4)

# A copy that an engine has taken up.
(_, LANE, ENGINE, ITEM, OWN_BYTES, COPY_INTS) = range(6)
(LEFT_BYTES, MOVES, TOOK_S, JOINS_S, COPY_REALS) = range(5)
"""Bytes left at the last update; bytes per second since; when it was taken up, and when it joins its links."""

# A stream of `native`: the codes of the request that it serves or is to serve, and of the last that waits; -1: none.
(SERVED, LAST, STREAM_INTS) = range(3)

# A model.
(LIMIT, DEPTH, PLACE, BEGIN, MODEL_INTS) = range(5)
"""Largest batch; how many of its requests wait; its place among the heads, or -1; where its heap begins."""

# A decision of who is asked.
(_, WHERE, FIRST_LISTED, MANY, DECISION) = range(5)
STARTS, WAKES, DROPS_LATE, DROPS_HOPELESS, DROPS_QUEUE_FULL, DROPS_TIMED_OUT = range(6)

# Kinds of events; a payload times KINDS comes on top.
KINDS = 14
EXECUTED, INPUT, DISPATCHED, LAUNCHED, NOTICE, COLLECTED, OUTPUT, REPLY, LINKS = range(9)
CLIENT, REJECTED, ANNOUNCED, WOKEN, AGAIN = range(9, KINDS)

# Order within an instant, as `stratsim.engine.clock.Order`, in front of an event's number.
DEVICE = 0
REPLIES = 1 << 58
SENDING = 2 << 58
TIMERS = 3 << 58

# Who else than a GPU is asked, by the first argument of the question.
OF_LANES, OF_STAYS, OF_THOUGHTS, OF_FIRST, OF_DUE, OF_CLIENT, OF_REPLY, OF_DROP, OF_POLICY, OF_STOP = range(-1, -11, -1)
OF_ATTEMPT = -11
NOBODY, SENT_AGAIN = -1, -2
"""Answers about a drop: no client waits, or the request is sent again; else the number of who waits."""
MOST_THOUGHTS = 1024
"""Thinking times that are drawn at once."""

# Rows of the table of times.
DISPATCH, COPY_IN_START, COPY_IN_END, START, END, COPY_OUT_START, COPY_OUT_END, SOLO, EXPECTED = range(9)
TIMES = 9

# What `STATUS` says.
FINE, FULL, FAILED, STUCK, CROWDED = range(5)
"""`FULL` of events or what else `room` is for, `CROWDED` of requests."""

# Why a request was dropped, in the order of the decisions above.
EXPIRED, INFEASIBLE, QUEUE_FULL, TIMED_OUT = range(4)

ON_TIME = 1.0 + TIME_RTOL
SAME = TIME_RTOL
TICK = CLOCK_RTOL
MOST_ROUNDS = 100_000
"""Of decisions at one instant, as `stratsim.engine.decisions`."""
