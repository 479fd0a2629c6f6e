"""`stratsim profile`: one module per command."""

from stratsim.cli.lazy import LazyGroup

__all__ = ["profile"]

profile = LazyGroup(
    "profile",
    package=__name__,
    help="List, show, compare, measure and fit device profiles.",
    commands={
        "list": "List the profiles that come with stratsim.",
        "show": "Show a profile: models, latencies, provenance.",
        "new": "Write a profile to begin with.",
        "schema": "Print the JSON Schema of profiles, for editors.",
        "import": "Make a profile from what other tools measured, or add to one.",
        "fit": "Fit a profile to raw samples, or to its own pairs, without measuring.",
        "pairs": "Run a simulated co-location campaign and write its pairs.",
        "pad": "Write the profile of a server that pads batches to a few sizes.",
        "compare": "Show where two profiles differ, and by how much.",
    },
    elsewhere={
        "run": "Measure a GPU or CPU and fit its profile.",
        "check": "Check a bundle, or hold a profile against samples that it was not fitted to.",
        "bundle": "Put a profile and its raw samples together, for others to check.",
    },
    group="stratsim.profile_commands",
)
