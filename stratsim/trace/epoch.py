"""Times as seconds since 1970, counted from the first arrival instead.

Times are compared with a tolerance relative to the time itself (`stratsim.model.tolerance`), so at 1.7e9 s deadlines
would be blurred by milliseconds.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stratsim.trace.schema import ClientSpec, Trace

__all__ = ["EPOCH_S", "rebased"]

EPOCH_S = 1e6
"""A trace whose first arrival is at or beyond this counts from another origin, seconds (11.6 days; our choice)."""


def rebased(trace: Trace) -> Trace:
    """Return the trace with its first arrival at 0, with a note, if that is at or beyond `EPOCH_S`; else as it is.

    Smaller starts are kept, so that exported results replay bit for bit. Of closed-loop clients a start of 0 means
    "from the outset" and stays; one that stops before the first arrival shows that the times are no such.
    """
    first = _first(trace)
    stops = [*(spec.stop_s for spec in trace.closed_loop), *(spec.stop_s for spec in trace.one_at_a_time)]
    if trace.normalised or not EPOCH_S <= first < math.inf or min(stops, default=math.inf) <= first:
        return trace
    return replace(
        trace,
        arrival_s=trace.arrival_s - first,
        deadline_s=None if trace.deadline_s is None else trace.deadline_s - first,
        closed_loop=tuple(_earlier(spec, first) for spec in trace.closed_loop),
        one_at_a_time=tuple(replace(spec, stop_s=spec.stop_s - first) for spec in trace.one_at_a_time),
        notes=(*trace.notes, f"times count from the first arrival, {first:.6g} s"),
    )


def _first(trace: Trace) -> float:
    """Return the earliest arrival, a client's first one included where its start is said; infinity without any."""
    starts = [spec.start_s for spec in trace.closed_loop if spec.start_s > 0]
    return min([*trace.arrival_s[:1].tolist(), *starts], default=math.inf)


def _earlier(spec: ClientSpec, by_s: float) -> ClientSpec:
    return replace(spec, start_s=max(spec.start_s - by_s, 0.0), stop_s=spec.stop_s - by_s)
