"""What a process that works for another does first."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading

from stratsim.plugins import allow_code

__all__ = ["begin"]


def begin(allowed: tuple[str, ...] = ()) -> None:
    """Prepare a process: Ctrl-C is the parent's business, and without a parent there is nobody to work for.

    Args:
        allowed: The code that the user allowed the parent to import (`stratsim.plugins.allowed_code`).
    """
    allow_code(*allowed)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()  # returns at once when it is killed
        os._exit(1)
