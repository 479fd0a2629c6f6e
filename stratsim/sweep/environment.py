"""What last digits depend on beside the code: the versions of Python, numpy and scipy, and what the processor can do.

Versions belong to the key of a run, so that a sweep that goes on after an upgrade never mixes rows unnoticed. The
processor is only said in the row: rows of several machines are one table, with a note.
"""

from __future__ import annotations

import platform
from functools import cache
from importlib import import_module
from importlib.metadata import version

__all__ = ["PACKAGES", "processor", "versions"]

PACKAGES = ("python", "numpy", "scipy")


@cache
def versions() -> dict[str, str]:
    """Return the version of each of `PACKAGES` in this process."""
    return {name: platform.python_version() if name == "python" else version(name) for name in PACKAGES}


@cache
def processor() -> str:
    """Return the architecture and the features that numpy computes with, such as `x86_64 AVX2 FMA3`."""
    try:
        features: dict[str, bool] = import_module("numpy._core._multiarray_umath").__cpu_features__
    except (ImportError, AttributeError):  # numpy before 2, or one that keeps this elsewhere
        features = {}
    return " ".join([platform.machine(), *sorted(name for name, there in features.items() if there)])
