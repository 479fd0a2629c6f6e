"""How much is read, made and counted before somebody asks whether it was meant.

Input is not trusted to be small: a few megabytes unpack to gigabytes, and one cell of a table can stand for a thousand
million requests. So whatever grows with the input is held against `memory_budget` before it is made, and counts that a
user types against a limit of their own. What is exceeded is said, and how to allow it. All limits:
docs/reference/limits.md.
"""

from __future__ import annotations

import errno
import io
import os
import re
import select
import stat
import sys
import time
from typing import TYPE_CHECKING

from stratsim.errors import LimitError, SpecError

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Protocol

    class _Readable(Protocol):
        def read(self, size: int, /) -> bytes: ...


__all__ = [
    "MEMORY_VARIABLE",
    "MOST_GPUS",
    "bounded",
    "check_memory",
    "give_back",
    "memory_budget",
    "read_file",
    "too_large",
]

MEMORY_VARIABLE = "STRATSIM_MEMORY"
"""Environment variable that sets the memory budget: bytes, or a number with K, M, G or T (powers of 1024)."""

MOST_GPUS = 10_000
"""GPUs of one run. All limits here are our choice, far above what anybody has asked for."""
MOST_BATCHES = 10_000
"""Batches that execute at once on a GPU, that wait there, or requests of one batch."""
LARGEST_INTEGER = 2**53
"""Whole numbers up to here are exact as floats too."""
LOADS = (1e-6, 1e6)
"""Load, and factors of a rate: smallest and largest."""
LONGEST_S = 1e9
"""Times within a run, seconds: about 32 years. Up to here they are exact to a tenth of a microsecond."""

_DEFAULT_SHARE = 0.5
"""Share of the machine's memory that input may take. Our choice."""
_UNKNOWN_MACHINE = 4 << 30
_OF_TEXT = 8
"""Memory that JSON and TOML take once they are decoded, as a multiple of the file. Measured on profiles: 4 to 7."""
_PATIENCE_S = 10.0
"""How long nobody may write into a pipe."""
_STEP_S = 0.05
_UNITS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


def memory_budget() -> int:
    """Return how many bytes one input may take once it is read: half of the machine's memory unless the user says more.

    Raises:
        SpecError: `STRATSIM_MEMORY` is not a size.
    """
    text = os.environ.get(MEMORY_VARIABLE)
    if text:
        match = re.fullmatch(r"(\d{1,15})([KMGT]?)(i?B)?", text.strip(), re.IGNORECASE)
        if match is None or not int(match[1]):
            raise SpecError(f"{MEMORY_VARIABLE}={text}: is not a size such as 16G or 800M")
        return int(int(match[1]) * 1024 ** _UNITS[match[2].upper()])
    try:
        machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # not on every system
        machine = _UNKNOWN_MACHINE
    return int(machine * _DEFAULT_SHARE)


def give_back() -> None:
    """Give memory that was let go back to the system: Arrow and the C library keep what they had for later.

    After a file of 10,000,000 requests has been read that is some hundred megabytes. Where the C library has no way to
    do so, nothing happens.
    """
    import ctypes
    import gc

    gc.collect()
    if (arrow := sys.modules.get("pyarrow")) is not None:
        arrow.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def check_memory(what: object, needed_bytes: float, way_out: str = "") -> None:
    """Refuse what would take more than the memory budget.

    Args:
        what: What to call it in the message: usually the file.
        needed_bytes: How much it takes once it is read or made; an estimate from below.
        way_out: How to need less, where there is a way: `--limit N reads less`.

    Raises:
        LimitError: says how much it takes, what the budget is, and how to change it.
    """
    if needed_bytes > (budget := memory_budget()):
        takes = f"takes {_shown(needed_bytes)} of memory or more, and the budget is"
        raise too_large(f"{what}: {takes}", budget, way_out, needed_bytes * 1.25)


def too_large(what: str, budget: float, way_out: str = "", needed_bytes: float | None = None) -> LimitError:
    """Return the error about something larger than the memory budget.

    Args:
        what: What is too large, up to the budget: `FILE: unpacks to more than`.
        budget: In bytes.
        way_out: How to need less.
        needed_bytes: What would be enough; None: that is not known.
    """
    enough = (
        f"{MEMORY_VARIABLE}={_shown(needed_bytes or 4 * budget, up=True)} allows {'it' if needed_bytes else 'more'}"
    )
    return LimitError(f"{what} {_shown(budget)}; {', or '.join([enough, *([way_out] if way_out else [])])}")


def _shown(size: float, *, up: bool = False) -> str:
    """Return a size as `STRATSIM_MEMORY` takes it."""
    for unit in ("T", "G", "M"):
        count = size / 1024 ** _UNITS[unit]
        if count >= 1:
            return f"{int(count) + up}{unit}"
    return f"{int(size)}"


def read_file(path: Path, factor: float = _OF_TEXT) -> bytes:
    """Return the content of a file that is no endless one.

    A pipe (`<(command)`) is read; one into which nobody writes is given up after some seconds.

    Args:
        path: The file.
        factor: Memory that the content takes once it is decoded, as a multiple of its size.

    Raises:
        OSError: it cannot be read; a device, a socket and a silent pipe are no files.
        LimitError: it is larger than the memory budget allows.
    """
    # Without O_NONBLOCK, opening a pipe waits for a writer.
    with open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)), "rb") as file:  # noqa: PTH123
        mode = os.fstat(file.fileno()).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, "is a directory")
        if stat.S_ISFIFO(mode):
            return _piped(file.fileno(), path, factor)
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "is a device or a socket, not a file")
        check_memory(path, os.fstat(file.fileno()).st_size * factor)
        return file.read()


def _piped(pipe: int, path: Path, factor: float) -> bytes:
    found, size, silent_s = [], 0, 0.0
    while True:
        ready, _, _ = select.select([pipe], [], [], _STEP_S)
        try:
            part = os.read(pipe, 1 << 16) if ready else None
        except BlockingIOError:
            part = None
        if part:
            found.append(part)
            size, silent_s = size + len(part), 0.0
            check_memory(path, size * factor)
        elif part == b"" and found:
            return b"".join(found)
        elif silent_s >= _PATIENCE_S:
            raise OSError(errno.ETIMEDOUT, f"is a pipe into which nobody wrote anything for {_PATIENCE_S:g} s")
        else:
            silent_s += _STEP_S
            if part == b"":  # no writer yet: select says at once that there is nothing
                time.sleep(_STEP_S)


def bounded(stream: _Readable, what: object, way_out: str = "") -> io.BufferedReader:
    """Return a stream that stops a reader who would unpack more than the memory budget.

    Args:
        stream: What to read.
        what: As for `check_memory`.
        way_out: As for `check_memory`.
    """
    return io.BufferedReader(_Bounded(stream, what, way_out), 1 << 18)


class _Bounded(io.RawIOBase):
    """Counts what is read."""

    def __init__(self, stream: _Readable, what: object, way_out: str) -> None:
        self._stream = stream
        self._what = what
        self._way_out = way_out
        self._budget = memory_budget()
        self._read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        found = self._stream.read(len(view))
        self._read += len(found)
        if self._read > self._budget:
            check_memory(self._what, self._read, self._way_out)
        view[: len(found)] = found
        return len(found)
