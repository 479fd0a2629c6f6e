"""Runs a study or a sweep, draws the progress and prints what came out: for `run` and `resume`."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from stratsim.cli.experiment.output import show_saturations, show_sweep, show_tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from stratsim.experiment.plain_sweep.spec import Sweep
    from stratsim.experiment.study import Study

__all__ = ["execute_study", "execute_sweep"]


def execute_study(study: Study, record: Mapping[str, Any], out: Path, *, quiet: bool, **options: Any) -> int:
    """Run a study (`run_study` has the options) and return the exit status."""
    from stratsim.experiment.results import write_summary
    from stratsim.experiment.sweep import run_study

    with _progress(shown=not quiet) as progress:
        outcome = run_study(study, record, out, progress=progress, **options)
    summary, notes = write_summary(study, outcome, out)
    show_saturations(outcome.saturations.values())
    show_tables(study, summary)
    for note in notes:
        click.echo(f"note: {note}", err=True)
    return _end(outcome.made, outcome.failures, len(outcome.rows), out)


def execute_sweep(sweep: Sweep, record: Mapping[str, Any], out: Path, *, quiet: bool, **options: Any) -> int:
    """Run a sweep (`run_sweep` has the options) and return the exit status."""
    from stratsim.experiment.plain_sweep.run import run_sweep
    from stratsim.experiment.plain_sweep.summary import write_summary

    with _progress(shown=not quiet) as progress:
        outcome = run_sweep(sweep, record, out, progress=progress, **options)
    show_sweep(write_summary(outcome, out))
    return _end(outcome.made, outcome.failures, len(outcome.rows), out)


def _end(made: int, failures: Sequence[object], rows: int, out: Path) -> int:
    for failure in failures:
        click.echo(f"failed: {failure}", err=True)
    click.echo(f"{made} runs made, {len(failures)} failed, {rows} rows; written to {out}")
    return 1 if failures else 0


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
            bars.update(tasks[stage], completed=done, total=total)

        yield update
