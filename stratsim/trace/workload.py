"""From a complete workload back to a trace, so that it can be written."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from stratsim.trace.schema import ClientSpec, Column, Names, OneAtATimeSpec, Trace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stratsim.model.workload import ClosedLoopClient, Workload

__all__ = ["to_trace"]


def to_trace(workload: Workload, extra: Mapping[str, Column] | None = None) -> Trace:
    """Return the trace that completes to `workload` again, on any profile that has its models.

    Args:
        workload: What to write.
        extra: Further columns of the trace that it came from.
    """
    empty = not len(workload)
    finite = bool(np.isfinite(workload.deadline_s).any())
    clients = tuple(_spec(client) for client in workload.closed_loop)
    return Trace(
        arrival_s=workload.arrival_s,
        model=None if empty else Names(workload.models, workload.model).take(slice(None)),
        priority=None if empty else workload.priority,
        deadline_s=workload.deadline_s if finite else None,
        bytes_in=None if empty else workload.bytes_in,
        bytes_out=None if empty else workload.bytes_out,
        client=Names(workload.client_names, workload.client).take(slice(None)) if workload.client_names else None,
        extra=extra or {},
        closed_loop=clients,
        one_at_a_time=tuple(OneAtATimeSpec(client.id, client.stop_s) for client in workload.one_at_a_time),
        deadline_free=not finite and all(spec.slo_s == math.inf for spec in clients),
        notes=workload.notes,
    )


def _spec(client: ClosedLoopClient) -> ClientSpec:
    return ClientSpec(
        id=client.id,
        model=client.model,
        priority=client.priority,
        slo_s=client.slo_s,
        think_s=client.think_s,
        start_s=client.start_s,
        stop_s=client.stop_s,
        limit=client.limit,
        bytes_in=client.bytes_in,
        bytes_out=client.bytes_out,
    )
