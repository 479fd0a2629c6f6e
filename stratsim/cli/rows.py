"""The option `--rows` of commands that read a sweep's folder."""

from __future__ import annotations

import click

__all__ = ["rows_option"]

rows_option = click.option(
    "--rows",
    type=click.Choice(("current", "all")),
    default="current",
    show_default=True,
    help="Of a sweep's folder: what it asks for now, or rows of an earlier profile, trace, policy or sweep file too.",
)
"""Adds it to a command, which gets `rows`."""
