"""`stratsim device`: one module per command."""

from stratsim.cli.lazy import LazyGroup

__all__ = ["device"]

device = LazyGroup(
    "device",
    package=__name__,
    help="List, show and score the device models, which say how co-located batches slow each other.",
    commands={
        "list": "List the device models.",
        "show": "Show how a device model works, its options and its source.",
        "score": "Judge device models on a profile's measured pairs.",
    },
)
