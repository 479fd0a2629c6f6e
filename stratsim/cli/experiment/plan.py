"""`stratsim experiment plan`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from stratsim.cli.experiment.output import show_saturations
from stratsim.cli.text import duration, heading, number, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratsim.experiment.plain_sweep.spec import Sweep
    from stratsim.experiment.planning import PolicyPlan

__all__ = ["plan"]


_EXAMPLES = """\b
Examples:
  stratsim experiment plan study.toml --jobs 8
  stratsim experiment plan study.toml --quick --no-time
  stratsim experiment plan sweep.toml --set sweep.seeds=[1,2,3]
"""


@click.command("plan", epilog=_EXAMPLES)
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, metavar="N", help="Processes.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A setting or path in FILE; wins over it.")
@click.option("--quick", is_flag=True, help="The study's own short version: its [quick] table.")
@click.option("--no-time", is_flag=True, help="Count only: no run to see how fast policies are.")
def plan(file: Path, jobs: int, settings: tuple[str, ...], quick: bool, no_time: bool) -> None:
    """Say how many runs the study or sweep in FILE has, and how long they will take.

    The time is estimated from one short run of every policy, in the first cell that it is in. A study without policies
    (kind `predictors`) is only counted.
    """
    from stratsim.cli.experiment.files import load_experiment
    from stratsim.experiment.planning import make_plan
    from stratsim.experiment.study import Study

    study, _ = load_experiment(file, settings, quick=quick)
    if not isinstance(study, Study):
        _plan_sweep(study, file, jobs, timed=not no_time)
        return
    found = make_plan(study, timed=not no_time)
    heading(study.title)
    click.echo(f"cells {found.cells}, " + ", ".join(f"{stage} runs {count}" for stage, count in found.runs.items()))
    show_saturations(found.saturations.values())
    if not found.policies:
        click.echo(f"no time is estimated: runs of a study of {study.kind} are not timed")
        return
    _show_policies(found.policies)
    timed = [each.total_s for each in found.policies if each.seconds is not None]
    if timed:
        click.echo()
        click.echo(f"about {duration(sum(timed) / jobs)} with {jobs} job{'s' * (jobs > 1)}")


def _plan_sweep(sweep: Sweep, file: Path, jobs: int, *, timed: bool) -> None:
    from stratsim.experiment.plain_sweep.estimate import seconds_of
    from stratsim.experiment.plain_sweep.plan import make_plan

    found = make_plan(sweep, file)
    least, most = found.counts()
    heading(sweep.title)
    click.echo(f"cells {len(found.cells)}, runs {least}" + (f" to {most}" if most > least else ""))
    if not timed:
        return
    least_s, most_s = seconds_of(found)
    until = f" to {duration(most_s / jobs)}" if most > least else ""
    click.echo(f"about {duration(least_s / jobs)}{until} with {jobs} job{'s' * (jobs > 1)}")


def _show_policies(policies: Sequence[PolicyPlan]) -> None:
    """Print what each policy costs, and why one could not be timed."""
    rows = [
        (each.name, each.role, str(each.trials), str(each.runs), number(each.seconds), _total(each))
        for each in policies
    ]
    heading("Policies")
    table(("policy", "role", "trials", "runs", "s per run", "all runs"), rows, left=2)
    for each in policies:
        if each.failure is not None:
            click.echo(f"note: {each.name} cannot be timed: {each.failure}", err=True)


def _total(policy: PolicyPlan) -> str:
    return "-" if policy.seconds is None else duration(policy.total_s)
