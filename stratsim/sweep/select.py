"""What is chosen on the pilot seeds: by one criterion for all, and from no row of a result seed.

The best mean of the metric wins; among what is no worse than that by more than the standard error of the best one's
mean, the least mean of the second figure; among equals the first in the order of the sweep.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from stratsim.sweep.spec import BEST, FIXED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from stratsim.sweep.spec import Select
    from stratsim.sweep.store import Row

__all__ = ["Choice", "best_of", "choose", "figure", "for_seeds"]

T = TypeVar("T")


class Choice(NamedTuple):
    """What a policy runs with."""

    setting: str
    """Its text."""
    values: tuple[tuple[str, object], ...] = ()
    """Of the axes of `Select`, by name."""


def figure(row: Row, name: str) -> float:
    """Return a figure of a row; one that does not exist, as of a class without requests, counts as 0."""
    return float(row[name]) if row[name] else 0.0


def for_seeds(rows: Iterable[Row], name: str, seeds: Sequence[int], *, most: bool = False) -> list[float] | None:
    """Return a figure for each seed, in order; None if one is missing.

    A figure that a class with requests does not have, as a latency of which none was answered, is the worst: infinite.
    """
    worst = -math.inf if most else math.inf
    found = {int(row["seed"]): worst if _is_lacking(row, name) else figure(row, name) for row in rows}
    return [found[seed] for seed in seeds] if all(seed in found for seed in seeds) else None


def _is_lacking(row: Row, name: str) -> bool:
    arrived = row.get(f"{name.partition('_')[0]}_arrived")
    return not row[name] and bool(arrived) and float(arrived or 0) > 0


def best_of(samples: Mapping[T, tuple[Sequence[float], Sequence[float]]]) -> T:
    """Return the best by the criterion: the least mean.

    Args:
        samples: Of the metric and of the second figure, one per pilot seed, in the order of preference among equals;
            not empty.
    """
    means = {key: (float(np.mean(first)), float(np.mean(second))) for key, (first, second) in samples.items()}
    best = min(means, key=lambda key: means[key][0])
    values = samples[best][0]
    known = len(values) > 1 and bool(np.isfinite(values).all())
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values)) if known else 0.0
    near = [key for key in means if means[key][0] <= means[best][0] + error]
    return min(near, key=lambda key: means[key][1])


def choose(trials: Mapping[Choice, Sequence[Row]], select: Select) -> dict[str, Choice]:
    """Return what a policy runs with, by `best` and `fixed`; none where no trial has all pilot seeds.

    Args:
        trials: Rows of the pilot by what was tried, in the order of the sweep. A trial that lacks a seed, because a run
            failed, is no candidate.
        select: The rule.
    """
    samples: dict[Choice, tuple[Sequence[float], Sequence[float]]] = {}
    for choice, rows in trials.items():
        first = for_seeds(rows, select.metric, select.seeds, most=select.most)
        second = [0.0] if select.then is None else for_seeds(rows, select.then, select.seeds)
        if first is not None and second is not None:
            samples[choice] = ([-value for value in first] if select.most else first, second)
    chosen = {BEST: best_of(samples)} if samples else {}
    fixed = {choice: found for choice, found in samples.items() if is_fixed(choice, select)}
    return chosen | ({FIXED: best_of(fixed)} if fixed else {})


def is_fixed(choice: Choice, select: Select) -> bool:
    """Whether a trial has the values of `fixed`, if there are such."""
    values = dict(choice.values)
    return bool(select.fixed) and all(values[name] == value for name, value in select.fixed.items())
