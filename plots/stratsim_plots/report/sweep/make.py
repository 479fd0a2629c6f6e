"""Makes the page of a sweep: reads the table, puts the sections together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from stratsim.compare.sweep import read_sweep
from stratsim.results.sweep_folder import read_manifest
from stratsim_plots.report.document import document
from stratsim_plots.report.sweep import sections
from stratsim_plots.report.sweep.cells import cells_of
from stratsim_plots.report.sweep.lines import draw_lines
from stratsim_plots.sources import origin_of

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

__all__ = ["Chosen", "sweep_page"]


class Chosen(NamedTuple):
    """Which runs of a sweep the page shows, and how."""

    policies: Sequence[str] = ()
    where: Sequence[str] = ()
    """Conditions `COLUMN=VALUE`."""
    x: str | None = None
    """The axis of the lines; by default the load, or the first that varies."""
    rows: str = "current"
    """Which rows: `current`, what the sweep asks for now, or `all`."""


def sweep_page(path: str | os.PathLike[str], chosen: Chosen, worst: int) -> tuple[str, tuple[str, ...]]:
    """Return the page of a sweep, and what it lacks, a line each.

    Args:
        path: The sweep's folder, or its results.csv.
        chosen: Which runs.
        worst: How many of the worst runs of each class are listed.

    Raises:
        SpecError: it cannot be read, or has no such runs or axis.
        OutputError: the folder is of another format.
    """
    folder = Path(path).parent if Path(path).suffix == ".csv" else Path(path)
    manifest = read_manifest(folder)
    table = read_sweep(path, chosen.where, chosen.rows).only(chosen.policies)
    cells = cells_of(table, chosen.x)
    origin = origin_of([path])
    drawn = draw_lines(cells, origin)
    name = folder.resolve().name
    found = [*table.notes, *(f"only runs with {condition}" for condition in chosen.where), *drawn.notes]
    parts = [
        ("figures", "Figures", drawn.html),
        ("summary", "Summary", sections.summary(cells)),
        *([("worst", "Worst runs", sections.worst(table, cells, str(folder), worst))] if worst else []),
        ("again", "Run it again", sections.again(manifest, table, cells, str(folder))),
        ("notes", "Notes", sections.notes(found)),
    ]
    return document(f"Report: {name}", sections.head(name, manifest, table, cells, origin), parts), (
        *table.notes,
        *drawn.notes,
    )
