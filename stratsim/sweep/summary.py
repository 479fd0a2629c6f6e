"""What a sweep found: means with t intervals over the seeds, and the subject's differences to all other policies."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from stratsim.errors import SpecError, suggest
from stratsim.model.write import write_text
from stratsim.results.sweep_folder import FORMAT, current_sweeps, find_manifest
from stratsim.stats.comparison import compare_paired
from stratsim.stats.intervals import mean_interval
from stratsim.sweep.settings import sha256
from stratsim.sweep.table import SUMMARY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from stratsim.stats.comparison import Comparison
    from stratsim.sweep.plan import Cell
    from stratsim.sweep.run import Outcome
    from stratsim.sweep.select import Choice
    from stratsim.sweep.store import Row

__all__ = ["FIGURES_SHOWN", "summarise", "write_summary"]

FIGURES_SHOWN = ("high_violation", "low_violation", "high_p99_arrived_s", "low_p99_arrived_s")
_LEVEL = 0.95
_FEWEST = 2
"""Seeds of a comparison."""


def summarise(outcome: Outcome, subject: str | None = None) -> dict[str, Any]:
    """Return the figures of a sweep, of plain values: cells and policies in the order of the plan.

    An interval needs two seeds; without it `low` and `high` are None, as is a mean of what no run has.

    Args:
        outcome: Of the sweep.
        subject: Whom to compare all other policies with; that of the file by default.

    Raises:
        SpecError: there is no such policy.
    """
    options = outcome.plan.sweep.sweep
    subject = subject or options.subject
    known = dict.fromkeys(name for cell in outcome.plan.cells for name in cell.trials)
    if subject is not None and subject not in known:
        raise SpecError(f"no policy {subject!r}; {suggest(subject, known)}")
    asked = [each.metric for each in (options.until, options.select) if each is not None]
    figures = tuple(dict.fromkeys((*FIGURES_SHOWN, *asked)))
    level = _LEVEL if options.until is None else options.until.level
    return {
        "sweep_sha256": outcome.sha256,
        "title": outcome.plan.sweep.title,
        "level": level,
        "subject": subject,
        "cells": [entry for cell in outcome.plan.cells for entry in _entries(cell, outcome, figures, level)],
        "differences": [
            entry
            for cell in outcome.plan.cells
            for entry in (_differences(cell, outcome, subject, figures, level) if subject is not None else ())
        ],
        "saturations": outcome.saturations,
        "notes": _notes(outcome),
    }


def _notes(outcome: Outcome) -> list[str]:
    """Return what to know of where the rows come from."""
    notes = []
    if outcome.kept:
        notes.append(f"the folder keeps rows made with {', '.join(outcome.kept)}: runs may differ by that alone")
    found = dict.fromkeys(row["cpu"] for row in outcome.rows.values() if row.get("cpu"))
    if len(found) > 1:
        notes.append(
            f"rows of {len(found)} kinds of processors ({', '.join(map(_kind, found))}): last digits may differ"
        )
    return notes


def _kind(processor: str) -> str:
    """Return a processor's architecture and the last of its features."""
    first, *rest = processor.split()
    return f"{first} up to {rest[-1]}" if rest else first


def write_summary(outcome: Outcome, out: Path) -> dict[str, Any]:
    """Write the figures of a sweep to `out`/summary.json, beside those of others there, and return them.

    What a file asked for before it was edited is left out: `stratsim sweep show --rows all` has it.

    Raises:
        OutputError: it cannot be written.
    """
    path = out / SUMMARY
    summary = summarise(outcome)
    try:
        known = {each["sweep_sha256"]: each for each in json.loads(path.read_text(encoding="utf-8"))["sweeps"]}
    except (OSError, ValueError, LookupError, TypeError):
        known = {}  # not there, or not ours any more: it is made from the rows
    by_hash = known | {outcome.sha256: summary}
    current = [sha256(entry["sweep"]) for entry in current_sweeps(find_manifest(out) or {"sweeps": []})]
    sweeps = [by_hash[name] for name in dict.fromkeys((*current, outcome.sha256)) if name in by_hash]
    document = {"sweep_format": FORMAT, "sweeps": sweeps}
    write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", path, overwrite=True)
    return summary


def _entries(cell: Cell, outcome: Outcome, figures: Sequence[str], level: float) -> list[dict[str, Any]]:
    """Return what is said of every policy in a cell, at each of its choices."""
    found = []
    for name, choices in cell.chosen.items():
        for at, choice in choices.items():
            rows = _rows(cell, outcome, (name, choice))
            shown = {figure: _figure([row[figure] for row in rows], level) for figure in figures}
            chosen = {"setting": choice.setting, **dict(choice.values)}
            found.append(
                {"cell": cell.labels, "policy": name, "at": at, **chosen, "seeds": len(rows), "figures": shown}
            )
    return found


def _rows(cell: Cell, outcome: Outcome, key: tuple[str, Choice]) -> list[Row]:
    hashes = [tasks[key].sha256 for tasks in cell.runs if key in tasks]
    return [outcome.rows[each] for each in hashes if each in outcome.rows]


def _figure(texts: Sequence[str], level: float) -> dict[str, float | None]:
    """Return mean and interval. `infinite`: the share of runs where it is; then there is no mean."""
    values = [float(text) for text in texts if text]
    infinite = sum(value == math.inf for value in values)
    if infinite:
        return {"mean": None, "low": None, "high": None, "infinite": infinite / len(values)}
    if len(values) > 1:
        interval = mean_interval(values, level)
        return {"mean": interval.mean, "low": interval.low, "high": interval.high}
    return {"mean": values[0] if values else None, "low": None, "high": None}


def _differences(
    cell: Cell, outcome: Outcome, subject: str, figures: Sequence[str], level: float
) -> list[dict[str, Any]]:
    """Return the subject's figures minus each other policy's, paired by seed; one family for each cell and figure."""
    ats = dict.fromkeys(at for choices in cell.chosen.values() for at in choices)
    return [
        {"cell": cell.labels, "at": at, "subject": subject, "policy": name, "figure": figure, **_plain(each)}
        for at in ats
        if at in cell.chosen.get(subject, {})
        for figure in figures
        for name, each in _family(cell, outcome, subject, at, figure, level).items()
    ]


def _family(cell: Cell, outcome: Outcome, subject: str, at: str, figure: str, level: float) -> Mapping[str, Comparison]:
    """Compare the subject with every other policy over the seeds that both have.

    Where the figure is infinite at one of them there is no difference: over the others it would be one of survivors.
    """
    samples = {
        name: {row["seed"]: float(row[figure]) for row in _rows(cell, outcome, (name, choices[at])) if row[figure]}
        for name, choices in cell.chosen.items()
        if at in choices
    }
    own = samples.pop(subject)
    pairs = {}
    for name, other in samples.items():
        seeds = [seed for seed in own if seed in other]
        finite = all(math.isfinite(own[seed]) and math.isfinite(other[seed]) for seed in seeds)
        if len(seeds) >= _FEWEST and finite:
            pairs[name] = ([own[seed] for seed in seeds], [other[seed] for seed in seeds])
    return compare_paired(pairs, level)


def _plain(found: Comparison) -> dict[str, float | None]:
    values = {
        "mean": found.interval.mean,
        "low": found.interval.low,
        "high": found.interval.high,
        "low_simultaneous": found.simultaneous.low,
        "high_simultaneous": found.simultaneous.high,
        "p": found.p_value,
        "p_holm": found.p_holm,
    }
    return {name: value if math.isfinite(value) else None for name, value in values.items()}
