"""Says how far a run is: a bar with the time left on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from typing import Self

__all__ = ["Progress", "clock"]

_WIDTH = 24
_LINE_EVERY_S = 15.0


def clock(seconds: float) -> str:
    """Return a duration as `m:ss`."""
    whole = max(0, round(seconds))
    return f"{whole // 60}:{whole % 60:02d}"


class Progress:
    """A progress bar on a stream.

    Args:
        total_s: How long everything takes, about.
        cells: How many cells there are.
        stream: Where to write; stderr by default.
    """

    def __init__(self, total_s: float, cells: int, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._total_s = max(total_s, 1e-9)
        self._cells = cells
        self._live = self._stream.isatty()
        self._next_line_s = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def show(self, done: int, left_s: float, what: str) -> None:
        """Say what is being measured.

        Args:
            done: Cells that are done.
            left_s: Time left, about.
            what: The cell at hand.
        """
        share = min(1.0, max(0.0, 1.0 - left_s / self._total_s))
        text = f"{done}/{self._cells}  {clock(left_s)} left  {what}"
        if self._live:
            bar = "#" * round(share * _WIDTH)
            self._write(f"\r\x1b[K[{bar:.<{_WIDTH}}] {text}"[: _WIDTH + 90])
        elif time.monotonic() >= self._next_line_s:
            self._next_line_s = time.monotonic() + _LINE_EVERY_S
            self._write(text + "\n")

    def say(self, text: str) -> None:
        """Write a line above the bar."""
        self._write(("\r\x1b[K" if self._live else "") + text + "\n")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
