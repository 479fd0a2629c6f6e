"""What a log holds, and what of a device and its host can be identified from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stratsim.fidelity.logs.log import Log

__all__ = ["CANNOT", "observed"]

CANNOT = {
    "batches": (
        "factors of single batch sizes: of a model all sizes have one",
        "copies apart from executions",
        "what co-location costs, and the scatter of executions",
        "what the host takes between batches: only a constant part of every latency, if there is a load",
    ),
    "server": ("the time of the client and the network: latencies end at the server's own end of a request",),
    "always": ("arrivals that the log does not hold", "deadlines and classes"),
}
"""What cannot be identified: without batches, of a server's own log, and of any."""


def observed(log: Log) -> dict[str, Any]:
    """Return what a log holds: plain JSON values, times in seconds.

    Returns:
        `kind`, `sha256`, `requests`, `answered`, `span_s`, `rate_per_s`; `models`: by name `requests`, and `p50`,
        `p95`, `p99` of the latency; `batches`: their number, `mean_size`, `sizes` (how many of each) and the median of
        `queue`, `inputs`, `execution` and `outputs`, or None; `cannot`: what cannot be identified from it; `notes`.
    """
    span_s = float(log.arrival_s[-1] - log.arrival_s[0])
    whose = ("server",) if log.stages is not None else ("batches",)
    return {
        "kind": log.kind,
        "sha256": log.digest,
        "requests": len(log.arrival_s),
        "answered": int(np.count_nonzero(~np.isnan(log.finish_s))),
        "span_s": span_s,
        "rate_per_s": (len(log.arrival_s) - 1) / span_s if span_s else None,
        "models": {
            name: _latencies(log.latency_s[log.model == code], int(np.count_nonzero(log.model == code)))
            for code, name in enumerate(log.models)
        },
        "batches": _batches(log),
        "cannot": [text for part in (*whose, "always") for text in CANNOT[part]],
        "notes": list(log.notes),
    }


def _latencies(latency_s: NDArray[np.float64], count: int) -> dict[str, Any]:
    known = latency_s[~np.isnan(latency_s)]
    shown = {name: float(np.quantile(known, q)) if len(known) else None for name, q in _QUANTILES.items()}
    return {"requests": count, **shown}


_QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


def _batches(log: Log) -> dict[str, Any] | None:
    stages = log.stages
    if stages is None:
        return None
    inside = log.batch >= 0
    queue_s = stages.begin_s[log.batch[inside]] - log.queued_s[inside]
    sizes, counts = np.unique(stages.size, return_counts=True)
    medians = {
        "queue": queue_s[~np.isnan(queue_s)],
        "inputs": stages.inputs_s - stages.begin_s,
        "execution": stages.executed_s - stages.inputs_s,
        "outputs": stages.done_s - stages.executed_s,
    }
    return {
        "n": len(stages.size),
        "mean_size": float(stages.size.mean()),
        "sizes": dict(zip(sizes.tolist(), counts.tolist(), strict=True)),
        "median_s": {name: float(np.median(values)) if len(values) else None for name, values in medians.items()},
    }
