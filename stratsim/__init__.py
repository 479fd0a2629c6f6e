"""Trace-driven simulation of GPU inference scheduling.

The public API is imported lazily, so that `import stratsim` and `stratsim --help` stay instant:

    from stratsim import load_profile, read_trace, simulate
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"

__all__ = ["__version__", "load_profile", "read_trace", "simulate"]

if TYPE_CHECKING:
    from stratsim.engine import simulate
    from stratsim.model.codec import load_profile
    from stratsim.trace import read_trace
else:
    from stratsim.face import lazily

    __getattr__ = lazily(
        __name__,
        {"load_profile": "stratsim.model.codec", "read_trace": "stratsim.trace", "simulate": "stratsim.engine"},
    )


def __dir__() -> list[str]:
    return sorted(__all__)
