"""Calls for backends: in a module that worker processes can import."""

import os
import signal
import time
from pathlib import Path

LEFT = {}


def double(value):
    return 2 * value


def refuse(value):
    raise ValueError(f"not {value}")


def leave():
    raise SystemExit(3)


def remember(key, value):
    LEFT[key] = value


def recall(key):
    return LEFT.get(key), os.getpid()


def slow(value):
    time.sleep(0.1)
    return value


def kill_once(mark):
    """Kill the own process, the first time."""
    if not Path(mark).exists():
        Path(mark).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "again"


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


def work_for_ever(mark):
    Path(mark).write_text(str(os.getpid()))
    while True:
        pass
