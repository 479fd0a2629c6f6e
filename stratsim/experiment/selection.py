"""What is chosen on the pilot seeds: each policy's setting and concurrency, and the best of the blind rivals.

One criterion for all: least mean violation of high priority; among what is no worse than that by more than the standard
error of the best one's mean, least mean violation of low priority; among equals the first in the order of the study. No
row of a result seed is looked at.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from stratsim.experiment.study import CONCURRENCY

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from stratsim.experiment.store import Row

__all__ = ["BEST", "FIXED", "PILOT", "Choice", "best_of", "choose", "figure", "for_seeds"]

PILOT, BEST, FIXED = "pilot", "best", "fixed"

T = TypeVar("T")


class Choice(NamedTuple):
    """What a policy runs with."""

    setting: str
    concurrency: int


def figure(row: Row, name: str) -> float:
    """Return a figure of a row; one that does not exist, as of a class without requests, counts as 0."""
    return float(row[name]) if row[name] else 0.0


def best_of(violations: Mapping[T, tuple[Sequence[float], Sequence[float]]]) -> T:
    """Return the best by the criterion.

    Args:
        violations: High and low priority's, one per pilot seed, in the order of preference among equals; not empty.
    """
    means = {key: (float(np.mean(high)), float(np.mean(low))) for key, (high, low) in violations.items()}
    first = min(means, key=lambda key: means[key][0])
    high = violations[first][0]
    error = float(np.std(high, ddof=1)) / math.sqrt(len(high)) if len(high) > 1 else 0.0
    near = [key for key in means if means[key][0] <= means[first][0] + error]
    return min(near, key=lambda key: means[key][1])


def choose(
    pilot: Iterable[Row], columns: Sequence[str], seeds: Sequence[int], fixed: int
) -> dict[tuple[str, ...], dict[str, dict[str, Choice]]]:
    """Return what each policy runs with, by cell, policy, and `best` or `fixed`.

    Trials that lack a seed (because a run failed) are no candidates. Rows of other phases are refused.

    Args:
        pilot: Rows of the pilot, in the order of the study.
        columns: Those of the axes.
        seeds: The pilot's.
        fixed: The concurrency of `fixed`.
    """
    trials: dict[tuple[str, ...], dict[str, dict[Choice, list[Row]]]] = {}
    for row in pilot:
        if row["phase"] != PILOT:
            raise ValueError(f"a row of the {row['phase']} cannot take part in a choice")
        cell = tuple(row[column] for column in columns)
        choice = Choice(row["setting"], int(row[CONCURRENCY]))
        trials.setdefault(cell, {}).setdefault(row["policy"], {}).setdefault(choice, []).append(row)
    return {
        cell: {name: found for name, rows in policies.items() if (found := _choices(rows, seeds, fixed))}
        for cell, policies in trials.items()
    }


def _choices(trials: Mapping[Choice, list[Row]], seeds: Sequence[int], fixed: int) -> dict[str, Choice]:
    """Return the best trial of one policy in one cell, and the best with the fixed concurrency."""
    violations = {}
    for choice, rows in trials.items():
        figures = [for_seeds(rows, f"{label}_violation", seeds) for label in ("high", "low")]
        if None not in figures:
            violations[choice] = (figures[0] or [], figures[1] or [])
    at_fixed = {choice: found for choice, found in violations.items() if choice.concurrency == fixed}
    chosen = {}
    for name, candidates in ((BEST, violations), (FIXED, at_fixed)):
        if candidates:
            chosen[name] = best_of(candidates)
    return chosen


def for_seeds(rows: Iterable[Row], name: str, seeds: Sequence[int]) -> list[float] | None:
    """Return a figure for each seed, in order; None if one is missing."""
    found = {int(row["seed"]): figure(row, name) for row in rows}
    return [found[seed] for seed in seeds] if all(seed in found for seed in seeds) else None
