"""From a policy and its setting to the arrays of a compiled `strait`."""

from __future__ import annotations

from math import comb, inf, log
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.fast.strait import codes
from stratsim.policy.arguments import batch_limits
from stratsim.policy.strait.guard import Hypothetical
from stratsim.predict.features import FeatureTable
from stratsim.predict.rls import Rls
from stratsim.predict.transfer import Alone, Contended, NoTransfers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratsim.model.profile import SchedulerProfile
    from stratsim.policy.base import Setting
    from stratsim.policy.strait import Strait

__all__ = ["add_requests", "lengthen_logs", "set_up", "why_not"]

_MOST_PAIRS = 1 << 20
"""Of a company of models and one more beside it, that there is room for."""
_BESIDES = 512
_RATE_ROWS = 1024
_DRAWS = 1 << 14
_LOG_ROWS = 128
_REQUESTS = 1 << 12
_LEAST = 1e-12
_TRANSFERS = {Contended: codes.CONTENDED, Alone: codes.ALONE, NoTransfers: codes.NO_TRANSFERS}
_FORMS = {"rate": codes.RATE, "additive": codes.ADDITIVE, "slowdown": codes.SLOWDOWN}
_FLOOR = 0.05


def why_not(policy: Strait, models: int, slots: int, *, loads_weights: bool) -> str | None:
    """Return why a policy cannot be compiled; None if it can.

    Args:
        policy: The policy.
        models: How many the profile has.
        slots: Batches that may execute at once on a GPU.
        loads_weights: Whether weights are loaded on demand.
    """
    belief, transfers = policy.belief, policy._transfers
    if type(belief) is not Rls:
        return f"the belief {type(belief).__name__} is not compiled"
    if belief.half_life_s < inf or belief.nonnegative:
        return "the belief's half_life_s and nonnegative are not compiled"
    if type(transfers) not in _TRANSFERS or transfers.shares:
        return f"the belief about copies {type(transfers).__name__} is not compiled"
    if loads_weights:
        return "weights are loaded when they are needed"
    if _companies(models, slots) * models > _MOST_PAIRS:
        return "there are too many sets of models that may be co-located"
    return None


def _companies(models: int, slots: int) -> int:
    """Return how many sets of co-runners there can be, nobody included."""
    return comb(models + slots - 1, slots - 1)


class _Builder:
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


def set_up(policy: Strait, setting: Setting, names: Sequence[str]) -> codes.State:
    """Return the arrays of a run that is about to start.

    Args:
        policy: Can be compiled; its belief is fitted.
        setting: The run's.
        names: All models, in ascending order.
    """
    builder, profile = _Builder(), setting.profile
    places = setting.max_concurrency + setting.prefetch
    sizes = 1 + max([profile.models[name].max_batch for name in names], default=0)
    _add_rules(builder, policy, setting, len(names), sizes)
    belief = policy.belief
    assert isinstance(belief, Rls)  # noqa: S101 (see `why_not`)
    terms = _add_belief(builder, belief, profile, names, sizes)
    _add_models(builder, profile, names, batch_limits(setting, policy._max_batch), list(profile.models), sizes)
    _add_machine(builder, setting.gpus, places, policy._refresh, len(names))
    _add_memories(builder, len(names), setting.max_concurrency, places)
    return builder.made(terms)


def _add_rules(builder: _Builder, policy: Strait, setting: Setting, models: int, sizes: int) -> None:
    places, profile = setting.max_concurrency + setting.prefetch, setting.profile
    builder.values |= {
        codes.MODELS: models,
        codes.SIZES: sizes,
        codes.GPUS: setting.gpus,
        codes.SLOTS: setting.max_concurrency,
        codes.PLACES: places,
        codes.RESERVE: min(max(policy._reserve_slots, setting.prefetch), places - 1),
        codes.REFRESH: policy._refresh,
        codes.TRANSFERS: _TRANSFERS[type(policy._transfers)],
        codes.HARM_CHECK: policy._harm_check,
        codes.FILL: policy._fill,
        codes.RESCUE: policy._rescue,
        codes.BEST_EFFORT: policy._best_effort,
        codes.HAS_GUARD: policy._guard_kind is Hypothetical,
        codes.HAS_MARGIN: policy._margin > 0.0,
        codes.EXPLORES: policy._explore > 0.0,
        codes.LACKING: models,
        codes.LESSONS: 1,
        codes.ASKED_ANEW: 1,
        codes.RENEW_AT: 1,
        codes.GUARD_REFRESHES: codes.NONE,
        codes.GUARD_RENEWALS: codes.NONE,
        codes.COMPANIES: 1,
    }
    confidence = policy._confidence
    builder.reals |= {
        codes.CONFIDENCE: confidence,
        codes.MOST_LATE: max(-log(confidence), _LEAST) if confidence > 0.0 else inf,
        codes.FLOOR: _FLOOR,
        codes.QUANTILE: policy._margin,
        codes.EXPLORE: policy._explore,
        codes.IN_ALPHA_S: profile.h2d.alpha_s,
        codes.IN_RATE: profile.h2d.bytes_per_s,
        codes.OUT_ALPHA_S: profile.d2h.alpha_s,
        codes.OUT_RATE: profile.d2h.bytes_per_s,
        codes.EXPIRES_S: inf,
        codes.TIMER_S: -inf,
        codes.LOW_TIMER_S: -inf,
        codes.HOPELESS_AGAIN_S: inf,
        codes.AGAIN_S: inf,
        codes.LOOK_AGAIN_S: inf,
        codes.SAVED_SINCE_S: inf,
    }


def _add_belief(builder: _Builder, belief: Rls, profile: SchedulerProfile, names: Sequence[str], sizes: int) -> Any:
    """Add what the belief starts from; return the tables of its terms."""
    parts, design, features = belief.filter_.parts(), belief.design, tuple(belief.features)
    leading, models = design.leading, len(names)
    has_terms = belief.pair_variance > 0
    builder.values |= {
        codes.FORM: _FORMS[belief.form],
        codes.LEADING: leading,
        codes.FEATURES: len(features),
        codes.HAS_TERMS: has_terms,
        codes.DIRECTIONAL: belief.filter_.directional,
    }
    builder.reals |= {
        codes.MIN_RATE: belief.min_rate,
        codes.FORGETTING: belief.filter_.forgetting,
        codes.SAMPLE_NOISE: belief.filter_.noise,
        codes.EXCITATION: belief.filter_.excitation,
        codes.TRACE_CAP: belief.filter_.trace_cap,
        codes.PRIOR_TRACE: belief.filter_.prior_trace,
        codes.PAIR_VARIANCE: belief.pair_variance,
        codes.REST_VARIANCE: parts.rest_variance,
        codes.OUTLIER_GATE: belief.outlier_gate,
        codes.CHANGE_THRESHOLD: belief.change_threshold,
        codes.SCALE_SHARE: belief._scale_share,
        codes.LEAST_NOISE: 0.1 * belief.noise,
        codes.LOWER_QUARTILE: NormalDist().inv_cdf(0.75),
        codes.NOISE: belief.noise_,
        codes.GROWTH: parts.growth,
        codes.TRACE_BOUND: parts.trace_bound,
    }
    table, rows = FeatureTable(profile, features), np.zeros((models, sizes, len(features)))
    for number, name in enumerate(names):
        for size in range(1, profile.models[name].max_batch + 1):
            rows[number, size] = table[name, size]
    builder.table(codes.FEATURE_AT, rows.size, reals=rows)
    builder.table(codes.WEIGHT_AT, leading, reals=parts.weights)
    builder.table(codes.COVARIANCE_AT, leading * leading, reals=parts.covariance)
    builder.table(codes.VARIANCE_AT, leading, reals=parts.variance)
    builder.table(codes.VALUE_AT, 2 + 3 * len(features))
    builder.table(codes.MEAN_AT, leading)
    builder.table(codes.IMAGE_AT, leading)
    builder.table(codes.TABLE_AT, leading + 1 + models)
    builder.table(codes.REGRESSOR_AT, models)
    builder.table(codes.MEAN_REGRESSOR_AT, models)
    return np.ascontiguousarray(parts.terms).reshape(-1) if has_terms else np.zeros(1)


def _add_models(
    builder: _Builder,
    profile: SchedulerProfile,
    names: Sequence[str],
    limit: dict[str, int],
    columns: Sequence[str],
    sizes: int,
) -> None:
    models, latency_s = len(names), np.zeros((len(names), sizes))
    for number, name in enumerate(names):
        latency = profile.models[name].latency_s
        latency_s[number, : len(latency)] = [latency[size] for size in range(len(latency))]
    builder.table(codes.LATENCY_AT, latency_s.size, reals=latency_s)
    ints, reals = np.zeros((models, codes.MODEL_BLOCK), np.int64), np.zeros((models, codes.MODEL_BLOCK))
    ints[:, codes.COLUMN] = [columns.index(name) for name in names]
    ints[:, codes.LIMIT] = [limit[name] for name in names]
    ints[:, codes.LACKS] = 1
    for level in (codes.HIGH, codes.LOW):
        ints[:, codes.HEAD + level] = ints[:, codes.TAIL + level] = codes.NONE
    reals[:, codes.STRETCH] = 1.0
    reals[:, codes.REFUSED_UNTIL_S] = -inf
    builder.table(codes.MODEL_AT, ints.size, ints, reals)
    for place, numbers in {
        codes.QUEUED_AT: 2 * models,
        codes.EXPECTED_AT: models,
        codes.SEEN_AT: models,
        codes.ORDER_AT: models,
        codes.SHORT_AT: 2 * models,
        codes.ALL_ERRORS_AT: codes.RECENT + 2 * codes.ERROR_WINDOW,
        codes.TRAFFIC_AT: codes.TRAFFIC_WINDOW,
    }.items():
        builder.table(place, numbers)


def _add_machine(builder: _Builder, gpus: int, places: int, refresh: int, models: int) -> None:
    block, row = codes.MEMBERS + places, 1 + 2 * places
    builder.values |= {codes.GPU_BLOCK: block, codes.LOG_ROWS: max(_LOG_ROWS, 16 * places)}
    rows = builder.values[codes.LOG_ROWS]
    ints, reals = np.zeros((gpus, block), np.int64), np.zeros((gpus, block))
    ints[:, codes.NUMBER] = np.arange(gpus)
    ints[:, codes.LOG_AT] = builder.room + np.arange(gpus) * rows * row
    ints[:, codes.WALKED] = codes.NONE
    builder.room += gpus * rows * row
    builder.table(codes.GPU_AT, ints.size, ints, reals)
    batches = gpus * places
    blocks = builder.table(codes.BLOCK_AT, (codes.CANDIDATES + batches) * codes.BATCH_BLOCK)
    spare = blocks + (codes.CANDIDATES + np.arange(batches)) * codes.BATCH_BLOCK
    builder.table(codes.SPARE_AT, batches, spare)
    builder.values[codes.SPARE] = batches
    for place, numbers in {
        codes.KEY_AT: places + 1,
        codes.LEFT_AT: places + 1,
        codes.RUNNING_AT: places + 1,
        codes.OTHER_AT: places + 1,
        codes.HOPE_AT: places + 1,
        codes.BATCH_AT: places + 1,
        codes.LATE_AT: places + 1 + models,
        codes.END_AT: places + 1,
        codes.BESIDE_AT: places + 1,
        codes.HAPPENED_AT: 4 * places,
        codes.ENDED_AT: batches,
        codes.OBSERVATION_AT: (refresh + batches) * codes.OBSERVATION_BLOCK,
        codes.INTERVAL_AT: (refresh + batches) * rows * (1 + places),
        codes.MET_AT: 3 * rows,
        codes.OPEN_AT: gpus,
        codes.RIVAL_AT: gpus,
        codes.CHANGED_AT: gpus,
        codes.DRAW_AT: _DRAWS,
    }.items():
        builder.table(place, numbers)
    builder.values |= {codes.DRAWS: _DRAWS, codes.DRAWN: _DRAWS}


def _add_memories(builder: _Builder, models: int, slots: int, places: int) -> None:
    companies = _companies(models, slots)
    builder.values |= {
        codes.MOST_COMPANIES: companies,
        codes.MOST_BESIDES: _BESIDES,
        codes.RATE_ROWS: _RATE_ROWS,
    }
    for place, numbers in {
        codes.CHILD_AT: companies * models,
        codes.PAIR_AT: companies * models,
        codes.PAIR_LEVEL_AT: companies * models,
        codes.RATE_AT: _RATE_ROWS * (places + 2),
        codes.BESIDE_ROW_AT: (_BESIDES + 1) * (codes.BESIDE_KINDS + places + 2 * models),
        codes.BESIDE_INDEX_AT: 2 * _BESIDES,
        codes.LEVEL_AT: (places + 1 + (places + 1) * models + companies * models) * codes.LEVEL_BLOCK,
    }.items():
        builder.table(place, numbers)
    builder.table(codes.COUNT_LEVEL_AT, places + 1, np.full(places + 1, codes.NONE))
    builder.table(codes.MODEL_LEVEL_AT, (places + 1) * models, np.full((places + 1) * models, codes.NONE))


# Growing --------------------------------------------------------------------------------------------------------------


def _lengthened(state: codes.State, numbers: int) -> codes.State:
    """Return the same arrays with more places behind."""
    ints, reals = np.zeros(len(state.ints) + numbers, np.int64), np.zeros(len(state.reals) + numbers)
    for longer, array in ((ints, state.ints), (reals, state.reals)):
        for first in range(0, len(array), _PAGES):  # places that were never used take no memory in the copy either
            part = array[first : first + _PAGES]
            if part.any():
                longer[first : first + len(part)] = part
    return codes.State(ints, reals, state.terms)


_PAGES = 4096


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
