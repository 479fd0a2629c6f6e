"""The data behind the figures of a report, and having them drawn."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from stratsim.errors import MissingExtraError
from stratsim.fidelity.record import counted
from stratsim.model.write import write_text
from stratsim.plugins import points
from stratsim.run.manifest import origin_label

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from stratsim.engine import Result
    from stratsim.fidelity.report import Replayed

__all__ = ["Table", "draw", "tables"]

_POINTS = 101
"""Of a distribution."""
_ROW = ("model", "size", "profile_s", "judged_by_s")
_MEASURED = ("n", "mean_s", "low_s", "high_s", "median_s", "median_low_s", "median_high_s", "cv")
_SERVED = (*_ROW, *(f"{where}_{name}" for where in ("calibration", "runs") for name in _MEASURED))


class Table(NamedTuple):
    """A table with names of its columns."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


def tables(replayed: Sequence[Replayed], report: Mapping[str, Any]) -> dict[str, Table]:
    """Return the data of the figures by name; empty tables are left out."""
    cells = report["cells"]
    companies = [
        (_load(cell), cell["policy"], row["company"], row["n"], row["error"], row["median"], row["bias"])
        for cell in cells
        for row in cell["companies"]
    ]
    slowdowns = [
        (
            *(row[name] for name in ("model", "size", "company", "n", "measured", "predicted")),
            _load(cell),
            cell["policy"],
        )
        for cell in cells
        for row in cell["slowdowns"]
    ]
    served = [_flat(row) for row in report["served"]["rows"]]
    found = {
        "fidelity-cdf": Table(("load", "policy", "run", "repeat", "fraction", "latency_s"), list(_cdf(replayed))),
        "fidelity-errors": Table(("load", "policy", "figure", "error", "floor", "verdict"), list(_errors(cells))),
        "fidelity-corunners": Table(("load", "policy", "company", "n", "error", "median", "bias"), companies),
        "fidelity-slowdowns": Table(
            ("model", "size", "company", "n", "measured", "predicted", "load", "policy"), slowdowns
        ),
        "fidelity-served": Table(_SERVED, served),
    }
    return {name: table for name, table in found.items() if table.rows}


def draw(folder: Path, replayed: Sequence[Replayed], report: Mapping[str, Any]) -> list[str]:
    """Write the tables as CSV, and the figures next to them if they can be drawn.

    Returns:
        Notes on what was left out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made = tables(replayed, report)
    labels = {each.profile.name: origin_label(each.profile) for each in replayed}
    origin = "; ".join(f"{name}: {label}" for name, label in labels.items())
    for name, table in made.items():
        out = io.StringIO()
        rows = [[*row, origin] for row in table.rows]
        csv.writer(out, lineterminator="\n").writerows([[*table.columns, "origin"], *rows])
        write_text(out.getvalue(), folder / f"{name}.csv", overwrite=True)
    point = points("stratsim.figures").get("fidelity")
    if point is None:
        return ["no figures: the package that draws them is not installed"]
    try:
        point.load()(folder, list(made))
    except (MissingExtraError, ModuleNotFoundError) as error:
        return [f"no figures: {error}"]
    return []


def _flat(row: Mapping[str, Any]) -> tuple[Any, ...]:
    measured = [(row[where] or {}).get(name) for where in ("calibration", "runs") for name in _MEASURED]
    return (*(row[name] for name in _ROW), *("" if value is None else value for value in measured))


def _load(cell: Mapping[str, Any]) -> float | str:
    return "" if cell["load"] is None else cell["load"]


def _cdf(replayed: Sequence[Replayed]) -> Iterator[tuple[Any, ...]]:
    for each in replayed:
        load = "" if each.cell.load is None else each.cell.load
        for repeat, (run, free) in enumerate(zip(each.cell.runs, each.free, strict=True), start=1):
            chosen = counted(run)
            for name, result in (("live", run.result), ("simulated", free)):
                for fraction, latency_s in _quantiles(result, chosen):
                    yield load, each.cell.policy, name, repeat, fraction, latency_s


def _quantiles(result: Result, chosen: NDArray[np.bool_]) -> list[tuple[float, float]]:
    latency_s = (result.requests.finish_s - result.requests.arrival_s)[chosen]
    known = latency_s[~np.isnan(latency_s)]
    if not len(known):
        return []
    at = np.linspace(0.0, 1.0, _POINTS)
    return list(zip(at.tolist(), np.quantile(known, at).tolist(), strict=True))


def _errors(cells: Sequence[Mapping[str, Any]]) -> Iterator[tuple[Any, ...]]:
    for cell in cells:
        difference, floor = cell["differences"]["all"], cell["floor"]["all"]
        verdicts = cell["verdicts"]["end_to_end"]["all"]
        for name in ("p50", "p95", "p99"):
            if difference[name] is not None:
                limit = "" if floor[name] is None else floor[name]
                yield _load(cell), cell["policy"], name, difference[name], limit, verdicts.get(name, "")
