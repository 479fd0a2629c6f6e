"""The noise floor of a cell, and what passes."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.fidelity.levels.end_to_end import CLASSES, LATENCIES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "FAILS",
    "JUDGED_STAGES",
    "LIMIT",
    "LIMIT_PP",
    "NOT_JUDGED",
    "NOT_MEASURABLE",
    "PASSES",
    "differences",
    "noise_floor",
]
__all__ += ["UNMEASURABLE", "judge_end_to_end", "judge_stages", "worst"]

LIMIT = 0.10
"""Relative error that passes, of stages and of latencies."""
LIMIT_PP = 3.0
"""Percentage points by which violations may differ."""
_FLOOR_FACTOR = 1.5
"""A latency may be off by so many noise floors if that is more than `LIMIT`."""
UNMEASURABLE = 0.20
"""Noise floor above which a latency cannot be measured."""
_LEAST_SHARE = 0.01
"""Share of the residence from which on a stage is judged; those below are shown."""
_JUDGED = ("p50", "p95")
"""Latencies with a criterion; the others are shown."""
JUDGED_STAGES = ("copy_in", "wait", "execution", "copy_out", "residence")
"""Stages with a criterion; the others are parts of them."""

PASSES, FAILS, NOT_MEASURABLE, NOT_JUDGED = "pass", "fail", "not measurable", "not judged"


def noise_floor(repeats: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return how far live runs of the same thing are from each other.

    Args:
        repeats: `figures` of each.

    Returns:
        `n` repeats; by class the median over all pairs of |a - b| / mean(a, b) of each latency, and of |a - b| of the
        violations, percentage points (`violation_pp`). None with fewer than two repeats, or where a figure is missing.
    """
    return {"n": len(repeats), **{label: _floor_of([each[label] for each in repeats]) for label in CLASSES}}


def _floor_of(figures: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    floor: dict[str, float | None] = {}
    for name in LATENCIES:
        values = [each[name] for each in figures]
        gaps = None if None in values else [2 * abs(a - b) / (a + b) for a, b in combinations(values, 2)]
        floor[name] = float(np.median(gaps)) if gaps else None
    values = [each["violation"] for each in figures]
    gaps = None if None in values else [100 * abs(a - b) for a, b in combinations(values, 2)]
    floor["violation_pp"] = float(np.median(gaps)) if gaps else None
    return floor


def differences(live: Sequence[Mapping[str, Any]], simulated: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return by class how far the simulated figures are from the live ones: of the medians over repeats.

    Latencies: simulated / live - 1. `violation_pp`: simulated - live, percentage points. None: not known in one.
    """
    found: dict[str, Any] = {}
    for label in CLASSES:
        found[label] = {}
        for name in (*LATENCIES, "violation"):
            one, other = (_median([each[label][name] for each in runs]) for runs in (live, simulated))
            known = one is not None and other is not None
            if name == "violation":
                found[label]["violation_pp"] = 100 * (other - one) if known else None  # type: ignore[operator]
            else:
                found[label][name] = other / one - 1 if known else None  # type: ignore[operator]
    return found


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else None


def judge_stages(stages: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return what each stage's median error comes to: at most 10 % passes.

    Not judged are stages that take less than 1 % of the residence, and parts of others.
    """
    return {name: _judge_stage(name, found) for name, found in stages.items()}


def _judge_stage(name: str, found: Mapping[str, Any]) -> str:
    if name not in JUDGED_STAGES or found["error"] is None or not (found["share"] or 0) >= _LEAST_SHARE:
        return NOT_JUDGED
    return PASSES if found["error"] <= LIMIT else FAILS


def judge_end_to_end(difference: Mapping[str, Any], floor: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return by class what p50, p95 and violations come to.

    A latency passes within max(10 %, 1.5 x floor), and is not measurable where the floor is above 20 %. Violations pass
    within 3 percentage points.
    """
    verdicts: dict[str, dict[str, str]] = {}
    for label in CLASSES:
        own = {name: _judge_latency(difference[label][name], floor[label][name]) for name in _JUDGED}
        gap = difference[label]["violation_pp"]
        own["violation"] = NOT_JUDGED if gap is None else PASSES if abs(gap) <= LIMIT_PP else FAILS
        verdicts[label] = own
    return verdicts


def _judge_latency(error: float | None, floor: float | None) -> str:
    if error is None:
        return NOT_JUDGED
    if floor is not None and floor > UNMEASURABLE:
        return NOT_MEASURABLE
    return PASSES if abs(error) <= max(LIMIT, _FLOOR_FACTOR * (floor or 0.0)) else FAILS


def worst(verdicts: Sequence[str]) -> str:
    """Return the verdict of several: one that fails makes all fail, then one that is not measurable."""
    return next((each for each in (FAILS, NOT_MEASURABLE, PASSES) if each in verdicts), NOT_JUDGED)
