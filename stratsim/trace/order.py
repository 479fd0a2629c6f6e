"""The order of arrival: a trace is sorted by it, and says so where its file was not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from stratsim.trace.schema import Trace

__all__ = ["in_order"]


def in_order(trace: Trace, *, strict: bool = False, quiet: bool = False) -> Trace:
    """Return the trace stably sorted by arrival, with a note.

    Args:
        trace: A trace whose arrivals may be out of order.
        strict: Refuse one that is.
        quiet: No note: the format is not ordered by arrival in the first place.
    """
    steps = np.diff(trace.arrival_s)
    if not (steps < 0).any():
        return trace
    first = int(np.argmax(steps < 0)) + 1
    if strict:
        raise trace.error("arrives before the row above it", first, "arrival_s", trace.arrival_s[first].item())
    ordered = trace.take(np.argsort(trace.arrival_s, kind="stable"))
    note = f"sorted by arrival: {int((steps < 0).sum())} rows were out of order, the first is row {trace.row_of(first)}"
    return ordered if quiet else replace(ordered, notes=(*trace.notes, note))
