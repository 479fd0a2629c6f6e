"""Which batches were co-located, and how much slower that made them."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from stratsim.fidelity.levels.stages import durations, errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from stratsim.engine import Result
    from stratsim.model.profile import SchedulerProfile

    Floats = NDArray[np.float64]

__all__ = ["ALONE", "Slowdown", "by_company", "company", "slowdowns", "solo_times"]

ALONE = "alone"
"""The company of a batch that has none."""
_LEAST_SHARE = 0.05
"""Share of a batch's execution that another must overlap to count as its company (our choice)."""
_LEAST_ALONE = 5
"""Executions alone from which on their median is the solo time."""


class Slowdown(NamedTuple):
    """One co-location: a model at a batch size with a set of models."""

    model: str
    size: int
    company: str
    n: int
    measured: float
    """Mean execution time over the solo time, live."""
    predicted: float
    """Mean predicted execution time, over the profile's solo time."""
    solo_from: str
    """`live`: the median of the live executions alone; `profile`: there were too few of them."""


def company(result: Result) -> list[str]:
    """Return the models that each batch was co-located with: names in order, joined by `+`; `alone` for none.

    Only what overlaps at least 5 % of the execution counts.
    """
    batches = result.batches
    start_s, end_s = batches.execution_start_s, batches.execution_end_s
    beside: list[set[str]] = [set() for _ in range(len(batches))]
    active: dict[int, list[int]] = defaultdict(list)
    for row in np.argsort(start_s, kind="stable").tolist():
        if np.isnan(start_s[row]) or np.isnan(end_s[row]):
            continue
        here = active[int(batches.gpu[row])]
        here[:] = [other for other in here if end_s[other] > start_s[row]]
        for other in here:
            shared_s = min(end_s[other], end_s[row]) - start_s[row]
            for one, two in ((row, other), (other, row)):
                if shared_s >= _LEAST_SHARE * (end_s[one] - start_s[one]):
                    beside[one].add(result.models[batches.model[two]])
        here.append(row)
    return ["+".join(sorted(names)) or ALONE for names in beside]


def by_company(pairs: Sequence[tuple[Result, Floats]]) -> list[dict[str, Any]]:
    """Return how far execution times are off, by the co-located models: `errors`, the most frequent first.

    Args:
        pairs: Live run, and the predicted durations of its executions, one pair per repeat.
    """
    live_s: dict[str, list[float]] = defaultdict(list)
    simulated_s: dict[str, list[float]] = defaultdict(list)
    for live, simulated in pairs:
        for names, one, other in zip(company(live), durations(live, "execution"), simulated, strict=True):
            if not (np.isnan(one) or np.isnan(other)):
                live_s[names].append(float(one))
                simulated_s[names].append(float(other))
    found = [
        {"company": names, **errors(np.array(times), np.array(simulated_s[names]))} for names, times in live_s.items()
    ]
    return sorted(found, key=lambda row: (-row["n"], row["company"]))


def solo_times(
    result: Result, beside: list[str], profile: SchedulerProfile
) -> dict[tuple[str, int], tuple[float, str]]:
    """Return the solo time of each model and batch size that occurs, seconds, and where it comes from.

    Args:
        result: A live run.
        beside: From `company`.
        profile: For what was alone too rarely.
    """
    batches = result.batches
    alone: dict[tuple[str, int], list[float]] = defaultdict(list)
    for row, names in enumerate(beside):
        times = alone[result.models[batches.model[row]], int(batches.size[row])]
        if names == ALONE and not np.isnan(batches.execution_end_s[row]):
            times.append(float(batches.execution_end_s[row] - batches.execution_start_s[row]))
    return {
        key: (float(np.median(times)), "live") if len(times) >= _LEAST_ALONE else (profile.latency_s(*key), "profile")
        for key, times in alone.items()
    }


def slowdowns(live: Result, simulated_s: Floats, profile: SchedulerProfile) -> list[Slowdown]:
    """Return measured and predicted slowdown of each co-location, the most frequent first.

    Args:
        live: The live run.
        simulated_s: The predicted durations of its executions, shape (m,).
        profile: Solo times.
    """
    beside = company(live)
    solo = solo_times(live, beside, profile)
    times_s = [durations(live, "execution"), simulated_s]
    rows: dict[tuple[str, int, str], list[int]] = defaultdict(list)
    for row in np.flatnonzero(~np.isnan(times_s[0]) & ~np.isnan(times_s[1])).tolist():
        rows[live.models[live.batches.model[row]], int(live.batches.size[row]), beside[row]].append(row)
    found = []
    for (model, size, names), members in rows.items():
        alone_s, source = solo[model, size]
        measured, predicted = (_mean(times, members) for times in times_s)
        profile_s = profile.latency_s(model, size)
        found.append(Slowdown(model, size, names, len(members), measured / alone_s, predicted / profile_s, source))
    return sorted(found, key=lambda each: (-each.n, each.model, each.size, each.company))


def _mean(times_s: Floats, rows: list[int]) -> float:
    return float(times_s[rows].mean())
