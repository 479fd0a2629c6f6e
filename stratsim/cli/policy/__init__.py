"""`stratsim policy`: one module per command."""

from stratsim.cli.lazy import LazyGroup

__all__ = ["policy"]

policy = LazyGroup(
    "policy",
    package=__name__,
    help="List the policies and show what they do.",
    commands={
        "list": "List the policies.",
        "show": "Show what a policy does, its parameters and its source.",
    },
)
