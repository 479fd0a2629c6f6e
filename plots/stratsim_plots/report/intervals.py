"""How sure the figures of one run are, and which policies are the best by them.

Runs are resampled in blocks of consecutive requests (`stratsim.stats.bootstrap`), as `stratsim compare` does. All runs
of the same requests are resampled alike, so two policies can be compared in every resample. A policy is marked in a
column if it has the best figure, or if the interval of its difference to the best includes 0.
"""

from __future__ import annotations

import math
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stratsim.compare.measured import CLASSES, Measured, check_same_requests, read_run
from stratsim.compare.rows import block_rule
from stratsim.compare.variants import Run
from stratsim.errors import SpecError
from stratsim.rng import Streams
from stratsim.stats.bootstrap import block_counts

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from stratsim_plots.series import Series

    Floats = NDArray[np.float64]
    Key = tuple[str, str]

__all__ = ["BETTER", "LEVEL", "Judged", "Known", "judge"]

LEVEL = 0.95
BETTER = {
    "violation": min,
    "goodput_per_s": max,
    "p50_arrived_s": min,
    "p95_arrived_s": min,
    "p99_arrived_s": min,
}
"""Figures by which a policy can be the best. Not those of completed requests alone: they fall as more are dropped."""
_SHOWN = (*BETTER, "p99_s", "mean_slowdown")
_MOST = 1_000
_FEWEST = 200
_WORK = 50_000_000
"""Requests times resamples, of each run: a run of a million requests is resampled 200 times, not 1000 times."""
_AT_ONCE = 2_000_000
_FEW_BLOCKS = 20


class Known(NamedTuple):
    """What is known of a figure."""

    low: float
    """Of the 95 % interval, in the unit of the figure; infinite where the quantile falls among dropped requests."""
    high: float
    mark: str
    """`best`: it is the best of its column, or not to be told from it; `tied`: so are all; else empty."""


class Judged(NamedTuple):
    """All that is known."""

    figures: dict[tuple[int, str, str], Known]
    """By position of the run, class and figure; nothing where there is no interval."""
    groups: tuple[int, ...]
    """Of each run: a number that runs of the same requests share."""
    notes: tuple[str, ...]


def judge(chosen: Sequence[Series]) -> Judged:
    """Return intervals, and the best, of runs; those of other requests are not compared with each other."""
    runs = [Run(series.results, series.policy) for series in chosen]
    frames = [read_run(run) for run in runs]
    groups = _groups(runs, frames)
    found: dict[tuple[int, str, str], Known] = {}
    notes: dict[str, None] = {}
    for group in dict.fromkeys(groups):
        members = [place for place, other in enumerate(groups) if other == group]
        warmup_s = max((_warmup_s(chosen[place]) for place in members), key=lambda found: found or -1.0)
        try:
            measured = [Measured(frames[place], runs[place], warmup_s) for place in members]
            known, few = _known(measured)
        except SpecError as error:  # nothing arrived, or nothing is measured
            notes[f"no intervals: {error}"] = None
            continue
        notes |= dict.fromkeys(few)
        found |= {(members[place], *key): each for (place, key), each in known.items()}
    if len(set(groups)) > 1:
        notes["runs that served different requests are not compared with each other: each group has its own marks"] = (
            None
        )
    return Judged(found, tuple(groups), tuple(notes))


def _groups(runs: Sequence[Run], frames: Sequence[pd.DataFrame]) -> list[int]:
    groups: list[int] = []
    for place, (run, frame) in enumerate(zip(runs, frames, strict=True)):
        same = (first for first in dict.fromkeys(groups) if _same(run, frame, runs[first], frames[first]))
        groups.append(next(same, place))
    return groups


def _same(run: Run, frame: pd.DataFrame, other: Run, expected: pd.DataFrame) -> bool:
    try:
        check_same_requests(run, frame, other, expected)
    except SpecError:
        return False
    return True


def _warmup_s(series: Series) -> float | None:
    found = (series.results.manifest.get("spec") or {}).get("warmup_s")
    return None if found is None else float(found)


def _known(runs: Sequence[Measured]) -> tuple[dict[tuple[int, Key], Known], list[str]]:
    requests = len(runs[0])
    resamples = min(max(_WORK // max(requests, 1), _FEWEST), _MOST)
    blocks = block_rule(runs, resamples)
    blocks_said = f"{requests} requests are only {blocks.count} blocks of {blocks.length}"
    few = f"{blocks_said}: the intervals are too narrow; replay several seeds"
    drawn = block_counts(requests, blocks.length, resamples, Streams(0).child("compare"))
    keys = [(name, figure) for name in CLASSES for figure in _SHOWN]
    found = [{key: np.empty(resamples) for key in keys} for _ in runs]
    at_once = max(1, _AT_ONCE // requests)
    for first in range(0, resamples, at_once):
        counts = np.array(list(islice(drawn, at_once)), dtype=np.float64)
        for run, own in zip(runs, found, strict=True):
            figures = run.resampled(counts) | run.resampled_arrived(counts)
            for key in keys:
                own[key][first : first + len(counts)] = figures[key]
    once = np.ones((1, requests))
    whole = [
        run.figures() | {key: float(value[0]) for key, value in run.resampled_arrived(once).items()} for run in runs
    ]
    known: dict[tuple[int, Key], Known] = {}
    for key in keys:
        best = _best([each[key] for each in whole], [each[key] for each in found], BETTER.get(key[1]))
        mark = "tied" if len(best) == len(runs) else "best"
        for place, each in enumerate(found):
            if (ends := _ends(each[key])) is not None:
                known[place, key] = Known(*ends, mark if place in best else "")
    return known, [few] if blocks.count < _FEW_BLOCKS else []


def _ends(resampled: Floats) -> tuple[float, float] | None:
    """Return the percentile interval; None where the figure exists in fewer than half of the resamples."""
    values = resampled[~np.isnan(resampled)]
    if 2 * len(values) < len(resampled) or not len(values):
        return None
    return (
        float(np.quantile(values, (1 - LEVEL) / 2, method="lower")),
        float(np.quantile(values, (1 + LEVEL) / 2, method="higher")),
    )


def _best(values: Sequence[float], resampled: Sequence[Floats], better: object) -> set[int]:
    """Return which of several have the best figure, or one that cannot be told from it; none of a single one."""
    there = [place for place, value in enumerate(values) if math.isfinite(value)]
    if better is None or len(values) < 2 or not there:
        return set()
    sign = 1.0 if better is min else -1.0
    first = min(there, key=lambda place: sign * values[place])
    return {place for place in there if _tied(resampled[place], resampled[first], values[place] == values[first])}


def _tied(one: Floats, other: Floats, equal: bool) -> bool:
    """Whether the interval of the difference includes 0; two infinite figures differ by nothing."""
    apart = np.zeros(len(one))
    np.subtract(one, other, out=apart, where=np.isfinite(one) | np.isfinite(other))
    ends = _ends(apart)
    return equal or (ends is not None and ends[0] <= 0 <= ends[1])
