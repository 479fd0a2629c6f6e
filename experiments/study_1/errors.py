"""Figures from predictions: how the errors of each predictor are distributed, in which part of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.compare.prequential import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stratsim.compare.prequential import Prediction, Scores

    Row = dict[str, Any]

__all__ = ["BIN", "COLUMNS", "LARGE", "MEMORY", "QUANTILES", "tables"]

WARM_UP = 100
"""Judged batches at the start of a run that count for nothing: predictors that learn have yet to."""
MEMORY = 100
"""1 / (1 - forgetting) of the default RLS: batches in which it is expected to recover."""
SETTLED = 200
"""The last so many judged batches of a run tell what an error is once all has been learned."""
BIN = 25
"""Batches per point of the course after a shift."""
_BINS = range(-4, 16)
LARGE = 0.6
"""A large relative error."""
QUANTILES = {f"q{percent:02d}": percent / 100 for percent in (1, 5, 10, 25, 50, 75, 90, 95, 99)}
"""Of the error, by column."""
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
    *("large_under", "large_over", "worst_under", "worst_over", "excess_error", *QUANTILES),
)
"""Of the rows."""
_BY_PAIR = ("gpulet", "ewma-features", "ewma-pairs", "rls", "oracle")
"""Predictors whose errors are told by pair: those that hypotheses are about, and the truth."""
_LEAST_EXCESS = 0.05
"""Below this excess of the slowdown, its relative error means nothing."""


def tables(scores: Scores, shift_s: float | None) -> list[Row]:
    """Return rows by predictor, kind of prediction and part of the run.

    Parts: `all` where the mix stays; where it shifts, `before`, `after`, `at once` (the first `MEMORY` batches after
    it), `recovering` (the next as many), `later` (all from then on) and `settled` (the last of the run). And for
    predictions of kind `realised`, with fewer figures, `course` (by number of batches since the shift) and `pair` (by
    model and the model that overlapped it longest).
    """
    counts = {"alone": scores.alone, "censored": scores.censored, "judged": scores.judged}
    rows: list[Row] = []
    groups: dict[tuple[str, str], list[Prediction]] = {}
    for each in scores.predictions:
        groups.setdefault((each.predictor, each.kind), []).append(each)
    for (predictor, kind), predictions in groups.items():
        for part, place, chosen in _parts(predictions, shift_s, detailed=kind == KINDS[-1]):
            if chosen:
                row = {"predictor": predictor, "kind": kind, "part": part, "place": place}
                rows.append({**row, **counts, **figures(chosen, brief=bool(place))})
    return rows


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
