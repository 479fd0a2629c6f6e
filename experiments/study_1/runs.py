"""The runs of study 1 as its file says them, of three kinds: simulated cells, pairs, and live runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from stratsim.errors import SpecError
from stratsim.model.codec import decode
from stratsim.policy.arguments import one_of
from stratsim.results.sweep_folder import Description
from stratsim.run.spec import read_config
from stratsim.sweep.file import quickened
from stratsim.sweep.runs import Task
from stratsim.sweep.settings import canonical, sha256
from stratsim.sweep.store import KEY
from study_1.cell import SETTINGS, check_settings, run_cell
from study_1.errors import COLUMNS as ERRORS
from study_1.logs import CARDS
from study_1.measured import COLUMNS as MEASURED_COLUMNS
from study_1.measured import judge_card
from study_1.pairs import COLUMNS as PAIR_COLUMNS
from study_1.pairs import MEASURED, TRUTHS, judge_pairs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stratsim.sweep.store import Row

__all__ = ["KINDS", "LOG_TEXTS", "PAIR_TEXTS", "Kind", "Study", "load_study", "make_study", "numbers", "typed"]

_TEXT = ("set", "behaviour", "mix", "predictor", "kind", "part", "place")
_WHOLE = ("slots", "seed", "alone", "censored", "judged", "batches")
_PLACE = ("predictor", "kind", "part", "place")
PAIR_TEXTS = ("truth", "replicate", "split", "predictor")
LOG_TEXTS = ("card", "part", "arm", "predictor", "figure", "place")
LOGS = Path(__file__).resolve().parents[2] / "docs" / "figures" / "fidelity-h200"
"""Where the live runs lie."""


class Kind(NamedTuple):
    """A kind of runs: the columns of its table, what they are, and how its runs are made."""

    folder: str
    columns: tuple[str, ...]
    description: Description
    tasks: Callable[[Study], list[Task]]
    run: Callable[[Any], list[dict[str, Any]]]
    code: tuple[str, ...]
    """Modules of this folder that its rows depend on."""


@dataclass(frozen=True, slots=True)
class Study:
    """The study as its file says it.

    Args:
        title: One line.
        seeds: Of everything that is drawn.
        truths: Whose pairs predictors are judged on (`study_1.pairs.TRUTHS`).
        axes: Values by setting of a cell, all combined; a list of such tables is their union.
        batches: Of each live run, the first so many; all by default.
        quick: What replaces parts of the file with `--quick`.
        description: As long as is needed.
    """

    title: str
    seeds: list[int]
    axes: list[dict[str, list[Any]]]
    truths: list[str] = field(default_factory=list)
    batches: int | None = None
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
        data = quickened(data, ("seeds", "axes", "truths", "batches"), path)
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
    for truth in study.truths:
        try:
            one_of("truth", truth, TRUTHS)
        except SpecError as error:
            raise SpecError(f"{source}: {error} - at $.truths") from None
    return study


def cell_tasks(study: Study) -> list[Task]:
    """Return the simulated runs, in the order of their table."""
    made = [(settings, seed) for settings in study.cells() for seed in study.seeds]
    return [Task(sha256({"study": 1, "settings": settings, "seed": seed}), (settings, seed)) for settings, seed in made]


def cell_rows(task: tuple[Mapping[str, Any], int]) -> list[dict[str, Any]]:
    """Make a simulated run, in a worker, and return its rows."""
    settings, seed = task
    return run_cell(settings, seed)


def pair_tasks(study: Study) -> list[Task]:
    """Return whose pairs are judged, by seed; those that were measured once."""
    made = [(truth, seed) for truth in study.truths for seed in (study.seeds if truth != MEASURED else [0])]
    return [Task(sha256({"study": 1, "pairs": truth, "seed": seed}), (truth, seed)) for truth, seed in made]


def pair_rows(task: tuple[str, int]) -> list[dict[str, Any]]:
    """Judge predictors on pairs, in a worker, and return the rows."""
    return judge_pairs(*task)


def log_tasks(study: Study) -> list[Task]:
    """Return the cards whose live runs are judged."""
    return [Task(sha256({"study": 1, "card": card, "batches": study.batches}), (card, study.batches)) for card in CARDS]


def log_rows(task: tuple[str, int | None]) -> list[dict[str, Any]]:
    """Judge predictors on the live runs of a card, in a worker, and return the rows."""
    return judge_card(LOGS, *task)


def typed(row: Row) -> dict[str, Any]:
    """Return a row with numbers for texts; figures that do not exist are left out."""
    found: dict[str, Any] = {name: row[name] for name in _TEXT} | {name: int(row[name]) for name in _WHOLE}
    numbers = [name for name in (*SETTINGS, *ERRORS) if name not in (*_TEXT, *_WHOLE) and row[name]]
    return found | {name: float(row[name]) for name in numbers}


def numbers(row: Row, columns: tuple[str, ...], texts: tuple[str, ...]) -> dict[str, Any]:
    """Return a row of pairs or live runs with numbers for texts; None where there is no figure."""
    return {name: row[name] if name in texts else float(row[name]) if row[name] else None for name in columns}


def _description(columns: tuple[str, ...], axes: tuple[str, ...], choices: tuple[str, ...]) -> Description:
    figures = tuple([name for name in columns if name not in (*axes, *choices)])
    return Description(axes=axes, conditions=(), choices=choices, figures=figures)


KINDS = {
    "cells": Kind(
        "", (KEY, *SETTINGS, "seed", *ERRORS), _description(ERRORS, tuple(SETTINGS), _PLACE), cell_tasks, cell_rows,
        ("arrivals", "behaviour", "cell", "coverage", "errors", "ladder", "sets"),
    ),
    "pairs": Kind(
        "pairs", (KEY, *PAIR_COLUMNS), _description(PAIR_COLUMNS, PAIR_TEXTS[:2], PAIR_TEXTS[2:]), pair_tasks,
        pair_rows, ("ladder", "pairs", "sets"),
    ),
    "logs": Kind(
        "logs", (KEY, *MEASURED_COLUMNS), _description(MEASURED_COLUMNS, LOG_TEXTS[:1], LOG_TEXTS[1:]), log_tasks,
        log_rows, ("claims", "coverage", "errors", "ladder", "logs", "measured"),
    ),
}  # fmt: skip
"""By name; each has a table of its own, in a folder of its own."""
