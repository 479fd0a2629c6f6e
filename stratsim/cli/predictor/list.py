"""`stratsim predictor list`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from stratsim.cli.text import echo

if TYPE_CHECKING:
    from stratsim.plugins import Registry

__all__ = ["list"]


@click.command()
def list() -> None:  # noqa: A001 (the command's name)
    """List the registered predictors: ours and those of installed plug-ins."""
    from stratsim.predict.registry import PREDICTORS, TRANSFER_PREDICTORS

    echo("How co-located batches slow each other", bold=True)
    _table(PREDICTORS)
    echo()
    echo("When copies end", bold=True)
    _table(TRANSFER_PREDICTORS)


def _table(registry: Registry[Any]) -> None:
    from stratsim.cli.text import table

    rows = []
    for name in registry.registered():
        about = registry.describe(name)
        rows.append([name, about.summary, about.source])
    table(("name", "what it estimates", "source"), rows, left=3)
