"""Makes a report: reads a folder, puts the page together, writes it whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from stratsim.explain.parts import read_run
from stratsim.model.write import check_out, write_text
from stratsim.results.machine import find_machine
from stratsim.results.read import read_results
from stratsim_plots.report.figures import Drawn, draw_figures
from stratsim_plots.report.page import Content, page
from stratsim_plots.report.worst import find_worst
from stratsim_plots.series import Options, select

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

__all__ = ["Made", "make_report"]


class Made(NamedTuple):
    """What was written."""

    path: Path
    notes: tuple[str, ...]
    """What the page lacks, one line each."""


def make_report(
    directory: str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    *,
    policies: Sequence[str] = (),
    worst: int = 5,
    overwrite: bool = False,
) -> Made:
    """Write the report of a result folder.

    Args:
        directory: The result folder.
        out: The page; `report.html` in the folder by default.
        policies: Only these; all if empty.
        worst: How many requests of each policy, class and way to fail to explain.
        overwrite: Replace `out`.

    Raises:
        SpecError: no result folder, a broken one, or a policy that it does not hold.
        OutputError: `out` cannot be written, or exists and `overwrite` is false.
    """
    stored = read_results(directory)
    path = Path(directory) / "report.html" if out is None else Path(out)
    check_out(path, overwrite=overwrite)
    chosen = select([stored], policies)
    machine = find_machine(stored)
    runs = [read_run(stored, series.policy, machine) for series in chosen]
    drawn: Drawn = draw_figures(stored, Options(policies=tuple(policies)))
    found = [find_worst(run, worst) for run in runs]
    content = Content(stored, chosen, runs, drawn, found)
    write_text(page(content), path, overwrite=overwrite)
    return Made(path, (*machine.notes, *drawn.notes))
