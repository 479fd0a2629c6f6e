"""`stratsim device`: one module per command."""

from stratsim.cli.lazy import LazyGroup

__all__ = ["device"]

device = LazyGroup(
    "device",
    package=__name__,
    help="List the device models, which say how co-located batches slow each other, and show how they work.",
    commands={
        "list": "List the device models.",
        "show": "Show how a device model works, its options and its source.",
    },
)
