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

__all__ = ["EPOCH_S", "LATEST_S", "epoch_unit", "rebased", "since_1970"]

_PER_S = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
EPOCH_S = 1e6
"""A trace whose first arrival is at or beyond this counts from another origin, seconds (11.6 days; our choice)."""


LATEST_S = 1e11
"""No first arrival is at or beyond this, seconds (the year 5138; our choice): such numbers are of another unit."""


def epoch_unit(number: float) -> str:
    """Return the unit of a time since 1970 that is past `LATEST_S` in seconds, by its size: ms, us or ns."""
    return "ms" if number < 1e14 else "us" if number < 1e17 else "ns"


def since_1970(number: float) -> str:
    """Return the unit in which a number is a time of the years 2001 to 2100; nothing if it is none of these."""
    return next((unit for unit, per_s in _PER_S.items() if 1e9 * per_s <= number < 4.1e9 * per_s), "")


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
