"""`stratsim predictor show`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from stratsim.cli.text import echo

if TYPE_CHECKING:
    from stratsim.plugins import Registry

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
    """Show what predictor NAME estimates, its parameters with their defaults, and its source.

    NAME is a registered predictor or FILE.py:CLASS.
    """
    from stratsim.cli.text import heading, table
    from stratsim.plugins import allow_code
    from stratsim.predict.registry import PREDICTORS, TRANSFER_PREDICTORS

    allow_code(name)
    registry: Registry[Any] = TRANSFER_PREDICTORS if name in TRANSFER_PREDICTORS.registered() else PREDICTORS
    about = registry.describe(name)
    echo(f"{name}: {about.text}")
    if name in registry.registered():
        echo(f"\nClass: {registry.registered()[name]}")
    if about.parameters:
        heading("Parameters")
        table(("name", "default"), about.parameters, left=2)
