"""`stratsim experiment show`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from stratsim.cli.experiment.output import show_saturations, show_tables

__all__ = ["show"]


_EXAMPLES = """\b
Examples:
  stratsim experiment show results/study
  stratsim experiment show results/study --json
"""


@click.command("show", epilog=_EXAMPLES)
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the summary as one JSON object, and nothing else.")
def show(directory: Path, as_json: bool) -> None:
    """Print the tables of the study in DIR again, computed anew from its results.csv.

    A study that is still running shows the cells that are complete.
    """
    from stratsim.experiment.results import read_results

    study, summary, points, rows = read_results(directory)
    if as_json:
        click.echo(json.dumps(summary, allow_nan=False))
        return
    show_saturations(points.values())
    if rows:
        show_tables(study, summary)
    if not (rows and summary.get("cells", True)):
        click.echo()
        click.echo(f"{rows} rows so far: no cell is complete" if rows else "there are no rows yet")
