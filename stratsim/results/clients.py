"""Figures per client: what each sender of requests saw, compared with being alone on the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.stats.deadlines import ratio
from stratsim.stats.latency import latency_figures

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from stratsim.engine.result import Result
    from stratsim.model.profile import SchedulerProfile

    Rows = NDArray[np.intp]

__all__ = ["client_figures"]


def client_figures(
    result: Result, counted: NDArray[np.bool_], span_s: float, profile: SchedulerProfile
) -> dict[str, dict[str, Any]]:
    """Return figures by client, in the order of `result.clients`, for clients that completed a counted request.

    *Service* is the time from the start of the copy-in to the end of the copy-out: what DISB's `tot_us` measures.
    Latency counts from the arrival, so it includes the wait behind the client's own earlier requests.

    Args:
        result: The run.
        counted: Which requests count, shape (n,).
        span_s: Length of the span, seconds.
        profile: Solo times, for the slowdown: the mean service over the mean solo service of the same batches.
    """
    if not result.clients:
        return {}
    solo_s = _solo_s(result, profile)
    figures = {}
    for client, rows in _by_client(result, counted):
        requests, batches = result.requests, result.batches
        batch = requests.batch[rows]
        service_s = requests.finish_s[rows] - batches.copy_in_start_s[batch]
        latency = latency_figures(requests.finish_s[rows] - requests.arrival_s[rows])
        service = latency_figures(service_s)
        figures[client] = {
            "completed": len(rows),
            "mean_latency_s": latency["mean"],
            "mean_service_s": service["mean"],
            "slowdown": float(service_s.mean() / solo_s[batch].mean()),
            "throughput_per_s": ratio(len(rows), span_s),
            "p95_s": latency["p95"],
            "p99_s": latency["p99"],
            "service_p95_s": service["p95"],
            "service_p99_s": service["p99"],
        }
    return figures


def _by_client(result: Result, counted: NDArray[np.bool_]) -> Iterator[tuple[str, Rows]]:
    """Yield each client that completed a counted request, with those requests' rows."""
    requests = result.requests
    rows = np.flatnonzero(counted & ~np.isnan(requests.finish_s) & (requests.client >= 0))
    rows = rows[np.argsort(requests.client[rows], kind="stable")]
    codes, first = np.unique(requests.client[rows], return_index=True)
    for code, start, end in zip(codes.tolist(), first, np.append(first, len(rows))[1:], strict=True):
        yield result.clients[code], rows[start:end]


def _solo_s(result: Result, profile: SchedulerProfile) -> NDArray[np.float64]:
    """Return the solo service of every batch by the profile's means, shape (m,), copies included.

    The copies are those of the profile's bytes per request.
    """
    batches = result.batches
    kinds = np.stack([batches.model, batches.size], axis=1)
    unique, which = np.unique(kinds, axis=0, return_inverse=True)
    alone = [profile.end_to_end_s(result.models[model], size) for model, size in unique.tolist()]
    return np.array(alone, dtype=float)[which.reshape(-1)]
