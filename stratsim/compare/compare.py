"""`compare`: from folders to the paired table, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.compare.measured import (
    CLASSES,
    METRICS,
    SHOWN,
    Measured,
    check_same_requests,
    read_run,
    settled_s,
)
from stratsim.compare.rows import Blocks, Row, block_rule, replicated, resampled, with_holm
from stratsim.compare.sweep import is_sweep, read_sweep, samples_by_cell
from stratsim.compare.variants import Run, Variant, find_variants, with_baseline_first
from stratsim.errors import SpecError, suggest
from stratsim.results.read import read_results

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd

__all__ = ["Asked", "compare"]

MSER = "mser"
_FEW_BLOCKS = 20
_OF_COMPLETED = ("p50_s", "p95_s", "p99_s")
_MANY_UNANSWERED = 0.01
"""Share of a class from which a note says whom percentiles of completed requests are of."""


_MOST_RESAMPLES = 1_000_000
"""More change no digit that is shown."""


@dataclass(frozen=True, slots=True)
class Asked:
    """How to compare.

    Args:
        baseline: The variant that the others are compared with; None: the first.
        policies: Only these; all if empty.
        metrics: These of `METRICS`; `SHOWN` if empty. What is not asked for needs no accounting for.
        warmup_s: Seconds to leave out at the start, or "mser": as many as the rule finds. None: as the runs did.
        where: Conditions of a sweep's runs to keep, `COLUMN=VALUE`.
        level: Confidence level of all intervals.
        quantile: Which quantile over seeds is reported as well as the mean.
        resamples: Of the bootstrap.
        rows: Of a sweep's folder: `current`, what it asks for now, or `all`.
    """

    baseline: str | None = None
    policies: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    warmup_s: float | str | None = None
    where: tuple[str, ...] = ()
    level: float = 0.95
    quantile: float = 0.5
    resamples: int = 1000
    rows: str = "current"

    def __post_init__(self) -> None:
        for metric in self.metrics:
            if metric not in METRICS:
                raise SpecError(f"no metric {metric!r}; {suggest(metric, METRICS)}")
        for name in ("level", "quantile"):
            if not 0 < getattr(self, name) < 1:
                raise SpecError(f"{name} must be within (0, 1), got {getattr(self, name)}")
        if not 100 <= self.resamples <= _MOST_RESAMPLES:
            raise SpecError(f"resamples must be within 100 and {_MOST_RESAMPLES}, got {self.resamples}")

    def wanted(self) -> list[tuple[str, str]]:
        """Return the classes and metrics to report."""
        return [(name, metric) for name in CLASSES for metric in METRICS if metric in (self.metrics or SHOWN)]


def compare(
    paths: Sequence[str | os.PathLike[str]],
    asked: Asked | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Return how runs of the same requests differ, as plain data: what `stratsim compare --json` prints.

    Args:
        paths: Result folders, or one sweep (its folder, or its results.csv).
        asked: How to compare.
        progress: Called now and then with (resamples done, resamples in all), where one run is resampled.

    Raises:
        SpecError: a folder that cannot be read, runs of different requests, or nothing to compare with.
    """
    asked = asked or Asked()
    if len(paths) == 1 and is_sweep(paths[0]):
        return _of_sweep(paths[0], asked)
    if asked.rows != "current":
        raise SpecError("--rows chooses among the runs of a sweep; result folders hold one run each")
    if asked.where:
        raise SpecError("--where chooses among the runs of a sweep; result folders are chosen by naming them")
    return _of_folders(paths, asked, progress)


def _of_sweep(path: str | os.PathLike[str], asked: Asked) -> dict[str, Any]:
    if asked.warmup_s is not None:
        raise SpecError("a sweep's table holds no requests: its warm-up is that of its runs (base.warmup_s)")
    found, seeds, notes = samples_by_cell(read_sweep(path, asked.where, asked.rows).only(asked.policies))
    rows: list[Row] = []
    bases = {}
    for cell, samples in found.items():
        order = with_baseline_first(list(samples), asked.baseline)
        if len(order) < 2:
            raise SpecError(f"there is nothing to compare with{f' at {cell}' if cell else ''}: only {order[0]}")
        bases[cell] = order[0]
        keys = [key for key in asked.wanted() if all(key in each for each in samples.values())]
        rows += replicated({name: samples[name] for name in order}, keys, asked.level, asked.quantile, cell)
    return _document(asked, with_holm(rows), bases, seeds, None, None, notes)


def _of_folders(
    paths: Sequence[str | os.PathLike[str]], asked: Asked, progress: Callable[[int, int], None] | None
) -> dict[str, Any]:
    variants = find_variants([read_results(path) for path in paths], asked.policies)
    by_label = {variant.label: variant for variant in variants}
    order = [by_label[label] for label in with_baseline_first(list(by_label), asked.baseline)]
    frames = _same_requests(order)
    notes: list[str] = []
    warmup_s = _warmup(order, frames, asked.warmup_s, notes)
    runs = {
        variant.label: [Measured(frames[variant.label, seed], run, warmup_s) for seed, run in variant.runs.items()]
        for variant in order
    }
    keys = asked.wanted()
    if any(frame["slowdown"].notna().sum() < frame["latency_s"].notna().sum() for frame in frames.values()):
        notes.append("no mean_slowdown: the profile or the topology of these runs cannot be found unchanged")
        keys = [key for key in keys if key[1] != "mean_slowdown"]
    notes += _survivors(runs, keys)
    seeds = list(order[0].runs)
    blocks = None
    if len(seeds) > 1:
        rows = replicated({label: _samples(each) for label, each in runs.items()}, keys, asked.level, asked.quantile)
    else:
        single = {label: each[0] for label, each in runs.items()}
        blocks = block_rule(list(single.values()), asked.resamples)
        notes += _short(blocks)
        rows = resampled(single, keys, asked.level, blocks, progress)
    return _document(asked, with_holm(rows), {"": order[0].label}, seeds, warmup_s, blocks, notes)


def _survivors(runs: Mapping[str, Sequence[Measured]], keys: Sequence[tuple[str, str]]) -> list[str]:
    """Return what to know of percentiles of completed requests: of whom, where many were never answered."""
    if not any(metric in _OF_COMPLETED for _, metric in keys):
        return []
    found = [(run.unanswered(name), label, name) for label, each in runs.items() for run in each for name in CLASSES]
    share, label, name = max(found)
    if share <= _MANY_UNANSWERED:
        return []
    whom = f"{label} left {100 * share:.3g} % of {name} unanswered"
    why = "percentiles of completed requests are of the others, and fall as more are dropped"
    return [f"{whom}: {why}; those of all arrived requests do not"]


def _samples(runs: Sequence[Measured]) -> dict[tuple[str, str], list[float]]:
    figures = [run.figures() for run in runs]
    return {key: [each[key] for each in figures] for key in figures[0]}


def _short(blocks: Blocks) -> list[str]:
    if blocks.count >= _FEW_BLOCKS:
        return []
    few = f"{blocks.requests} requests are only {blocks.count} blocks of {blocks.length}"
    why = "the run is short for the time that its queue remembers, and these intervals are too narrow"
    return [f"{few}: {why}; replay several seeds"]


def _same_requests(variants: Sequence[Variant]) -> dict[tuple[str, int], pd.DataFrame]:
    """Read all runs; those of a seed must have served the same requests."""
    frames: dict[tuple[str, int], pd.DataFrame] = {}
    first = variants[0]
    for variant in variants:
        for seed, run in variant.runs.items():
            frame = frames[variant.label, seed] = read_run(run)
            if variant is not first:
                check_same_requests(run, frame, first.runs[seed], frames[first.label, seed])
    return frames


def _warmup(
    variants: Sequence[Variant],
    frames: dict[tuple[str, int], pd.DataFrame],
    asked: float | str | None,
    notes: list[str],
) -> float | None:
    """Return the warm-up that all runs are measured with."""
    if isinstance(asked, (int, float)):
        return float(asked)
    if asked is None:
        runs: list[Run] = [run for variant in variants for run in variant.runs.values()]
        own = {(run.stored.manifest.get("spec") or {}).get("warmup_s") for run in runs}
        if len(own) > 1:
            notes.append("the runs were measured with different warm-ups; here the longest counts for all")
        known = [each for each in own if each is not None]
        return max(known) if known else None
    settled = {key: settled_s(frame) for key, frame in frames.items()}
    for (label, seed), at in settled.items():
        if at is None:
            notes.append(f"MSER-5 sees no end of the warm-up of {label}, seed {seed}: too short, or it never settles")
    return max((at for at in settled.values() if at is not None), default=0.0)


def _document(
    asked: Asked,
    rows: Sequence[Row],
    baselines: dict[str, str],
    seeds: Sequence[int],
    warmup_s: float | None,
    blocks: Blocks | None,
    notes: Sequence[str],
) -> dict[str, Any]:
    count = sum(row.p_value is not None for row in rows)
    return {
        "compare": 1,
        "method": "paired t intervals over seeds" if blocks is None else "block bootstrap over time",
        "level": asked.level,
        "quantile": asked.quantile,
        "baselines": baselines,
        "seeds": list(seeds),
        "warmup_s": None if warmup_s is None or np.isnan(warmup_s) else warmup_s,
        "blocks": None if blocks is None else blocks.as_dict(),
        "differences": count,
        "rows": [row.as_dict() for row in rows],
        "notes": list(notes),
    }
