"""The worst requests of a run, and why a policy loses, in a sentence."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from stratsim.explain import verdict
from stratsim.explain.aggregate import CLASSES, aggregate
from stratsim_plots.report.html import number
from stratsim_plots.report.meanings import CAUSES
from stratsim_plots.report.tables import percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratsim.explain.explanation import Explanation
    from stratsim.explain.parts import Run
    from stratsim_plots.series import Series

__all__ = ["FAILURES", "Worst", "find_worst", "run_verdict"]

FAILURES = ("late", "dropped", "unfinished")


class Worst(NamedTuple):
    """What went wrong in one run."""

    groups: dict[tuple[str, str], tuple[Explanation, ...]]
    """By class and way to fail: the worst first. The slowest, as `met`, where nothing failed in the run."""
    failed: dict[tuple[str, str], int]
    """How many there are in all."""
    causes: dict[str, int]
    """Kinds of decision that made requests fail, most frequent first."""

    @property
    def explanations(self) -> list[Explanation]:
        """All that are explained."""
        return [each for group in self.groups.values() for each in group]


def find_worst(run: Run, count: int) -> Worst:
    """Explain the worst requests of a run.

    Args:
        run: The run.
        count: How many of each class and way to fail, at most.
    """
    status = run.requests["status"].astype(str)
    failed = {
        (name, how): int(((run.requests["priority"] == name) & (status == how)).sum())
        for name in CLASSES
        for how in FAILURES
    }
    keys = [key for key, many in failed.items() if many] or [(name, "met") for name in CLASSES]
    chosen = {(name, how): verdict.worst(run, count, name, how) for name, how in keys} if count else {}
    everyone = [request for group in chosen.values() for request in group]
    batches = run.requests["batch_id"].reindex(everyone).dropna().astype(int).unique()
    interference = verdict.interference_of(run, batches)
    groups = {
        key: tuple(verdict.explain(run, request, interference) for request in group)
        for key, group in chosen.items()
        if group
    }
    causes: Counter[str] = Counter()
    for figures in aggregate(run)["classes"].values():
        causes.update(figures["causes"])
    return Worst(groups, failed, dict(causes.most_common()))


def run_verdict(series: Series, chosen: Sequence[Series], worst: Worst) -> str:
    """Return what became of a policy's requests, in one sentence without the policy's name."""
    missed = [
        f"{percent(figures['violation'])} % of the {name}-priority"
        for name, figures in series.figures["classes"].items()
        if figures.get("violation") is not None
    ]
    if not missed:
        return "had no deadlines to miss."
    if not any(figures.get("violation") for figures in series.figures["classes"].values()):
        return "missed no deadline."
    text = f"missed the deadlines of {' and '.join(missed)} requests"
    if rank := _rank(series, chosen):
        text += f" ({rank})"
    if worst.causes:
        kind, count = next(iter(worst.causes.items()))
        share = count / sum(worst.causes.values())
        text += f", most often ({number(100 * share, 2)} %) because {CAUSES[kind]}"
    return f"{text}."


def _rank(series: Series, chosen: Sequence[Series]) -> str:
    """Return for which classes a policy misses the fewest and the most deadlines of several."""
    found = []
    for name in CLASSES:
        values = [each.figures["classes"].get(name, {}).get("violation") for each in chosen]
        known = [value for value in values if value is not None]
        own = series.figures["classes"].get(name, {}).get("violation")
        if own is None or min(known, default=0) == max(known, default=0):
            continue
        if own == min(known):
            found.append(f"the fewest {name}")
        elif own == max(known):
            found.append(f"the most {name}")
    return f"of {len(chosen)} policies {' and '.join(found)}" if found else ""
