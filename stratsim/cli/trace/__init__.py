"""`stratsim trace`: one module per command."""

import click

from stratsim.cli.lazy import LazyGroup

__all__ = ["trace"]


@click.group(
    cls=LazyGroup,
    package="stratsim.cli.trace",
    commands={
        "inspect": "Show what a trace holds: rate, burstiness, models, deadlines.",
        "convert": "Rewrite a trace in stratsim's own format.",
        "generate": "Generate a trace from arrival processes.",
        "fetch": "Download a public trace and check its sha256.",
    },
)
def trace() -> None:
    """Inspect, convert, generate and fetch traces."""
