"""Threads of linear algebra: none beside the one that fits. Imports nothing, as it has to come before numpy."""

from __future__ import annotations

import os

__all__ = ["one_thread"]


def one_thread() -> None:
    """Let linear algebra run in one thread, unless the user says otherwise; to be called before numpy is imported.

    Fits solve thousands of small systems, where threads only wait for each other: on a busy machine for a hundred times
    as long.
    """
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
