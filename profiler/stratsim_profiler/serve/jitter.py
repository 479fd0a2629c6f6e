"""How late a thread wakes that sleeps until a given time: the jitter of a dispatcher."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["lateness", "measure"]

_STEP_S = 0.0047
"""Between two wake-ups; no multiple of anything that ticks."""


def measure(sleep_until: Callable[[float], None], seconds: float = 1.0) -> list[float]:
    """Return by how much each of many wake-ups was late, seconds.

    Args:
        sleep_until: Returns at a time on `time.perf_counter`, or earlier: then it is called again.
        seconds: How long to measure.
    """
    late: list[float] = []
    now = time.perf_counter()
    stop = now + seconds
    while now < stop:
        target = now + _STEP_S
        while (now := time.perf_counter()) < target:
            sleep_until(target)
        late.append(now - target)
    return late


def lateness(late: Sequence[float]) -> dict[str, float]:
    """Return count, median, p99 and maximum, seconds."""
    ordered = sorted(late)
    return {
        "count": len(ordered),
        "median_s": statistics.median(ordered),
        "p99_s": ordered[min(int(0.99 * len(ordered)), len(ordered) - 1)],
        "max_s": ordered[-1],
    }
