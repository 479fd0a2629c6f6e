"""Tables of study 1, for people and for figures: everything is read off the summary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from paper import Table
from study_1.errors import QUANTILES
from study_1.summary import CELL

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Entry = Mapping[str, Any]

__all__ = ["figures", "tables"]

_BASE = {"load": 0.8, "slots": 3, "behaviour": "fifo"}
"""The cell of each set that the others differ from in one factor."""
_KINDS = ("snapshot", "dispatch", "last", "realised")
_PARTS = ("before", "at once", "recovering", "settled")
_DRAWN = ("constant-1.5", "gpulet", "ewma-features", "ewma-pairs", "static-pairs", "nlms", "rls", "oracle")


def tables(summary: Entry) -> list[Table]:
    """Return the errors in each set's base cell, the verdicts, and the pairs that are predicted worst."""
    found = [_error_table(summary, *place) for place in _base_cells(summary)]
    return [*found, _verdict_table(summary), _pair_table(summary)]


def _base_cells(summary: Entry) -> list[tuple[str, str]]:
    return list(dict.fromkeys((e["set"], e["mix"]) for e in summary["errors"] if _is_base(e)))


def _is_base(entry: Entry) -> bool:
    return all(entry[name] == value for name, value in _BASE.items())


def _error_table(summary: Entry, group: str, mix: str) -> Table:
    """Mean error, in percent, by predictor: every kind where the mix stays, before and after where it shifts."""
    if mix == "stationary":
        names, places = _KINDS, [(kind, "all") for kind in _KINDS]
    else:
        names = _PARTS
        places = [("realised", part) for part in _PARTS]
    columns = ("predictor", *names, "bias", "worst under", "excess error")
    found = {
        (e["predictor"], e["kind"], e["part"]): e
        for e in summary["errors"]
        if (e["set"], e["mix"]) == (group, mix) and _is_base(e)
    }
    rows = []
    for name in dict.fromkeys(key[0] for key in found):
        last = found[name, *places[-1]]
        errors = [_percent(found.get((name, *place), {}).get("error")) for place in places]
        rows.append((name, *errors, *[_percent(last[each]) for each in ("bias", "worst_under", "excess_error")]))
    shown = ", ".join(f"{name} {value}" for name, value in _BASE.items())
    return Table(f"{group}, {mix}, {shown}: mean error, %; the last columns are of `{places[-1][0]}`", columns, rows)


def _verdict_table(summary: Entry) -> Table:
    """How many cells of each set support a hypothesis, reject it, or leave it open."""
    counts: dict[tuple[str, str, str], dict[str, int]] = {}
    for entry in summary["verdicts"]:
        kind = f"{entry['kind']}{' (decides)' if entry['decides'] else ''}"
        count = counts.setdefault((entry["hypothesis"], kind, entry["set"]), {})
        count[entry["verdict"]] = count.get(entry["verdict"], 0) + 1
    words = ("supported", "rejected", "undecided")
    rows = [(*key, *[str(count.get(word, 0)) for word in words]) for key, count in counts.items()]
    return Table("Verdicts: number of cells", ("hypothesis", "prediction", "set", *words), rows, left=3)


def _pair_table(summary: Entry, most: int = 3) -> Table:
    rows = []
    for group in dict.fromkeys(entry["set"] for entry in summary["pairs"]):
        for predictor in ("gpulet", "rls"):
            chosen = [e for e in summary["pairs"] if (e["set"], e["predictor"]) == (group, predictor)]
            rows += [
                (group, predictor, e["pair"], f"{e['slowdown']:.2f}", _percent(e["error"]), _percent(e["bias"]))
                for e in chosen[:most]
            ]
    columns = ("set", "predictor", "pair", "slowdown", "error", "bias")
    return Table("Pairs with the largest errors (`realised`, all cells), %", columns, rows, left=3)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


# The data of figures ------------------------------------------------------------------------------------------------


def figures(summary: Entry) -> dict[str, Table]:
    """Return the data of the figures, by name."""
    return {
        "prediction-errors": _distributions(summary),
        "prediction-shift": _courses(summary),
        "prediction-cells": _cells(summary),
    }


def _distributions(summary: Entry) -> Table:
    """Quantiles of the error where the mix stays, means over seeds."""
    columns = ("set", "kind", "predictor", *QUANTILES)
    rows = [
        [entry[name] for name in columns]
        for entry in _chosen(summary["errors"], "stationary")
        if entry["part"] == "all" and entry["predictor"] in _DRAWN
    ]
    return Table("Errors where the mix stays", columns, rows, left=3)


def _courses(summary: Entry) -> Table:
    columns = ("set", "predictor", "batches", "error", "low", "high")
    rows = [
        [entry[name] for name in columns]
        for entry in _chosen(summary["course"], "shifting")
        if entry["predictor"] in _DRAWN
    ]
    return Table("Errors about a shift of the mix", columns, rows, left=2)


def _chosen(entries: Iterable[Entry], mix: str) -> list[Entry]:
    return [entry for entry in entries if entry["mix"] == mix and _is_base(entry)]


def _cells(summary: Entry) -> Table:
    """The worst underestimate and the mean error in every cell where the mix stays: as predictors are used, and E1."""
    columns = (*CELL, "predictor", "kind", "error", "worst_under")
    used = {("gpulet", "snapshot"), ("gpulet", "realised"), ("rls", "dispatch"), ("rls", "realised")}
    used.add(("oracle", "dispatch"))
    rows = [
        [entry[name] for name in columns]
        for entry in summary["errors"]
        if entry["part"] == "all" and (entry["predictor"], entry["kind"]) in used
    ]
    return Table("Errors by cell", columns, rows, left=7)
