"""What study 1 found: a verdict on every hypothesis in every cell, and the errors that it rests on."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.stats.comparison import simultaneous_level
from stratsim.stats.intervals import mean_interval
from study_1.claims import HYPOTHESES, LOG_HYPOTHESES, PAIR_HYPOTHESES
from study_1.errors import INTERVALS, QUANTILES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from study_1.claims import Hypothesis
    from study_1.errors import Row

    Values = NDArray[np.float64]

__all__ = ["CELL", "summarise", "summarise_logs", "summarise_pairs"]

CELL = ("set", "load", "slots", "behaviour", "mix")
"""The settings that make a cell."""
_MEANS = (
    *("bias", "large_under", "large_over", "worst_under", "worst_over", "excess_error", "slowdown"),
    *QUANTILES,
    *INTERVALS,
)
_PLAIN = ("all", "before", "after", "at once", "recovering", "later", "settled", "first met", "met often")


class _Cell:
    """The rows of one cell, one figure per seed."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._values: dict[tuple[str, str, str, str], dict[int, float]] = {}
        self.seeds: list[int] = []
        for row in rows:
            if row["seed"] not in self.seeds:
                self.seeds.append(row["seed"])
            if row["part"] in _PLAIN:
                for name, value in row.items():
                    if isinstance(value, float):
                        key = (row["predictor"], row["kind"], row["part"], name)
                        self._values.setdefault(key, {})[row["seed"]] = value
        self.keys = list(dict.fromkeys(key[:3] for key in self._values))

    def get(self, predictor: str, kind: str, part: str, name: str = "error") -> Values:
        """Return a figure, one per seed in the order of `seeds`; NaN where a seed has none."""
        found = self._values.get((predictor, kind, part, name), {})
        return np.array([found.get(seed, np.nan) for seed in self.seeds])


def summarise(rows: Sequence[Row], level: float = 0.95) -> dict[str, Any]:
    """Return the figures of the simulated runs.

    Args:
        rows: Of all cells and seeds, from `run_cell`.
        level: Confidence that holds for all cells of a hypothesis together (Bonferroni). Claims of one hypothesis are
            not counted: all must hold.

    Returns:
        `verdicts` (per hypothesis, cell and kind of prediction), `errors` (per cell, predictor, kind and part: means
        over seeds), `course` (per cell, predictor and batches since the shift) and `pairs` (per set and predictor:
        which pairs are predicted worst), `met` (per set and predictor: pairs that nobody was told of, by meetings).
    """
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple([row[name] for name in CELL]), []).append(row)
    cells = {key: _Cell(group) for key, group in groups.items()}
    kinds = list(dict.fromkeys(row["kind"] for row in rows))
    return {
        "provenance": "simulated devices are synthetic, but for the pairs of h200; live runs are measured",
        "hypotheses": {each.name: each.text for each in HYPOTHESES},
        "verdicts": [row for each in HYPOTHESES for row in _verdicts(each, cells, kinds, level)],
        "errors": [row for key, cell in cells.items() for row in _errors(key, cell)],
        "course": _course(rows, "course", (*CELL, "predictor")),
        "met": _course([row for row in rows if row["mix"] == "stationary"], "met", ("set", "slots", "predictor")),
        "pairs": _pairs(rows),
    }


def _verdicts(
    hypothesis: Hypothesis, cells: Mapping[tuple[Any, ...], _Cell], kinds: Sequence[str], level: float
) -> list[dict[str, Any]]:
    concerned = {key: cell for key, cell in cells.items() if key[CELL.index("mix")] == hypothesis.mix}
    each_level = simultaneous_level(level, len(concerned))
    found = []
    for key, cell in concerned.items():
        for kind in kinds:
            claims = [_judged(text, figure(cell, kind), each_level) for text, figure in hypothesis.claims]
            if not any(claim["seeds"] for claim in claims):
                continue  # told of one kind of prediction alone
            found.append(
                {
                    "hypothesis": hypothesis.name,
                    **dict(zip(CELL, key, strict=True)),
                    "kind": kind,
                    "decides": kind == hypothesis.kind,
                    "verdict": _verdict(claims),
                    "claims": claims,
                }
            )
    return found


def _judged(text: str, values: Values, level: float) -> dict[str, Any]:
    """Return the interval of what should be below zero, over the seeds that have it, and what it says."""
    known = values[np.isfinite(values)]
    if len(known) < 2:
        return {"claim": text, "holds": None, "mean": None, "low": None, "high": None, "seeds": len(known)}
    interval = mean_interval(known, level)
    holds = _holds(interval.low, interval.high)
    ends = {"mean": interval.mean, "low": interval.low, "high": interval.high}
    return {"claim": text, "holds": holds, **ends, "seeds": interval.n}


def _verdict(claims: Sequence[Mapping[str, Any]]) -> str:
    if any(claim["holds"] is False for claim in claims):
        return "rejected"
    return "supported" if all(claim["holds"] for claim in claims) else "undecided"


def _errors(key: tuple[Any, ...], cell: _Cell) -> list[dict[str, Any]]:
    """Return the mean over seeds of the main figures, with the 95 % interval of the mean error."""
    found = []
    for predictor, kind, part in cell.keys:
        row: dict[str, Any] = dict(zip(CELL, key, strict=True))
        row |= {"predictor": predictor, "kind": kind, "part": part}
        error = cell.get(predictor, kind, part)
        known = error[np.isfinite(error)]
        interval = mean_interval(known) if len(known) > 1 else None
        row |= {"seeds": len(known), "error": float(known.mean())}
        row |= {"low": interval.low if interval else None, "high": interval.high if interval else None}
        for name in _MEANS:
            values = cell.get(predictor, kind, part, name)
            values = values[np.isfinite(values)]
            row[name] = float(values.mean()) if len(values) else None
        found.append(row)
    return found


def _course(rows: Sequence[Row], part: str, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the mean error over seeds, with its 95 % interval, by place: batches since the shift, or meetings.

    Places that some seed did not reach are left out: the seeds that did are not a sample of all.
    """
    seeds: dict[tuple[Any, ...], set[int]] = {}
    points: dict[tuple[Any, ...], dict[int, float]] = {}
    for row in rows:
        if row["part"] == part:
            key = tuple([row[name] for name in names])
            seeds.setdefault(key, set()).add(row["seed"])
            points.setdefault((*key, int(row["place"])), {})[row["seed"]] = row["error"]
    return [
        {
            **dict(zip((*names, "batches"), key, strict=True)),
            **dict(zip(("error", "low", "high"), mean_interval([*values.values()])[:3], strict=True)),
        }
        for key, values in points.items()
        if len(values) > 1 and values.keys() == seeds[key[:-1]]
    ]


def _pairs(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return, by set and predictor, the error of each pair of models, over all cells and seeds; the worst first."""
    sums: dict[tuple[str, str, str], list[float]] = {}
    for row in rows:
        if row["part"] == "pair" and isfinite(row["error"]):
            total = sums.setdefault((row["set"], row["predictor"], row["place"]), [0.0, 0.0, 0.0, 0.0])
            weights = (1.0, row["error"], row["bias"], row["slowdown"])
            for i, value in enumerate(weights):
                total[i] += row["batches"] * value
    found = [
        {
            "set": group,
            "predictor": predictor,
            "pair": pair,
            "batches": round(n),
            "error": error / n,
            "bias": bias / n,
            "slowdown": slowdown / n,
        }
        for (group, predictor, pair), (n, error, bias, slowdown) in sums.items()
    ]
    return sorted(found, key=lambda row: (row["set"], row["predictor"], -row["error"]))


# Pairs and live runs --------------------------------------------------------------------------------------------------


def summarise_pairs(rows: Sequence[Row], level: float = 0.95) -> dict[str, Any]:
    """Return the mean errors on pairs, by truth, split and predictor, and the verdicts.

    Args:
        rows: From `study_1.pairs.judge_pairs`.
        level: Confidence that holds for all truths of a hypothesis together.
    """
    found: dict[tuple[str, str, str], dict[str, float]] = {}
    for row in rows:
        found.setdefault((row["truth"], row["split"], row["predictor"]), {})[row["replicate"]] = row["error"]
    truths = list(dict.fromkeys(row["truth"] for row in rows))
    each_level = simultaneous_level(level, len(truths))
    errors = []
    for (truth, split, predictor), by_replicate in found.items():
        values = np.array(list(by_replicate.values()))
        low, high = mean_interval(values)[1:3] if len(values) > 1 else (None, None)
        place = {"truth": truth, "split": split, "predictor": predictor, "replicates": len(values)}
        errors.append({**place, "error": float(values.mean()), "low": low, "high": high})
    verdicts = []
    replicates = {truth: dict.fromkeys(row["replicate"] for row in rows if row["truth"] == truth) for truth in truths}
    for hypothesis in PAIR_HYPOTHESES:
        for truth in truths:

            def get(predictor: str, split: str, truth: str = truth) -> Values:
                own = found[truth, split, predictor]
                return np.array([own.get(name, np.nan) for name in replicates[truth]])  # alike for all predictors

            claims = [_judged(text, figure(get), each_level) for text, figure in hypothesis.claims]
            verdicts.append(
                {"hypothesis": hypothesis.name, "truth": truth, "verdict": _verdict(claims), "claims": claims}
            )
    texts = {each.name: each.text for each in PAIR_HYPOTHESES}
    return {"hypotheses": texts, "verdicts": verdicts, "errors": errors}


def summarise_logs(rows: Sequence[Row]) -> dict[str, Any]:
    """Return the figures of live runs and the verdicts; intervals were made with the rows (`study_1.measured`)."""
    verdicts = []
    places = list(dict.fromkeys((row["card"], row["load"], row["part"]) for row in rows if row["figure"] == "claim"))
    for hypothesis in LOG_HYPOTHESES:
        for place in places:
            mine = [
                row
                for row in rows
                if (row["card"], row["load"], row["part"]) == place
                and (row["figure"], row["predictor"]) == ("claim", hypothesis.name)
            ]
            claims = [
                {"claim": text, "holds": _holds(row["low"], row["high"]), "mean": row["value"], "low": row["low"],
                 "high": row["high"]}
                for (text, _), row in zip(hypothesis.claims, mine, strict=False)
            ]  # fmt: skip
            if claims:
                where = {"card": place[0], "load": place[1], "part": place[2]}
                verdicts.append({"hypothesis": hypothesis.name, **where, "verdict": _verdict(claims), "claims": claims})
    return {
        "hypotheses": {each.name: each.text for each in LOG_HYPOTHESES},
        "verdicts": verdicts,
        "figures": [row for row in rows if row["figure"] != "claim"],
    }


def _holds(low: float | None, high: float | None) -> bool | None:
    if low is None or high is None:
        return None
    return True if high < 0 else False if low > 0 else None
