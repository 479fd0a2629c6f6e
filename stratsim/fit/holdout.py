"""Errors on cells that a model has not seen, next to those of the baselines.

What is held out together is an unordered pair of *models*: both directions, all batch sizes and all repeats. A random
split leaks: the same pair at another batch size stays in training. It is reported to show by how much.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from stratsim.fit.scores import Score, score

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stratsim.fit.baselines import Predictor
    from stratsim.fit.cells import Cell, Load

__all__ = ["SPLITS", "Row", "Split", "cross_validate", "leave_one_batch_out", "on_held_out", "splits"]

Split = tuple[tuple["Cell", ...], tuple["Cell", ...]]
"""What is fitted, and what is predicted."""

SPLITS = ("random", "leave-one-pair-out", "leave-one-model-out")
_FOLDS = 5


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table of errors.

    Args:
        split: `in-sample`, one of `SPLITS`, or the set of held-out cells.
        predictor: Which model predicted.
        score: The errors; None where nothing could be judged.
    """

    split: str
    predictor: str
    score: Score | None


def splits(name: str, cells: Sequence[Cell], seed: int = 0, most: int | None = None) -> Iterator[Split]:
    """Yield the folds of a split.

    Args:
        name: `random` (five folds of cells), `leave-one-pair-out` (every cell in which the two models meet is out;
            those with two streams are predicted) or `leave-one-model-out` (every cell in which the model meets another
            is out, and predicted; its copies alone stay).
        cells: The cells to split.
        seed: Of the random folds.
        most: The most folds of pairs: of more pairs, several are left out at once. None: one by one.
    """
    if name == "random":
        yield from _random(cells, seed)
    elif name == "leave-one-pair-out":
        pairs = sorted({pair for cell in cells for pair in cell.model_pairs}, key=sorted)
        for together in _together(pairs, most, seed):
            kept, out = _split(cells, [bool(together & cell.model_pairs) for cell in cells])
            yield kept, tuple(cell for cell in out if len(cell.loads) == 2)
    else:
        for model in sorted({model for cell in cells for model in cell.models}):
            yield _split(cells, [model in cell.models and len(cell.models) > 1 for cell in cells])


def _together(pairs: Sequence[frozenset[str]], most: int | None, seed: int) -> Iterator[frozenset[frozenset[str]]]:
    """Yield which pairs of models are left out at once."""
    if most is None or len(pairs) <= most:
        yield from (frozenset({pair}) for pair in pairs)
        return
    order = np.random.Generator(np.random.PCG64DXSM(seed)).permutation(len(pairs)).tolist()
    yield from (frozenset(pairs[at] for at in order[fold::most]) for fold in range(most))


def _random(cells: Sequence[Cell], seed: int) -> Iterator[Split]:
    mixed = [at for at, cell in enumerate(cells) if len(cell.models) > 1]
    order = np.random.Generator(np.random.PCG64DXSM(seed)).permutation(mixed)
    for fold in range(min(_FOLDS, len(mixed))):
        out = set(order[fold::_FOLDS].tolist())
        yield _split(cells, [at in out for at in range(len(cells))])


def _split(cells: Sequence[Cell], out: Sequence[bool]) -> Split:
    kept = tuple(cell for cell, is_out in zip(cells, out, strict=True) if not is_out)
    return kept, tuple(cell for cell, is_out in zip(cells, out, strict=True) if is_out)


def cross_validate(name: str, cells: Sequence[Cell], predictor: Predictor, most: int | None = None) -> Row:
    """Return the errors over all folds of a split, each cell predicted by a fit that has not seen its fold.

    Args:
        name: Of the split, as in `splits`.
        cells: The cells to split.
        predictor: What is fitted.
        most: As in `splits`.
    """
    folds = [fold for fold in splits(name, cells, most=most) if fold[0] and fold[1]]
    return Row(name, predictor.name, _pooled(folds, predictor))


def leave_one_batch_out(cells: Sequence[Cell], predictor: Predictor) -> Score | None:
    """Return the errors of predicting cells with a load from the model's smaller and larger batch sizes.

    None when no model was co-located at three batch sizes or more: then nothing lies between two others.
    """
    folds = [_split(cells, [load in cell.loads for cell in cells]) for load in _inner_loads(cells)]
    return _pooled([fold for fold in folds if fold[0] and fold[1]], predictor)


def _inner_loads(cells: Sequence[Cell]) -> list[Load]:
    loads = sorted({load for cell in cells for load in cell.loads})
    inner = []
    for load in loads:
        batches = [other.batch for other in loads if other.model == load.model]
        if min(batches) < load.batch < max(batches):
            inner.append(load)
    return inner


def _pooled(folds: Sequence[Split], predictor: Predictor) -> Score | None:
    guesses: list[float] = []
    truths: list[float] = []
    for training, test in folds:
        for guess, cell in zip(predictor.fit(training).predict(test), test, strict=True):
            guesses += guess
            truths += cell.slowdowns
    return score(guesses, truths)


def on_held_out(name: str, cells: Sequence[Cell], fitted: Predictor) -> Row:
    """Return the errors of a predictor, already fitted, on cells it has not seen."""
    guesses = [guess for cell in fitted.predict(cells) for guess in cell]
    return Row(name, fitted.name, score(guesses, [slowdown for cell in cells for slowdown in cell.slowdowns]))
