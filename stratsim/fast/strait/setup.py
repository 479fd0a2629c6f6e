"""From a policy and its setting to the arrays of a compiled `strait`, or of a compiled `aware-edf`."""

from __future__ import annotations

from math import comb, inf, log
from typing import TYPE_CHECKING

import numpy as np

from stratsim.fast.strait import codes
from stratsim.fast.strait.beliefs import add_belief, formed, why_not_believed
from stratsim.fast.strait.state import Builder
from stratsim.policy.arguments import batch_limits
from stratsim.policy.strait import Strait
from stratsim.policy.strait.guard import Hypothetical
from stratsim.predict.transfer import Alone, Contended, NoTransfers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stratsim.model.profile import SchedulerProfile
    from stratsim.policy.aware_edf import AwareEdf
    from stratsim.policy.base import Setting

__all__ = ["set_up", "why_not"]

_MOST_PAIRS = 1 << 20
"""Of a company of models and one more beside it, that there is room for."""
_BESIDES = 1024
_RATE_ROWS = 1024
_DRAWS = 1 << 14
_LOG_ROWS = 128
_LEAST = 1e-12
_TRANSFERS = {Contended: codes.CONTENDED, Alone: codes.ALONE, NoTransfers: codes.NO_TRANSFERS}
_FLOOR = 0.05


def why_not(policy: Strait | AwareEdf, largest: Sequence[int], slots: int, *, loads_weights: bool) -> str | None:
    """Return why a policy cannot be compiled; None if it can.

    Args:
        policy: The policy.
        largest: The largest batch of each model that the profile has.
        slots: Batches that may execute at once on a GPU.
        loads_weights: Whether weights are loaded on demand.
    """
    transfers, models = policy._transfers, len(largest)
    why = why_not_believed(policy.belief, sum(largest), slots, hopes=isinstance(policy, Strait))
    if why is not None:
        return why
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


def set_up(policy: Strait | AwareEdf, setting: Setting, names: Sequence[str]) -> codes.State:
    """Return the arrays of a run that is about to start.

    Args:
        policy: Can be compiled; its belief is fitted.
        setting: The run's.
        names: All models, in ascending order.
    """
    builder, profile = Builder(), setting.profile
    places = setting.max_concurrency + setting.prefetch
    limit = batch_limits(setting, policy._max_batch)
    sizes = 1 + max(limit.values(), default=0)
    _add_rules(builder, policy, setting, len(names), sizes)
    terms = add_belief(builder, policy.belief, profile, names, limit, sizes)
    _add_models(builder, profile, names, limit, list(profile.models), sizes)
    _add_machine(builder, setting.gpus, places, policy._refresh, len(names))
    _add_memories(builder, len(names), setting.max_concurrency, places)
    return builder.made(terms)


def _add_rules(builder: Builder, policy: Strait | AwareEdf, setting: Setting, models: int, sizes: int) -> None:
    places, profile = setting.max_concurrency + setting.prefetch, setting.profile
    builder.values |= {
        codes.MODELS: models,
        codes.SIZES: sizes,
        codes.GPUS: setting.gpus,
        codes.SLOTS: setting.max_concurrency,
        codes.PLACES: places,
        codes.REFRESH: policy._refresh,
        codes.TRANSFERS: _TRANSFERS[type(policy._transfers)],
        codes.HAS_MARGIN: policy._margin > 0.0,
        codes.TAKES_NOTE: policy._margin > 0.0 or policy.belief.adapts,
        codes.LACKING: models,
        codes.LESSONS: 1,
        codes.NOTED: 1,
        codes.RENEW_AT: 1,
        codes.GUARD_REFRESHES: codes.NONE,
        codes.GUARD_RENEWALS: codes.NONE,
        codes.COMPANIES: 1,
    }
    builder.reals |= {
        codes.QUANTILE: policy._margin,
        codes.IN_ALPHA_S: profile.h2d.alpha_s,
        codes.IN_RATE: profile.h2d.bytes_per_s,
        codes.OUT_ALPHA_S: profile.d2h.alpha_s,
        codes.OUT_RATE: profile.d2h.bytes_per_s,
        codes.EXPIRES_S: inf,
        codes.TIMER_S: -inf,
        codes.LOW_TIMER_S: -inf,
        codes.STRETCH_OF_ALL: 1.0,
        codes.HOPELESS_AGAIN_S: inf,
        codes.AGAIN_S: inf,
        codes.LOOK_AGAIN_S: inf,
        codes.SAVED_SINCE_S: inf,
    }
    if isinstance(policy, Strait):
        _add_strait(builder, policy, setting, places)
    else:
        builder.values[codes.TRIES] = policy._tries
        builder.reals[codes.FLOOR] = policy._floor


def _add_strait(builder: Builder, policy: Strait, setting: Setting, places: int) -> None:
    """Add what `strait` alone goes by."""
    builder.values |= {
        codes.RESERVE: min(max(policy._reserve_slots, setting.prefetch), places - 1),
        codes.HARM_CHECK: policy._harm_check,
        codes.FILL: policy._fill,
        codes.RESCUE: policy._rescue,
        codes.BEST_EFFORT: policy._best_effort,
        codes.HAS_GUARD: policy._guard_kind is Hypothetical,
        codes.EXPLORES: policy._explore > 0.0,
        codes.DRAWS: _DRAWS,
        codes.DRAWN: _DRAWS,
    }
    confidence = policy._confidence
    builder.reals |= {
        codes.CONFIDENCE: confidence,
        codes.MOST_LATE: max(-log(confidence), _LEAST) if confidence > 0.0 else inf,
        codes.FLOOR: _FLOOR,
        codes.EXPLORE: policy._explore,
    }


def _add_models(
    builder: Builder,
    profile: SchedulerProfile,
    names: Sequence[str],
    limit: Mapping[str, int],
    columns: Sequence[str],
    sizes: int,
) -> None:
    models, latency_s = len(names), np.zeros((len(names), sizes))
    for number, name in enumerate(names):
        latency = profile.models[name].latency_s
        for size in formed(limit[name]):
            latency_s[number, size] = latency[size]
    builder.table(codes.LATENCY_AT, latency_s.size, reals=latency_s)
    builder.reals[codes.LEAST_LATENCY_S] = latency_s[latency_s > 0.0].min(initial=inf)
    builder.table(codes.LONE_AT, models * sizes)
    builder.table(codes.LONES_AT, 2 * models * sizes)
    ints, reals = np.zeros((models, codes.MODEL_BLOCK), np.int64), np.zeros((models, codes.MODEL_BLOCK))
    ints[:, codes.OF_COLUMN] = [names.index(name) for name in columns]
    ints[:, codes.LIMIT] = [limit[name] for name in names]
    ints[:, codes.LACKS] = 1
    for level in (codes.HIGH, codes.LOW):
        ints[:, codes.HEAD + level] = ints[:, codes.TAIL + level] = codes.NONE
    reals[:, codes.STRETCH] = 1.0
    reals[:, codes.REFUSED_UNTIL_S] = -inf
    builder.table(codes.MODEL_AT, ints.size, ints, reals)
    for place, numbers in {
        codes.QUEUED_AT: 2 * models,
        codes.REFUSED_AT: models,
        codes.ERROR_AT: codes.ERROR_BLOCK * models,
        codes.SEEN_AT: models,
        codes.ORDER_AT: models,
        codes.SHORT_AT: 2 * models,
        codes.ALL_ERRORS_AT: codes.ERROR_BLOCK,
        codes.TRAFFIC_AT: codes.TRAFFIC_WINDOW,
    }.items():
        builder.table(place, numbers)


def _add_machine(builder: Builder, gpus: int, places: int, refresh: int, models: int) -> None:
    block, row = codes.MEMBERS + places, 1 + 2 * places
    builder.values |= {codes.GPU_BLOCK: block, codes.LOG_ROWS: max(_LOG_ROWS, 16 * places)}
    rows = builder.values[codes.LOG_ROWS]
    ints, reals = np.zeros((gpus, block), np.int64), np.zeros((gpus, block))
    ints[:, codes.NUMBER] = np.arange(gpus)
    ints[:, codes.LOG_AT] = builder.room + np.arange(gpus) * rows * row
    ints[:, codes.WALKED] = ints[:, codes.LONE] = codes.NONE
    builder.room += gpus * rows * row
    builder.table(codes.GPU_AT, ints.size, ints, reals)
    words = -(-gpus // codes.WORD)
    held = np.zeros((places + 1, 1 + words), np.int64)
    held[0, 0] = gpus
    np.bitwise_or.at(held[0], 1 + np.arange(gpus) // codes.WORD, 1 << (np.arange(gpus) % codes.WORD))
    builder.values[codes.WORDS] = words
    builder.table(codes.HELD_AT, held.size, held)
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
        codes.MISSING_AT: gpus,
        codes.STAGING_AT: gpus,
        codes.DRAW_AT: _DRAWS,
    }.items():
        builder.table(place, numbers)


def _add_memories(builder: Builder, models: int, slots: int, places: int) -> None:
    companies = _companies(models, slots)
    builder.values |= {
        codes.MOST_COMPANIES: companies,
        codes.MOST_BESIDES: _BESIDES,
        codes.RATE_ROWS: _RATE_ROWS,
    }
    for place, numbers in {
        codes.CHILD_AT: companies * models,
        codes.PAIR_AT: companies * models,
        codes.PAIR_LEVEL_AT: codes.LEVEL_BLOCK * companies * models,
        codes.COUNT_LEVEL_AT: codes.LEVEL_BLOCK * (places + 1),
        codes.MODEL_LEVEL_AT: codes.LEVEL_BLOCK * (places + 1) * models,
        codes.USUAL_AT: (places + 1) * models,
        codes.ASKED_AT: 2 * companies,
        codes.RATE_AT: _RATE_ROWS * (places + 2),
        codes.BESIDE_ROW_AT: (_BESIDES + 1) * (codes.BESIDE_KINDS + 2 * (places + models)),
        codes.BESIDE_INDEX_AT: 2 * _BESIDES,
        codes.POWER_AT: 2 * (models + places + 1) * (codes.LEVEL_WINDOW + 1),
        codes.RATIO_AT: (places + 1 + (places + 1) * models + companies * models) * codes.RATIO_BLOCK,
    }.items():
        builder.table(place, numbers)
