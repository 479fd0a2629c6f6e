"""`stratsim predictor show`."""

from __future__ import annotations

import click

__all__ = ["show"]


@click.command(
    epilog="""\b
Examples:
  stratsim predictor show rls
  stratsim predictor show contended
  stratsim predictor show my_predictor.py:MyPredictor
"""
)
@click.argument("name")
def show(name: str) -> None:
    """Show what predictor NAME believes, its parameters with their defaults, and its source.

    NAME is a registered predictor or FILE.py:CLASS.
    """
    from stratsim.cli.text import heading, table
    from stratsim.predict.registry import PREDICTORS, TRANSFER_PREDICTORS

    of_copies = name in TRANSFER_PREDICTORS.registered()
    about = TRANSFER_PREDICTORS.describe(name) if of_copies else PREDICTORS.describe(name)
    click.echo(f"{name}: {about.text}")
    if about.parameters:
        heading("Parameters")
        table(("name", "default"), about.parameters, left=2)
