"""Beliefs about interference that kernels hold: which, and from such a belief to arrays."""

from __future__ import annotations

from math import inf, nan
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from stratsim.fast.strait import codes
from stratsim.predict.ewma import EwmaPairs
from stratsim.predict.features import FeatureTable
from stratsim.predict.oracle import Oracle
from stratsim.predict.rls import Rls
from stratsim.predict.static import Constant, Gpulet, Solo

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from stratsim.fast.strait.state import Builder
    from stratsim.model.profile import SchedulerProfile
    from stratsim.predict import Predictor

__all__ = ["add_belief", "formed", "why_not_believed"]

_FIXED_PAIRS = (Gpulet, Oracle)
_FIXED = (Solo, Constant, *_FIXED_PAIRS)
"""Beliefs that never learn."""
_IN_PAIRS = (*_FIXED_PAIRS, EwmaPairs)
"""Beliefs that are asked beforehand about each kind of batch beside each other."""
_MOST_KINDS = 128
"""Of batches, by such a belief: 16,384 questions."""
_FORMS = {"rate": codes.RATE, "additive": codes.ADDITIVE, "slowdown": codes.SLOWDOWN}


def why_not_believed(belief: Predictor, kinds: int, slots: int, *, hopes: bool) -> str | None:
    """Return why a belief cannot be compiled; None if it can.

    Args:
        belief: The belief.
        kinds: How many kinds of batches there can be.
        slots: Batches that may execute at once on a GPU.
        hopes: Whether it is asked for quantiles of its rates.
    """
    if type(belief) not in (Rls, *_FIXED) and (hopes or type(belief) is not EwmaPairs):
        return f"the belief {type(belief).__name__} is not compiled"
    if isinstance(belief, EwmaPairs) and (belief.half_life_s < inf or belief.tau_s is not None):
        return "the belief's half_life_s and tau_s are not compiled"
    if isinstance(belief, Rls) and (belief.half_life_s < inf or belief.nonnegative):
        return "the belief's half_life_s and nonnegative are not compiled"
    if type(belief) is Oracle and slots > 2:
        return "the belief Oracle is compiled for two co-located batches, not for more"
    if type(belief) in _IN_PAIRS and kinds > _MOST_KINDS:
        return f"the belief {type(belief).__name__} is compiled for {_MOST_KINDS} kinds of batches, not for {kinds:,}"
    return None


def add_belief(
    builder: Builder,
    belief: Predictor,
    profile: SchedulerProfile,
    names: Sequence[str],
    limit: Mapping[str, int],
    sizes: int,
) -> NDArray[np.float64]:
    """Add what the belief starts from; return the tables of its terms."""
    if isinstance(belief, Rls):
        builder.values[codes.BELIEF] = codes.LEARNED
        return _add_learned(builder, belief, profile, names, limit, sizes)
    if isinstance(belief, EwmaPairs):
        builder.values[codes.BELIEF] = codes.SMOOTHED
        return _add_smoothed(builder, belief, names, limit, sizes)
    if isinstance(belief, _FIXED_PAIRS):
        builder.values[codes.BELIEF] = codes.OF_PAIRS
        return _rates_of_pairs(belief, names, limit, sizes)
    builder.values[codes.BELIEF] = codes.CONSTANT
    builder.reals[codes.KNOWN_RATE] = 1.0 / belief.slowdown if isinstance(belief, Constant) else 1.0
    return np.zeros(1)


def _rates_of_pairs(
    belief: Predictor, names: Sequence[str], limit: Mapping[str, int], sizes: int
) -> NDArray[np.float64]:
    """Return the rate of each kind of batch beside each other kind, shape (kinds x kinds,)."""
    kinds = [(number * sizes + size, (name, size)) for number, name in enumerate(names) for size in formed(limit[name])]
    found = np.ones((len(names) * sizes, len(names) * sizes))
    for row, target in kinds:
        for column, other in kinds:
            found[row, column] = belief.rate(target, (other,))
    return found.reshape(-1)


def _add_smoothed(
    builder: Builder, belief: EwmaPairs, names: Sequence[str], limit: Mapping[str, int], sizes: int
) -> NDArray[np.float64]:
    """Add what a belief starts from that smooths what each pair did; return its tables."""
    models, number = len(names), {name: i for i, name in enumerate(names)}
    measured = np.full((models, sizes, models, sizes), nan)
    for (target, other), of_sizes in belief._measured.items():
        own, beside = number[target], number[other]
        nearest = _nearest(of_sizes, limit[target], limit[other])
        measured[own, 1 : limit[target] + 1, beside, 1 : limit[other] + 1] = nearest
    known, sides = np.full((models, models), nan), np.zeros((2 * models + 1, 2))
    for (target, other), found in belief._known.items():
        if target and other:
            known[number[target], number[other]] = found.loss
        else:
            side = number[target] if target else models + number[other] if other else 2 * models
            sides[side, codes.LOSSES], sides[side, codes.PAIRS] = found.loss, found.pairs
    parts = [np.full(models * sizes * models, nan), measured, known, sides]
    begins = np.cumsum([part.size for part in parts]).tolist()
    builder.values |= dict(zip((codes.MEASURED_AT, codes.KNOWN_LOSS_AT, codes.SIDE_AT), begins, strict=False))
    builder.values[codes.USES_PRIOR] = belief.use_prior
    builder.reals |= {
        codes.ALPHA: belief._smoothing.weight(0.0),
        codes.MOST_SLOWDOWN: belief.max_slowdown,
        codes.PRIOR_EXCESS: belief.prior_slowdown - 1.0,
    }
    return np.concatenate([part.reshape(-1) for part in parts])


def formed(limit: int) -> range:
    """Return the sizes of batches that are formed."""
    return range(1, limit + 1)


def _nearest(measured: Mapping[tuple[int, int], float], most: int, most_beside: int) -> NDArray[np.float64]:
    """Return what was measured at the nearest sizes, the smallest among equals, shape (sizes, sizes beside)."""
    known = sorted(measured)
    own, beside = np.array(known).T
    apart = np.abs(np.arange(1, most + 1)[:, None, None] - own) + np.abs(
        np.arange(1, most_beside + 1)[:, None] - beside
    )
    found: NDArray[np.float64] = np.array([measured[of_sizes] for of_sizes in known])[apart.argmin(axis=2)]
    return found


def _add_learned(
    builder: Builder,
    belief: Rls,
    profile: SchedulerProfile,
    names: Sequence[str],
    limit: Mapping[str, int],
    sizes: int,
) -> NDArray[np.float64]:
    """Add what a belief that learns starts from; return the tables of its terms."""
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
        for size in formed(limit[name]):
            rows[number, size] = table[name, size]
    builder.table(codes.FEATURE_AT, rows.size, reals=rows)
    builder.table(codes.WEIGHT_AT, leading, reals=parts.weights)
    builder.table(codes.COVARIANCE_AT, leading * leading, reals=parts.covariance)
    columns = np.array([list(profile.models).index(name) for name in names if has_terms], np.int64)
    heads = parts.terms[:, : leading + 1][columns][..., columns].transpose(2, 0, 1)
    builder.table(codes.HEAD_AT, heads.size, reals=heads if heads.any() else None)
    builder.table(codes.VARIANCE_AT, leading, reals=parts.variance)
    builder.table(codes.VALUE_AT, 2 + 3 * len(features))
    builder.table(codes.MEAN_AT, leading)
    builder.table(codes.IMAGE_AT, leading)
    builder.table(codes.TABLE_AT, leading + 1 + models)
    builder.table(codes.REGRESSOR_AT, models)
    builder.table(codes.MEAN_REGRESSOR_AT, models)
    builder.reals[codes.UNUSED_VARIANCE] = belief.pair_variance
    if not has_terms:
        return np.zeros(1)
    return _add_rests(builder, parts.terms[:, leading + 1 :], columns, belief.pair_variance)


def _add_rests(
    builder: Builder, rests: NDArray[np.float64], columns: NDArray[np.int64], unused_variance: float
) -> NDArray[np.float64]:
    """Add which terms have been in what was measured beforehand; return the triangles of those, by target.

    Args:
        builder: Has all else.
        rests: By column of the target, shape (models, models, models).
        columns: By number of the model.
        unused_variance: Of a term that was in nothing.
    """
    models = len(rests)
    builder.table(codes.USED_AT, models * (1 + 2 * models))
    triangles, unused = np.zeros((models, models * (models + 1) // 2)), np.diag(np.full(models, unused_variance))
    for target, column in enumerate(columns.tolist()):
        others = np.flatnonzero((rests[column] != unused).any(axis=0)[columns])
        if not len(others):
            continue
        lists = np.zeros(1 + 2 * models, np.int64)
        lists[0], lists[1 : 1 + len(others)] = len(others), others
        lists[1 + models + others] = 1 + np.arange(len(others))
        builder.values[builder.values[codes.USED_AT] + target * len(lists)] = lists
        triangle = rests[column][np.ix_(columns[others], columns[others])][np.tril_indices(len(others))]
        triangles[target, : len(triangle)] = triangle
    return triangles.reshape(-1)
