"""What a sweep found: means with t intervals over the seeds, for each cell and policy."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from stratsim.model.write import write_text
from stratsim.stats.intervals import mean_interval

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from stratsim.experiment.plain_sweep.run import SweepOutcome

__all__ = ["FIGURES_SHOWN", "summarise", "write_summary"]

FIGURES_SHOWN = ("high_violation", "low_violation", "high_p99_s", "low_p99_s")
_LEVEL = 0.95


def summarise(outcome: SweepOutcome) -> dict[str, Any]:
    """Return the figures of a sweep, of plain values: cells and policies in the order of the plan.

    An interval needs two seeds; without it `low` and `high` are None, as is a mean of what no run has.
    """
    sweep = outcome.plan.sweep
    until = sweep.sweep.until
    figures = tuple(dict.fromkeys((*FIGURES_SHOWN, *(() if until is None else (until.metric,)))))
    level = _LEVEL if until is None else until.level
    found = []
    for cell in outcome.plan.cells:
        for index, policy in enumerate(cell.policies):
            keys = [tasks[index].sha256 for tasks in cell.tasks]
            rows = [outcome.rows[key] for key in keys if key in outcome.rows]
            shown = {name: _figure([row[name] for row in rows], level) for name in figures}
            found.append({"cell": cell.labels, "policy": policy, "seeds": len(rows), "figures": shown})
    return {"sweep_sha256": outcome.sha256, "title": sweep.title, "level": level, "cells": found}


def write_summary(outcome: SweepOutcome, out: Path) -> dict[str, Any]:
    """Write the figures of a sweep to `out`/summary.json, beside those of others there, and return them.

    Raises:
        OutputError: it cannot be written.
    """
    path = out / "summary.json"
    summary = summarise(outcome)
    try:
        known = json.loads(path.read_text(encoding="utf-8"))["sweeps"]
    except (OSError, ValueError, LookupError, TypeError):
        known = []  # not there, or not ours any more: it is made from the rows
    by_hash = {each["sweep_sha256"]: each for each in known} | {outcome.sha256: summary}
    write_text(json.dumps({"sweeps": list(by_hash.values())}, indent=1, allow_nan=False) + "\n", path, overwrite=True)
    return summary


def _figure(texts: Sequence[str], level: float) -> dict[str, float | None]:
    values = [float(text) for text in texts if text]
    if len(values) > 1:
        interval = mean_interval(values, level)
        return {"mean": interval.mean, "low": interval.low, "high": interval.high}
    return {"mean": values[0] if values else None, "low": None, "high": None}
