"""`stratsim sweep plan`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from stratsim.cli.sweep.output import show_saturations
from stratsim.cli.text import duration, echo, heading, number, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratsim.sweep.estimate import PolicyTime

__all__ = ["plan"]


_EXAMPLES = """\b
Examples:
  stratsim sweep plan sweep.toml --jobs 8
  stratsim sweep plan sweep.toml --quick --no-time
  stratsim sweep plan sweep.toml --set sweep.seeds=[1,2,3]
"""


@click.command("plan", epilog=_EXAMPLES)
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--jobs", type=click.IntRange(1, 1024), default=1, show_default=True, metavar="N", help="Processes.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A setting or path in FILE; wins over it.")
@click.option("--quick", is_flag=True, help="The file's own short version: its [quick] table.")
@click.option("--no-time", is_flag=True, help="Count only: no run to see how fast policies are.")
def plan(file: Path, jobs: int, settings: tuple[str, ...], quick: bool, no_time: bool) -> None:
    """Say how many runs the sweep in FILE has, and how long they will take.

    The time is estimated from one short run of every policy, in the first cell that it is in. What cannot run is said:
    every policy is prepared for every machine.
    """
    from stratsim.sweep import load_sweep, make_plan
    from stratsim.sweep.backends import Serial
    from stratsim.sweep.estimate import times, total_s
    from stratsim.sweep.refusals import refusals
    from stratsim.sweep.run import measure

    sweep, _ = load_sweep(file, settings, quick=quick)
    found = make_plan(sweep, file)
    least, most = found.counts()
    heading(sweep.title)
    echo(f"cells {len(found.cells)}, runs {least}" + (f" to {most}" if most > least else ""))
    for refusal in refusals(found):
        echo(f"note: {refusal}", err=True)
    if no_time:
        return
    show_saturations(measure(found, Serial()).values())
    policies = times(found)
    _show_policies(policies)
    least_s, most_s = total_s(found, policies)
    until = f" to {duration(most_s / jobs)}" if most > least else ""
    echo()
    echo(f"about {duration(least_s / jobs)}{until} with {jobs} job{'s' * (jobs > 1)}")


def _show_policies(policies: Sequence[PolicyTime]) -> None:
    """Print what each policy costs, and why one could not be timed."""
    rows = [
        (each.name, str(each.trials), number(None if each.seconds is None else 1000 * each.seconds))
        for each in policies
    ]
    heading("Policies")
    table(("policy", "trials", "s per 1000 requests"), rows, left=1)
    for each in policies:
        if each.failure is not None:
            echo(f"note: {each.name} cannot be timed: {each.failure}", err=True)
