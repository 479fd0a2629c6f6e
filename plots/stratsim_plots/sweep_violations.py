"""Deadline violations at one place of a sweep's grid: means over seeds, split by their causes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from stratsim.compare.sweep import variant_labels
from stratsim.errors import SpecError
from stratsim.stats.intervals import mean_interval
from stratsim_plots.series import CLASSES, Options
from stratsim_plots.sources import check_one_place, origin_of, sweep_runs
from stratsim_plots.violations import CAUSES, draw_bars

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

__all__ = ["COLUMNS", "draw", "read"]

COLUMNS = (
    *("policy", "class", "runs", "arrived", "late", "dropped", "unfinished", "violation", "low", "high", "origin"),
)


def read(paths: Sequence[Any], options: Options) -> pd.DataFrame:
    """Return a row per policy and class: mean shares of the arrived requests, and the 95 % t interval of violations.

    Raises:
        SpecError: an axis varies, or no run has violations.
    """
    table = sweep_runs(paths[0], options)
    check_one_place(table)
    runs = table.frame.assign(policy=variant_labels(table.frame, table.choices))
    rows = [
        _row(str(policy), name, own)
        for policy, own in runs.groupby("policy", sort=False)
        for name in CLASSES
        if all(f"{name}_{each}" in own for each in ("arrived", "violation", *CAUSES))
    ]
    if not rows:
        raise SpecError(f"{paths[0]}: no run has violations")
    return pd.DataFrame(rows, columns=list(COLUMNS[:-1])).assign(origin=origin_of(paths))


def _row(policy: str, name: str, own: pd.DataFrame) -> tuple[Any, ...]:
    arrived = own[f"{name}_arrived"]
    shares = [(own[f"{name}_{cause}"] / arrived.where(arrived > 0)).mean() for cause in CAUSES]
    found = own[f"{name}_violation"].dropna()
    low, high = np.nan, np.nan
    if len(found) > 1:
        interval = mean_interval(found.tolist())
        low, high = max(interval.low, 0.0), min(interval.high, 1.0)
    mean = found.mean() if len(found) else np.nan
    return policy, name, len(own), 1.0 if arrived.sum() else 0.0, *shares, mean, low, high


def draw(frame: pd.DataFrame, options: Options) -> Figure:
    """Draw a group of bars per policy, with intervals over seeds."""
    note = "lines: 95 % t interval over seeds; " if frame["low"].notna().any() else ""
    return draw_bars(frame.assign(series=frame["policy"]), options, note + str(frame["origin"].iloc[0]))
