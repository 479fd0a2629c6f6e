"""`stratsim topology`: one module per command."""

from stratsim.cli.lazy import LazyGroup

__all__ = ["topology"]

topology = LazyGroup(
    "topology",
    package=__name__,
    help="List and show topologies: the links between the GPUs and the host (`stratsim replay --topology`).",
    commands={
        "list": "List the topologies that come with stratsim.",
        "show": "Draw a topology: which GPUs share which links.",
    },
)
