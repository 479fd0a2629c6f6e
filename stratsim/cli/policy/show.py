"""`stratsim policy show`."""

from __future__ import annotations

import click

from stratsim.cli.text import echo

__all__ = ["show"]


@click.command(
    epilog="""\b
Examples:
  stratsim policy show priority-edf
  stratsim policy show my_policy.py:MyPolicy
"""
)
@click.argument("name")
def show(name: str) -> None:
    """Show what policy NAME does, its parameters with their defaults, and its source.

    NAME is a registered policy or FILE.py:CLASS.
    """
    from stratsim.cli.text import heading, table
    from stratsim.plugins import allow_code
    from stratsim.policy.registry import describe, registered

    allow_code(name)
    about = describe(name)
    echo(f"{name}: {about.text}")
    if name in registered():
        echo(f"\nClass: {registered()[name]}")
    if about.parameters:
        heading("Parameters")
        table(("name", "default"), about.parameters, left=2)
    heading("Asked for decisions")
    echo(f"after: {', '.join(about.wakes)}; and at its own timers")
