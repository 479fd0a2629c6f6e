"""Writes what a validation found into a folder: report.md, cases.json, the data behind each figure, and the figures.

Figures are drawn by another package (entry point `validation` of group `stratsim.figures`): stratsim itself
does not need matplotlib.
"""

from __future__ import annotations

import csv
import json
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stratsim.errors import MissingExtraError, OutputError
from stratsim.model.write import check_folder, write_text, write_whole
from stratsim.plugins import points
from stratsim.validate.case import Case, Setting, Status, Table
from stratsim.version import __version__

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from stratsim.validate.run import Validation

__all__ = ["check_report", "write_report"]

REPORT, CASES = "report.md", "cases.json"
_IN_FULL = 20
"""Rows of the largest table that the report shows; longer ones are in their files only."""


def check_report(directory: str | os.PathLike[str]) -> None:
    """Make sure that a report can be written to `directory`: to be called before a long run.

    Raises:
        OutputError: it is no folder, or one that holds something other than an earlier report.
    """
    folder = Path(directory)
    check_folder(folder)
    if folder.is_dir() and any(folder.iterdir()) and not (folder / CASES).is_file():
        raise OutputError(f"{directory}: holds files but no earlier report ({CASES}); choose another folder")


def write_report(directory: str | os.PathLike[str], found: Validation, setting: Setting) -> list[str]:
    """Write the report and return what the user should know: notes of one line each.

    The files of an earlier report are replaced; others in the folder are kept.

    Raises:
        OutputError: the folder cannot be written to.
    """
    check_report(directory)
    folder = Path(directory)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for table in found.tables:
            write_whole(folder / f"{table.name}.csv", lambda path, table=table: _write_csv(path, table))  # type: ignore[misc]
        text = json.dumps({"cases": [case.as_dict() for case in found.cases]}, indent=2, ensure_ascii=False)
        write_text(text + "\n", folder / CASES, overwrite=True)
        drawn, notes = _draw(folder, [table.name for table in found.tables])
        report = "\n".join(_lines(found, setting, drawn, notes))
        write_text(report, folder / REPORT, overwrite=True)
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(f"{directory}: cannot be written: {error.strerror or error}") from error
    return notes


def _write_csv(path: Path, table: Table) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(table.columns)
        writer.writerows(table.rows)


def _draw(folder: Path, names: Sequence[str]) -> tuple[dict[str, list[str]], list[str]]:
    """Have the figures drawn; return their file names by table, and what kept them from being drawn."""
    point = points("stratsim.figures").get("validation")
    if point is None:
        return {}, ["no figures: this copy of stratsim comes without stratsim_plots"]
    try:
        draw: Any = point.load()
        return draw(folder, names), []
    except (MissingExtraError, ModuleNotFoundError) as error:
        return {}, [f"no figures: {error}; pip install 'stratsim[plots]' and validate again with --out"]


def _lines(found: Validation, setting: Setting, drawn: dict[str, list[str]], notes: Sequence[str]) -> list[str]:
    counts = ", ".join(f"{sum(case.status is status for case in found.cases)} {status}" for status in Status)
    effort = "quick: a quarter of the replications" if setting.quick else "all replications"
    lines = ["# Validation report", "", f"stratsim {__version__}: {counts} ({effort}).", ""]
    lines += ["What the cases are and how to read them: docs/results/validation.md. Data in cases.json.", ""]
    for suite, cases in groupby(found.cases, lambda case: case.suite):
        lines += [f"## {suite}", "", *_case_rows(list(cases)), ""]
    for table in found.tables:
        lines += [f"## {table.title}", "", *_figure(table, drawn.get(table.name, [])), *_table_rows(table), ""]
    return [*lines, *(f"Note: {note}" for note in notes), ""]


def _case_rows(cases: Sequence[Case]) -> list[str]:
    columns = ("result", "case", "unit", "expected", "ours", "error", "tolerance", "source", "remark")
    rows = []
    for case in cases:
        figures = [_number(value) for value in (case.expected, case.got, case.error, case.tolerance)]
        name = case.name.partition("/")[2]
        rows.append((case.status.value, name, case.unit, *figures, case.source, case.reason))
    return _markdown(columns, rows)


def _figure(table: Table, files: Sequence[str]) -> list[str]:
    shown = [name for name in files if name.endswith(".png")]
    return [f"![{table.title}]({name})" for name in shown] + ([""] if shown else [])


def _table_rows(table: Table) -> list[str]:
    where = f"Data: [{table.name}.csv]({table.name}.csv), {len(table.rows)} rows."
    if len(table.rows) > _IN_FULL:
        return [where]
    rows = [[_number(cell) if isinstance(cell, float) else str(cell) for cell in row] for row in table.rows]
    return [*_markdown(table.columns, rows), "", where]


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    return [line(columns), "|" + "---|" * len(columns), *(line(row) for row in rows)]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
