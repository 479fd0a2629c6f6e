"""Trace-driven simulation of GPU inference scheduling.

The public API is imported lazily, so that `import stratsim` and `stratsim --help` stay instant:

    from stratsim import simulate

    runs = simulate("default", "a100-80gb-parvagpu", "edf,priority-edf", load=0.8, limit=2000)
    runs["edf"].to_pandas()
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stratsim.version import __version__

__all__ = [
    "Policy",
    "Priority",
    "QueuePolicy",
    "__version__",
    "check_policy",
    "complete",
    "load_profile",
    "plot",
    "read_results",
    "read_sweeps",
    "read_trace",
    "simulate",
    "summarize",
]

if TYPE_CHECKING:
    from stratsim import plot
    from stratsim.model.codec import load_profile
    from stratsim.model.request import Priority
    from stratsim.policy import Policy, QueuePolicy
    from stratsim.results import read_results, summarize
    from stratsim.run.call import simulate
    from stratsim.sweep import read_sweeps
    from stratsim.testing.check_policy import check_policy
    from stratsim.trace import read_trace
    from stratsim.trace.rule import complete
else:
    from stratsim.face import lazily

    __getattr__ = lazily(
        __name__,
        {
            "Policy": "stratsim.policy",
            "Priority": "stratsim.model.request",
            "QueuePolicy": "stratsim.policy",
            "check_policy": "stratsim.testing.check_policy",
            "complete": "stratsim.trace.rule",
            "load_profile": "stratsim.model.codec",
            "plot": "stratsim.plot",
            "read_results": "stratsim.results",
            "read_sweeps": "stratsim.sweep",
            "read_trace": "stratsim.trace",
            "simulate": "stratsim.run.call",
            "summarize": "stratsim.results",
        },
    )


def __dir__() -> list[str]:
    return sorted(__all__)
