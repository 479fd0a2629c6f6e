"""Fits a profile's `truth` to its pairs: contention models for a GPU of which only a table of pairs is known."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING, Literal

from stratsim.errors import ProfileError
from stratsim.fit.baselines import Constant, KernelQueue, Streams, TimeSlicing
from stratsim.fit.cells import Load, cells_of, loads_of
from stratsim.fit.holdout import Row, cross_validate, on_held_out
from stratsim.fit.identify import Interval, intervals, local_intervals
from stratsim.fit.queue import QueueFit, fit_queue
from stratsim.fit.sharing import SharingFit, fit_sharing
from stratsim.fit.slices import SlicesFit, fit_slices
from stratsim.model.contention import Sharing, TimeSlices
from stratsim.model.interpolate import dense, interpolate
from stratsim.model.kernel_queue import KernelQueue as KernelQueueTruth
from stratsim.model.profile import Provenance
from stratsim.model.provenance import replaced

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from stratsim.fit.baselines import Predictor
    from stratsim.fit.cells import Cell
    from stratsim.model.profile import Pair, Profile

__all__ = ["RULES", "PairsFit", "Rule", "fit_pairs", "kernel_lengths"]

Rule = Literal["streams", "kernel-queue", "time-slicing"]
RULES: tuple[Rule, ...] = ("streams", "kernel-queue", "time-slicing")
"""The device models that can be fitted to pairs."""

_SECTIONS: dict[Rule, str] = {
    "streams": "truth.sharing",
    "kernel-queue": "truth.kernel_queue",
    "time-slicing": "truth.time_slicing",
}
"""Where a profile keeps the parameters of each."""
_Fit = SharingFit | QueueFit | SlicesFit
_LEFT_OUT = ("leave-one-pair-out", "leave-one-model-out")
_MOST_FOLDS = 20
_MOST_PROFILED = 60
"""Parameters whose profile likelihood is followed; of more, the curvature at the optimum has to do."""
_FOLD_STARTS = 1
_DIGITS = 6


@dataclass(frozen=True, slots=True)
class PairsFit:
    """The outcome of `fit_pairs`.

    Args:
        profile: With the fitted truth.
        rule: The device model that the profile now names: the one with the smaller mean error on pairs left out.
        rows: Errors by split and rule, a constant beside them.
        intervals: 95 % intervals of the parameters, by rule.
        exact: Whether they are of the profile likelihood, rather than of the curvature at the optimum.
        notes: What was left out, and why: one line each.
    """

    profile: Profile
    rule: Rule
    rows: tuple[Row, ...]
    intervals: dict[Rule, tuple[Interval, ...]]
    exact: bool
    notes: tuple[str, ...]

    def not_identified(self, rule: Rule) -> list[Interval]:
        """Return the parameters of a rule that the pairs do not determine."""
        return [interval for interval in self.intervals[rule] if not interval.identified]


def fit_pairs(profile: Profile, rules: Sequence[Rule] = RULES, *, starts: int = 4) -> PairsFit:
    """Fit device models to a profile's measured pairs, and judge them on pairs and models left out.

    Pairs that are held out are not fitted, and judge the fit too. Those with shares of the GPU are left out: no rule
    says what a share does.

    Args:
        profile: With pairs.
        rules: Which device models.
        starts: Starting points of each fit to all pairs.

    Raises:
        ProfileError: there is no pair to fit, or none of the rules can be fitted: says what is lacking.
    """
    whole = [pair for pair in profile.pairs if not pair.limited]
    cells = cells_of(pair for pair in whole if not pair.held_out)
    if not cells:
        raise ProfileError(
            f"profile {profile.name!r} has no measured pairs to fit to; `stratsim profile import pairs` adds some"
        )
    notes = (
        [f"{len(profile.pairs) - len(whole)} pairs with shares are not fitted"]
        if len(whole) < len(profile.pairs)
        else []
    )
    lengths = kernel_lengths(profile, whole) if "kernel-queue" in rules else None
    fits: dict[Rule, _Fit] = {}
    if "streams" in rules:
        fits["streams"] = fit_sharing(cells, starts=starts)
    if lengths is not None:
        fits["kernel-queue"] = fit_queue(cells, lengths, starts=starts)
    elif "kernel-queue" in rules:
        lacking = (
            "kernel-queue is not fitted: the kernels of some models are not known; `stratsim profile import nsys` adds "
            "them"
        )
        if not fits:
            raise ProfileError(f"profile {profile.name!r}: {lacking}")
        notes.append(lacking)
    if "time-slicing" in rules:
        fits["time-slicing"] = fit_slices(cells, starts=starts)
    predictors: list[Predictor] = [_predictor(rule, lengths) for rule in fits]
    rows = _rows([*predictors, Constant()], cells, cells_of(pair for pair in whole if pair.held_out))
    rule = min(fits, key=lambda each: _error(rows, each))
    exact = all(fit.problem.free <= _MOST_PROFILED for fit in fits.values())
    found = {each: (intervals if exact else local_intervals)(fit) for each, fit in fits.items()}
    made = _with_truth(profile, rule, fits, rows, found)
    return PairsFit(made, rule, rows, found, exact, tuple(notes))


def kernel_lengths(profile: Profile, pairs: Iterable[Pair]) -> dict[Load, float] | None:
    """Return the mean duration of a kernel of every load of the pairs, launch gaps included, seconds.

    `truth.kernel_queue.length_s` where the profile has it, else the time alone over the number of kernels at batch 1: a
    batch changes how long kernels are, hardly how many. None where a model has neither.
    """
    queue, found = profile.truth.kernel_queue, {}
    for load in loads_of(cells_of(pairs)):
        table = {} if queue is None else queue.length_s.get(load.model, {})
        model = profile.observable.models[load.model]
        if table:
            found[load] = interpolate(table, min(max(load.batch, min(table)), max(table)), "linear")
        elif model.kernels is not None:
            found[load] = dense(model.latency_s, profile.observable.interpolation)[load.batch] / model.kernels.count
        else:
            return None
    return found


def _predictor(rule: Rule, lengths: dict[Load, float] | None) -> Predictor:
    if rule == "streams":
        return Streams(starts=_FOLD_STARTS)
    if rule == "kernel-queue":
        return KernelQueue(lengths or {}, starts=_FOLD_STARTS)
    return TimeSlicing(starts=_FOLD_STARTS)


def _rows(predictors: Sequence[Predictor], cells: Sequence[Cell], held_out: Sequence[Cell]) -> tuple[Row, ...]:
    rows = []
    for predictor in predictors:
        fitted = predictor.fit(cells)
        rows.append(on_held_out("in-sample", cells, fitted))
        rows += [cross_validate(split, cells, predictor, _MOST_FOLDS) for split in _LEFT_OUT]
        if held_out:
            rows.append(on_held_out("held-out pairs", held_out, fitted))
    return tuple(rows)


def _error(rows: Sequence[Row], rule: str) -> float:
    """Return the mean error of a rule on pairs that were left out; in-sample where no pair can be."""
    found = {row.split: row.score for row in rows if row.predictor == rule}
    score = found["leave-one-pair-out"] or found["in-sample"]
    return math.inf if score is None else score.mean


def _with_truth(
    profile: Profile,
    rule: Rule,
    fits: dict[Rule, _Fit],
    rows: Sequence[Row],
    found: dict[Rule, tuple[Interval, ...]],
) -> Profile:
    truth, provenance = profile.truth, profile.provenance
    pairs = provenance.get("pairs")
    source = f"fitted to the pairs by `stratsim profile fit --pairs`; pairs: {pairs.source if pairs else 'not said'}"
    for each, fit in fits.items():
        errors = ", ".join(
            f"{row.split} {row.score.mean:.1%}" for row in rows if row.predictor == each and row.score is not None
        )
        unknown = ", ".join(f"{one.kind} of {one.load or 'all'}" for one in found[each] if not one.identified)
        note = f"mean error of the execution time: {errors}. Not identified: {unknown or 'none'}."
        provenance = replaced(provenance, _SECTIONS[each], Provenance("synthetic", source, note=note))
        if isinstance(fit, SharingFit):
            truth = replace(truth, sharing=_sharing(fit))
        elif isinstance(fit, QueueFit):
            truth = replace(truth, kernel_queue=_kernel_queue(fit))
        else:
            truth = replace(truth, time_slicing=_time_slicing(fit))
    return replace(profile, truth=truth, provenance=provenance, device_model=None if rule == "streams" else rule)


def _sharing(fit: SharingFit) -> dict[str, dict[int, Sharing]]:
    table: dict[str, dict[int, Sharing]] = defaultdict(dict)
    for load in fit.loads:
        table[load.model][load.batch] = Sharing(_round(fit.shares.demand[load]), _round(fit.shares.weight[load]))
    return dict(table)


def _kernel_queue(fit: QueueFit) -> KernelQueueTruth:
    lengths: dict[str, dict[int, float]] = defaultdict(dict)
    holds: dict[str, dict[int, float]] = defaultdict(dict)
    queue = fit.queue
    for load in fit.loads:
        lengths[load.model][load.batch] = _round(queue.length_s[load])
        holds[load.model][load.batch] = _round(queue.hold[load])
    hold = _round(median(queue.hold.values()))
    return KernelQueueTruth(hold, dict(lengths), dict(holds), _round(queue.residual), _round(queue.gap_s))


def _time_slicing(fit: SlicesFit) -> TimeSlices:
    busy: dict[str, dict[int, float]] = defaultdict(dict)
    bursts: dict[str, dict[int, float]] = defaultdict(dict)
    for load in fit.loads:
        busy[load.model][load.batch] = _round(fit.slices.busy[load])
        bursts[load.model][load.batch] = _round(fit.slices.burst[load])
    return TimeSlices(dict(busy), dict(bursts))


def _round(value: float) -> float:
    return value if value == 0 else round(value, _DIGITS - 1 - math.floor(math.log10(abs(value))))
