"""`stratsim topology`: one module per command."""

import click

from stratsim.cli.lazy import LazyGroup

__all__ = ["topology"]


@click.group(
    cls=LazyGroup,
    package="stratsim.cli.topology",
    commands={
        "list": "List the topologies that come with stratsim.",
        "show": "Draw a topology: which GPUs share which links.",
    },
)
def topology() -> None:
    """List and show topologies: the links between the GPUs and the host (`stratsim replay --topology`)."""
