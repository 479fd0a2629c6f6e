"""`stratsim device`: one module per command."""

import click

from stratsim.cli.lazy import LazyGroup

__all__ = ["device"]


@click.group(
    cls=LazyGroup,
    package="stratsim.cli.device",
    commands={
        "list": "List the device models.",
        "show": "Show how a device model works, its options and its source.",
    },
)
def device() -> None:
    """List the device models, which say how co-located batches slow each other, and show how they work."""
