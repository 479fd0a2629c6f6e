"""`stratsim experiment show`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from stratsim.cli.experiment.output import show_saturations, show_sweep, show_tables

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
    """Print the tables of the study or the sweeps in DIR again, computed anew from results.csv.

    A study that is still running shows the cells that are complete, a sweep the seeds so far.
    """
    from stratsim.experiment.plain_sweep.run import sweeps_of

    if sweeps_of(directory) is not None:
        _show_sweeps(directory, as_json=as_json)
        return
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


def _show_sweeps(directory: Path, *, as_json: bool) -> None:
    from stratsim.experiment.plain_sweep.run import read_sweeps
    from stratsim.experiment.plain_sweep.summary import summarise

    found = [summarise(each) for each in read_sweeps(directory)]
    if as_json:
        click.echo(json.dumps({"sweeps": found}, allow_nan=False))
        return
    for summary in found:
        show_sweep(summary)
