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
    from stratsim_plots.report.intervals import Judged
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


def run_verdict(place: int, chosen: Sequence[Series], judged: Judged, worst: Worst) -> str:
    """Return what became of a policy's requests, in one sentence without the policy's name.

    Args:
        place: Which of the runs.
        chosen: All runs of the page.
        judged: What is known of them.
        worst: What went wrong in this one.
    """
    classes = chosen[place].figures["classes"]
    missed = [
        f"{percent(figures['violation'])}\u00a0% of the {name}-priority requests{_rank(place, name, chosen, judged)}"
        for name, figures in classes.items()
        if figures.get("violation") is not None
    ]
    if not missed:
        return "had no deadlines to miss."
    if not any(figures.get("violation") for figures in classes.values()):
        return "missed no deadline."
    text = f"missed the deadlines of {' and '.join(missed)}"
    if worst.causes:
        kind, count = next(iter(worst.causes.items()))
        share = count / sum(worst.causes.values())
        text += f", most often ({number(100 * share, 2)}\u00a0%) because {CAUSES[kind]}"
    return f"{text}."


def _rank(place: int, name: str, chosen: Sequence[Series], judged: Judged) -> str:
    """Return whether a policy misses the fewest or the most deadlines of those that served the same requests."""
    rivals = [other for other, group in enumerate(judged.groups) if group == judged.groups[place]]
    values = {other: chosen[other].figures["classes"].get(name, {}).get("violation") for other in rivals}
    known = {other: value for other, value in values.items() if value is not None}
    if len(known) < 2 or min(known.values()) == max(known.values()):
        return ""
    best = [other for other in known if _is_best(judged, other, name)] or [min(known, key=known.__getitem__)]
    if place in best:
        return f" ({'the fewest' if len(best) == 1 else 'among the fewest'} of {len(known)} runs)"
    return f" (the most of {len(known)} runs)" if known[place] == max(known.values()) else ""


def _is_best(judged: Judged, place: int, name: str) -> bool:
    found = judged.figures.get((place, name, "violation"))
    return found is not None and bool(found.mark)
