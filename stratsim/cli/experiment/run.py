"""`stratsim experiment run`."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stratsim.cli.experiment.output import show_saturations, show_tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["run"]


_EXAMPLES = """\b
Examples:
  stratsim experiment run study.toml --out results/study --jobs 8
  stratsim experiment run study.toml --out results/quick --quick
"""


@click.command("run", epilog=_EXAMPLES)
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--out", metavar="DIR", required=True, type=click.Path(path_type=Path), help="Where rows and figures go.")
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, metavar="N", help="Processes.")
@click.option("--quick", is_flag=True, help="The study's own short version: its [quick] table.")
@click.option("--fresh", is_flag=True, help="Forget the rows in DIR.")
@click.option("--trust", is_flag=True, help="Keep rows in DIR that other code made.")
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
def run(file: Path, out: Path, jobs: int, quick: bool, fresh: bool, trust: bool, quiet: bool) -> int:
    """Run the study in FILE and write results.csv, summary.json and figures to DIR.

    Runs whose rows are in DIR are not repeated, so a study that was interrupted goes on where it was. Exit status 1
    if a run failed; the others count.
    """
    from stratsim.experiment.results import write_summary
    from stratsim.experiment.study import load_study
    from stratsim.experiment.sweep import run_study

    study, record = load_study(file, quick=quick)
    with _progress(shown=not quiet) as progress:
        outcome = run_study(study, record, out, jobs=jobs, progress=progress, fresh=fresh, trust=trust)
    summary, notes = write_summary(study, outcome, out)
    show_saturations(outcome.saturations.values())
    show_tables(study, summary)
    for note in notes:
        click.echo(f"note: {note}", err=True)
    for failure in outcome.failures:
        click.echo(f"failed: {failure}", err=True)
    click.echo(f"{outcome.made} runs made, {len(outcome.failures)} failed, {len(outcome.rows)} rows; written to {out}")
    return 1 if outcome.failures else 0


@contextmanager
def _progress(*, shown: bool) -> Iterator[Callable[[str, int, int], None] | None]:
    """Yield a callback that draws a bar with the time left on a terminal, or None where nobody would look."""
    from stratsim.cli.text import is_terminal

    if not (shown and is_terminal(sys.stderr)):
        yield None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=Console(stderr=True)) as bars:
        tasks = {}

        def update(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done)

        yield update
