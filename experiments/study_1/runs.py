"""The runs of study 1 as its file says them: every combination of axes and seeds, and the rows that they give."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any

from stratsim.errors import SpecError
from stratsim.model.codec import decode
from stratsim.results.sweep_folder import Description
from stratsim.run.spec import read_config
from stratsim.sweep.file import quickened
from stratsim.sweep.runs import Task
from stratsim.sweep.settings import canonical, sha256
from stratsim.sweep.store import KEY
from study_1.cell import SETTINGS, check_settings, run_cell
from study_1.errors import COLUMNS as ERRORS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from stratsim.sweep.store import Row

__all__ = ["COLUMNS", "DESCRIPTION", "Study", "load_study", "make_study", "run", "tasks", "typed"]

_TEXT = ("set", "behaviour", "mix", "predictor", "kind", "part", "place")
_WHOLE = ("slots", "seed", "alone", "censored", "judged", "batches")
_PLACE = ("predictor", "kind", "part", "place")
COLUMNS = (KEY, *SETTINGS, "seed", *ERRORS)
"""Of results.csv."""
DESCRIPTION = Description(
    axes=tuple(SETTINGS),
    conditions=(),
    choices=_PLACE,
    figures=tuple(name for name in ERRORS if name not in _PLACE),
)


@dataclass(frozen=True, slots=True)
class Study:
    """The study as its file says it.

    Args:
        title: One line.
        seeds: Of everything that is drawn.
        axes: Values by setting of a cell, all combined; a list of such tables is their union.
        quick: What replaces parts of the file with `--quick`.
        description: As long as is needed.
    """

    title: str
    seeds: list[int]
    axes: list[dict[str, list[Any]]]
    quick: dict[str, Any] = field(default_factory=dict)
    description: str = ""

    def cells(self) -> list[dict[str, Any]]:
        """Return the settings of every cell, each once."""
        found = [dict(zip(grid, values, strict=True)) for grid in self.axes for values in product(*grid.values())]
        return list({canonical(each): each for each in found}.values())


def load_study(path: Path, *, quick: bool = False) -> tuple[Study, dict[str, Any]]:
    """Read the study; return it and the plain data that it was made from.

    Raises:
        SpecError: names the file and the path inside it.
    """
    data = read_config(path)
    make_study(data, path)
    if quick:
        data = quickened(data, ("seeds", "axes"), path)
    return make_study(data, path), data


def make_study(data: Mapping[str, Any], source: object) -> Study:
    """Return the study that plain data describes.

    Raises:
        SpecError: names `source` and the path inside it.
    """
    study = decode(dict(data), Study, source)
    for settings in study.cells():
        try:
            check_settings(settings)
        except SpecError as error:
            raise SpecError(f"{source}: {error} - at $.axes") from None
    return study


def tasks(study: Study) -> list[Task]:
    """Return all runs, in the order of the table."""
    made = [(settings, seed) for settings in study.cells() for seed in study.seeds]
    return [Task(sha256({"study": 1, "settings": settings, "seed": seed}), (settings, seed)) for settings, seed in made]


def run(task: tuple[Mapping[str, Any], int]) -> list[dict[str, Any]]:
    """Make a run, in a worker, and return its rows."""
    settings, seed = task
    return run_cell(settings, seed)


def typed(row: Row) -> dict[str, Any]:
    """Return a row with numbers for texts; figures that do not exist are left out."""
    found: dict[str, Any] = {name: row[name] for name in _TEXT} | {name: int(row[name]) for name in _WHOLE}
    numbers = [name for name in (*SETTINGS, *ERRORS) if name not in (*_TEXT, *_WHOLE) and row[name]]
    return found | {name: float(row[name]) for name in numbers}
