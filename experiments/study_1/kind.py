"""The kind of study `predictors`: axes are the settings of `run_cell`, and every run makes its own device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stratsim.errors import SpecError
from stratsim.experiment.grid import Task, combinations, sha256
from stratsim.experiment.kinds import Kind
from stratsim.experiment.study_1.cell import SETTINGS, check_settings, run_cell
from stratsim.experiment.study_1.errors import COLUMNS
from stratsim.experiment.study_1.report import figures, tables
from stratsim.experiment.study_1.summary import summarise

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stratsim.experiment.kinds import Context
    from stratsim.experiment.store import Row
    from stratsim.experiment.study import Study

__all__ = ["KIND"]

_TEXT = ("set", "behaviour", "mix", "predictor", "kind", "part", "place")
_WHOLE = ("slots", "seed", "alone", "censored", "judged", "batches")


def check(study: Study, source: object) -> None:
    """Refuse what such a study cannot have.

    Raises:
        SpecError: names `source` and the path inside it.
    """
    for part in ("policies", "base", "workload", "profiles"):
        if getattr(study, part):
            raise SpecError(f"{source}: a study of predictors has none - at $.{part}")
    for settings in combinations(study):
        try:
            check_settings(settings)
        except SpecError as error:
            raise SpecError(f"{source}: {error} - at $.axes") from None


def columns(study: Study) -> list[str]:  # noqa: ARG001 (the same in all)
    """Return the columns of the table of runs."""
    return [*SETTINGS, "seed", *COLUMNS]


def results(study: Study, context: Context, rows: Sequence[Row]) -> list[Task]:  # noqa: ARG001 (nothing to choose)
    """Return all runs."""
    return [_task(settings, seed) for settings in combinations(study) for seed in study.seeds.results]


def _task(settings: dict[str, Any], seed: int) -> Task:
    name = sha256({"kind": "predictors", "settings": settings, "seed": seed})
    slots = settings.get("slots", SETTINGS["slots"])
    shown = {key: str(value) for key, value in settings.items()}
    base = {"max_concurrency": slots}
    return Task(name, {"cell": shown, "setting": "all predictors", "base": base, "settings": settings, "seed": seed})


def run(settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Run a task and return its rows."""
    return run_cell(settings["settings"], settings["seed"])


def summarise_rows(study: Study, rows: Sequence[Row]) -> dict[str, Any]:
    """Return the summary of rows as they are in the table."""
    return summarise([_typed(row) for row in rows], study.analysis.level)


def _typed(row: Mapping[str, str]) -> dict[str, Any]:
    """Return a row with numbers for texts; figures that do not exist are left out."""
    found: dict[str, Any] = {name: row[name] for name in _TEXT} | {name: int(row[name]) for name in _WHOLE}
    numbers = {name: float(row[name]) for name in columns_of_numbers(row) if row[name]}
    return found | numbers


def columns_of_numbers(row: Mapping[str, str]) -> list[str]:
    """Return the names of the columns that hold numbers with fractions."""
    return [name for name in (*SETTINGS, *COLUMNS) if name in row and name not in (*_TEXT, *_WHOLE)]


def estimate(study: Study, context: Context) -> dict[str, int]:
    """Return the number of runs."""
    return {results.__name__: len(results(study, context, []))}


KIND = Kind(
    columns=columns,
    stages=(results,),
    run=run,
    summarise=summarise_rows,
    tables=tables,
    figures=figures,
    estimate=estimate,
    check=check,
    conditions=False,
    code=("experiment/study_1", "experiment/behaviour.py", "experiment/log.py", "experiment/prequential.py"),
)
