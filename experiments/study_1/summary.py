"""What study 1 found: a verdict on every hypothesis in every cell, and the errors that it rests on."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from stratsim.stats.comparison import simultaneous_level
from stratsim.stats.intervals import mean_interval
from study_1.errors import LARGE, QUANTILES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from study_1.errors import Row

    Values = NDArray[np.float64]

__all__ = ["CELL", "HYPOTHESES", "Hypothesis", "summarise"]

CELL = ("set", "load", "slots", "behaviour", "mix")
"""The settings that make a cell."""
RECOVERED = 1.25
"""A predictor has recovered once its error is below this many times its settled one."""
BETTER = 2 / 3
"""A third better."""
_MEANS = ("bias", "large_under", "large_over", "worst_under", "worst_over", "excess_error", "slowdown", *QUANTILES)
_PLAIN = ("all", "before", "after", "at once", "recovering", "later", "settled")


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


Claim = tuple[str, "Callable[[_Cell, str], Values]"]
"""What is said, and the figure that is below zero, in the mean over seeds, if it is true."""


class Hypothesis(NamedTuple):
    """A hypothesis: all of its claims must hold."""

    name: str
    text: str
    mix: str
    """The cells that it is about."""
    kind: str
    """The kind of prediction that it is judged by; the others are told beside it."""
    claims: tuple[Claim, ...]


def _in_between(ewma: str) -> tuple[Claim, ...]:
    return (
        (f"{ewma} is better than gpulet", lambda c, k: c.get(ewma, k, "all") - c.get("gpulet", k, "all")),
        (f"rls is better than {ewma}", lambda c, k: c.get("rls", k, "all") - c.get(ewma, k, "all")),
    )


HYPOTHESES = (
    Hypothesis(
        "H1",
        "coarse static prediction underestimates, by more than 60 % at worst",
        "stationary",
        "snapshot",
        (
            ("gpulet is biased downwards", lambda c, k: c.get("gpulet", k, "all", "bias")),
            ("the worst underestimate is past 60 %", lambda c, k: LARGE - c.get("gpulet", k, "all", "worst_under")),
        ),
    ),
    Hypothesis("H2a", "EWMA of features lies in between", "stationary", "dispatch", _in_between("ewma-features")),
    Hypothesis("H2b", "EWMA of pairs lies in between", "stationary", "dispatch", _in_between("ewma-pairs")),
    Hypothesis(
        "H3",
        "static prediction degrades when the mix shifts",
        "shifting",
        "realised",
        (("gpulet is worse after", lambda c, k: c.get("gpulet", k, "before") - c.get("gpulet", k, "after")),),
    ),
    Hypothesis(
        "H4",
        "RLS recovers within 1 / (1 - lambda) batches and is then a third better",
        "shifting",
        "realised",
        (
            ("rls has recovered", lambda c, k: c.get("rls", k, "recovering") - RECOVERED * c.get("rls", k, "settled")),
            ("rls is a third better", lambda c, k: c.get("rls", k, "later") - BETTER * c.get("gpulet", k, "later")),
        ),
    ),
)


def summarise(rows: Sequence[Row], level: float = 0.95) -> dict[str, Any]:
    """Return the study's figures.

    Args:
        rows: Of all cells and seeds, from `run_cell`.
        level: Confidence that holds for all cells of a hypothesis together (Bonferroni). Claims of one hypothesis are
            not counted: all must hold.

    Returns:
        `verdicts` (per hypothesis, cell and kind of prediction), `errors` (per cell, predictor, kind and part: means
        over seeds), `course` (per cell, predictor and batches since the shift) and `pairs` (per set and predictor:
        which pairs are predicted worst).
    """
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple([row[name] for name in CELL]), []).append(row)
    cells = {key: _Cell(group) for key, group in groups.items()}
    kinds = list(dict.fromkeys(row["kind"] for row in rows))
    return {
        "provenance": "synthetic: simulated devices",
        "hypotheses": {each.name: each.text for each in HYPOTHESES},
        "verdicts": [row for each in HYPOTHESES for row in _verdicts(each, cells, kinds, level)],
        "errors": [row for key, cell in cells.items() for row in _errors(key, cell)],
        "course": _course(rows),
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
            claims = [_claim(text, figure(cell, kind), each_level) for text, figure in hypothesis.claims]
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


def _claim(text: str, values: Values, level: float) -> dict[str, Any]:
    """Return the interval of what should be below zero, over the seeds that have it, and what it says."""
    known = values[np.isfinite(values)]
    if len(known) < 2:
        return {"claim": text, "holds": None, "mean": None, "low": None, "high": None, "seeds": len(known)}
    interval = mean_interval(known, level)
    holds = True if interval.high < 0 else False if interval.low > 0 else None
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


def _course(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the mean error over seeds, with its 95 % interval, by number of batches since the shift."""
    points: dict[tuple[Any, ...], list[float]] = {}
    for row in rows:
        if row["part"] == "course":
            key = (*[row[name] for name in CELL], row["predictor"], int(row["place"]))
            points.setdefault(key, []).append(row["error"])
    return [
        {
            **dict(zip((*CELL, "predictor", "batches"), key, strict=True)),
            **dict(zip(("error", "low", "high"), mean_interval(values)[:3], strict=True)),
        }
        for key, values in points.items()
        if len(values) > 1
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
