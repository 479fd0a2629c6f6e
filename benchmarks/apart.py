"""Runs one measurement in a process of its own, so that neither its heap nor its peak of memory is another's.

    python SCRIPT --point '{"name": "heap", "requests": 1000}'      # what `measure` starts; prints one JSON object

The peak is Linux's VmHWM where there is one: `ru_maxrss` of a child also counts what its parent held when it began.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

__all__ = ["MeasureError", "Stopwatch", "answer", "measure", "memory_mb", "peak_mb"]

_STATUS = Path("/proc/self/status")


class MeasureError(Exception):
    """A measurement's process failed; the message is the end of what it said."""


def measure(script: str | os.PathLike[str], **point: Any) -> dict[str, Any]:
    """Measure one point with a script that calls `answer`.

    Raises:
        MeasureError: its process failed.
    """
    command = [sys.executable, str(script), "--point", json.dumps(point)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise MeasureError(f"{point}: {' | '.join(said[-3:])}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def answer(point: Callable[..., dict[str, Any]]) -> bool:
    """Return whether this process was started by `measure`; if so, measure and print."""
    if sys.argv[1:2] != ["--point"]:
        return False
    print(json.dumps(point(**json.loads(sys.argv[2]))))
    return True


class Stopwatch:
    """Times a `with` block: `wall_s`, and `cpu_s`, what this process had of a core meanwhile."""

    wall_s = cpu_s = 0.0

    def __enter__(self) -> Self:
        self._began = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall_s = time.perf_counter() - self._began[0]
        self.cpu_s = time.process_time() - self._began[1]


def memory_mb() -> float:
    """Return the memory that this process holds, megabytes (10^6 bytes); its peak where that is not known."""
    return _status_mb("VmRSS")


def peak_mb() -> float:
    """Return the most memory that this process has held, megabytes (10^6 bytes)."""
    return _status_mb("VmHWM")


def _status_mb(field: str) -> float:
    if _STATUS.exists():
        for line in _STATUS.read_text(encoding="ascii").splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) * 1024 / 1e6
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
