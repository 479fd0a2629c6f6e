"""Makes a report: reads folders, puts the page together, writes it whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from stratsim.compare.sweep import is_sweep
from stratsim.errors import SpecError
from stratsim.explain.parts import read_run
from stratsim.model.write import check_out, write_text
from stratsim.results.machine import find_machine
from stratsim.results.read import read_results
from stratsim_plots.report.figures import draw_figures
from stratsim_plots.report.intervals import judge
from stratsim_plots.report.page import Content, page
from stratsim_plots.report.sweep.make import Chosen, sweep_page
from stratsim_plots.report.worst import find_worst
from stratsim_plots.series import Options, select

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratsim.results.read import StoredResults

__all__ = ["Made", "make_report"]


class Made(NamedTuple):
    """What was written."""

    path: Path
    notes: tuple[str, ...]
    """What the page lacks, one line each."""


def make_report(
    directories: Sequence[str | os.PathLike[str]] | str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    *,
    policies: Sequence[str] = (),
    worst: int = 5,
    overwrite: bool = False,
    where: Sequence[str] = (),
    x: str | None = None,
    rows: str = "current",
) -> Made:
    """Write the report of result folders on one page, or that of a sweep.

    Args:
        directories: The result folders, or the only one; or one sweep.
        out: The page; `report.html` in the folder by default, where there is one.
        policies: Only these; all if empty.
        worst: How many requests of each policy, class and way to fail to explain; how many runs of a sweep to list.
        overwrite: Replace `out`.
        where: Conditions `COLUMN=VALUE` that a sweep's runs must meet.
        x: The axis of a sweep's lines.
        rows: Which rows of a sweep's folder: `current` or `all` (`stratsim.compare.sweep`).

    Raises:
        SpecError: no result folder and no sweep, a broken one, one twice, or a policy, axis or condition that it lacks.
        OutputError: `out` cannot be written, or exists and `overwrite` is false.
    """
    paths = [directories] if isinstance(directories, (str, os.PathLike)) else list(directories)
    path = _place(paths, out)
    if len(paths) == 1 and is_sweep(paths[0]):
        check_out(path, overwrite=overwrite)
        text, lacks = sweep_page(paths[0], Chosen(policies, where, x, rows), worst)
        write_text(text, path, overwrite=overwrite)
        return Made(path, lacks)
    if (tuple(where), x, rows) != ((), None, "current"):
        raise SpecError("--where, --x and --rows choose among the runs of a sweep; result folders have no axes")
    stored = [_read(each) for each in paths]
    check_out(path, overwrite=overwrite)
    chosen = select(stored, policies)
    machines = {id(each): find_machine(each) for each in stored}
    runs = [read_run(series.results, series.policy, machines[id(series.results)]) for series in chosen]
    drawn = draw_figures(stored, Options(policies=tuple(policies)))
    found = [find_worst(run, worst) for run in runs]
    write_text(page(Content(stored, chosen, runs, judge(chosen), drawn, found)), path, overwrite=overwrite)
    notes = dict.fromkeys(note for machine in machines.values() for note in machine.notes)
    return Made(path, (*notes, *drawn.notes))


def _read(path: str | os.PathLike[str]) -> StoredResults:
    if is_sweep(path):
        raise SpecError(f"{path}: is a sweep, which has a page of its own: name it alone")
    return read_results(path)


def _place(paths: Sequence[str | os.PathLike[str]], out: str | os.PathLike[str] | None) -> Path:
    """Return where the page goes."""
    places = [Path(path).resolve() for path in paths]
    if twice := next((place for place in places if places.count(place) > 1), None):
        raise SpecError(f"{twice}: is named twice")
    if out is None and len(paths) > 1:
        raise SpecError("the page of several folders lies in none of them: say where it goes, with --out FILE")
    folder = Path(paths[0]).parent if Path(paths[0]).suffix == ".csv" else Path(paths[0])
    return folder / "report.html" if out is None else Path(out)
