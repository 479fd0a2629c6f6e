"""`stratsim predictor`: one module per command."""

from stratsim.cli.lazy import LazyGroup

__all__ = ["predictor"]

predictor = LazyGroup(
    "predictor",
    package=__name__,
    help="""List the predictors and show what they believe.

A predictor is what a policy believes of the hardware: how co-located batches slow each other, or when copies end.
""",
    commands={
        "list": "List the predictors.",
        "show": "Show what a predictor believes, its parameters and its source.",
    },
)
