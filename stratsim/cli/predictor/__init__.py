"""`stratsim predictor`: one module per command."""

from stratsim.cli.lazy import LazyGroup

__all__ = ["predictor"]

predictor = LazyGroup(
    "predictor",
    package=__name__,
    help="""List the predictors, show what they estimate, and score them.

A predictor is a policy's belief about the hardware: how co-located batches slow each other, or when copies end.
""",
    commands={
        "list": "List the predictors.",
        "show": "Show what a predictor estimates, its parameters and its source.",
        "score": "Judge predictors on a profile's measured pairs.",
    },
)
