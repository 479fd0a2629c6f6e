"""The folder of a study: what is written when runs have ended, and read again later."""

from __future__ import annotations

import csv
import io
import json
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from stratsim.errors import MissingExtraError, SpecError
from stratsim.experiment.kinds import find_kind
from stratsim.experiment.store import KEY, Store
from stratsim.experiment.study import make_study
from stratsim.model.write import write_text
from stratsim.run.manifest import study_manifest

if TYPE_CHECKING:
    from stratsim.experiment.kinds import Table
    from stratsim.experiment.study import Study
    from stratsim.experiment.sweep import Outcome

__all__ = ["Results", "read_results", "write_summary"]


def write_summary(study: Study, outcome: Outcome, out: Path) -> tuple[dict[str, Any], list[str]]:
    """Write summary.json, the data of the figures, and the figures if matplotlib is there.

    Returns:
        The summary, and notes on what was left out.
    """
    kind = find_kind(study.kind)
    summary = kind.summarise(study, outcome.rows)
    summary["saturations"] = list(outcome.saturations.values())
    write_text(json.dumps(summary, indent=1, allow_nan=False) + "\n", out / "summary.json", overwrite=True)
    folder = out / "figures"
    folder.mkdir(exist_ok=True)
    made = kind.figures(study, summary)
    labels = {point["profile"]: point["origin"] for point in outcome.saturations.values()}
    origin = "; ".join(f"{Path(name).name}: {label}" for name, label in labels.items())
    for name, table in made.items():
        write_text(_csv(table, origin), folder / f"{name}.csv", overwrite=True)
    return summary, _draw(folder, list(made))


class Results(NamedTuple):
    """What a study's folder holds."""

    study: Study
    summary: dict[str, Any]
    """Computed anew from the rows."""
    saturations: dict[str, dict[str, Any]]
    """Load 1.0, where the study has such loads."""
    rows: int
    """How many lines `results.csv` has so far."""


def read_results(out: Path) -> Results:
    """Return what a study's folder holds.

    Raises:
        SpecError: the folder holds no study.
    """
    none = SpecError(f"{out}: there is no study (`stratsim experiment run` makes one)")
    manifest = study_manifest(out / "manifest.json")
    if manifest is None:
        raise none
    try:
        study = make_study(manifest["study"], out / "manifest.json")
        kind = find_kind(study.kind)
        points = json.loads((out / "saturation.json").read_text(encoding="utf-8")) if kind.conditions else {}
    except (OSError, ValueError):
        raise none from None
    store = Store(out / "results.csv", [KEY, *kind.columns(study)])
    rows = [row for found in store.rows.values() for row in found]
    return Results(study, kind.summarise(study, rows), points, len(rows))


def _csv(table: Table, origin: str) -> str:
    """Return a table as CSV; its last column says of every profile whether it is measured, published or synthetic."""
    out = io.StringIO()
    rows = [[*row, origin] for row in table.rows]
    csv.writer(out, lineterminator="\n").writerows([[*table.columns, "origin"], *rows])
    return out.getvalue()


def _draw(folder: Path, names: list[str]) -> list[str]:
    """Draw what can be drawn; figures come from another package."""
    point = next(iter(entry_points(group="stratsim.figures", name="study")), None)
    if point is None:
        return ["no figures: the package that draws them is not installed"]
    try:
        point.load()(folder, names)
    except MissingExtraError as error:
        return [f"no figures: {error}"]
    return []
