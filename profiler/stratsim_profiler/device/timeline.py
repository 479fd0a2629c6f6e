"""Arithmetic on spans: which of them lie wholly within another."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stratsim_profiler.device.base import Span

__all__ = ["busy_share", "common_window", "inside", "thin"]


def common_window(lanes: Sequence[Sequence[Span]], settle_s: float) -> tuple[float, float]:
    """Return when all lanes were running: from the last first start, plus the settle time, to the first last end.

    A window that ends before it starts has length 0: there was none.
    """
    if not all(lanes):
        return 0.0, 0.0
    start = max(spans[0].start_s for spans in lanes) + settle_s
    return start, max(start, min(spans[-1].end_s for spans in lanes))


def inside(spans: Sequence[Span], window: tuple[float, float]) -> list[Span]:
    """Return the iterations that lie wholly inside a window."""
    return [span for span in spans if window[0] <= span.start_s and span.end_s <= window[1]]


def busy_share(spans: Sequence[Span], window: tuple[float, float]) -> float:
    """Return the share of a window in which a lane had an iteration in progress; its spans must not overlap."""
    length = window[1] - window[0]
    if length <= 0:
        return 0.0
    busy = sum(max(0.0, min(span.end_s, window[1]) - max(span.start_s, window[0])) for span in spans)
    return min(1.0, busy / length)


def thin(values: Sequence[float], most: int) -> tuple[float, ...]:
    """Return at most `most` values, evenly spaced and in their order; rounded to 10 ns, far below any clock here."""
    if len(values) > most:
        values = [values[index * len(values) // most] for index in range(most)]
    return tuple(round(value, 8) for value in values)
