"""`stratsim profile`: one module per command."""

import click

from stratsim.cli.lazy import LazyGroup

__all__ = ["profile"]


@click.group(
    cls=LazyGroup,
    package="stratsim.cli.profile",
    commands={
        "list": "List the profiles that come with stratsim.",
        "show": "Show a profile: models, latencies, provenance.",
        "pairs": "Run a simulated co-location campaign and write its pairs.",
    },
    elsewhere={"run": "Measure a GPU or CPU and fit its profile."},
    group="stratsim.profile_commands",
)
def profile() -> None:
    """List, show and extend device profiles."""
