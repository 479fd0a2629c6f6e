"""The names of further places in the arrays of a run (`stratsim.fast.codes`): what preemption adds to its blocks."""

from __future__ import annotations

from stratsim.fast.codes import BATCH_INTS, BATCH_REALS, GPU_INTS

__all__: list[str] = []

# The block of preemption.
(
    _,
    MECHANISM,
    HOLDS_SLOT,  # whether a batch keeps its slot until it has stopped
    NEEDS_KERNELS,
    POLICY,  # which decides: BY_CLASS or another by name
    WAKES_ON_INPUT,  # whether the policy is asked when inputs are on the GPU
    WAKES_ON_REPLY,
    WHOLE_REQUEST,  # as the policy's parameters of these names
    STOPS_ALL,
    HIGH_AT_ONCE,
    RUN,  # batches that run at once on a GPU, and in all, if deadlines decide
    RUN_IN_ALL,
    MOST_ASIDE,  # batches that may be suspended on a GPU at once
    PAUSES,  # so far
    MOST_PAUSES,
    STOP_SERIAL,  # stops so far
    # Where tables begin, among the whole numbers:
    KERNELS_AT,  # by model
    URGENT_AT,  # by batch: its GPU's number if it is of high priority, else -1
    LISTED_AT,  # batches that a decision is about
    OTHERS_AT,
    STOPPED_AT,
    BOUND_AT,  # by model and size: by what a batch is bound; 0: that is not known
    REFUSED_AT,  # by model, whether its first batch may run nowhere; by GPU, whether a batch may start there
    ABLE_AT,
    # and among the reals:
    BEGIN_AT,  # by phase: the share of the solo time before it
    FREE_AT,
    KERNEL_AT,  # by model and size: what the policy expects a kernel to take
    PAUSE_AT,
    BLOCK,
) = range(29)
(
    OVERHEAD,
    KERNELS,  # in flight at most, where launches are gated; or that are done again after a reset
    MOST_S,
    SHARE,
    LATENCY_S,
    DRAWN,  # the answer to a question about a draw
    BEGAN_S,  # the first event of the run
    STRETCH,  # what high priority is allowed beside others
    TIMER_S,  # the timer that was set last
    BLOCK_REALS,
) = range(10)

# A GPU.
(
    ASIDE,  # how many of its batches are suspended; which, in the order in which they were, is in the list of that name
    STOPPING,  # suspended batches that have not stopped yet
    RETURNS,  # resumed batches that wait for a slot
    HALTS,  # batches that halt, in the order in which they will have stopped
    NOTED,  # batches that have stopped, and the host is to be notified
    UNANSWERED,  # batches of high priority whose outputs are not on the host yet
    ASIDE_AT,
    RETURNS_AT,
    HALTS_AT,
    NOTED_AT,
    NOTED_SERIAL_AT,  # which stop of theirs it was
    PREEMPT_GPU_INTS,
) = range(GPU_INTS, GPU_INTS + 12)

# A batch.
(
    STATE,
    HAS_SLOT,
    WAITS,  # whether it was resumed and waits for a slot
    IS_ASIDE,  # whether it is suspended
    IS_STOPPING,
    IS_RETURNING,
    LEVEL,  # the most urgent class of its requests
    LEAD,  # its first request
    KIND,  # its model, times `SIZES`, plus its size
    STOPS,  # how often it was stopped, or was to be
    STOP,  # which stop of the run the present one is; -1: it is not stopped
    PAUSE,  # the row of that in the table of pauses; -1: it has not given its slot up
    LAUNCH,  # the number of the event that ends its launch; -1: it is not being launched
    IS_PART,  # whether the unit executes a part of it
    WHOLE_FIRST,  # its phases
    WHOLE_LAST,
    PREEMPT_BATCH_INTS,
) = range(BATCH_INTS, BATCH_INTS + 17)
(
    KERNEL_S,
    DONE_S,  # solo work done, while it does not execute
    UNTIL_S,  # solo work at which the unit lets it end
    FROM,  # where the part that executes begins and ends, as shares of all
    TO,
    HALTED_S,  # when it will have stopped
    SUSPEND_S,  # of its present pause, as `stratsim.engine.recorder.Pause`
    STOPPED_S,
    LOST_S,
    PAUSED_S,  # for how long it was stopped before
    DUE_S,  # its earliest deadline
    OUT_S,  # what the copy of its outputs takes alone
    PREEMPT_BATCH_REALS,
) = range(BATCH_REALS, BATCH_REALS + 13)

# States of a batch, as `stratsim.engine.job.State`.
COPYING, READY_TO_START, LAUNCHING, EXECUTING, DRAINING, HALTING, HAS_STOPPED, HAS_ENDED = range(8)

# Mechanisms, as `stratsim.model.preemption`, the random ones first; a reset that loses everything is one of its own.
GATED, THROTTLED, AT_BOUNDARY, RESET, RESTART, CONTEXT_SWITCH = range(6)

# Policies.
BY_CLASS, BY_SLACK, BY_DEADLINE, BY_BOTTLENECK = range(4)

# A row of the table of pauses.
BATCH_ID, SUSPENDED_S, FREED_S, HAD_STOPPED_S, RESTART_S, LOST, PAUSE_ROW = range(7)

SEVERAL = 1 << 20
"""Between the numbers in the payload of a notice."""
