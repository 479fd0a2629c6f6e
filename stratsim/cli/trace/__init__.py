"""`stratsim trace`: one module per command."""

from stratsim.cli.lazy import LazyGroup

__all__ = ["trace"]

trace = LazyGroup(
    "trace",
    package=__name__,
    help="Inspect, convert, generate and fetch traces.",
    commands={
        "inspect": "Show what a trace holds: rate, burstiness, models, deadlines.",
        "convert": "Rewrite a trace in stratsim's own format.",
        "generate": "Generate a trace from arrival processes.",
        "fetch": "Download a public trace and check its sha256.",
    },
)
