"""`stratsim policy list`."""

from __future__ import annotations

import click

__all__ = ["list"]


@click.command()
def list() -> None:  # noqa: A001 (the command's name)
    """List the registered policies: ours and those of installed plug-ins."""
    from stratsim.cli.text import table
    from stratsim.policy.registry import describe, registered

    rows = []
    for name in registered():
        about = describe(name)
        rows.append([name, about.summary, about.source])
    table(("name", "what it does", "source"), rows, left=3)
