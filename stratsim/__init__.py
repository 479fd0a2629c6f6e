"""Trace-driven simulation of GPU inference scheduling.

The public API is imported lazily, so that `import stratsim` and `stratsim --help` stay instant:

    from stratsim import load_profile, read_trace, simulate
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_EXPORTS = {
    "load_profile": "stratsim.model.codec",
    "read_trace": "stratsim.trace",
    "simulate": "stratsim.engine",
}

__all__ = ["__version__", "load_profile", "read_trace", "simulate"]

if TYPE_CHECKING:
    from stratsim.engine import simulate
    from stratsim.model.codec import load_profile
    from stratsim.trace import read_trace


def __getattr__(name: str) -> Any:
    if name in _EXPORTS:
        from importlib import import_module

        return getattr(import_module(_EXPORTS[name]), name)
    raise AttributeError(f"module 'stratsim' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
