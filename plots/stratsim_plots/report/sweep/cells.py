"""Means over the seeds of a sweep, by place and policy, and which policies are the best in a place.

A *place* is one value of every axis that varies but the policy. In a place, policies had the same arrivals seed by
seed, so they are compared in pairs.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from stratsim.compare.sweep import variant_labels
from stratsim.errors import SpecError, suggest
from stratsim.stats.intervals import mean_interval, paired_interval
from stratsim_plots.series import CLASSES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from stratsim.compare.sweep import SweepTable

__all__ = ["FIGURES", "Cells", "Figure", "cells_of"]

FIGURES = {
    "violation": ("violations %", 100.0, min),
    "p50_arrived_s": ("p50 ms", 1e3, min),
    "p95_arrived_s": ("p95 ms", 1e3, min),
    "p99_arrived_s": ("p99 ms", 1e3, min),
    "goodput_per_s": ("met/s", 1.0, max),
    "p99_s": ("completed p99 ms", 1e3, None),
}
"""By figure of a class: its column, the factor to that, and which is better. Completed requests say nothing of that."""
_SHARES = ("violation", "utilization")
Place = tuple[str, ...]


class Figure(NamedTuple):
    """A mean over seeds, in the unit of the figure."""

    runs: int
    infinite: int
    """Runs in which it is: the percentile falls among requests without an answer. Then there is no mean."""
    mean: float
    low: float
    """Of the 95 % t interval; NaN where there is one run only."""
    high: float
    mark: str = ""
    """`best`: it is the best in its place, or not to be told from that; `tied`: so are all; else empty."""


class Cells(NamedTuple):
    """The means of a sweep."""

    axes: tuple[str, ...]
    """What varies, but for the policy: the axis of the lines comes first."""
    places: tuple[Place, ...]
    """Values of the axes, in the order of the table."""
    policies: tuple[str, ...]
    """Policies, with what they ran with where that differs."""
    figures: Mapping[tuple[Place, str, str], Figure]
    """By place, policy and column of the table."""
    seeds: Mapping[tuple[Place, str], int]


def cells_of(table: SweepTable, x: str | None) -> Cells:
    """Return the means of a sweep.

    Args:
        table: Its runs.
        x: The axis that comes first; by default the load, or the first that varies.

    Raises:
        SpecError: there is no such axis.
    """
    varying = [name for name in table.axes if name != "policy" and table.frame[name].nunique() > 1]
    if x is not None and x not in table.axes:
        raise SpecError(f"no axis {x!r}; {suggest(x, table.axes)}")
    first = x or ("load" if "load" in varying else next(iter(varying), None))
    axes = tuple(dict.fromkeys([*([first] if first else []), *varying]))
    rows = table.frame.assign(variant=variant_labels(table.frame, table.choices))
    samples: dict[tuple[Place, str], dict[str, dict[int, float]]] = {}
    columns = [name for name in table.figures if name in rows]
    for row in rows.to_dict("records"):
        key = tuple(str(row[axis]) for axis in axes), str(row["variant"])
        own = samples.setdefault(key, {name: {} for name in columns})
        for name in columns:
            if not math.isnan(value := float(row[name])):
                own[name][int(row["seed"])] = value
    places = sorted({place for place, _ in samples}, key=lambda place: [_number(value) for value in place])
    policies = tuple(dict.fromkeys(rows["variant"]))
    figures = {
        (place, policy, name): _mean(values, name)
        for (place, policy), own in samples.items()
        for name, values in own.items()
        if values
    }
    figures |= {key: figures[key]._replace(mark=mark) for key, mark in _marks(samples, figures, places, policies)}
    seeds = {key: max((len(values) for values in own.values()), default=0) for key, own in samples.items()}
    return Cells(axes, tuple(places), policies, figures, seeds)


def _number(value: str) -> tuple[float, str]:
    """Return where a value of an axis is in order: numbers by size, then words."""
    try:
        return float(value), ""
    except ValueError:
        return math.inf, value


def _mean(values: Mapping[int, float], name: str) -> Figure:
    sample = list(values.values())
    infinite = sum(math.isinf(value) for value in sample)
    if infinite:
        return Figure(len(sample), infinite, math.inf, math.nan, math.nan)
    if len(sample) < 2:
        return Figure(1, 0, sample[0], math.nan, math.nan)
    found = mean_interval(sample)
    most = 1.0 if name.endswith(_SHARES) else math.inf
    return Figure(found.n, 0, found.mean, max(found.low, 0.0), min(found.high, most))


def _marks(
    samples: Mapping[tuple[Place, str], Mapping[str, Mapping[int, float]]],
    figures: Mapping[tuple[Place, str, str], Figure],
    places: list[Place],
    policies: tuple[str, ...],
) -> Iterator[tuple[tuple[Place, str, str], str]]:
    """Yield the figures that are the best of their place, or cannot be told from it, with their mark."""
    better: list[tuple[str, Any]] = [
        (f"{label}_{name}", which) for label in CLASSES for name, (*_, which) in FIGURES.items() if which is not None
    ]
    for place in places:
        for name, which in better:
            means = {
                policy: figures[place, policy, name].mean
                for policy in policies
                if (place, policy, name) in figures and math.isfinite(figures[place, policy, name].mean)
            }
            rivals = sum((place, policy) in samples for policy in policies)
            if rivals < 2 or not means:
                continue
            best = which(means, key=means.__getitem__)
            of_best = samples[place, best][name]
            alike = [
                policy
                for policy in means
                if means[policy] == means[best] or _tied(samples[place, policy][name], of_best)
            ]
            yield from (((place, policy, name), "tied" if len(alike) == rivals else "best") for policy in alike)


def _tied(one: Mapping[int, float], other: Mapping[int, float]) -> bool:
    """Whether the paired interval of the difference includes 0; of fewer than two seeds in common nothing is known."""
    seeds = sorted(set(one) & set(other))
    if len(seeds) < 2:
        return False
    return 0 in paired_interval([one[seed] for seed in seeds], [other[seed] for seed in seeds])
