"""Figures in Python and in notebooks: a function for each kind that `stratsim plot` draws.

    import stratsim.plot

    axes = stratsim.plot.load("results/sweep", x="load", metric="p99_arrived_s", width="page")
    axes.figure.savefig("load.pdf")

The functions come from what is installed for the entry points `stratsim.plots`, and are imported when they are first
asked for: the simulator itself needs no matplotlib. docs/how-to/paper-figures.md.
"""

from __future__ import annotations

from typing import Any

from stratsim.errors import suggest
from stratsim.plugins import points

_GROUP = "stratsim.plots"


def __getattr__(name: str) -> Any:
    found = points(_GROUP)
    if name not in found:
        public = not name.startswith("_")
        raise AttributeError(
            f"module {__name__!r} has no attribute {name!r}" + (f"; {suggest(name, found)}" if public else "")
        )
    return found[name].load()


def __dir__() -> list[str]:
    return sorted(points(_GROUP))
