"""Clients that start one after the other: when depends on solo latencies, so on the profile."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from stratsim.errors import OutsideProfileError, TraceError
from stratsim.trace.flat import in_order

if TYPE_CHECKING:
    from collections.abc import Callable

    from stratsim.model.profile import SchedulerProfile
    from stratsim.trace.schema import OneAtATimeSpec, Trace

__all__ = ["staggered"]


def staggered(trace: Trace, profile: SchedulerProfile, resolve: Callable[[str], str]) -> Trace:
    """Return the trace with the requests of each client that starts after others moved by their solo latencies.

    What then lies at or after the client's own end is left out.

    Args:
        trace: What was read; `Trace.one_at_a_time` says who starts after whom.
        profile: Gives solo latencies: batch 1, copies included.
        resolve: Maps a model name or alias to the profile's own name, or raises OutsideProfileError.

    Raises:
        TraceError: a model that the profile lacks.
    """
    if trace.client is None or not any(spec.after for spec in trace.one_at_a_time):
        return trace
    arrival_s = trace.arrival_s.copy()
    kept = np.ones(len(trace), dtype=bool)
    for spec in trace.one_at_a_time:
        if spec.after and spec.id in trace.client.names:
            rows = trace.client.codes == trace.client.names.index(spec.id)
            arrival_s[rows] += _delay_s(spec, trace, profile, resolve)
            kept[rows] = arrival_s[rows] < spec.stop_s
    specs = tuple(replace(spec, after=()) for spec in trace.one_at_a_time)
    moved = replace(trace, arrival_s=arrival_s, one_at_a_time=specs)
    return in_order(moved if kept.all() else moved.take(kept), quiet=True)


def _delay_s(spec: OneAtATimeSpec, trace: Trace, profile: SchedulerProfile, resolve: Callable[[str], str]) -> float:
    try:
        return sum(profile.end_to_end_s(resolve(name), 1) for name in spec.after)
    except OutsideProfileError as error:
        message = f"client {spec.id!r} starts after others: {error}"
        raise TraceError(message, file=trace.source or None, column="model") from None
