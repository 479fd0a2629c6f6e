"""What every answer states: the question, the target, seeds, notes and manifest, as plain data."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from stratsim.capacity.probe import percentile_of
from stratsim.capacity.target import ALL, CLASSES
from stratsim.model.request import Priority
from stratsim.run.manifest import make_manifest
from stratsim.stats.intervals import mean_interval
from stratsim.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from stratsim.capacity.measure import Probe, Question
    from stratsim.capacity.target import Goal
    from stratsim.run.inputs import Inputs
    from stratsim.stats.intervals import Interval

__all__ = ["few_requests", "footer", "goals_at", "header", "headroom", "interval", "no_width", "of_classes"]

SCHEMA = 2
"""Version of the document."""
_FEW = 10
"""Requests that the target allows to miss, over all seeds, below which it is too fine for so few."""


def header(question: Question, goals: Sequence[Goal], inputs: Inputs, full: float) -> dict[str, Any]:
    """Return what both answers begin with.

    Args:
        question: What was asked.
        goals: Its target, with models by the profile's own names.
        inputs: The requests of the first seed.
        full: Load 1, requests per second.
    """
    return {
        "capacity": SCHEMA,
        "stratsim_version": __version__,
        "target": [
            {"name": goal.name, "words": goal.words, "share": goal.share, "limit_s": goal.limit_s,
             "class": goal.group, "model": goal.model} for goal in goals
        ],
        "level": question.level,
        "seeds": question.seed_numbers,
        "rate_at_load_1": full,
        "load_unit": question.run.load_unit,
        "requests": len(inputs.workload),
    }  # fmt: skip


def footer(inputs: Inputs, notes: Iterable[str]) -> dict[str, Any]:
    """Return what both answers end with: notes and manifest."""
    found = list(dict.fromkeys((*_without_rate(inputs.notes), *notes)))
    manifest = make_manifest(inputs.spec, inputs.profile, inputs.trace, inputs.workload, found)
    del manifest["offered_load"]
    return {"notes": found, "manifest": manifest}


_RATE = re.compile(r"rate \([^)]*\)(; )?")


def _without_rate(notes: Iterable[str]) -> Iterator[str]:
    """Yield what was filled, but for the rate: that is what is looked for, or was asked for."""
    return (_RATE.sub("", note) for note in notes)


def interval(found: Interval) -> dict[str, float]:
    """Return a mean and its interval as plain data."""
    return {"mean": found.mean, "low": found.low, "high": found.high}


def goals_at(probe: Probe, goals: Sequence[Goal], level: float) -> dict[str, Any]:
    """Return, by goal: the share that missed, with its interval and the seeds' own, and the percentile.

    `percentile_s` is None for violations; `infinite` says at how many seeds the percentile falls among requests without
    an answer: then it has no mean.
    """
    return {goal.name: _goal_at(probe, goal, level) for goal in goals}


def _goal_at(probe: Probe, goal: Goal, level: float) -> dict[str, Any]:
    found = {
        "missed": interval(probe.intervals[goal.name]),
        "samples": list(probe.samples[goal.name]),
        "percentile_s": None,
        "infinite": 0,
    }
    values = probe.figures.get(percentile_of(goal))
    if values is not None:
        infinite = sum(math.isinf(value) for value in values)
        found |= {"percentile_s": None if infinite else interval(mean_interval(values, level)), "infinite": infinite}
    return found


def headroom(probe: Probe, goals: Sequence[Goal]) -> float:
    """Return how far below their bounds all goals stay, as a share of the bound, by the means; below 0 above one.

    Of a latency it is the percentile that counts, of violations their share.
    """
    return min(_below(probe, goal) for goal in goals)


def _below(probe: Probe, goal: Goal) -> float:
    values = probe.samples[goal.name] if goal.limit_s is None else probe.figures[percentile_of(goal)]
    bound = goal.share if goal.limit_s is None else goal.limit_s
    mean = sum(values) / len(values)
    return 1.0 - mean / bound if bound > 0 else -math.inf if mean > 0 else 0.0


def of_classes(probe: Probe | None, prefix: str, level: float) -> dict[str, Any]:
    """Return figures by class, with their intervals; those that do not exist are None."""
    names = {name: f"{prefix}{name}" for name in CLASSES}
    return {
        name: interval(mean_interval(probe.figures[key], level)) if probe is not None and key in probe.figures else None
        for name, key in names.items()
    }


def few_requests(question: Question, goals: Sequence[Goal], inputs: Inputs) -> Iterator[str]:
    """Yield a note for each goal that is too fine for so few requests."""
    workload = inputs.workload
    for goal in goals:
        chosen = workload.priority >= 0
        if goal.group != ALL:
            chosen &= workload.priority == next(each for each in Priority if each.label == goal.group)
        if goal.model is not None:
            chosen &= workload.model == workload.models.index(goal.model)
        count = int(chosen.sum())
        allowed = goal.share * count * question.seeds
        if allowed < _FEW:
            yield (
                f"target {goal.name}={goal.bound.replace(' ', '')}: {count} requests and {question.seeds} seeds are "
                f"few for this share (it allows {allowed:.2g} to miss); take more requests"
            )


def no_width(policy: str, points: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield a note if all seeds gave the same somewhere, and not only that nothing or everything missed.

    Args:
        policy: Whose points they are.
        points: Each with what `goals_at` says, as `goals`.
    """
    samples = ([goal["samples"] for goal in point["goals"].values()] for point in points)
    if any(all(len(set(sample)) == 1 and 0 < sample[0] < 1 for sample in each) for each in samples):
        yield (
            f"{policy}: all seeds give the same figures, so the intervals have no width; with --arrivals, "
            "each seed has requests of its own"
        )
