"""`stratsim device show`."""

from __future__ import annotations

import click

from stratsim.cli.text import echo

__all__ = ["show"]


@click.command(
    epilog="""\b
Examples:
  stratsim device show streams
  stratsim device show my_model.py:MyModel
"""
)
@click.argument("name")
def show(name: str) -> None:
    """Show how device model NAME works, what it needs of a profile, its options with their defaults, and its source.

    NAME is one of `stratsim device list` or FILE.py:CLASS.
    """
    from stratsim.cli.text import heading, table
    from stratsim.device.execution import describe_model
    from stratsim.plugins import allow_code

    allow_code(name)
    about = describe_model(name)
    echo(f"{name}: {about.text}")
    heading("A profile must have")
    echo(about.needs)
    if about.parameters:
        heading("Options")
        table(("name", "default"), about.parameters, left=2)
