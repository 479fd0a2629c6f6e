"""Tables of study 2, for people and for figures: everything is read off the summary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from paper import Table
from stratsim.sweep.spec import BEST, FIXED
from study_2.roles import CONCURRENCY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from study_2.roles import Study

__all__ = ["figures", "tables"]

_COLUMNS = (
    "policy",
    "C",
    "setting",
    "high %",
    "low %",
    "diff pp",
    "95 % interval",
    "p Holm",
    "low price pp",
    "Jain high",
    "row",
)
_DIGITS = 8
"""Of a row's hash: enough for `stratsim sweep replay`."""


def tables(study: Study, summary: Mapping[str, Any]) -> list[Table]:
    """Return a table per cell at the best concurrency, one line per cell at the fixed one, and the verdicts."""
    found = [_cell_table(summary, *place) for place in _places(summary, BEST)]
    fixed = _places(summary, FIXED)
    if fixed:
        found.append(_fixed_table(study, summary, fixed))
    if summary["hypotheses"]:
        found.append(_verdict_table(summary))
    return found


def _places(summary: Mapping[str, Any], at: str) -> list[tuple[str, list[Mapping[str, Any]]]]:
    """Return the entries of each cell, with the cell's name."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for entry in summary["cells"]:
        if entry["at"] == at:
            found.setdefault(_cell(summary, entry), []).append(entry)
    return list(found.items())


def _cell(summary: Mapping[str, Any], entry: Mapping[str, Any], without: Sequence[str] = ()) -> str:
    """Return the name of a cell: what it has that is not usual."""
    said = [axis for axis in summary["axes"] if axis not in without and entry[axis] != summary["usual"].get(axis)]
    return ", ".join(f"{axis} {entry[axis]}" for axis in said) or "all"


def _cell_table(summary: Mapping[str, Any], name: str, entries: Sequence[Mapping[str, Any]]) -> Table:
    """Return the policies of a cell; each row has Strait's difference to it, so Strait's own row has none."""
    strait = summary["strait_policy"]
    blind = next((entry["against"] for entry in entries if entry["policy"] == strait), None)
    rows = [
        (
            f"{entry['policy']} (best blind)" if entry["policy"] == blind else entry["policy"],
            str(entry[CONCURRENCY]),
            entry["setting"] if summary["trials"][entry["policy"]] > 1 else "",
            _percent(entry["violation_high"]),
            _percent(entry["violation_low"]),
            *_difference(None if entry["policy"] == strait else entry["diff_high_pp"]),
            _points(entry["low_price"]),
            f"{entry['high_jain_models']:.3f}",
            entry["row"][:_DIGITS],
        )
        for entry in sorted(entries, key=lambda entry: (entry["role"] == "ablation", entry["violation_high"]))
    ]
    intense = ", intense" if entries[0]["intense"] else ""
    title = f"{name}{intense}: best C; difference is {strait} minus the policy, high priority"
    return Table(title, _COLUMNS, rows, left=3)


def _fixed_table(study: Study, summary: Mapping[str, Any], places: Any) -> Table:
    strait, rows = summary["strait_policy"], []
    for name, entries in places:
        for entry in entries:
            if entry["policy"] == strait:
                against = entry["against"] or "-"
                own = (_percent(entry["violation_high"]), _percent(entry["violation_low"]))
                rows.append((name, against, *own, *_difference(entry["diff_high_pp"])))
    title = f"{strait} against the best blind rival, all at C = {study.select.fixed[CONCURRENCY]}"
    return Table(title, ("cell", "rival", "high %", "low %", "diff pp", "95 % interval", "p Holm"), rows, left=2)


def _verdict_table(summary: Mapping[str, Any]) -> Table:
    rows = [
        (verdict["hypothesis"], _cell(summary, verdict), verdict["verdict"], _grounds(verdict))
        for verdict in summary["hypotheses"]
    ]
    return Table("Hypotheses, by simultaneous intervals", ("", "cell", "verdict", "by, pp"), rows, left=4)


def _grounds(verdict: Mapping[str, Any]) -> str:
    """Return what decides a verdict: figures with their simultaneous intervals, in percentage points."""
    if verdict["hypothesis"] == "H1":
        return f"{verdict['rival']} {_simultaneous(verdict['diff_high_pp'])}"
    if verdict["hypothesis"] == "H2":
        return ", ".join(f"{name} {_simultaneous(each)}" for name, each in verdict["diff_low_pp"].items())
    gap, margin = verdict["gap_pp"], verdict["margin_pp"]
    if gap["lo"] is None or gap["lo"] <= 0:
        return f"no gap: {_with_interval(gap)}"
    closed = f"closed {100 * verdict['closed']['mean']:.0f} % of {gap['mean']:.2f}"
    return f"margin {_with_interval(margin)}, {closed}"


def _simultaneous(found: Mapping[str, Any]) -> str:
    return _with_interval(found, "_simultaneous")


def _with_interval(found: Mapping[str, Any], kind: str = "") -> str:
    return f"{_points(found['mean'])} [{_points(found[f'lo{kind}'])}, {_points(found[f'hi{kind}'])}]"


def _percent(share: float) -> str:
    return f"{100 * share:.2f}"


def _points(value: float | None) -> str:
    return "-" if value is None else f"{value:+.2f}"


def _difference(found: Mapping[str, Any] | None) -> tuple[str, str, str]:
    if found is None:
        return "-", "-", "-"
    p = found.get("p_holm")
    return _points(found["mean"]), f"[{_points(found['lo'])}, {_points(found['hi'])}]", "-" if p is None else f"{p:.2g}"


# The data behind the figures -----------------------------------------------------------------------------------------


def figures(summary: Mapping[str, Any]) -> dict[str, Table]:
    """Return the data of each figure, by name; figures that there is nothing to show in are left out."""
    entries = [entry for entry in summary["cells"] if entry["at"] == BEST]
    found = {
        "study-violations": _violations(summary, entries),
        "study-differences": _differences(summary, entries),
        "study-equity": _equity(summary, entries),
        "study-ablations": _ablations(summary, entries),
    }
    return {name: table for name, table in found.items() if table.rows}


def _violations(summary: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]) -> Table:
    """Violations by class against load."""
    columns = ("conditions", "policy", "role", "best_blind", "class", "load", "violation", "low", "high")
    blind = _best_blind(summary, entries)
    rows = [
        (
            _cell(summary, entry, ["load"]),
            entry["policy"],
            entry["role"],
            int(entry["policy"] == blind.get(_cell(summary, entry))),
            label,
            float(entry["load"]),
            entry[f"violation_{label}"],
            *entry[f"violation_{label}_interval"],
        )
        for entry in entries
        if "load" in summary["axes"] and entry["role"] != "ablation"
        for label in ("high", "low")
    ]
    return Table("Violations by class against load", columns, rows)


def _best_blind(summary: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]) -> dict[str, str | None]:
    """Return the best blind rival of each cell, as the pilot found it."""
    strait = summary["strait_policy"]
    return {_cell(summary, entry): entry["against"] for entry in entries if entry["policy"] == strait}


def _differences(summary: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]) -> Table:
    """Strait minus each baseline, by cell."""
    columns = ("cell", "policy", "role", "best_blind", "mean", "low", "high", "low_simultaneous", "high_simultaneous")
    strait, blind = summary["strait_policy"], _best_blind(summary, entries)
    rows = [
        (
            _cell(summary, entry),
            entry["policy"],
            entry["role"],
            int(entry["policy"] == blind.get(_cell(summary, entry))),
            *(entry["diff_high_pp"][key] for key in ("mean", "lo", "hi", "lo_simultaneous", "hi_simultaneous")),
        )
        for entry in entries
        if entry["policy"] != strait and entry["role"] != "ablation" and entry["diff_high_pp"] is not None
    ]
    return Table("Strait minus each baseline, high-priority violations", columns, rows)


def _equity(summary: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]) -> Table:
    """Violation against equity."""
    names = (
        "violation_high",
        "violation_low",
        "high_jain_models",
        "low_jain_models",
        "violation_gap_pp",
        "max_slowdown",
    )
    blind = _best_blind(summary, entries)
    rows = [
        (
            _cell(summary, entry),
            entry["policy"],
            entry["role"],
            int(entry["policy"] == blind.get(_cell(summary, entry))),
            *(entry[name] for name in names),
        )
        for entry in entries
        if entry["role"] != "ablation"
    ]
    return Table("Equity against violation", ("cell", "policy", "role", "best_blind", *names), rows)


def _ablations(summary: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]) -> Table:
    """Strait and what is left of it without one thing or another."""
    columns = ("cell", "policy", "role", "class", "violation", "low", "high")
    with_some = {_cell(summary, entry) for entry in entries if entry["role"] == "ablation"}
    rows = [
        (
            _cell(summary, entry),
            entry["policy"],
            entry["role"],
            label,
            entry[f"violation_{label}"],
            *entry[f"violation_{label}_interval"],
        )
        for entry in entries
        if entry["role"] in ("strait", "oracle", "ablation") and _cell(summary, entry) in with_some
        for label in ("high", "low")
    ]
    return Table("Ablations", columns, rows)
