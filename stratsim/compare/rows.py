"""The rows of a comparison: values with intervals, and differences to the baseline accounted for together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.errors import SpecError
from stratsim.rng import Streams
from stratsim.stats.bootstrap import block_counts, block_length, bootstrap_p_value, least_p_value, percentile_interval
from stratsim.stats.comparison import holm, paired_p_value
from stratsim.stats.intervals import Interval, mean_interval, paired_interval
from stratsim.stats.quantiles import quantile_interval

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from stratsim.compare.measured import Measured

    Key = tuple[str, str]

__all__ = ["Blocks", "Row", "block_rule", "replicated", "resampled", "with_holm"]

_STREAM_SEED = 0
"""Of the resamples: fixed, so that the same folders give the same intervals."""
_AT_ONCE = 2_000_000
"""Requests times resamples that are worked on together: 16 MB an array."""


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of one variant, and how far it is from the baseline's.

    Args:
        cell: Where: the conditions of a sweep; empty for result folders.
        label: The class.
        metric: One of `METRICS`.
        variant: What was measured.
        value: The figure with its interval (of the mean, over seeds); None: it does not exist.
        quantile: The asked quantile over seeds, with its interval where there are enough; None with one seed.
        difference: Variant minus baseline; None for the baseline itself.
        p_value: That there is no difference, by itself.
        p_at_most: Whether it is an upper bound only: no resample was on the other side of 0.
        p_holm: The same, accounted for all differences of the comparison.
        infinite: Share of the seeds at which the figure is infinite: a percentile that falls among requests that were
            never answered. Then there is no mean, and no difference.
    """

    cell: str
    label: str
    metric: str
    variant: str
    value: Interval | None
    quantile: Interval | None = None
    difference: Interval | None = None
    p_value: float | None = None
    p_holm: float | None = None
    p_at_most: bool = False
    infinite: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return {
            "cell": self.cell,
            "class": self.label,
            "metric": self.metric,
            "variant": self.variant,
            "value": _plain(self.value),
            "quantile": _plain(self.quantile),
            "difference": _plain(self.difference),
            "p": self.p_value,
            "p_holm": self.p_holm,
            "p_at_most": self.p_at_most,
            "infinite": self.infinite,
        }


def _plain(found: Interval | None) -> dict[str, float | None] | None:
    if found is None:
        return None
    known = {"mean": found.mean, "low": found.low, "high": found.high}
    return {name: float(value) if np.isfinite(value) else None for name, value in known.items()}


def with_holm(rows: Sequence[Row]) -> list[Row]:
    """Return the rows with Holm's p-values over all that have one."""
    adjusted = iter(holm([row.p_value for row in rows if row.p_value is not None]))
    return [row if row.p_value is None else replace(row, p_holm=next(adjusted)) for row in rows]


# Several seeds --------------------------------------------------------------------------------------------------------


def replicated(
    samples: Mapping[str, Mapping[Key, Sequence[float]]], keys: Sequence[Key], level: float, q: float, cell: str = ""
) -> list[Row]:
    """Return the rows of figures that were measured at several seeds; the first variant is the baseline.

    Args:
        samples: By variant, then by class and metric: one figure per seed, in the same order; NaN: it does not exist.
        keys: The classes and metrics to report.
        level: Confidence level.
        q: The quantile over seeds.
        cell: The conditions.
    """
    baseline = next(iter(samples.values()))
    rows = []
    for key in keys:
        for number, (variant, figures) in enumerate(samples.items()):
            own, reference = np.asarray(figures[key], dtype=float), np.asarray(baseline[key], dtype=float)
            if not np.isfinite(own).all():
                rows.append(Row(cell, *key, variant, None, infinite=float(np.isinf(own).mean())))
                continue
            row = Row(cell, *key, variant, mean_interval(own, level), _quantile(own, q, level))
            if number and np.isfinite(reference).all():
                difference, p_value = paired_interval(own, reference, level), paired_p_value(own, reference)
                row = replace(row, difference=difference, p_value=p_value)
            rows.append(row)
    return rows


def _quantile(sample: np.ndarray[Any, Any], q: float, level: float) -> Interval:
    found = quantile_interval(sample, q, level)
    if found is not None:
        return found
    return Interval(float(np.quantile(sample, q)), np.nan, np.nan, len(sample), level)


# One run --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Blocks:
    """How one run was resampled."""

    length: int
    """Requests of a block."""
    requests: int
    resamples: int

    @property
    def count(self) -> int:
        """Blocks of a resample."""
        return -(-self.requests // self.length)

    def as_dict(self) -> dict[str, int]:
        """Return plain values, for JSON."""
        return {"length": self.length, "blocks": self.count, "requests": self.requests, "resamples": self.resamples}


def block_rule(runs: Sequence[Measured], resamples: int) -> Blocks:
    """Return the blocks that are long enough for every run: for its violations by class, and for its latencies.

    Raises:
        SpecError: there is no request.
    """
    series = []
    for run in runs:
        series += [found for name in ("high", "low") if (found := run.violated(name)) is not None]
        known = run.latency_s[~np.isnan(run.latency_s)]
        series += [known] if len(known) else []
    if not series or not len(runs[0]):
        raise SpecError("there is no request to compare")
    return Blocks(block_length(series), len(runs[0]), resamples)


def resampled(
    runs: Mapping[str, Measured],
    keys: Sequence[Key],
    level: float,
    blocks: Blocks,
    progress: Callable[[int, int], None] | None = None,
) -> list[Row]:
    """Return the rows of one run per variant: every resample takes the same requests of all; the first is the baseline.

    Args:
        runs: By variant: the same requests.
        keys: The classes and metrics to report.
        level: Confidence level.
        blocks: From `block_rule`.
        progress: Called now and then with (resamples done, resamples in all).
    """
    found = {variant: {key: np.empty(blocks.resamples) for key in keys} for variant in runs}
    drawn = block_counts(blocks.requests, blocks.length, blocks.resamples, Streams(_STREAM_SEED).child("compare"))
    at_once = max(1, _AT_ONCE // blocks.requests)
    for first in range(0, blocks.resamples, at_once):
        counts = np.array(list(islice(drawn, at_once)), dtype=np.float64)
        for variant, run in runs.items():
            figures = run.resampled(counts)
            for key in keys:
                found[variant][key][first : first + len(counts)] = figures[key]
        if progress is not None:
            progress(first + len(counts), blocks.resamples)
    whole = {variant: run.figures() for variant, run in runs.items()}
    base = next(iter(runs))
    rows = []
    for key in keys:
        for variant in runs:
            value = whole[variant][key]
            if not np.isfinite(value):
                rows.append(Row("", *key, variant, None, infinite=float(np.isinf(value))))
                continue
            row = Row("", *key, variant, percentile_interval(value, found[variant][key], level))
            if variant != base and np.isfinite(whole[base][key]):
                with np.errstate(invalid="ignore"):  # of two infinite figures there is no difference
                    apart = found[variant][key] - found[base][key]
                difference = percentile_interval(value - whole[base][key], apart, level)
                if difference is not None:
                    p_value = bootstrap_p_value(apart)
                    row = replace(row, p_value=p_value, p_at_most=p_value == least_p_value(apart))
                row = replace(row, difference=difference)
            rows.append(row)
    return rows
