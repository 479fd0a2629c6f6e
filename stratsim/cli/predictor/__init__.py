"""`stratsim predictor`: one module per command."""

import click

from stratsim.cli.lazy import LazyGroup

__all__ = ["predictor"]


@click.group(
    cls=LazyGroup,
    package="stratsim.cli.predictor",
    commands={
        "list": "List the predictors.",
        "show": "Show what a predictor believes, its parameters and its source.",
    },
)
def predictor() -> None:
    """List the predictors and show what they believe.

    A predictor is what a policy believes of the hardware: how co-located batches slow each other, or when copies end.
    """
