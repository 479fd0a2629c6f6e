"""What a study of policies says: violations per class, paired differences to every rival, prices, equity, hypotheses.

Everything is computed from the rows of the result seeds, with what the pilot chose: figures at each policy's best
concurrency (`best`) and at the fixed one. Differences are Strait minus the other, in percentage points, paired by seed;
beside each policy's own 95 % interval stand the p-value by Holm and the interval by Bonferroni for the family: all
policies that Strait is compared with in one cell. Hypotheses are judged by the simultaneous intervals of their own
family, over all cells that they are about.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from stratsim.stats.comparison import compare_paired, low_price_interval, ratio_interval, simultaneous_level
from stratsim.stats.intervals import Interval, mean_interval, paired_interval
from stratsim.sweep.select import Choice, best_of, choose, figure, for_seeds
from stratsim.sweep.spec import BEST, FIXED, PILOT
from stratsim.sweep.store import KEY
from study_2.roles import CONCURRENCY

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from stratsim.sweep.store import Row
    from study_2.roles import Study

    Floats = NDArray[np.float64]

__all__ = ["summarise"]

_MEANS = (
    *(
        f"{label}_{name}"
        for name in ("violation_completed", "jain_models", "min_model_satisfaction", "p99_s", "goodput_per_s")
        for label in ("high", "low")
    ),
    *(f"{label}_{name}" for name in ("mean_slowdown", "max_slowdown", "starvation_s") for label in ("high", "low")),
    *("jain_classes", "utilization", "mean_batch_size", "mean_concurrency", "mean_slowdown", "max_slowdown"),
)
"""Figures of which the mean over the seeds is reported as it is."""


class _Place:
    """One cell at one choice of concurrency (`best` or `fixed`): each policy's rows of the result seeds.

    A policy that lacks a seed, because a run failed, is left out.
    """

    def __init__(
        self, study: Study, rows: Mapping[tuple[str, Choice], list[Row]], choices: Mapping[str, Choice]
    ) -> None:
        self.choices: dict[str, Choice] = {}
        self.rows: dict[str, list[Row]] = {}
        for name, choice in choices.items():
            found = {int(row["seed"]): row for row in rows.get((name, choice), ())}
            if all(seed in found for seed in study.results):
                self.choices[name] = choice
                self.rows[name] = [found[seed] for seed in study.results]

    def figures(self, policy: str, name: str) -> Floats:
        """Return a figure of a policy by seed."""
        return np.array([figure(row, name) for row in self.rows[policy]])

    def violation(self, policy: str, label: str) -> Floats:
        """Return the violation of a class by seed, in percentage points."""
        return 100 * self.figures(policy, f"{label}_violation")


def summarise(study: Study, rows: Sequence[Row]) -> dict[str, Any]:
    """Return the content of `summary.json`: plain values only, None where a figure does not exist.

    Args:
        study: The study.
        rows: Of all its runs; those of the pilot choose, the others count.
    """
    columns = list(study.axes)
    by_cell = _by_trial((row for row in rows if row["phase"] != PILOT), columns)
    piloted = _by_trial((row for row in rows if row["phase"] == PILOT), columns)
    chosen = {cell: _choices(study, trials) for cell, trials in piloted.items()}
    blind = {cell: _best_blind(study, piloted[cell], policies) for cell, policies in chosen.items()}
    places = {
        (cell, at): place
        for cell, found in by_cell.items()
        for at in (BEST, FIXED)
        if (place := _Place(study, found, {name: c[at] for name, c in chosen[cell].items() if at in c})).rows
    }
    entries = [
        entry
        for (cell, at), place in places.items()
        for entry in _entries(study, dict(zip(columns, cell, strict=True)), at, place, blind[cell])
    ]
    verdicts = _hypotheses(study, columns, places, blind)
    return {
        "title": study.title,
        "axes": columns,
        "usual": _usual(columns, [cell for cell, at in places if at == BEST]),
        "strait_policy": study.strait(),
        "reference": study.analysis.reference,
        "seeds": {"pilot": list(study.select.seeds), "results": list(study.results)},
        "trials": dict(study.trials),
        "cells": entries,
        "strait": _headline(study.strait(), entries, verdicts),
        "hypotheses": verdicts,
    }


def _usual(columns: Sequence[str], cells: Sequence[tuple[str, ...]]) -> dict[str, str]:
    """Return the value that an axis has in most cells, but for profile and load: what need not be said of each."""
    if not cells:
        return {}
    counts = {column: Counter(cell[i] for cell in cells) for i, column in enumerate(columns)}
    return {axis: found.most_common(1)[0][0] for axis, found in counts.items() if axis not in ("profile", "load")}


def _choices(study: Study, trials: Mapping[tuple[str, Choice], list[Row]]) -> dict[str, dict[str, Choice]]:
    """Return what each policy of a cell runs with, by `best` and `fixed`, from the pilot's rows there."""
    found: dict[str, dict[Choice, list[Row]]] = {}
    for (name, choice), rows in trials.items():
        found.setdefault(name, {})[choice] = rows
    chosen = {name: choose(tried, study.select) for name, tried in found.items()}
    return {name: choices for name, choices in chosen.items() if choices}


class _Blind(NamedTuple):
    """The best blind rival of a cell, as the pilot has it."""

    name: str
    pilot_high: float
    """Its mean violation of high priority on the pilot seeds."""


def _best_blind(
    study: Study, trials: Mapping[tuple[str, Choice], list[Row]], chosen: Mapping[str, Mapping[str, Choice]]
) -> dict[str, _Blind]:
    """Return the best blind rival of a cell, at the best concurrency and at the fixed one.

    Args:
        study: The study.
        trials: The pilot's rows in the cell, by policy and what was tried.
        chosen: What each policy runs with.
    """
    found = {}
    for at in (BEST, FIXED):
        violations: dict[str, tuple[list[float], list[float]]] = {}
        for name, choices in chosen.items():
            if study.role(name) == "rival-blind" and at in choices:
                rows = trials[name, choices[at]]
                high, low = (for_seeds(rows, f"{label}_violation", study.select.seeds) for label in ("high", "low"))
                violations[name] = (high or [], low or [])
        if violations:
            best = best_of(violations)
            found[at] = _Blind(best, float(np.mean(violations[best][0])))
    return found


def _by_trial(
    rows: Iterable[Row], columns: Sequence[str]
) -> dict[tuple[str, ...], dict[tuple[str, Choice], list[Row]]]:
    """Return rows by cell, and by policy and what it ran with."""
    found: dict[tuple[str, ...], dict[tuple[str, Choice], list[Row]]] = {}
    for row in rows:
        cell = tuple(row[column] for column in columns)
        choice = Choice(row["setting"], ((CONCURRENCY, int(row[CONCURRENCY])),))
        found.setdefault(cell, {}).setdefault((row["policy"], choice), []).append(row)
    return found


# One entry per cell, concurrency and policy --------------------------------------------------------------------------


def _entries(
    study: Study, labels: Mapping[str, str], at: str, place: _Place, blinds: Mapping[str, _Blind]
) -> list[dict[str, Any]]:
    """Return what is said of every policy in one cell; `row` is its run with the first result seed, as an example."""
    blind = blinds[at].name if at in blinds else None
    strait, level = study.strait(), study.analysis.level
    others = [n for n in place.rows if strait in place.rows and n != strait and study.role(n) != "ablation"]
    family = compare_paired(
        {n: (place.violation(str(strait), "high"), place.violation(n, "high")) for n in others}, level
    )
    entries = []
    for name, choice in place.choices.items():
        rival = blind if name == strait else name
        against = family.get(rival) if rival is not None else None
        high, low = (_paired(place, strait, rival, label, level) for label in ("high", "low"))
        entries.append(
            {
                **labels,
                "at": at,
                "intense": _is_intense(study, blinds),
                "policy": name,
                "role": study.role(name),
                "setting": choice.setting,
                **dict(choice.values),
                "seeds": len(study.results),
                "row": place.rows[name][0][KEY],
                **_violations(place, name, level),
                "against": rival if name == strait else None,
                "diff_high_pp": _difference(high, against),
                "diff_low_pp": _ends(low),
                **_price(study, place, name),
                **_equity(place, name),
            }
        )
    return entries


def _paired(place: _Place, strait: str | None, rival: str | None, label: str, level: float) -> Interval | None:
    """Return Strait minus a rival, a class' violations in points; None where one of them is not there, or itself."""
    if strait is None or rival is None or strait == rival or not {strait, rival} <= place.rows.keys():
        return None
    return paired_interval(place.violation(strait, label), place.violation(rival, label), level)


def _violations(place: _Place, name: str, level: float) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for label in ("high", "low"):
        interval = mean_interval(place.violation(name, label), level)
        arrived = place.figures(name, f"{label}_arrived").sum()
        found |= {
            f"violation_{label}": interval.mean / 100,
            f"violation_{label}_interval": [interval.low / 100, interval.high / 100],
            f"late_{label}": _share(place.figures(name, f"{label}_late").sum(), arrived),
            f"dropped_{label}": _share(place.figures(name, f"{label}_dropped").sum(), arrived),
            f"dropped_voluntary_{label}": _share(place.figures(name, f"{label}_dropped_voluntary").sum(), arrived),
        }
    return found


def _share(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None


def _difference(difference: Interval | None, against: Any) -> dict[str, Any] | None:
    """Return a difference with its interval, and what the family makes of it."""
    found = _ends(difference)
    if found is None or against is None:
        return found
    return {
        **found,
        "lo_simultaneous": _finite(against.simultaneous.low),
        "hi_simultaneous": _finite(against.simultaneous.high),
        "p": against.p_value,
        "p_holm": against.p_holm,
        "variance_ratio": against.variance_ratio,
    }


def _ends(interval: Interval | None) -> dict[str, Any] | None:
    if interval is None:
        return None
    return {"mean": interval.mean, "lo": _finite(interval.low), "hi": _finite(interval.high)}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _price(study: Study, place: _Place, name: str) -> dict[str, Any]:
    """Return what a policy costs low priority, against the reference: in points, and per point that high gains."""
    reference = study.analysis.reference
    nothing = {"low_price": None, "low_price_per_pp": None}
    if reference is None or reference not in place.rows:
        return nothing
    high, low = (place.violation(name, label) for label in ("high", "low"))
    other_high, other_low = (place.violation(reference, label) for label in ("high", "low"))
    ratio = None
    if name != reference:
        ratio = low_price_interval(high, low, other_high, other_low, study.analysis.level)
    return {"low_price": float((low - other_low).mean()), "low_price_per_pp": _ends(ratio)}


def _equity(place: _Place, name: str) -> dict[str, Any]:
    gap = place.violation(name, "low") - place.violation(name, "high")
    means = {column: float(place.figures(name, column).mean()) for column in _MEANS}
    return {"violation_gap_pp": float(gap.mean()), **means}


# Hypotheses ----------------------------------------------------------------------------------------------------------


def _hypotheses(
    study: Study,
    columns: Sequence[str],
    places: Mapping[tuple[tuple[str, ...], str], _Place],
    blind: Mapping[tuple[str, ...], Mapping[str, _Blind]],
) -> list[dict[str, Any]]:
    """Return the verdict on each hypothesis in each cell, at the best concurrency."""
    strait = study.strait()
    found = {c: place for (c, at), place in places.items() if at == BEST and strait in place.rows}
    if strait is None or not found:
        return []
    labels = {cell: dict(zip(columns, cell, strict=True)) for cell in found}
    rivals = {
        cell: blind[cell][BEST].name
        for cell in found
        if BEST in blind[cell] and blind[cell][BEST].name in found[cell].rows
    }
    intense = {cell: rival for cell, rival in rivals.items() if _is_intense(study, blind[cell])}
    return [
        *_h1(study, strait, labels, found, intense),
        *_h2(study, strait, labels, found),
        *_h3(study, strait, labels, found, rivals),
    ]


def _is_intense(study: Study, blind: Mapping[str, _Blind]) -> bool:
    """Whether the best blind rival has trouble here, on the pilot seeds and at its best concurrency."""
    return BEST in blind and blind[BEST].pilot_high >= study.analysis.intense_violation


def _h1(
    study: Study, strait: str, labels: Mapping[Any, Any], found: Mapping[Any, _Place], rivals: Mapping[Any, str]
) -> list[dict[str, Any]]:
    """At least so many points fewer high-priority violations than the best blind rival; `rivals` of intense cells."""
    goal = -study.analysis.least_gain_pp
    family = compare_paired(
        {
            str(i): (found[cell].violation(strait, "high"), found[cell].violation(rivals[cell], "high"))
            for i, cell in enumerate(rivals)
        },
        study.analysis.level,
    )
    return [
        {
            "hypothesis": "H1",
            **labels[cell],
            "rival": rivals[cell],
            "diff_high_pp": _difference(each.interval, each),
            "verdict": _verdict(each.simultaneous.low, each.simultaneous.high, goal),
        }
        for cell, each in zip(rivals, family.values(), strict=True)
    ]


def _h2(study: Study, strait: str, labels: Mapping[Any, Any], found: Mapping[Any, _Place]) -> list[dict[str, Any]]:
    """Lower low-priority cost than every preemptive rival: supported if lower than each, rejected if not than one."""
    pairs = [
        (cell, name) for cell, place in found.items() for name in place.rows
        if study.role(name) == "rival-preemptive"
    ]  # fmt: skip
    family = compare_paired(
        {str(i): (found[cell].violation(strait, "low"), found[cell].violation(name, "low"))
         for i, (cell, name) in enumerate(pairs)},
        study.analysis.level,
    )  # fmt: skip
    verdicts: dict[Any, dict[str, Any]] = {}
    for (cell, name), each in zip(pairs, family.values(), strict=True):
        entry = verdicts.setdefault(cell, {"hypothesis": "H2", **labels[cell], "diff_low_pp": {}, "verdict": ""})
        entry["diff_low_pp"][name] = _difference(each.interval, each)
        verdict = _verdict(each.simultaneous.low, each.simultaneous.high, 0.0)
        worst = {"rejected": 2, "undecided": 1, "supported": 0}
        entry["verdict"] = max((entry["verdict"] or verdict, verdict), key=worst.__getitem__)
    return list(verdicts.values())


def _h3(
    study: Study, strait: str, labels: Mapping[Any, Any], found: Mapping[Any, _Place], rivals: Mapping[Any, str]
) -> list[dict[str, Any]]:
    """At least such a share of the way from the best blind rival to the oracle.

    Closed is (blind - strait) / (blind - oracle). The share s is reached where (1 - s) blind + s oracle - strait > 0:
    linear, so its own t interval decides, whatever the denominator: `margin_pp` is what Strait is above that line, in
    points. It and `gap_pp`, the blind rival minus the oracle, have simultaneous intervals. Where the oracle is not
    better than the rival, by its interval, there is no way to go: undecided.
    """
    share = study.analysis.least_gap_closed
    oracle = next((name for name in study.trials if study.role(name) == "oracle"), None)
    cells = [cell for cell in rivals if oracle in found[cell].rows]
    if oracle is None or not cells:
        return []
    level = simultaneous_level(study.analysis.level, len(cells))
    verdicts = []
    for cell in cells:
        place = found[cell]
        blind, own, best = (place.violation(name, "high") for name in (rivals[cell], strait, oracle))
        gap = mean_interval(blind - best, level)
        margin = mean_interval(own - ((1 - share) * blind + share * best), level)
        verdicts.append(
            {
                "hypothesis": "H3",
                **labels[cell],
                "rival": rivals[cell],
                "gap_pp": _ends(gap),
                "margin_pp": _ends(margin),
                "closed": _ends(ratio_interval(blind - own, blind - best, study.analysis.level)) if gap.mean else None,
                "verdict": _verdict(margin.low, margin.high, 0.0) if gap.low > 0 else "undecided",
            }
        )
    return verdicts


def _verdict(low: float, high: float, goal: float) -> str:
    """Return whether an interval says that a figure is at most the goal, or that it is above, or neither."""
    if high <= goal:
        return "supported"
    return "rejected" if low > goal else "undecided"


def _headline(
    strait: str | None, entries: Sequence[Mapping[str, Any]], verdicts: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return the cell in which Strait gains most over the best blind rival, and its share of the oracle's gap there."""
    own = [
        entry for entry in entries
        if entry["policy"] == strait and entry["at"] == BEST and entry["diff_high_pp"] is not None
    ]  # fmt: skip
    if not own:
        return {"best_cell": None, "oracle_gap_closed": None}
    best = min(own, key=lambda entry: entry["diff_high_pp"]["mean"])
    closed = next(
        (v["closed"] for v in verdicts if v["hypothesis"] == "H3" and _same_cell(v, best)),
        None,
    )
    cell = {key: value for key, value in best.items() if key not in ("at", "role")}
    return {"best_cell": cell, "oracle_gap_closed": closed}


def _same_cell(verdict: Mapping[str, Any], entry: Mapping[str, Any]) -> bool:
    axes = verdict.keys() - {"hypothesis", "rival", "gap_pp", "margin_pp", "closed", "verdict"}
    return all(verdict[axis] == entry[axis] for axis in axes)
