"""`stratsim experiment`: one module per command."""

import click

from stratsim.cli.lazy import LazyGroup

__all__ = ["experiment"]


@click.group(
    cls=LazyGroup,
    package="stratsim.cli.experiment",
    commands={
        "run": "Run a study, or what is missing of it, and say what came out.",
        "plan": "Say how many runs a study has, and how long they will take.",
        "show": "Print the tables of a study again.",
        "replay": "Repeat one run of a study and keep all of its requests.",
    },
)
def experiment() -> None:
    """Run studies: many policies under many conditions, with statistics (docs/how-to/run-an-experiment.md)."""
