"""`stratsim sweep`: one module per command."""

import click

from stratsim.cli.lazy import LazyGroup

__all__ = ["sweep"]


@click.group(
    cls=LazyGroup,
    package="stratsim.cli.sweep",
    commands={
        "run": "Run a sweep, or what is missing of it, and say what came out.",
        "resume": "Go on with what is in a folder.",
        "plan": "Say how many runs a sweep has, and how long they will take.",
        "show": "Print the tables of a sweep again.",
        "replay": "Repeat one run and keep all of its requests.",
    },
)
def sweep() -> None:
    """Run sweeps: many policies under many conditions (docs/how-to/run-an-experiment.md)."""
