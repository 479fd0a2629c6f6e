"""What study 2 says: violations of both classes as points, fronts and matched comparisons, the old criterion, utility.

All figures are computed from the rows of the result seeds, in percent; the pilot's rows choose settings where one is
chosen. A policy is compared at its default, another is what its settings offer (`stratsim.stats.fronts`). Hypotheses
are judged by intervals that are simultaneous over all comparisons of the hypothesis (Bonferroni).
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from stratsim.stats.comparison import simultaneous_level
from stratsim.stats.fronts import compare_matched, deficit, pareto
from stratsim.stats.intervals import Interval, mean_interval, paired_interval
from stratsim.sweep.select import best_of, figure
from study_2.roles import FEWEST_LATE, STRAIT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from stratsim.sweep.store import Row
    from study_2.roles import Study

    Floats = NDArray[np.float64]

__all__ = ["summarise"]

_LABELS = ("high", "low")
_EQUITY = ("jain_classes", "high_jain_models", "low_jain_models", "low_max_slowdown", "utilization", "mean_batch_size")
_AHEAD, _BEHIND, _OPEN, _OUT_OF_REACH, _TRADE = "ahead", "behind", "open", "out of reach", "trade"


class Cell(NamedTuple):
    """The runs of one cell."""

    labels: dict[str, str]
    pilot: dict[str, Floats]
    """Violations in percent, high and low, by policy: shape (seeds, 2)."""
    results: dict[str, Floats]
    rows: dict[str, list[Row]]
    """Of the result seeds."""

    def family(self, study: Study, name: str) -> list[str]:
        """Return the policies of a family that are here."""
        return [policy for policy in study.settings(name) if policy in self.results]


class Against(NamedTuple):
    """One policy against what another's settings offer."""

    outcome: str
    """`ahead`, `behind` or `open` at the same first figure; `out of reach`: the other's settings all have more
    high-priority violations; `trade`: they all have fewer, and serve less of low priority."""
    interval: Interval | None
    """Low-priority violations less the other's at the same high-priority violations, points."""
    settings: tuple[str, ...]


def summarise(study: Study, rows: Sequence[Row]) -> dict[str, Any]:
    """Return the content of study.json: plain values only, None where a figure does not exist.

    Args:
        study: The study.
        rows: Of all its runs.
    """
    cells = _cells(study, rows)
    return {
        "title": study.title,
        "axes": list(study.axes),
        "usual": _usual(study.axes, [cell.labels for cell in cells]),
        "seeds": {"pilot": list(study.pilot), "results": list(study.results)},
        "judged": {"strait": STRAIT, "fewest-late": FEWEST_LATE},
        "cells": [_summary(study, cell) for cell in cells],
        "hypotheses": [*_h1(study, cells), *_not_behind(study, cells), *_ahead_of(study, cells)],
    }


def _cells(study: Study, rows: Sequence[Row]) -> list[Cell]:
    found: dict[tuple[str, ...], dict[str, dict[int, Row]]] = {}
    for row in rows:
        place = found.setdefault(tuple(row[axis] for axis in study.axes), {})
        place.setdefault(row["policy"], {})[int(row["seed"])] = row
    return [
        Cell(
            dict(zip(study.axes, place, strict=True)),
            _violations(policies, study.pilot),
            _violations(policies, study.results),
            {name: [own[seed] for seed in study.results] for name, own in _whole(policies, study.results)},
        )
        for place, policies in found.items()
    ]


def _whole(policies: Mapping[str, Mapping[int, Row]], seeds: Sequence[int]) -> Iterable[tuple[str, Mapping[int, Row]]]:
    """Yield the policies of which no seed is missing because a run failed."""
    return ((name, own) for name, own in policies.items() if all(seed in own for seed in seeds))


def _violations(policies: Mapping[str, Mapping[int, Row]], seeds: Sequence[int]) -> dict[str, Floats]:
    return {
        name: np.array([[100.0 * figure(own[seed], f"{label}_violation") for label in _LABELS] for seed in seeds])
        for name, own in _whole(policies, seeds)
    }


def _usual(axes: Sequence[str], cells: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Return the value that an axis has in most cells, but for profile and load: what need not be said of each."""
    others = [axis for axis in axes if axis not in ("profile", "load")]
    return {axis: Counter(cell[axis] for cell in cells).most_common(1)[0][0] for axis in others if cells}


# A cell ---------------------------------------------------------------------------------------------------------------


def _summary(study: Study, cell: Cell) -> dict[str, Any]:
    level = study.analysis.level
    rivals = _rivals(study)
    real = [policy for family in (*rivals, "fewest-late", "strait") for policy in cell.family(study, family)]
    means = np.array([cell.results[policy].mean(axis=0) for policy in real])
    front = {real[index] for index in pareto(means)} if real else set()
    chosen = _chosen(study, cell)
    return {
        **cell.labels,
        "points": [_point(study, cell, policy, front, chosen, level) for policy in cell.results],
        "matched": {
            subject: {
                family: _plain(_against(study, cell, subject, family, level))
                for family in (*rivals, "strait", "fewest-late", *study.with_role("bound"))
                if study.families[subject] != family and cell.family(study, family) and subject in cell.results
            }
            for subject in (FEWEST_LATE, STRAIT)
        },
        "deficit": {
            subject: _deficit(cell, subject, [p for p in real if study.families[p] != study.families[subject]], level)
            for subject in (FEWEST_LATE, STRAIT)
            if subject in cell.results and len(real) > 1
        },
        "utility": [_utility(study, cell, rate, level) for rate in study.analysis.rates],
    }


def _rivals(study: Study) -> list[str]:
    return study.with_role("blind", "preemptive", "aware")


def _point(
    study: Study, cell: Cell, policy: str, front: set[str], chosen: Mapping[str, str], level: float
) -> dict[str, Any]:
    family = study.families[policy]
    values = cell.results[policy]
    found: dict[str, Any] = {
        "policy": policy,
        "family": family,
        "role": study.roles[family],
        "front": policy in front,
        "chosen": chosen.get(family) == policy,
        "row": cell.rows[policy][0]["spec_sha256"],
    }
    for at, label in enumerate(_LABELS):
        interval = mean_interval(values[:, at], level)
        found |= {label: interval.mean, f"{label}_low": interval.low, f"{label}_high": interval.high}
    for name in _EQUITY:  # a seed in which nothing of a class was completed has no slowdown of it, and is left out
        known = [float(row[name]) for row in cell.rows[policy] if row[name] not in (None, "")]
        found[name] = float(np.mean(known)) if known else None
    return found


def _chosen(study: Study, cell: Cell) -> dict[str, str]:
    """Return each family's setting by the old criterion, on the pilot seeds: least high, then least low."""
    found = {}
    for family in study.roles:
        tried = {p: tuple(cell.pilot[p].T.tolist()) for p in cell.family(study, family) if p in cell.pilot}
        if tried:
            found[family] = best_of(tried)
    return found


def _against(study: Study, cell: Cell, subject: str, family: str, level: float) -> Against:
    settings = cell.family(study, family)
    own, others = cell.results[subject], np.array([cell.results[policy] for policy in settings])
    matched = compare_matched(own, others, level)
    names = tuple(settings[index] for index in matched.settings)
    if matched.difference is not None:
        outcome = _sign(matched.difference)
        return Against(outcome, matched.difference, names)
    nearest = others[matched.settings[0]]
    high, low = (paired_interval(own[:, at], nearest[:, at], level) for at in (0, 1))
    if matched.where == "below":
        return Against(_OUT_OF_REACH if high.high < 0 else _OPEN, None, names)
    if low.low > 0:
        return Against(_BEHIND if high.low > 0 else _OPEN, None, names)
    return Against(_TRADE if low.high < 0 else _OPEN, None, names)


def _sign(interval: Interval) -> str:
    if interval.high < 0:
        return _AHEAD
    return _BEHIND if interval.low > 0 else _OPEN


def _plain(found: Against) -> dict[str, Any]:
    return {"outcome": found.outcome, "low_pp": _ends(found.interval), "settings": list(found.settings)}


def _ends(interval: Interval | None) -> dict[str, float] | None:
    return None if interval is None else {"mean": interval.mean, "lo": interval.low, "hi": interval.high}


def _deficit(cell: Cell, subject: str, others: Sequence[str], level: float) -> dict[str, Any]:
    found = deficit(cell.results[subject], np.array([cell.results[policy] for policy in others]), level)
    return {"by": others[found.by], "pp": _ends(found.interval)}


def _utility(study: Study, cell: Cell, rate: float, level: float) -> dict[str, Any]:
    """Return the weighted share of late requests, one of high priority counting as `rate` of low priority."""
    first = next(iter(cell.rows.values()))
    arrived = np.array([[figure(row, f"{label}_arrived") for label in _LABELS] for row in first])
    weights = arrived * np.array([rate, 1.0])
    weights /= weights.sum(axis=1, keepdims=True)
    mean = weights.mean(axis=0)
    best: dict[str, tuple[float, str]] = {}
    for family in study.roles:
        tried = [(float((cell.pilot[p] * mean).sum(axis=1).mean()), p) for p in cell.family(study, family)
                 if p in cell.pilot]  # fmt: skip
        if tried:
            best[family] = min(tried)
    rivals = {family: best[family] for family in _rivals(study) if family in best}
    found: dict[str, Any] = {"rate": rate, "best_rival": min(rivals, key=rivals.__getitem__) if rivals else None}
    for family in ("fewest-late", "strait", found["best_rival"]):
        if family in best:
            values = (cell.results[best[family][1]] * weights).sum(axis=1)
            found[family] = {"policy": best[family][1], **(_ends(mean_interval(values, level)) or {})}
    return found


# Hypotheses -----------------------------------------------------------------------------------------------------------


def _h1(study: Study, cells: Sequence[Cell]) -> list[dict[str, Any]]:
    """At least so many points fewer high-priority violations than the best blind rival, where that one has trouble."""
    intense: list[tuple[Cell, str, str]] = []
    for cell in cells:
        chosen = _chosen(study, cell)
        blind = {family: chosen[family] for family in study.with_role("blind") if family in chosen}
        if not blind or "strait" not in chosen:
            continue
        rival = best_of({policy: tuple(cell.pilot[policy].T.tolist()) for policy in blind.values()})
        if cell.pilot[rival][:, 0].mean() >= 100 * study.analysis.intense_violation:
            intense.append((cell, chosen["strait"], rival))
    level = simultaneous_level(study.analysis.level, len(intense))
    found = []
    for cell, own, rival in intense:
        gain = paired_interval(cell.results[own][:, 0], cell.results[rival][:, 0], level)
        goal = -study.analysis.least_gain_pp
        verdict = "supported" if gain.high <= goal else "rejected" if gain.low > goal else "undecided"
        found.append({"hypothesis": "H1", **cell.labels, "verdict": verdict, "by": rival, "pp": _ends(gain)})
    return found


def _not_behind(study: Study, cells: Sequence[Cell]) -> list[dict[str, Any]]:
    """H2 and H3: nobody serves more of low priority at the same protection of high priority."""
    asked = (
        ("H2", STRAIT, study.with_role("blind", "preemptive")),
        ("H3", FEWEST_LATE, [*_rivals(study), *study.with_role("strait")]),
    )
    found = []
    for name, subject, rivals in asked:
        here = [(cell, family) for cell in cells if subject in cell.results
                for family in rivals if cell.family(study, family)]  # fmt: skip
        level = simultaneous_level(study.analysis.level, len(here))
        results: dict[int, dict[str, Against]] = {}
        for cell, family in here:
            results.setdefault(id(cell), {})[family] = _against(study, cell, subject, family, level)
        for cell in cells:
            against = results.get(id(cell), {})
            if not against:
                continue
            behind = [family for family, each in against.items() if each.outcome == _BEHIND]
            unsure = [family for family, each in against.items() if not _is_level(each, study.analysis.equal_pp)]
            verdict = "rejected" if behind else "undecided" if unsure else "supported"
            found.append(
                {
                    "hypothesis": name,
                    **cell.labels,
                    "verdict": verdict,
                    "by": ", ".join(behind or unsure),
                    "against": {family: _plain(each) for family, each in against.items()},
                }
            )
    return found


def _is_level(against: Against, equal_pp: float) -> bool:
    """Whether a policy is not behind, by more than what counts as equal."""
    if against.interval is not None:
        return against.interval.high < equal_pp
    return against.outcome in (_OUT_OF_REACH, _TRADE)


def _ahead_of(study: Study, cells: Sequence[Cell]) -> list[dict[str, Any]]:
    """H4 and H5: the plan serves more of low priority than Strait, and than k-edf with the same belief."""
    found = []
    for name, family in (("H4", "strait"), ("H5", "aware-k-edf")):
        here = [cell for cell in cells if FEWEST_LATE in cell.results and cell.family(study, family)]
        level = simultaneous_level(study.analysis.level, len(here))
        for cell in here:
            against = _against(study, cell, FEWEST_LATE, family, level)
            outcome = against.outcome
            if outcome == _OUT_OF_REACH:  # the other cannot protect as much; what does it lose where it protects most?
                own, other = cell.results[FEWEST_LATE], cell.results[against.settings[0]]
                outcome = _sign(paired_interval(own[:, 1], other[:, 1], level))
                outcome = _AHEAD if outcome == _AHEAD else _OPEN
            verdict = {_AHEAD: "supported", _BEHIND: "rejected"}.get(outcome, "undecided")
            found.append({"hypothesis": name, **cell.labels, "verdict": verdict, "by": family, **_plain(against)})
    return found
