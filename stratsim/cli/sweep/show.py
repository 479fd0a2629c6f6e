"""`stratsim sweep show`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from stratsim.cli.rows import rows_option
from stratsim.cli.sweep.output import show_summary
from stratsim.cli.text import echo

__all__ = ["show"]


_EXAMPLES = """\b
Examples:
  stratsim sweep show results/sweep
  stratsim sweep show results/sweep --subject mine.py:Mine
  stratsim sweep show results/sweep --json
"""


@click.command("show", epilog=_EXAMPLES)
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--subject", metavar="POLICY", help="Compare this policy with all others.  [default: the file's subject]")
@rows_option
@click.option("--json", "as_json", is_flag=True, help="Print the summary as one JSON object, and nothing else.")
def show(directory: Path, subject: str | None, rows: str, as_json: bool) -> None:
    """Print the tables of the sweeps in DIR again, computed anew from results.csv.

    A sweep that is still running shows the seeds so far.
    """
    from stratsim.results.sweep_folder import FORMAT
    from stratsim.sweep import read_sweeps, summarise

    found = [summarise(each, subject) for each in read_sweeps(directory, rows)]
    if as_json:
        echo(json.dumps({"sweep_format": FORMAT, "sweeps": found}, allow_nan=False))
        return
    for summary in found:
        show_summary(summary)
