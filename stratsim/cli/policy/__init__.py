"""`stratsim policy`: one module per command."""

import click

from stratsim.cli.lazy import LazyGroup

__all__ = ["policy"]


@click.group(
    cls=LazyGroup,
    package="stratsim.cli.policy",
    commands={
        "list": "List the policies.",
        "show": "Show what a policy does, its parameters and its source.",
    },
)
def policy() -> None:
    """List the policies and show what they do."""
