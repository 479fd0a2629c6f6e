"""The state of a compiled `strait` in two arrays, whole numbers and reals, and the names of the places in them.

Estimates of `aware-edf` have theirs there too.

An object, say a GPU, has a block in both arrays, at the same place: a reference to it is that place. So
`reals[gpu + UPDATED_S]` is when a GPU's forecast was last updated. The terms of the belief are a third array
(`stratsim.predict.least_squares`), as they may be large.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from stratsim.fast.compiled import Ints, Reals

__all__ = ["State"]


class State(NamedTuple):
    """All that a compiled `strait` knows."""

    ints: Ints
    reals: Reals
    terms: Reals
    """What the belief keeps of its terms but slopes and bases: by target, the triangle of a matrix.

    Or the tables of a belief in pairs (`stratsim.fast.strait.pairs`).
    """


# Whole numbers of the run, from place 0.
(
    FULL,  # whether something did not fit: what was decided may not be what the reference decides
    MODELS,
    SIZES,  # one more than the largest batch of any model: a kind of batch is number model * SIZES + size
    GPUS,
    SLOTS,
    PLACES,
    RESERVE,
    REFRESH,
    TRANSFERS,  # the belief about copies: CONTENDED, ALONE or NO_TRANSFERS
    HARM_CHECK,
    FILL,
    RESCUE,
    BEST_EFFORT,
    HAS_GUARD,
    HAS_MARGIN,
    EXPLORES,
    BELIEF,  # LEARNED, CONSTANT, OF_PAIRS or SMOOTHED
    TRIES,  # of `aware-edf`: whether what is late here is started where it would be in time alone
    TAKES_NOTE,  # whether anything is made of how batches turned out
    FORM,  # of the belief: RATE, ADDITIVE or SLOWDOWN
    LEADING,  # shared weights that samples have values for
    FEATURES,
    HAS_TERMS,
    DIRECTIONAL,
    USES_PRIOR,  # whether a smoothed entry starts from what is known beforehand
    MEASURED_AT,  # where tables of a smoothed belief begin among its terms; the excesses observed are at 0
    KNOWN_LOSS_AT,
    SIDE_AT,
    MOST_COMPANIES,
    MOST_BESIDES,
    RATE_ROWS,  # rows in the memory of rates, a power of 2
    DRAWS,  # random numbers there are
    LOG_ROWS,  # of a GPU
    GPU_BLOCK,  # its size
    WORDS,  # with a bit per GPU
    # What changes:
    SERIAL,  # candidates so far
    STARTS,  # batches started so far
    SPARE,  # blocks of batches that are free
    ARRIVED,  # requests that the policy was told of since it last decided
    CHANGED,  # GPUs to bring up to date
    HAS_ENDED,  # whether a batch has ended since the last update
    UPDATED,  # whether GPUs were brought up to date by the last call
    DECISIONS,
    LISTED,  # requests of those decisions
    DRAWN,  # random numbers used
    MISSING,  # GPUs that batches have left since they were brought up to date
    STAGING,  # GPUs with staged batches
    LONES,  # kinds that execute alone somewhere
    OPEN,  # GPUs that have a place; all idle ones are one
    ENDED_NOW,  # batches listed at ENDED_AT
    PENDING_ANYWHERE,  # copies under way
    HIGHS,  # requests that wait, by class
    LOWS,
    QUEUED_HIGH,  # models that have requests that wait, by class
    _QUEUED_LOW,
    KNOWN_HIGH,  # models that a class has seen
    _KNOWN_LOW,
    REFUSED,  # models, since a batch last ended
    FULLEST_LOG,  # the most rows of a GPU's log, at the last call
    BATCHES,  # listed at BATCH_AT
    ENDED,  # batches so far
    REFUSED_AFTER,
    REFRESHES,
    LESSONS,  # of the belief and its margins, from 1
    NOTED,  # ratios that margins know of, from 1
    OBSERVATIONS,
    INTERVALS,  # of the observations
    LEVELS,
    COMPANIES,
    BESIDES,
    EXPECTED,  # models of which a request has come
    LACKING,  # models with too few errors of their own
    HOPELESS,
    HOPELESS_HEAD,
    HOPELESS_TAIL,
    TRAFFIC,  # last arrivals of high priority that are remembered
    TRAFFIC_HEAD,
    TRAFFIC_ARRIVED,
    RENEW_AT,
    RENEWALS,
    SHARED,  # arrivals that shares of models are of
    SEEN,  # models among them
    GUARD_EPOCH,  # counts what makes the guard forget, from 1
    GUARD_REFRESHES,
    GUARD_RENEWALS,
    CHANGES,  # of the belief, found by its CUSUM
    BESIDE,  # batches of the situation that is looked at (`newcomers.behind`)
    REGRESSORS,  # terms of a sample, listed at REGRESSOR_AT
    # Where tables begin, in one array or in both:
    LATENCY_AT,  # reals, by kind
    FEATURE_AT,  # reals, by kind, then by feature
    MODEL_AT,  # blocks
    GPU_AT,  # blocks
    BLOCK_AT,  # blocks of batches
    SPARE_AT,  # references to those that are free
    REQUEST_AT,  # blocks
    QUEUED_AT,  # by class: the models that have requests that wait, in no order
    REFUSED_AT,  # models
    ERROR_AT,  # reals, by model: its solo errors of late
    WEIGHT_AT,  # reals: the shared weights
    COVARIANCE_AT,  # reals, row after row
    HEAD_AT,  # reals: slopes and base of a term, by co-runner and target
    USED_AT,  # by target: how many of its terms samples have had, of which models, and by model 1 + its place
    VARIANCE_AT,  # reals: the prior's, of the shared weights
    VALUE_AT,  # reals: regressors of the shared weights
    MEAN_AT,  # reals: the same of a sample
    IMAGE_AT,  # reals: what a sample moves the shared weights by
    TABLE_AT,  # reals: what it moves a target's table by
    REGRESSOR_AT,  # co-runners' models, and the regressors of their terms
    MEAN_REGRESSOR_AT,  # the same of a sample
    CHILD_AT,  # by company and model: the company with one more
    PAIR_AT,  # stamp and divisor, by company and model
    PAIR_LEVEL_AT,  # levels by company and model: blocks
    COUNT_LEVEL_AT,  # likewise, by number of co-runners
    MODEL_LEVEL_AT,  # likewise, by that and model
    POWER_AT,  # reals, by model or number of co-runners, and number of ratios: a number, and a power of it
    USUAL_AT,  # stamp and divisor, by number of co-runners and model
    ASKED_AT,  # by company: the last lesson before newcomers were asked about, and how many were expected
    RATIO_AT,  # reals: the ratios of levels
    MET_AT,  # companies of a batch, and for how long
    RATE_AT,  # memory of rates: rows in both
    HOPE_AT,  # reals: rates of the optimistic
    KEY_AT,  # kinds that execute together, in a walk
    LEFT_AT,  # reals: the work that they have left
    RUNNING_AT,  # the batches
    OTHER_AT,  # kinds of the others, sorted
    BATCH_AT,  # batches of a walk
    LATE_AT,  # those of them that are late
    END_AT,  # reals: their ends
    HAPPENED_AT,  # batch, and whether it starts; when
    ENDED_AT,  # batches that have ended
    OBSERVATION_AT,  # blocks
    INTERVAL_AT,  # blocks
    BESIDE_AT,  # kinds and ends of the situation
    BESIDE_ROW_AT,  # rows of what is known of newcomers beside others
    BESIDE_INDEX_AT,  # where to find them
    ALL_ERRORS_AT,  # reals: those of all models
    TRAFFIC_AT,  # model and time of arrival
    SEEN_AT,  # models, in the order in which they were
    SHORT_AT,  # reals: allowances that do not suffice, and their shares
    OPEN_AT,  # GPUs
    RIVAL_AT,  # GPUs
    CHANGED_AT,  # numbers of GPUs
    MISSING_AT,  # likewise
    STAGING_AT,  # GPUs
    HELD_AT,  # by number of batches: how many GPUs hold so many, and their bits
    LONE_AT,  # kinds
    LONES_AT,  # by kind: on how many GPUs, and its place in that list
    ARRIVED_AT,  # requests
    DECISION_AT,  # blocks
    LISTED_AT,  # requests
    ORDER_AT,  # models, in an order
    DRAW_AT,  # reals
    INT_SCALARS,
) = range(153)

# Reals of the run, from place 0.
(
    NOW_S,
    CONFIDENCE,
    MOST_LATE,
    FLOOR,
    LEAST_LATENCY_S,  # of all kinds
    QUANTILE,  # of the margin
    EXPLORE,
    IN_ALPHA_S,
    IN_RATE,
    OUT_ALPHA_S,
    OUT_RATE,
    KNOWN_RATE,  # of any co-located batch, by a belief that knows one alone
    ALPHA,  # weight of a new value of a smoothed belief
    MOST_SLOWDOWN,
    PRIOR_EXCESS,
    MIN_RATE,
    FORGETTING,
    SAMPLE_NOISE,
    EXCITATION,
    TRACE_CAP,
    PRIOR_TRACE,
    PAIR_VARIANCE,
    REST_VARIANCE,  # summed over the shared weights that no sample has values for
    OUTLIER_GATE,
    CHANGE_THRESHOLD,
    SCALE_SHARE,
    LEAST_NOISE,
    LOWER_QUARTILE,  # of a normal distribution, in standard deviations
    # What changes:
    NOISE,
    DRIFT_UP,
    DRIFT_DOWN,
    GROWTH,
    UNUSED_VARIANCE,  # of a term that no sample has had
    TRACE_BOUND,
    EXPIRES_S,
    TIMER_S,
    LOW_TIMER_S,
    STRETCH_OF_ALL,  # of models with too few errors of their own
    HOPELESS_AGAIN_S,
    AGAIN_S,
    LOOK_AGAIN_S,
    SAVED_SINCE_S,
    COPY_S,
    DISPATCH_S,  # of the situation that is looked at
    SLOT_S,
    COPY_FREE_S,
    REAL_SCALARS,
) = range(47)

# A model.
(
    OF_COLUMN,  # the model that has this number among the terms of the reference's belief
    LIMIT,  # largest batch
    IS_EXPECTED,  # as which model, from 1
    IS_SEEN,  # among the last arrivals of high priority
    ARRIVALS,  # how many of these are its own
    LACKS,  # errors of its own
    IS_TRIED,  # by the loop over waiting models
    HEAD,  # by class: the first request
    _LOW_HEAD,
    TAIL,
    _LOW_TAIL,
    WAITING,
    _LOW_WAITING,
    RANK,  # among those that a class has seen, from 1
    _LOW_RANK,
    POSITION,  # among those of a class that have requests that wait
    _LOW_POSITION,
    MODEL_BLOCK,
) = range(18)
(STRETCH, REFUSED_UNTIL_S, SHARE, SLO_S, LASTS_S) = range(5)

# A GPU.
(NUMBER, EXECUTING, STAGED, VIEWED, COUNTED, IS_MISSING, LONE, WALKED, PENDING, LOGGED, LOG_AT, MEMBERS) = range(12)
"""VIEWED: batches that the view has on it; COUNTED: as how many it is counted. LONE: the kind that executes alone, or
NONE. MEMBERS: the batches, executing ones first."""
(UPDATED_S, FREE_S) = range(2)

# A batch.
(KIND, ID, IS_HIGH, IN_FLIGHT, BYTES_IN, FIRST, IS_PENDING, ON_GPU, CANDIDATE) = range(9)
(SOLO_S, LEFT_S, READY_S, OUT_S, DUE_S, END_S, EXPECTED_S, DISPATCHED_S, START_S, DONE_S, COPIED_S) = range(11)
"""START_S, DONE_S and COPIED_S: what the server's log says."""
BATCH_BLOCK = 11
(TRIED, FOUND, SPARING, UNSPARING, ON_IDLE, OPTION, LARGER, RESCUED, CANDIDATES) = range(9)
"""Blocks of candidates, ahead of those of batches in flight."""

# A request.
(REQUEST_ID, REQUEST_MODEL, IS_LOW, IN_BYTES, OUT_BYTES, NEXT, BEFORE, REQUEST_BLOCK) = range(8)
(DEADLINE_S, ARRIVAL_S) = range(2)

# What is logged of a GPU: time; number, then batches, then kinds.
# An interval of an observation: its length; number of others, then their kinds.
# An observation.
(TARGET, FIRST_INTERVAL, LAST_INTERVAL, OBSERVATION_BLOCK) = range(4)
(TARGET_SOLO_S, DURATION_S) = range(2)

# The last values of a sequence: how many, the next place, in the order of arrival, in the order of size.
(RECENT_COUNT, RECENT_NEXT, RECENT) = range(3)
ERROR_WINDOW, LEAST_ERRORS = 100, 20
ERROR_BLOCK = RECENT + 2 * ERROR_WINDOW
LEVEL_WINDOW, LEVEL_DOUBT = 50, 4.0
RATIO_BLOCK = RECENT + 2 * LEVEL_WINDOW

# A level of margins: where its ratios are; its factor, and how many ratios it has.
(FACTOR, RATIOS, LEVEL_BLOCK) = range(3)
LEAST_SHARE, LEAST_RATE = 0.1, 0.02

# What is known of newcomers beside others: their kinds, as they end, and sorted; by model: the rate of a batch of one,
# as of a lesson; an allowance.
(BESIDE_COUNT, BESIDE_COMPANY, ALLOWANCE_STAMP, BESIDE_KINDS) = range(4)
KEPT_BESIDES = 256  # rows of it, beyond a lesson

# What is known of all pairs with one side: the sum of their losses of rate, and how many they are.
(LOSSES, PAIRS) = range(2)

# A decision.
(WHAT, WHERE, FIRST_LISTED, MANY, WHICH, DECISION_BLOCK) = range(6)
(AT_S,) = range(1)
START, DROP_EXPIRED, DROP_INFEASIBLE, TIMER = range(4)

# Words.
HIGH, LOW = 0, 1
CONTENDED, ALONE, NO_TRANSFERS = range(3)
LEARNED, CONSTANT, OF_PAIRS, SMOOTHED = range(4)
RATE, ADDITIVE, SLOWDOWN = range(3)
TRAFFIC_WINDOW, TRAFFIC_RENEWED = 64, 4
AT_RISK, BEYOND_ROUNDING, CLEARLY = 0.002, 1.0 + 1e-9, 1e-9
CUSUM_DRIFT, TINY = 0.5, 1e-150
OF_FEATURES = 2  # regressors of the shared weights, from which on they are of features
WORD = 32  # bits
NONE = -1
