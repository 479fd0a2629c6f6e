"""The figures of one run, as `stratsim replay --json` and `summary.json` give them.

docs/metrics.md defines each. A figure that does not exist (no request completed, no deadline) is None, never NaN.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from stratsim.export.clients import client_figures
from stratsim.export.equity import class_equity, run_equity, solo_latency_s
from stratsim.model.request import Priority, Status
from stratsim.stats.deadlines import measuring_window, ratio, violation, violation_completed
from stratsim.stats.fairness import jain_index, max_slowdown, mean_slowdown
from stratsim.stats.latency import latency_figures
from stratsim.stats.occupancy import busy_s, clip, total_s

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stratsim.engine.result import Result
    from stratsim.model.profile import SchedulerProfile

    Mask = NDArray[np.bool_]

__all__ = ["summarize"]


def summarize(
    result: Result, *, warmup_s: float | None = None, profile: SchedulerProfile | None = None
) -> dict[str, Any]:
    """Return the figures of one run: one element of `runs` in `--json`, of plain Python values only.

    Args:
        result: The run.
        warmup_s: None counts every arrival over the whole simulated span. A length in seconds restricts every figure
            to the measuring window (`stratsim.stats.deadlines.measuring_window`): the class figures to requests that
            arrived inside it, GPU and PCIe figures to what happened inside it.
        profile: Solo times; with them come slowdowns of requests and voluntary drops, and figures per client, if the
            requests have clients.

    Raises:
        SpecError: the warm-up leaves nothing to measure.
    """
    requests = result.requests
    if warmup_s is None:
        window = None
        span = (result.start_s, result.end_s)
        counted = np.ones(len(requests), dtype=bool)
    else:
        window = span = measuring_window(requests.arrival_s, requests.deadline_s, warmup_s)
        counted = (requests.arrival_s >= span[0]) & (requests.arrival_s <= span[1])
    gpus = [_Gpu(result, gpu, span) for gpu in range(result.gpus)]
    clients = {} if profile is None else client_figures(result, counted, span[1] - span[0], profile)
    solo_s = None if profile is None else solo_latency_s(result, profile)
    classes = {
        p.label: _class(result, counted & (requests.priority == p), span)
        | class_equity(result, p, counted, span, solo_s)
        for p in Priority
    }
    return {
        "policy": result.policy,
        "classes": classes,
        "equity": run_equity(classes),
        **({"clients": clients} if clients else {}),
        "gpu": [gpu.execution() for gpu in gpus],
        "pcie": [gpu.copies() for gpu in gpus],
        "window_s": None if window is None else list(window),
        "events": int(result.events),
        "simulated_s": float(result.simulated_s),
        "wall_s": float(result.wall_s),
    }


def _class(result: Result, chosen: Mask, span: tuple[float, float]) -> dict[str, Any]:
    """Return the figures of the chosen requests of one class."""
    requests = result.requests
    status = requests.status[chosen]
    count = {s: int(np.count_nonzero(status == s)) for s in Status}
    arrived, met, late = len(status), count[Status.MET], count[Status.LATE]
    judged = bool(np.isfinite(requests.deadline_s[chosen]).any())
    shares = _model_shares(requests.model[chosen], status == Status.MET)
    completed = chosen & ((requests.status == Status.MET) | (requests.status == Status.LATE))
    return {
        "arrived": arrived,
        "met": met,
        "late": late,
        "dropped": count[Status.DROPPED],
        "unfinished": count[Status.UNFINISHED],
        "violation": violation(met, arrived) if judged else None,
        "violation_completed": violation_completed(met, late) if judged else None,
        "latency_s": dict(latency_figures(requests.finish_s[completed] - requests.arrival_s[completed])),
        "goodput_per_s": ratio(met, span[1] - span[0]),
        "jain_models": jain_index(shares) if judged else None,
        "drop_reasons": _drop_reasons(requests.reason[chosen & (requests.status == Status.DROPPED)], result.reasons),
        "late_share": ratio(late, arrived),
        "dropped_share": ratio(count[Status.DROPPED], arrived),
        "min_model_satisfaction": float(shares.min()) if judged else None,
    }


def _model_shares(model: NDArray[np.int32], met: Mask) -> NDArray[np.float64]:
    """Return the share of met deadlines of each model that was asked for."""
    arrived = np.bincount(model)
    seen = arrived > 0
    return np.bincount(model, weights=met)[seen] / arrived[seen]


def _drop_reasons(reason: NDArray[np.int16], names: tuple[str, ...]) -> dict[str, int]:
    counts = np.bincount(reason[reason >= 0], minlength=len(names))
    return {name: int(count) for name, count in sorted(zip(names, counts, strict=True)) if count}


class _Gpu:
    """The batches of one GPU and the span that its figures are taken over."""

    def __init__(self, result: Result, gpu: int, span: tuple[float, float]) -> None:
        self._result = result
        self._rows = np.flatnonzero(result.batches.gpu == gpu)
        self._span = span
        executed = result.stretches()
        here = result.batches.gpu[executed.batch] == gpu
        self._executed = executed.start_s[here], executed.end_s[here]

    def _begun(self, start_s: NDArray[np.float64]) -> NDArray[np.intp]:
        """Return those of this GPU's batches that began the stage within the span, both ends included."""
        start = start_s[self._rows]
        return self._rows[(start >= self._span[0]) & (start <= self._span[1])]

    def _utilization(self, start_s: NDArray[np.float64], end_s: NDArray[np.float64]) -> float | None:
        return self._share(start_s[self._rows], end_s[self._rows])

    def _share(self, start_s: NDArray[np.float64], end_s: NDArray[np.float64]) -> float | None:
        share = ratio(busy_s(*clip(start_s, end_s, *self._span)), self._span[1] - self._span[0])
        return None if share is None else min(share, 1.0)  # a sum of parts may exceed the whole by rounding

    def execution(self) -> dict[str, Any]:
        batches = self._result.batches
        rows = self._begun(batches.execution_start_s)
        return {
            "utilization": self._share(*self._executed),
            "batches": len(rows),
            "mean_batch_size": float(batches.size[rows].mean()) if len(rows) else None,
            "mean_concurrency": self._concurrency(),
            **self._slowdown(rows),
        }

    def _concurrency(self) -> float | None:
        within = clip(*self._executed, *self._span)
        return ratio(total_s(*within), self._span[1] - self._span[0])

    def _slowdown(self, rows: NDArray[np.intp]) -> dict[str, float | None]:
        rows = rows[~np.isnan(self._result.executed_s[rows])]  # a live run may have been interrupted
        if not len(rows):
            return {"mean_slowdown": None, "max_slowdown": None}
        batches = self._result.batches
        solo, shared = batches.solo_s[rows], self._result.executed_s[rows]
        return {"mean_slowdown": mean_slowdown(solo, shared), "max_slowdown": max_slowdown(solo, shared)}

    def copies(self) -> dict[str, Any]:
        batches, requests = self._result.batches, self._result.requests
        return {
            "h2d_utilization": self._h2d_utilization(),
            "d2h_utilization": self._utilization(batches.copy_out_start_s, batches.copy_out_end_s),
            "h2d_bytes": self._bytes(requests.bytes_in, batches.copy_in_start_s),
            "d2h_bytes": self._bytes(requests.bytes_out, batches.copy_out_start_s),
            **self._loads(),
        }

    def _h2d_utilization(self) -> float | None:
        """Return the share of the span during which inputs or weights are copied."""
        batches, loads = self._result.batches, self._result.loads
        if loads is None:
            return self._utilization(batches.copy_in_start_s, batches.copy_in_end_s)
        here = np.isin(loads.batch, self._rows)
        start_s = np.concatenate([batches.copy_in_start_s[self._rows], loads.start_s[here]])
        end_s = np.concatenate([batches.copy_in_end_s[self._rows], loads.end_s[here]])
        return self._share(start_s, end_s)

    def _loads(self) -> dict[str, int]:
        """Return how often weights were loaded, and how many bytes, by loads that began within the span."""
        loads = self._result.loads
        if loads is None:
            return {"loads": 0, "load_bytes": 0}
        here = np.isin(loads.batch, self._rows) & (loads.start_s >= self._span[0]) & (loads.start_s <= self._span[1])
        return {"loads": int(here.sum()), "load_bytes": int(loads.weights_bytes[here].sum())}

    def _bytes(self, size: NDArray[np.int64], start_s: NDArray[np.float64]) -> int:
        """Return the bytes of the batches that began this copy within the span."""
        begun = np.zeros(len(start_s) + 1, dtype=bool)  # the last entry stands for batch -1: never dispatched
        begun[self._begun(start_s)] = True
        return int(size[begun[self._result.requests.batch]].sum())
