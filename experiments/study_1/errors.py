"""Figures from predictions: how the errors of each predictor are distributed, in which part of a run."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from study_1.coverage import own_band, recent_band

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from stratsim.compare.prequential import Prediction, Scores

    Row = dict[str, Any]

__all__ = ["BIN", "COLUMNS", "KINDS", "LARGE", "MEMORY", "QUANTILES", "tables"]

KINDS = ("snapshot", "realised")
"""What is asked for of the kinds of predictions."""
WARM_UP = 100
"""Judged batches at the start of a run that count for nothing: predictors that learn have yet to."""
MEMORY = 100
"""1 / (1 - forgetting) of the default RLS: batches in which it is expected to recover."""
SETTLED = 200
"""The last so many judged batches of a run tell what an error is once all has been learned."""
BIN = 25
"""Batches per point of the course after a shift."""
_BINS = range(-4, 16)
FIRST = 5
"""Meetings of a pair that count as its first."""
OFTEN = 20
"""From this meeting on a pair has been met often."""
_MET = (0, 1, 2, 5, 10, 20, 50, 100)
"""Meetings by which the course of the error is told."""
LARGE = 0.6
"""A large relative error."""
QUANTILES = {f"q{percent:02d}": percent / 100 for percent in (1, 5, 10, 25, 50, 75, 90, 95, 99)}
"""Of the error, by column."""
INTERVALS = tuple(f"{of}_{figure}" for of in ("own", "recent") for figure in ("coverage", "width", "score"))
"""Of intervals: the belief's own, and those of its recent errors (`stratsim`'s quantiles, and coverage.py)."""
COLUMNS = (
    *(
        "predictor",
        "kind",
        "part",
        "place",
        "alone",
        "censored",
        "judged",
        "batches",
        "error",
        "bias",
        "slowdown",
        "over",
    ),
    *("large_under", "large_over", "worst_under", "worst_over", "excess_error", *QUANTILES, *INTERVALS),
)
"""Of the rows."""
_BY_PAIR = ("gpulet", "rls")
"""Predictors whose errors are told by pair."""
_LEAST_EXCESS = 0.05
"""Below this excess of the slowdown, its relative error means nothing."""


def tables(scores: Scores, shift_s: float | None, unseen: frozenset[tuple[str, str]] = frozenset()) -> list[Row]:
    """Return rows by predictor, kind of prediction and part of the run.

    Parts: `all` where nothing changes; where the mix shifts or the device slows down, `before`, `after`, `at once` (the
    first `MEMORY` batches after it), `recovering` (the next as many), `later` (all from then on) and `settled` (the
    last of the run). For predictions of kind `realised` also `first met` and `met often`: batches whose pair, with the
    model that overlapped it longest, is in `unseen`, at its first `FIRST` meetings, and from the `OFTEN`th on. And with
    fewer figures `course` (by number of batches since the shift), `met` (by number of meetings) and `pair`.

    Args:
        scores: Of the run.
        shift_s: When something changed.
        unseen: Pairs (target model, co-runner model) that no predictor was told of before the run.
    """
    counts = {"alone": scores.alone, "censored": scores.censored, "judged": scores.judged}
    rows: list[Row] = []
    groups: dict[str, dict[str, list[Prediction]]] = {}
    for each in scores.predictions:
        groups.setdefault(each.predictor, {}).setdefault(each.kind, []).append(each)
    for predictor, by_kind in groups.items():
        intervals = _intervals(by_kind)
        for kind in [kind for kind in KINDS if kind in by_kind]:
            detailed = kind == KINDS[-1]
            parts = [*_parts(by_kind[kind], shift_s, detailed=detailed)]
            parts += _meetings(by_kind[kind], unseen) if detailed else []
            for part, place, chosen in parts:
                if chosen:
                    row: Row = {"predictor": predictor, "kind": kind, "part": part, "place": place}
                    row |= {**counts, **figures(chosen, brief=bool(place))}
                    rows.append(row | (_interval_figures(chosen, intervals) if detailed and not place else {}))
    return rows


def _intervals(by_kind: Mapping[str, Sequence[Prediction]]) -> Mapping[int, Mapping[str, float]]:
    """Return whether the intervals of each batch covered, their width and score."""
    realised = by_kind[KINDS[-1]]
    found: dict[int, dict[str, float]] = {each.batch: {} for each in realised}
    for name, band in (("own", own_band(by_kind)), ("recent", recent_band(realised))):
        if band is not None:
            figures = {"coverage": band.covered, "width": band.width, "score": band.score}
            for figure, values in figures.items():
                for each, value in zip(realised, values.tolist(), strict=True):
                    found[each.batch][f"{name}_{figure}"] = value
    return found


def _interval_figures(chosen: Sequence[Prediction], intervals: Mapping[int, Mapping[str, float]]) -> Row:
    """Return the means over batches that had an interval."""
    row: Row = {}
    for name in INTERVALS:
        values = [value for each in chosen if (value := intervals[each.batch].get(name)) is not None and value == value]
        if values:
            row[name] = sum(values) / len(values)
    return row


def _meetings(
    predictions: Sequence[Prediction], unseen: frozenset[tuple[str, str]]
) -> Iterator[tuple[str, str, Sequence[Prediction]]]:
    """Yield the batches of pairs that nobody was told of, by how often the pair had met before in this run."""
    met: dict[tuple[str, str], int] = {}
    by_number: dict[int, list[Prediction]] = {}
    for each in predictions:
        pair = (each.model, each.beside)
        if pair in unseen:
            by_number.setdefault(met.get(pair, 0), []).append(each)
            met[pair] = met.get(pair, 0) + 1
    yield "first met", "", [each for n, found in by_number.items() if n < FIRST for each in found]
    yield "met often", "", [each for n, found in by_number.items() if n >= OFTEN for each in found]
    for low, high in pairwise(_MET):
        yield "met", str(low), [each for n, found in by_number.items() if low <= n < high for each in found]


def _parts(
    predictions: Sequence[Prediction], shift_s: float | None, *, detailed: bool
) -> Iterator[tuple[str, str, Sequence[Prediction]]]:
    """Yield parts of a run with their names; predictions are in the order of the batches' ends."""
    if shift_s is None:
        yield "all", "", predictions[WARM_UP:]
    else:
        first = sum([each.end_s <= shift_s for each in predictions])
        yield "before", "", predictions[WARM_UP:first]
        yield "after", "", predictions[first:]
        yield "at once", "", predictions[first : first + MEMORY]
        yield "recovering", "", predictions[first + MEMORY : first + 2 * MEMORY]
        yield "later", "", predictions[first + MEMORY :]
        yield "settled", "", predictions[max(len(predictions) - SETTLED, first) :]
        for number in _BINS if detailed else ():
            start = first + number * BIN
            if start >= 0 and start + BIN <= len(predictions):
                yield "course", str(number * BIN), predictions[start : start + BIN]
    if detailed and predictions[0].predictor in _BY_PAIR:
        yield from _by_pair(predictions[WARM_UP:])


def _by_pair(predictions: Sequence[Prediction]) -> Iterator[tuple[str, str, Sequence[Prediction]]]:
    pairs: dict[str, list[Prediction]] = {}
    for each in predictions:
        pairs.setdefault(f"{each.model} beside {each.beside}", []).append(each)
    yield from (("pair", name, pairs[name]) for name in sorted(pairs))


def figures(predictions: Sequence[Prediction], *, brief: bool = False) -> Row:
    """Return what sums the errors up. Relative errors of the execution time unless they say `excess`.

    `excess_error` is the median relative error of slowdown - 1, over batches that were slowed by 5 % or more.
    """
    error = np.array([each.error for each in predictions])
    row: Row = {
        "batches": len(error),
        "error": float(np.abs(error).mean()),
        "bias": float(error.mean()),
        "slowdown": float(np.mean([each.actual_s / each.solo_s for each in predictions])),
    }
    if brief:
        return row
    row |= {
        "over": float((error > 0).mean()),
        "large_under": float((error < -LARGE).mean()),
        "large_over": float((error > LARGE).mean()),
        "worst_under": float(max(-error.min(), 0.0)),
        "worst_over": float(max(error.max(), 0.0)),
        "excess_error": _excess_error(predictions),
    }
    return row | dict(zip(QUANTILES, np.quantile(error, list(QUANTILES.values())).tolist(), strict=True))


def _excess_error(predictions: Sequence[Prediction]) -> float:
    excess = np.array([(each.actual_s - each.solo_s, each.predicted_s - each.actual_s) for each in predictions])
    solo_s = np.array([each.solo_s for each in predictions])
    slowed = excess[:, 0] >= _LEAST_EXCESS * solo_s
    return float(np.median(np.abs(excess[slowed, 1] / excess[slowed, 0]))) if slowed.any() else float("nan")
