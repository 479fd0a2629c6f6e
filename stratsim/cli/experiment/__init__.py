"""`stratsim experiment`: one module per command."""

import click

from stratsim.cli.lazy import LazyGroup

__all__ = ["experiment"]


@click.group(
    cls=LazyGroup,
    package="stratsim.cli.experiment",
    commands={
        "run": "Run a study or a sweep, or what is missing of it, and say what came out.",
        "resume": "Go on with what is in a folder.",
        "plan": "Say how many runs a study or a sweep has, and how long they will take.",
        "show": "Print the tables of a study or a sweep again.",
        "replay": "Repeat one run and keep all of its requests.",
    },
)
def experiment() -> None:
    """Run studies and sweeps: many policies under many conditions (docs/how-to/run-an-experiment.md)."""
