"""Tables of study 1, for people and for figures: everything is read off the summary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from paper import Table
from study_1.errors import KINDS, QUANTILES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    Entry = Mapping[str, Any]

__all__ = ["figures", "tables"]

_BASE = {"load": 0.8, "slots": 2, "behaviour": "fifo"}
"""The cell of each set whose errors are told in full."""
_PARTS = ("before", "at once", "recovering", "settled")
_DRAWN = ("constant-fitted", "gpulet", "ewma-features", "ewma-pairs", "static-pairs", "rls", "oracle")
_WORDS = ("supported", "rejected", "undecided")
_SPLITS = ("in-sample", "left out by pair", "left out by model", "shift, seen", "shift, unseen")


def tables(summary: Entry) -> list[Table]:
    """Return the tables of live runs, pairs and simulated runs, in the order of the page."""
    found = [*_log_tables(summary["logs"]), *_pair_tables(summary["pairs-judged"])]
    found += [_error_table(summary, *place) for place in _base_cells(summary)]
    return [*found, _interval_table(summary), _count_table(summary), _verdict_table(summary), _worst_pairs(summary)]


# Live runs ----------------------------------------------------------------------------------------------------------


def _log_tables(logs: Entry) -> list[Table]:
    rest = [row for row in logs["figures"] if row["part"] == "rest"]
    places = list(dict.fromkeys((row["card"], row["load"]) for row in rest))
    names = [f"{card}, {load:g}" for card, load in places]
    found: dict[str, dict[tuple[str, str], dict[tuple[str, float], Entry]]] = {}
    for row in rest:
        by_figure = found.setdefault(row["figure"], {})
        by_figure.setdefault((row["predictor"], row["arm"]), {})[row["card"], row["load"]] = row
    made = []
    for figure, title in _LOG_FIGURES.items():
        rows = [
            (*key, *[_with_interval(by_place.get(place)) for place in places])
            for key, by_place in found.get(figure, {}).items()
        ]
        made.append(Table(f"Live runs: {title}", ("predictor", "has learned", *names), rows, left=2))
    early = [row for row in logs["figures"] if (row["part"], row["figure"]) == ("early", "error")]
    rows = [
        (row["card"], row["predictor"], row["arm"], _with_interval(row))
        for row in early
        if row["predictor"] in ("ewma-pairs", "rls")
    ]
    made.append(Table("Live runs: error of the first 200 batches, %", ("card", "predictor", "arm", "error"), rows, 3))
    rows = [
        (v["hypothesis"], v["card"], f"{v['load']:g}", v["verdict"], *_claims(v["claims"], 100))
        for v in logs["verdicts"]
    ]
    made.append(Table("Live runs: verdicts", ("hypothesis", "card", "load", "verdict", "claims, points"), rows, left=5))
    return made


_LOG_FIGURES = {
    "error": "mean error told who was there (realised), %, with 95 % intervals",
    "bias": "bias (realised), %",
    "snapshot-error": "mean error at the start of the execution (snapshot), %",
    "snapshot-bias": "bias (snapshot), %",
    "worst-under": "worst underestimate (realised), %",
    "own-coverage": "coverage of a belief's own 90 % intervals, %",
    "own-width": "their width, % of the time alone",
    "own-score": "their interval score, % of the time alone",
    "recent-coverage": "coverage of the 90 % intervals of recent errors, %",
    "recent-width": "their width, % of the time alone",
    "recent-score": "their interval score, % of the time alone",
}


def _with_interval(row: Entry | None) -> str:
    if row is None:
        return "-"
    if row["low"] is None:
        return _percent(row["value"])
    return f"{_percent(row['value'])} ({_percent(row['low'])} to {_percent(row['high'])})"


def _claims(claims: Sequence[Entry], scale: float) -> tuple[str]:
    """Return the interval of each claim, which holds where all of it is below 0."""
    told = [
        "-" if claim["mean"] is None else
        f"{scale * claim['mean']:+.1f} ({scale * claim['low']:+.1f} to {scale * claim['high']:+.1f})"
        for claim in claims
    ]  # fmt: skip
    return ("; ".join(told),)


# Pairs --------------------------------------------------------------------------------------------------------------


def _pair_tables(judged: Entry) -> list[Table]:
    made = []
    for truth in dict.fromkeys(entry["truth"] for entry in judged["errors"]):
        found = {(e["predictor"], e["split"]): e for e in judged["errors"] if e["truth"] == truth}
        rows = [
            (name, *[_percent(found[name, split]["error"]) if (name, split) in found else "-" for split in _SPLITS])
            for name in dict.fromkeys(name for name, _ in found)
        ]
        made.append(Table(f"Pairs of {truth}: mean error, %", ("predictor", *_SPLITS), rows))
    rows = [(v["hypothesis"], v["truth"], v["verdict"], *_claims(v["claims"], 100)) for v in judged["verdicts"]]
    return [*made, Table("Pairs: verdicts", ("hypothesis", "truth", "verdict", "claims, points"), rows, left=4)]


# Simulated runs -----------------------------------------------------------------------------------------------------


def _base_cells(summary: Entry) -> list[tuple[str, str]]:
    return list(dict.fromkeys((e["set"], e["mix"]) for e in summary["errors"] if _is_base(e)))


def _is_base(entry: Entry) -> bool:
    return all(entry[name] == value for name, value in _BASE.items())


def _error_table(summary: Entry, group: str, mix: str) -> Table:
    """Mean error, in percent, by predictor: every kind where nothing changes, before and after where something does."""
    if mix == "stationary":
        names: Sequence[str] = (*KINDS, "first met", "met often")
        places = [*[(kind, "all") for kind in KINDS], ("realised", "first met"), ("realised", "met often")]
    else:
        names = _PARTS
        places = [("realised", part) for part in _PARTS]
    found = {
        (e["predictor"], e["kind"], e["part"]): e
        for e in summary["errors"]
        if (e["set"], e["mix"]) == (group, mix) and _is_base(e)
    }
    rows = []
    for name in dict.fromkeys(key[0] for key in found):
        whole = found[name, "realised", "all" if mix == "stationary" else "settled"]
        errors = [_percent(found.get((name, *place), {}).get("error")) for place in places]
        rows.append((name, *errors, *[_percent(whole[each]) for each in ("bias", "worst_under")]))
    shown = ", ".join(f"{name} {value}" for name, value in _BASE.items())
    return Table(f"{group}, {mix}, {shown}: mean error, %", ("predictor", *names, "bias", "worst under"), rows)


def _interval_table(summary: Entry) -> Table:
    """Coverage, width and score of 90 % intervals where nothing changes."""
    columns = ("own_coverage", "own_width", "own_score", "recent_coverage", "recent_width", "recent_score")
    rows = [
        (e["set"], str(e["slots"]), e["predictor"], *[_percent(e[name]) for name in columns])
        for e in summary["errors"]
        if (e["mix"], e["kind"], e["part"]) == ("stationary", "realised", "all")
    ]
    return Table("90 % intervals where nothing changes, %", ("set", "C", "predictor", *columns), rows, left=3)


def _count_table(summary: Entry) -> Table:
    """How many cells of each set support a hypothesis, reject it, or leave it open."""
    counts: dict[tuple[str, str, str], dict[str, int]] = {}
    for entry in summary["verdicts"]:
        kind = f"{entry['kind']}{' (decides)' if entry['decides'] else ''}"
        count = counts.setdefault((entry["hypothesis"], kind, entry["set"]), {})
        count[entry["verdict"]] = count.get(entry["verdict"], 0) + 1
    rows = [(*key, *[str(count.get(word, 0)) for word in _WORDS]) for key, count in counts.items()]
    return Table("Verdicts: number of cells", ("hypothesis", "prediction", "set", *_WORDS), rows, left=3)


def _verdict_table(summary: Entry) -> Table:
    """Every verdict that decides, with the intervals of its claims."""
    rows = [
        (v["hypothesis"], v["set"], str(v["slots"]), v["verdict"], *_claims(v["claims"], 100))
        for v in summary["verdicts"]
        if v["decides"]
    ]
    return Table("Verdicts", ("hypothesis", "set", "C", "verdict", "claims, points"), rows, left=5)


def _worst_pairs(summary: Entry, most: int = 3) -> Table:
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
    logs = summary["logs"]["figures"]
    return {
        "live-errors": _picked(
            "Errors on live runs", ("card", "load", "arm", "predictor", "value", "low", "high"),
            [row for row in logs if (row["part"], row["figure"]) == ("rest", "error")],
        ),
        "live-course": _picked(
            "Errors by number of batches that a card had served", ("card", "arm", "predictor", "place", "value"),
            [row for row in logs if row["figure"] == "course"],
        ),
        "live-coverage": _picked(
            "Coverage and width of 90 % intervals on live runs",
            ("card", "load", "arm", "predictor", "figure", "value", "low", "high"),
            [row for row in logs if row["part"] == "rest" and row["figure"].endswith(("-coverage", "-width"))],
        ),
        "pair-errors": _picked(
            "Errors on pairs", ("truth", "split", "predictor", "error", "low", "high"),
            summary["pairs-judged"]["errors"],
        ),
        "prediction-errors": _picked(
            "Errors where nothing changes", ("set", "kind", "predictor", *QUANTILES),
            [e for e in _chosen(summary["errors"], "stationary") if e["part"] == "all" and e["predictor"] in _DRAWN],
        ),
        "prediction-shift": _picked(
            "Errors about a change", ("set", "mix", "predictor", "batches", "error", "low", "high"),
            [e for e in summary["course"] if e["predictor"] in _DRAWN and _is_base(e)],
        ),
        "prediction-met": _picked(
            "Errors of pairs that nobody was told of, by meetings",
            ("set", "slots", "predictor", "batches", "error", "low", "high"),
            [e for e in summary["met"] if e["predictor"] in _DRAWN],
        ),
    }  # fmt: skip


def _picked(title: str, columns: Sequence[str], entries: Iterable[Entry]) -> Table:
    return Table(title, columns, [[entry[name] for name in columns] for entry in entries], left=3)


def _chosen(entries: Iterable[Entry], mix: str) -> list[Entry]:
    return [entry for entry in entries if entry["mix"] == mix and _is_base(entry)]
