"""Tables of study 2, for people and for figures: everything is read off the summary."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from paper import Table
from study_2.roles import FEWEST_LATE, STRAIT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["figures", "tables"]

_DIGITS = 8
"""Of a row's hash: enough for `stratsim sweep replay`."""
_NOT_SHOWN = ("ablation", "reference")


def tables(summary: Mapping[str, Any]) -> list[Table]:
    """Return a table per cell, one line per cell of what is judged, what was ablated, and the verdicts."""
    found = [_cell_table(summary, entry) for entry in summary["cells"]]
    found += [_overview(summary), _utility(summary), _ablation_table(summary), _verdicts(summary), _counts(summary)]
    return [each for each in found if each.rows]


def name_of(summary: Mapping[str, Any], entry: Mapping[str, Any]) -> str:
    """Return the name of a cell: profile, load, and what else it has that is not usual."""
    usual = summary["usual"]
    said = [f"{axis.rpartition('.')[2]} {entry[axis]}" for axis in summary["axes"]
            if axis in usual and axis != "warmup_s" and entry[axis] != usual[axis]]  # fmt: skip
    return ", ".join([f"{entry['profile']} {entry['load']}", *said])


def _point(entry: Mapping[str, Any], policy: str) -> Mapping[str, Any] | None:
    return next((point for point in entry["points"] if point["policy"] == policy), None)


def _both(point: Mapping[str, Any] | None) -> str:
    return "-" if point is None else f"{point['high']:.1f} / {point['low']:.1f}"


def _with_interval(found: Mapping[str, Any] | None) -> str:
    return "-" if found is None else f"{found['mean']:+.2f} [{found['lo']:+.2f}, {found['hi']:+.2f}]"


def _cell_table(summary: Mapping[str, Any], entry: Mapping[str, Any]) -> Table:
    """Return a line per policy, at the setting that the old criterion chose, and what its settings offer."""
    rows = []
    shown = [point for point in entry["points"] if point["chosen"] and point["role"] not in _NOT_SHOWN]
    for point in sorted(shown, key=lambda point: (point["high"], point["low"])):
        family = point["family"]
        against = [entry["matched"].get(subject, {}).get(family) for subject in (FEWEST_LATE, STRAIT)]
        cells = [part for each in against for part in _matched(each)]
        rows.append(
            (family, point["policy"], f"{point['high']:.2f}", f"{point['low']:.2f}", *cells, point["row"][:_DIGITS])
        )
    columns = ("policy", "chosen", "high %", "low %", "fewest-late less it, low", "", "strait less it, low", "", "row")
    return Table(f"{name_of(summary, entry)}: low priority at the same high-priority violations", columns, rows, left=2)


def _matched(found: Mapping[str, Any] | None) -> tuple[str, str]:
    return ("-", "-") if found is None else (_with_interval(found["low_pp"]), found["outcome"])


def _overview(summary: Mapping[str, Any]) -> Table:
    """Return a line per cell: the two that are judged, the nearest rivals, and how far off the front they are."""
    rows = []
    for entry in summary["cells"]:
        off = [entry["deficit"].get(subject) for subject in (FEWEST_LATE, STRAIT)]
        said = [f"{each['pp']['mean']:+.2f} ({each['by']})" if each else "-" for each in off]
        shown = (FEWEST_LATE, STRAIT, "aware-k-edf[8]", "k-edf[8]", "priority-edf[8]")
        points = [_both(_point(entry, policy)) for policy in shown]
        gated = next((p for p in entry["points"] if p["family"] == "preempt-gated" and p["chosen"]), None)
        rows.append((name_of(summary, entry), *points, _both(gated), *said))
    columns = (
        *("cell", "fewest-late", "strait", "aware-k-edf", "k-edf", "priority-edf", "preempt-gated"),
        *("fewest-late off the front", "strait off the front"),
    )
    return Table(
        "High / low violations, %; off the front: by how much one rival is better for both, points", columns, rows
    )


def _utility(summary: Mapping[str, Any]) -> Table:
    rows = []
    for entry in summary["cells"]:
        cells: list[str] = []
        for found in entry["utility"]:
            best = found["best_rival"]
            own = [found.get(family) for family in ("fewest-late", "strait", best)]
            cells.append(" / ".join(f"{each['mean']:.1f}" if each else "-" for each in own) + f" {best or ''}")
        rows.append((name_of(summary, entry), *cells))
    rates = [f"{found['rate']:g} : 1" for entry in summary["cells"][:1] for found in entry["utility"]]
    title = "Late requests, weighted, %: fewest-late / strait / the best rival on the pilot seeds"
    return Table(title, ("cell", *rates), rows)


def _ablation_table(summary: Mapping[str, Any]) -> Table:
    """Return a line per cell and a column per change; a cell may lack one, whose run failed."""
    changed = [
        (entry, {_change(point): point for point in entry["points"] if point["role"] == "ablation"})
        for entry in summary["cells"]
    ]
    changes = list(dict.fromkeys(change for _, points in changed for change in points))
    rows = [
        (name_of(summary, entry), _both(_point(entry, FEWEST_LATE)), *[_both(points.get(each)) for each in changes])
        for entry, points in changed
        if points
    ]
    title = "One change from fewest-late's defaults, high / low violations, %"
    return Table(title, ("cell", "fewest-late", *changes), rows)


def _change(point: Mapping[str, Any]) -> str:
    """Return what differs from the defaults, as a policy's parameter."""
    return "predictor=oracle" if point["family"] == "ablation-oracle" else str(point["family"])


def _verdicts(summary: Mapping[str, Any]) -> Table:
    rows = []
    for found in summary["hypotheses"]:
        points = _with_interval(found.get("pp") or found.get("low_pp"))
        rows.append((found["hypothesis"], name_of(summary, found), found["verdict"], found["by"], points))
    return Table("Hypotheses, by simultaneous intervals", ("", "cell", "verdict", "by", "points"), rows, left=4)


def _counts(summary: Mapping[str, Any]) -> Table:
    found = Counter((each["hypothesis"], each["verdict"]) for each in summary["hypotheses"])
    names = sorted({name for name, _ in found})
    verdicts = ("supported", "undecided", "rejected")
    rows = [(name, *(str(found[name, verdict]) for verdict in verdicts)) for name in names]
    return Table("Cells by verdict", ("", *verdicts), rows)


# The data behind the figures ------------------------------------------------------------------------------------------


def figures(summary: Mapping[str, Any]) -> dict[str, Table]:
    """Return the data of each figure, by name; figures that there is nothing to show in are left out."""
    found = {
        "study-2-fronts": _fronts(summary),
        "study-2-matched": _differences(summary),
        "study-2-ablation": _ablations(summary),
        "study-2-equity": _equity(summary),
    }
    return {name: table for name, table in found.items() if table.rows}


_INTERVALS = ("high", "high_low", "high_high", "low", "low_low", "low_high")


def _fronts(summary: Mapping[str, Any]) -> Table:
    rows = [
        (name_of(summary, entry), point["family"], point["role"], point["policy"], int(point["front"]),
         *(point[name] for name in _INTERVALS))
        for entry in summary["cells"]
        for point in entry["points"]
        if point["role"] not in _NOT_SHOWN
    ]  # fmt: skip
    return Table("Violations of both classes", ("cell", "family", "role", "policy", "front", *_INTERVALS), rows)


def _differences(summary: Mapping[str, Any]) -> Table:
    rows = [
        (name_of(summary, entry), subject.partition("[")[0], family, found["outcome"],
         *((found["low_pp"] or {}).get(end) for end in ("mean", "lo", "hi")))
        for entry in summary["cells"]
        for subject, against in entry["matched"].items()
        for family, found in against.items()
    ]  # fmt: skip
    return Table("At the same protection", ("cell", "subject", "family", "outcome", "mean", "low", "high"), rows)


def _ablations(summary: Mapping[str, Any]) -> Table:
    rows: list[Sequence[Any]] = []
    for entry in summary["cells"]:
        changed = [point for point in entry["points"] if point["role"] == "ablation"]
        own = _point(entry, FEWEST_LATE)
        if changed and own is not None:
            for point in (own, *changed):
                change = "default" if point is own else _change(point)
                rows.append((name_of(summary, entry), change, *(point[name] for name in _INTERVALS)))
    return Table("One change from the defaults", ("cell", "change", *_INTERVALS), rows)


def _equity(summary: Mapping[str, Any]) -> Table:
    names = ("high", "low", "jain_classes", "high_jain_models", "low_jain_models", "low_max_slowdown")
    rows = [
        (name_of(summary, entry), point["family"], point["role"], *(point[name] for name in names))
        for entry in summary["cells"]
        for point in entry["points"]
        if point["chosen"] and point["role"] not in _NOT_SHOWN
    ]
    return Table("Equity against violation", ("cell", "family", "role", *names), rows)
